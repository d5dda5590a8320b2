/* tcp.c - connections: uv_tcp_t.
 *
 * A connection that has an id tells CLOSED exactly once, from libuv's own close
 * callback: by then every queued write has been told as failed.  Closing in order
 * means: what is queued, then our end of the stream, then the peer's end or a
 * second of patience; closing at once would make the kernel reset the connection
 * when something unread is left, and the peer lose our last message.
 */
#include "net/conn.h"

#include <assert.h>
#include <netinet/tcp.h>
#include <stdio.h>

static bool is_opening(const struct net_conn *conn)
{
	return conn->state == CONN_OPENING || conn->state == CONN_UPGRADING;
}

/* --- telling -------------------------------------------------------------------- */

static void emit(struct net_conn *conn, enum sip_wire_kind kind)
{
	struct sip_wire_event event = { .kind = kind, .path = conn->path };

	net_emit(conn->item.wire, &event);
}

const char *net_conn_why(const struct net_conn *conn, int status, char out[NET_WHY_MAX])
{
	if (conn->tls && net_tls_why(conn->tls)[0])
		return net_tls_why(conn->tls);
	if (conn->ws && net_ws_why(conn)[0])
		return net_ws_why(conn);
	return net_why(out, status, &conn->path.remote);
}

void net_conn_opened_up(struct net_conn *conn)
{
	struct sip_wire_event event = { .kind = SIP_WIRE_OPENED, .path = conn->path };

	if (conn->tls)
		event.names = net_tls_peer_names(conn->tls);
	if (conn->ws)
		event.handshake = net_upgrade_said(conn);
	conn->told = true;
	net_emit(conn->item.wire, &event);
}

void net_conn_emit_failed(struct net_conn *conn, uint64_t token, int status)
{
	struct sip_wire_event event = { .kind = SIP_WIRE_FAILED,
		                        .path = conn->path,
		                        .token = token,
		                        .err = SIP_EWIRE };
	char why[NET_WHY_MAX];

	if (status == UV_ECANCELED && conn->status != 0)
		status = conn->status; /* what had happened before */
	event.why = net_conn_why(conn, status, why);
	net_emit(conn->item.wire, &event);
}

static void on_closed(uv_handle_t *handle)
{
	struct net_conn *conn = handle->data;
	struct net_wire *wire = conn->item.wire;
	struct sip_wire_event event = { .kind = SIP_WIRE_CLOSED, .path = conn->path };
	char text[NET_WHY_MAX], why[NET_TLS_WHY_MAX];

	if (conn->status != 0) {
		event.err = SIP_EWIRE;
		/* It fits: both kinds of reason do. */
		(void)snprintf(why, sizeof why, "%s",
		               net_conn_why(conn, conn->status, text));
		event.why = why;
	}
	net_handshake_fini(conn);
	if (conn->refused)
		net_refused(wire, &conn->path);
	else if (!conn->told && event.why)
		net_notice(wire, &conn->path, why);
	if (!conn->told)
		wire = NULL; /* nobody knows that it was there */
	net_item_remove(&conn->item);
	sip_free(conn->loop->alloc, conn, sizeof *conn);
	net_emit(wire, &event);
}

/* The end, whatever is still queued; the first status is the one that is told. */
void net_conn_finish(struct net_conn *conn, int status)
{
	if (conn->state == CONN_CLOSED)
		return;
	conn->state = CONN_CLOSED;
	if (conn->status == 0)
		conn->status = status;
	sip_timer_stop(&conn->loop->timers, &conn->linger);
	uv_close((uv_handle_t *)&conn->tcp, on_closed);
	conn->loop->fresh = true;
}

/* --- ending in order ------------------------------------------------------------ */

void net_conn_linger(struct net_conn *conn, uint64_t delay_ms)
{
	if (sip_timer_arm(&conn->loop->timers, &conn->linger,
	                  net_loop_now_ms(conn->loop), delay_ms) != SIP_OK)
		net_conn_finish(conn, UV_ENOMEM);
}

static void on_shutdown(uv_shutdown_t *req, int status)
{
	struct net_conn *conn = req->data;

	if (conn->state != CONN_ENDING)
		return;
	if (status < 0)
		net_conn_finish(conn, status);
	else
		net_conn_linger(conn, NET_LINGER_MS);
}

static void begin_shutdown(struct net_conn *conn)
{
	int status;

	conn->shutdown.data = conn;
	status = uv_shutdown(&conn->shutdown, (uv_stream_t *)&conn->tcp, on_shutdown);
	if (status != 0)
		net_conn_finish(conn, status == UV_ENOTCONN ? 0 : status);
	conn->loop->fresh = true;
}

void net_conn_part(struct net_conn *conn, int status)
{
	conn->state = CONN_ENDING;
	if (status == 0)
		net_conn_linger(conn, NET_LINGER_MS);
	else
		net_conn_finish(conn, status);
	if (conn->state == CONN_ENDING)
		begin_shutdown(conn);
}

void net_conn_end(struct net_conn *conn)
{
	const bool opening = is_opening(conn);
	const bool shakes = opening && (conn->tls || conn->ws);

	if (shakes && conn->first_held) {
		conn->end_next = true;
	} else if (shakes || (opening && conn->queued == 0)) {
		net_conn_finish(conn, 0);
	} else if (opening || conn->state == CONN_OPEN) {
		if (conn->ws)
			net_ws_end(conn);
		if (conn->state == CONN_CLOSED)
			return;
		conn->state = CONN_ENDING;
		net_conn_linger(conn, NET_LINGER_QUEUED_MS);
		if (conn->tls)
			net_secure_end(conn);
		if (!opening && conn->state == CONN_ENDING)
			begin_shutdown(conn); /* after what is queued */
	}
}

void net_tcp_expire(struct net_loop *loop, uint64_t now_ms)
{
	struct sip_timer *timer;

	while ((timer = sip_timers_pop(&loop->timers, now_ms)) != NULL) {
		struct net_conn *conn = SIP_CONTAINER(timer, struct net_conn, linger);

		if (conn->state == CONN_OPEN) {
			net_ws_overdue(conn);
			continue;
		}
		if (is_opening(conn) && !conn->connected) {
			net_conn_finish(conn, UV_ETIMEDOUT);
			continue;
		}
		if (is_opening(conn))
			net_handshake_expired(conn);
		net_conn_finish(conn, conn->queued > 0 ? UV_ETIMEDOUT : 0);
	}
}

void net_tcp_close(struct net_item *item)
{
	net_conn_end((struct net_conn *)(void *)item);
}

void net_tcp_abandon(struct net_item *item)
{
	net_handshake_leave((struct net_conn *)(void *)item);
	net_item_remove(item);
	net_conn_finish((struct net_conn *)(void *)item, 0);
}

/* --- reading -------------------------------------------------------------------- */

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
	struct net_conn *conn = handle->data;
	char *scratch = net_scratch(conn->loop);

	*buf = uv_buf_init(scratch, scratch ? (unsigned)suggested : 0);
}

void net_conn_bytes(struct net_conn *conn, sip_str bytes)
{
	struct sip_wire_event event = { .kind = SIP_WIRE_BYTES,
		                        .path = conn->path,
		                        .bytes = bytes };

	if (conn->ws)
		net_ws_bytes(conn, bytes);
	else if (conn->state == CONN_OPEN)
		net_emit(conn->item.wire, &event);
}

static void on_read(uv_stream_t *stream, ssize_t len, const uv_buf_t *buf)
{
	struct net_conn *conn = stream->data;

	if (len > 0 && conn->tls) {
		net_secure_bytes(conn, sip_str_of(buf->base, (size_t)len));
	} else if (len > 0) {
		net_conn_bytes(conn, sip_str_of(buf->base, (size_t)len));
	} else if (len == UV_EOF) {
		(void)uv_read_stop(stream); /* cannot fail */
		if (conn->tls)
			net_secure_cut(conn);
		if (conn->ws)
			net_upgrade_cut(conn);
		if (conn->state == CONN_OPEN && conn->queued > 0)
			net_conn_end(conn);
		else
			net_conn_finish(conn, 0);
	} else if (len < 0) {
		net_conn_finish(conn, (int)len);
	}
}

static void learn_addresses(struct net_conn *conn)
{
	struct sockaddr_storage addr = { 0 };
	int len = sizeof addr;

	if (uv_tcp_getsockname(&conn->tcp, (struct sockaddr *)&addr, &len) == 0)
		conn->path.local = net_sockaddr_get((struct sockaddr *)&addr);
	len = sizeof addr;
	if (uv_tcp_getpeername(&conn->tcp, (struct sockaddr *)&addr, &len) == 0)
		conn->path.remote = net_sockaddr_get((struct sockaddr *)&addr);
}

void net_conn_ready(struct net_conn *conn)
{
	if (conn->state != CONN_OPENING)
		return; /* it was closed while it opened */
	if (conn->ws)
		net_upgrade_start(conn);
	else
		net_handshake_done(conn);
}

/* A peer that has vanished without a word acknowledges nothing.  Left to itself the
 * kernel goes on for a quarter of an hour, and whoever asks again does so by a
 * connection that leads nowhere. */
static void bound_silence(struct net_conn *conn)
{
#ifdef TCP_USER_TIMEOUT
	const unsigned ms = conn->item.wire->limits.stream_unheard_ms;
	uv_os_fd_t fd;

	if (uv_fileno((uv_handle_t *)&conn->tcp, &fd) == 0)
		(void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &ms,
		                 sizeof ms); /* a wish */
#else
	(void)conn;
#endif
}

void net_conn_opened(struct net_conn *conn)
{
	int status;

	learn_addresses(conn);
	if (conn->path.remote.family == 0) { /* reset before it was accepted */
		net_tcp_abandon(&conn->item);
		return;
	}
	(void)uv_tcp_nodelay(&conn->tcp, 1); /* a wish */
	bound_silence(conn);
	conn->connected = true;
	if (conn->state == CONN_OPENING)
		sip_timer_stop(&conn->loop->timers, &conn->linger);
	net_handshake_share(conn);
	if (conn->tls)
		net_secure_start(conn);
	else
		net_conn_ready(conn);
	if (conn->state == CONN_ENDING)
		begin_shutdown(conn); /* it was closed while it opened */
	if (conn->state == CONN_CLOSED)
		return;
	status = uv_read_start((uv_stream_t *)&conn->tcp, on_alloc, on_read);
	if (status != 0)
		net_conn_finish(conn, status);
}

/* --- writing -------------------------------------------------------------------- */

static void on_written(uv_write_t *req, int status)
{
	struct net_write *write = SIP_CONTAINER(req, struct net_write, req);
	struct net_conn *conn = write->conn;
	const uint64_t token = write->token;

	conn->queued -= write->len;
	sip_free(conn->loop->alloc, write, sizeof *write + write->len);
	if (status < 0) {
		net_conn_finish(conn, status);
		net_conn_emit_failed(conn, token, status);
	} else if (conn->queued == 0 && conn->state == CONN_OPEN) {
		emit(conn, SIP_WIRE_DRAINED);
	}
}

static int queue_write(struct net_conn *conn, sip_str bytes, uint64_t token)
{
	struct net_write *write =
		sip_alloc(conn->loop->alloc, sizeof *write + bytes.len);
	uv_buf_t buf;
	int status;

	if (!write)
		return UV_ENOMEM;
	write->conn = conn;
	write->token = token;
	write->len = bytes.len;
	memcpy(write->bytes, bytes.p, bytes.len);
	buf = uv_buf_init(write->bytes, (unsigned)bytes.len);
	status = uv_write(&write->req, (uv_stream_t *)&conn->tcp, &buf, 1, on_written);
	if (status != 0)
		sip_free(conn->loop->alloc, write, sizeof *write + bytes.len);
	else
		conn->queued += bytes.len;
	conn->loop->fresh = true;
	return status;
}

int net_conn_put(struct net_conn *conn, sip_str bytes, uint64_t token)
{
	int status = 0;

	if (conn->queued == 0) {
		uv_buf_t buf = uv_buf_init((char *)bytes.p, (unsigned)bytes.len);

		status = uv_try_write((uv_stream_t *)&conn->tcp, &buf, 1);
		if (status == UV_EAGAIN)
			status = 0;
	}
	if (status < 0 || (size_t)status == bytes.len)
		return status < 0 ? status : 0;
	return queue_write(
		conn, sip_str_of(bytes.p + status, bytes.len - (size_t)status), token);
}

sip_err net_tcp_send(struct net_item *item, sip_str bytes, uint64_t token)
{
	struct net_conn *conn = (struct net_conn *)(void *)item;
	const size_t queue_max = item->wire->limits.stream_queue_bytes;
	int status;

	if ((conn->state != CONN_OPEN && !is_opening(conn)) || conn->end_next)
		return SIP_EGONE;
	if (conn->queued + bytes.len > queue_max)
		return SIP_ELIMIT;
	if (is_opening(conn) && (conn->tls || conn->ws))
		return net_handshake_hold(conn, bytes, token);
	if (conn->ws)
		return net_ws_send(conn, bytes, token);
	if (conn->tls)
		return net_secure_send(conn, bytes, token);
	status = conn->state == CONN_OPEN ? net_conn_put(conn, bytes, token)
	                                  : queue_write(conn, bytes, token);
	if (status == 0)
		return SIP_OK;
	net_conn_finish(conn, status); /* a message in part is the end of a stream */
	return status == UV_ENOMEM ? SIP_ENOMEM : SIP_EWIRE;
}

/* --- making --------------------------------------------------------------------- */

struct net_conn *net_conn_new(struct net_wire *wire, enum sip_transport transport)
{
	struct net_loop *loop = wire->loop;
	struct net_conn *conn = sip_alloc0(loop->alloc, sizeof *conn);

	if (!conn)
		return NULL;
	if (uv_tcp_init(&loop->uv, &conn->tcp) != 0) {
		sip_free(loop->alloc, conn, sizeof *conn);
		return NULL;
	}
	conn->loop = loop;
	conn->tcp.data = conn;
	conn->state = CONN_OPENING;
	conn->path.transport = transport;
	conn->last_held = &conn->first_held;
	sip_list_init(&conn->handshake);
	if (!net_scratch(loop) ||
	    net_item_add(wire, &conn->item, NET_CONNECTION) != SIP_OK) {
		net_conn_finish(conn, UV_ENOMEM); /* it is in no map: nobody is told */
		return NULL;
	}
	conn->path.id = conn->item.id;
	return conn;
}
