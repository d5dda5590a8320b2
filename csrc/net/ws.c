/* ws.c - connections that are WebSockets (RFC 6455, RFC 7118), over TCP or TLS.
 *
 * What their user is told and sends is whole messages.  Pings are answered here, and
 * told as a message without bytes: the peer is there.  A message has to be complete in
 * the time that a message on a stream has.
 *
 * After our Close comes our end of the stream at once, and what the peer still says is
 * thrown away: its own Close is not waited for (against RFC 6455 5.5.1, 7.1.1), for no
 * message of SIP is lost with it.  HTTP asks nobody for a password, nor is asked
 * (against RFC 7118 7): digest in SIP does.  What a handshake says of its page is told.
 */
#include "net/conn.h"

#include "msg/upgrade.h"
#include "msg/ws.h"

#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdio.h>

enum { HEAD_MIN = 1024, KEY_BYTES = 16, SHA1_BYTES = 20, LABEL_MAX = 200 };

struct net_ws {
	struct sip_ws reader;
	bool server, heard;
	uint32_t held;        /* of a message that is not complete, as its user knows */
	struct sip_buf *name; /* whom a client wants to reach, or NULL */
	const struct sip_handshake *said; /* while the user is told that it is open */
	char key[SIP_UPGRADE_KEY_LEN + 1];
	char *head; /* of the peer, until it is complete */
	uint32_t head_len, head_cap, head_seen;
	char why[NET_TLS_WHY_MAX];
};

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

struct sip_handshake net_ws_said(const struct net_conn *conn)
{
	return conn->ws->said ? *conn->ws->said : (struct sip_handshake){ 0 };
}

/* Our texts have no per cent sign in them. */
static void blame_head(struct net_conn *conn, const struct sip_refusal *refusal)
{
	char format[NET_TLS_WHY_MAX];

	if (refusal->status > 0)
		(void)snprintf(format, sizeof format, "no WebSocket with %%s: %s (%u)",
		               refusal->why, refusal->status); /* it fits */
	else
		(void)snprintf(format, sizeof format, "no WebSocket with %%s: %s",
		               refusal->why); /* it fits */
	net_ws_blame(conn, format);
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

static void drop_head(struct net_conn *conn)
{
	struct net_ws *ws = conn->ws;

	sip_free(conn->loop->alloc, ws->head, ws->head_cap);
	ws->head = NULL;
	ws->head_len = ws->head_cap = 0;
}

void net_ws_fini(struct net_conn *conn)
{
	struct net_ws *ws = conn->ws;

	drop_head(conn);
	sip_ws_fini(&ws->reader);
	sip_buf_unref(ws->name);
	sip_free(conn->loop->alloc, ws, sizeof *ws);
	conn->ws = NULL;
}

/* ---- bytes for the peer ---- */

static sip_err put(struct net_conn *conn, sip_str bytes, uint64_t token)
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
	err = put(conn, sip_str_of(frame, len + bytes.len), token);
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
static void fail(struct net_conn *conn)
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

/* ---- the handshake ---- */

/* RFC 6455 4.2.2 step 5.4. */
static bool accept_of(sip_str key, char out[SIP_UPGRADE_ACCEPT_LEN + 1])
{
	static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
	char text[SIP_UPGRADE_KEY_LEN + sizeof guid];
	unsigned char hash[SHA1_BYTES];

	memcpy(text, key.p, SIP_UPGRADE_KEY_LEN);
	memcpy(text + SIP_UPGRADE_KEY_LEN, guid, sizeof guid);
	return EVP_Digest(text, SIP_UPGRADE_KEY_LEN + sizeof guid - 1, hash, NULL,
	                  EVP_sha1(), NULL) == 1 &&
	       EVP_EncodeBlock((unsigned char *)out, hash, sizeof hash) ==
	               SIP_UPGRADE_ACCEPT_LEN;
}

/* The host that is asked: its name, or its address; and its port, unless that goes
 * without saying. */
static void write_host(const struct net_conn *conn, struct sip_out *host)
{
	const struct sip_addr *remote = &conn->path.remote;
	char text[SIP_ADDR_TEXT_MAX];

	if (conn->ws->name)
		sip_out_str(host, sip_buf_str(conn->ws->name));
	else
		sip_out_bytes(host, text, sip_addr_write_host(remote, text, true));
	if (remote->port != sip_transport_info(conn->path.transport)->port) {
		sip_out_lit(host, ":");
		sip_out_u64(host, remote->port);
	}
}

static void ask(struct net_conn *conn)
{
	char text[SIP_UPGRADE_OUT_MAX], host_text[SIP_NAME_MAX + 16];
	unsigned char bytes[KEY_BYTES];
	struct sip_out out, host;

	sip_out_init(&out, text, sizeof text);
	sip_out_init(&host, host_text, sizeof host_text);
	write_host(conn, &host);
	if (sip_out_end(&host) != SIP_OK || RAND_bytes(bytes, sizeof bytes) != 1 ||
	    EVP_EncodeBlock((unsigned char *)conn->ws->key, bytes, sizeof bytes) !=
	            SIP_UPGRADE_KEY_LEN) {
		net_conn_finish(conn, UV_EINVAL);
		return;
	}
	sip_upgrade_write_request(&out, sip_str_of(host.p, host.len),
	                          sip_str_of(conn->ws->key, SIP_UPGRADE_KEY_LEN));
	if (sip_out_end(&out) == SIP_OK)
		(void)put(conn, sip_str_of(out.p, out.len), 0); /* CLOSED says why */
	else
		net_conn_finish(conn, UV_EINVAL);
}

void net_ws_start(struct net_conn *conn)
{
	conn->state = CONN_UPGRADING;
	if (!conn->tls) /* else the time runs since TLS has begun */
		net_conn_linger(conn, conn->item.wire->limits.tls_handshake_ms);
	if (conn->state == CONN_UPGRADING && !conn->ws->server)
		ask(conn);
}

void net_ws_expired(struct net_conn *conn)
{
	net_ws_blame(conn, conn->ws->heard ? "the WebSocket handshake with %s took "
	                                     "too long"
	                                   : "%s says nothing to a WebSocket "
	                                     "handshake");
}

void net_ws_cut(struct net_conn *conn)
{
	if (conn->state != CONN_UPGRADING || (conn->ws->server && !conn->ws->heard))
		return; /* somebody who looks whether a port is open */
	net_ws_blame(conn, "%s closed the connection during the WebSocket handshake");
	conn->status = UV_EPROTO;
}

static void refuse_head(struct net_conn *conn, const struct sip_refusal *refusal)
{
	char text[SIP_UPGRADE_OUT_MAX];
	struct sip_out out;

	blame_head(conn, refusal);
	sip_out_init(&out, text, sizeof text);
	if (conn->ws->server) {
		sip_upgrade_write_refusal(&out, refusal);
		/* It fits; and who does not hear it is closed all the same. */
		(void)put(conn, sip_str_of(out.p, out.len), 0);
	}
	fail(conn);
}

/* A page that somebody looks at can open a WebSocket to anything that his browser
 * reaches, this network included (RFC 6455 10.2): by itself only the pages of the host
 * that is asked may.  Who is no browser says no origin, and could say any. */
static bool is_welcome(const struct net_wire *wire, const struct sip_upgrade *upgrade)
{
	if (upgrade->said.origin.len == 0)
		return true;
	if (!wire->origins)
		return sip_upgrade_is_same_host(upgrade);
	return sip_str_has_line(sip_buf_str(wire->origins), SIP_STR("*")) ||
	       sip_str_has_line(sip_buf_str(wire->origins), upgrade->said.origin);
}

static void blame_origin(struct net_conn *conn, sip_str origin)
{
	char text[100], format[NET_TLS_WHY_MAX];
	size_t len = 0;

	for (; len < origin.len && len + 1 < sizeof text; len++)
		text[len] = origin.p[len] > ' ' && origin.p[len] <= '~' &&
		                            origin.p[len] != '%'
		                    ? origin.p[len]
		                    : '?';
	text[len] = '\0';
	/* It fits. */
	(void)snprintf(format, sizeof format,
	               "no WebSocket with %%s: its page is of %s, which is not among "
	               "ws.origins (403)",
	               text);
	net_ws_blame(conn, format);
}

static void serve(struct net_conn *conn, sip_str head)
{
	struct sip_refusal refusal = { .why = "no memory", .status = 503 };
	char accept[SIP_UPGRADE_ACCEPT_LEN + 1], text[SIP_UPGRADE_OUT_MAX];
	struct net_ws *ws = conn->ws;
	struct sip_upgrade upgrade;
	struct sip_out out;
	sip_err err = sip_upgrade_read_request(head, &upgrade, &refusal);

	if (err == SIP_OK && !is_welcome(conn->item.wire, &upgrade)) {
		refusal.why = "its origin is not among ws.origins";
		refusal.status = 403;
		blame_origin(conn, upgrade.said.origin);
		err = SIP_EINVAL;
	}
	if (err == SIP_OK && !accept_of(upgrade.key, accept))
		err = SIP_ENOMEM;
	if (err != SIP_OK) {
		refuse_head(conn, &refusal);
		return;
	}
	sip_out_init(&out, text, sizeof text);
	sip_upgrade_write_accept(&out, sip_str_of(accept, SIP_UPGRADE_ACCEPT_LEN));
	ws->said = &upgrade.said;
	if (put(conn, sip_str_of(out.p, out.len), 0) == SIP_OK)
		net_handshake_done(conn);
	ws->said = NULL;
}

static void join(struct net_conn *conn, sip_str head)
{
	struct sip_refusal refusal = { .why = "no memory" };
	char accept[SIP_UPGRADE_ACCEPT_LEN + 1];
	sip_err err = SIP_ENOMEM;

	if (accept_of(sip_str_of(conn->ws->key, SIP_UPGRADE_KEY_LEN), accept))
		err = sip_upgrade_read_response(
			head, sip_str_of(accept, SIP_UPGRADE_ACCEPT_LEN), &refusal);
	if (err == SIP_OK)
		net_handshake_done(conn);
	else
		refuse_head(conn, &refusal);
}

/* One byte more than a head may have is enough to refuse it. */
static sip_err keep_head(struct net_conn *conn, sip_str bytes)
{
	struct net_ws *ws = conn->ws;
	const uint32_t room = SIP_UPGRADE_HEAD_MAX + 1 - ws->head_len;
	const uint32_t len = bytes.len < room ? (uint32_t)bytes.len : room;
	uint32_t cap = ws->head_cap ? ws->head_cap : HEAD_MIN;
	char *grown;

	while (cap < ws->head_len + len)
		cap *= 2;
	if (cap > ws->head_cap) {
		grown = sip_realloc(conn->loop->alloc, ws->head, ws->head_cap, cap);
		if (!grown)
			return SIP_ENOMEM;
		ws->head = grown;
		ws->head_cap = cap;
	}
	memcpy(ws->head + ws->head_len, bytes.p, len);
	ws->head_len += len;
	return SIP_OK;
}

/* Gives what follows the head. */
static sip_str take_head(struct net_conn *conn, sip_str bytes)
{
	struct net_ws *ws = conn->ws;
	const size_t before = ws->head_len;
	struct sip_refusal refusal = { .why = "no memory", .status = 503 };
	sip_str head = bytes;
	size_t len = 0;
	sip_err err = SIP_OK;

	ws->heard = true;
	if (before > 0) {
		err = keep_head(conn, bytes);
		head = sip_str_of(ws->head, ws->head_len);
	}
	if (err == SIP_OK)
		err = sip_upgrade_find(ws->server ? SIP_UPGRADE_SERVER
		                                  : SIP_UPGRADE_CLIENT,
		                       &ws->head_seen, head, &len, &refusal);
	if (err == SIP_EMORE && before == 0)
		err = keep_head(conn, bytes) == SIP_OK ? SIP_EMORE : SIP_ENOMEM;
	if (err == SIP_EMORE)
		return SIP_STR("");
	if (err != SIP_OK) {
		refuse_head(conn, &refusal);
		return SIP_STR("");
	}
	if (ws->server)
		serve(conn, sip_str_of(head.p, len));
	else
		join(conn, sip_str_of(head.p, len));
	drop_head(conn);
	return sip_str_of(bytes.p + (len - before), bytes.len - (len - before));
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
	fail(conn);
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
	fail(conn);
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
		bytes = take_head(conn, bytes);
	if (conn->state == CONN_OPEN)
		take_frames(conn, bytes);
}
