/* ws.c - connections that are WebSockets (RFC 6455, RFC 7118), over TCP or TLS.
 *
 * What their user is told and sends is whole messages.  Pings are answered here, and
 * told as a message without bytes: the peer is there.  A message has to be complete in
 * the time that a message on a stream has.
 *
 * After our Close comes our end of the stream at once, and what the peer still says is
 * thrown away: its own Close is not waited for (against RFC 6455 5.5.1, 7.1.1), for no
 * message of SIP is lost with it.
 */
#include "net/ws.h"

#include <openssl/rand.h>
#include <stdio.h>

enum { LABEL_MAX = 200 };

/* ---- reasons ---- */

/* "sip.example (192.0.2.1:443)" */
static const char *label(const struct net_conn *conn, char out[LABEL_MAX])
{
	const struct sip_buf *name = conn->ws->name;
	char text[SIP_ADDR_TEXT_MAX];

	text[sip_addr_write(&conn->path.remote, text)] = '\0';
	/* What does not fit is cut. */
	if (name)
		(void)snprintf(out, LABEL_MAX, "%.*s (%s)", (int)name->len, name->bytes,
		               text);
	else
		(void)snprintf(out, LABEL_MAX, "%s", text); /* it fits */
	return out;
}

void net_ws_blame(struct net_conn *conn, const char *format)
{
	struct net_ws *ws = conn->ws;
	char who[LABEL_MAX];

	if (!ws->why[0]) /* what does not fit is cut */
		(void)snprintf(ws->why, sizeof ws->why, format, label(conn, who));
}

const char *net_ws_why(const struct net_conn *conn)
{
	return conn->ws->why;
}

/* ---- life ---- */

sip_err net_ws_init(struct net_conn *conn, bool server, sip_str name)
{
	struct net_wire *wire = conn->item.wire;
	struct net_ws *ws = sip_alloc0(wire->alloc, sizeof *ws);

	if (!ws)
		return SIP_ENOMEM;
	conn->ws = ws;
	ws->server = server;
	sip_ws_init(&ws->reader, wire->alloc, server);
	if (name.len > 0) {
		ws->name = sip_buf_new(wire->alloc, name.p, name.len);
		if (!ws->name)
			return SIP_ENOMEM; /* the connection is abandoned with it */
	}
	return SIP_OK;
}

void net_ws_fini(struct net_conn *conn)
{
	struct net_ws *ws = conn->ws;

	net_upgrade_drop(conn);
	sip_ws_fini(&ws->reader);
	sip_buf_unref(ws->name);
	sip_free(conn->loop->alloc, ws, sizeof *ws);
	conn->ws = NULL;
}

/* ---- bytes for the peer ---- */

sip_err net_ws_put(struct net_conn *conn, sip_str bytes, uint64_t token)
{
	int status;

	if (conn->tls)
		return net_secure_send(conn, bytes, token);
	status = net_conn_put(conn, bytes, token);
	if (status == 0)
		return SIP_OK;
	net_conn_finish(conn, status); /* a frame in part is the end of a stream */
	return status == UV_ENOMEM ? SIP_ENOMEM : SIP_EWIRE;
}

/* One frame.  That of a client has a mask that nobody can foretell (5.3). */
static sip_err put_frame(struct net_conn *conn, enum sip_ws_opcode opcode,
                         sip_str bytes, uint64_t token)
{
	const size_t size = SIP_WS_HEAD_MAX + bytes.len;
	char *frame = sip_alloc(conn->loop->alloc, size);
	uint8_t mask[4] = { 0 };
	size_t len;
	sip_err err;

	if (!frame)
		return SIP_ENOMEM;
	if (conn->ws->server) {
		len = sip_ws_write_head(frame, opcode, bytes.len, NULL);
		if (bytes.len > 0)
			memcpy(frame + len, bytes.p, bytes.len);
	} else if (RAND_bytes(mask, sizeof mask) == 1) {
		len = sip_ws_write_head(frame, opcode, bytes.len, mask);
		sip_ws_mask(frame + len, bytes, mask, 0);
	} else {
		sip_free(conn->loop->alloc, frame, size);
		return SIP_EWIRE;
	}
	err = net_ws_put(conn, sip_str_of(frame, len + bytes.len), token);
	sip_free(conn->loop->alloc, frame, size);
	return err;
}

/* What is no UTF-8 may not go as text (RFC 7118 4.2). */
sip_err net_ws_send(struct net_conn *conn, sip_str message, uint64_t token)
{
	return put_frame(conn, sip_utf8_is(message) ? SIP_WS_TEXT : SIP_WS_BINARY,
	                 message, token);
}

/* A Close with a code and a reason in words, as much of it as fits, or with neither. It
 * is the last that we say: a failure changes nothing. */
static void put_close(struct net_conn *conn, uint16_t code, const char *why)
{
	const size_t len = strlen(why), room = SIP_WS_CONTROL_MAX - 2;
	const char head[2] = { (char)(code >> 8), (char)code };
	char text[SIP_WS_CONTROL_MAX];
	struct sip_out out;

	sip_out_init(&out, text, sizeof text);
	if (code != SIP_WS_NO_CODE) {
		sip_out_bytes(&out, head, sizeof head);
		sip_out_bytes(&out, why, len < room ? len : room);
	}
	(void)put_frame(conn, SIP_WS_CLOSE, sip_str_of(text, out.len),
	                0); /* see above */
}

/* Who serves goes away; who has asked is done (7.4.1). */
void net_ws_end(struct net_conn *conn)
{
	put_close(conn, conn->ws->server ? SIP_WS_GOING_AWAY : SIP_WS_NORMAL, "");
}

/* What there was to be said to the peer has been; whoever waits is told at once. */
void net_ws_fail(struct net_conn *conn)
{
	conn->status = UV_EPROTO;
	net_handshake_leave(conn);
	net_handshake_drop(conn);
	if (conn->state == CONN_CLOSED)
		return; /* by who was told, or for it could not be sent */
	if (conn->tls)
		net_secure_end(conn);
	if (conn->state != CONN_CLOSED)
		net_conn_part(conn, 0);
}

/* ---- frames ---- */

static void fail_frames(struct net_conn *conn, const struct sip_refusal *refusal)
{
	char format[NET_TLS_WHY_MAX];

	(void)snprintf(format, sizeof format,
	               "%%s does not keep to the WebSocket protocol: %s (%u)",
	               refusal->why, refusal->status); /* it fits */
	net_ws_blame(conn, format);
	put_close(conn, refusal->status, refusal->why);
	net_ws_fail(conn);
}

void net_ws_overdue(struct net_conn *conn)
{
	const struct sip_refusal refusal = { .why = "half a message, and no more of it",
		                             .status = SIP_WS_BROKEN };

	fail_frames(conn, &refusal);
}

/* The peer's Close is answered with its own code (5.5.1). */
static void take_close(struct net_conn *conn, const struct sip_ws_item *item)
{
	char format[NET_TLS_WHY_MAX];

	put_close(conn, item->code, "");
	if (item->code == SIP_WS_NORMAL || item->code == SIP_WS_GOING_AWAY ||
	    item->code == SIP_WS_NO_CODE) {
		if (conn->tls && conn->state != CONN_CLOSED)
			net_secure_end(conn);
		if (conn->state != CONN_CLOSED)
			net_conn_part(conn, 0);
		return;
	}
	(void)snprintf(format, sizeof format, "%%s closed the WebSocket with %u",
	               item->code); /* it fits */
	net_ws_blame(conn, format);
	net_ws_fail(conn);
}

static void tell(struct net_conn *conn, sip_str bytes)
{
	const struct sip_wire_event event = { .kind = SIP_WIRE_BYTES,
		                              .path = conn->path,
		                              .bytes = bytes };

	net_emit(conn->item.wire, &event);
}

static void take_item(struct net_conn *conn, const struct sip_ws_item *item)
{
	switch (item->opcode) {
	case SIP_WS_CLOSE:
		take_close(conn, item);
		break;
	case SIP_WS_PING: /* one who reads none of our answers is not let go on */
		if (conn->queued > conn->item.wire->limits.stream_queue_bytes) {
			net_conn_finish(conn, UV_ENOBUFS);
			break;
		}
		/* A lost pong is the peer's to notice. */
		(void)put_frame(conn, SIP_WS_PONG, item->bytes, 0);
		if (conn->state == CONN_OPEN)
			tell(conn, SIP_STR(""));
		break;
	case SIP_WS_PONG:
		tell(conn, SIP_STR(""));
		break;
	default:
		sip_timer_stop(&conn->loop->timers, &conn->linger);
		tell(conn, item->bytes);
	}
}

/* The user bounds what all connections hold, and those of one source. */
static void tell_held(struct net_conn *conn)
{
	const struct sip_refusal refusal = { .why = "too many messages that are not "
		                                    "complete",
		                             .status = SIP_WS_LATER };
	struct sip_wire_sink *sink = conn->item.wire->sink;
	const uint32_t held = sip_ws_held(&conn->ws->reader);

	if (held == conn->ws->held || !sink->holds)
		return;
	if (sink->holds(sink, conn->path.id, held))
		conn->ws->held = held;
	else
		fail_frames(conn, &refusal);
}

static void take_frames(struct net_conn *conn, sip_str bytes)
{
	struct net_ws *ws = conn->ws;

	while (conn->state == CONN_OPEN && bytes.len > 0) {
		struct sip_refusal refusal;
		struct sip_ws_item item;
		const sip_err err = sip_ws_feed(&ws->reader, &conn->item.wire->limits,
		                                &bytes, &item, &refusal);

		if (err == SIP_OK)
			take_item(conn, &item);
		else if (err != SIP_EMORE)
			fail_frames(conn, &refusal);
	}
	if (conn->state == CONN_OPEN)
		tell_held(conn);
	if (conn->state != CONN_OPEN)
		return;
	if (!sip_ws_is_within(&ws->reader))
		sip_timer_stop(&conn->loop->timers, &conn->linger);
	else if (!sip_timer_armed(&conn->linger))
		net_conn_linger(conn, conn->item.wire->limits.stream_head_ms);
}

void net_ws_bytes(struct net_conn *conn, sip_str bytes)
{
	if (conn->state == CONN_UPGRADING)
		bytes = net_upgrade_bytes(conn, bytes);
	if (conn->state == CONN_OPEN)
		take_frames(conn, bytes);
}
