/* upgrade.c - the handshake of a WebSocket on a connection (RFC 6455 4): what is asked
 * and answered, who may come in, and the head of the peer until it is complete.
 *
 * HTTP asks nobody for a password, nor is asked (against RFC 7118 7): digest in SIP
 * does. What a handshake says of its page is told.
 */
#include "net/ws.h"

#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdio.h>

enum { HEAD_MIN = 1024, KEY_BYTES = 16, SHA1_BYTES = 20 };

struct sip_handshake net_upgrade_said(const struct net_conn *conn)
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
	const struct sip_buf *target = conn->item.wire->target;
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
	sip_upgrade_write_request(&out, target ? sip_buf_str(target) : SIP_STR("/"),
	                          sip_str_of(host.p, host.len),
	                          sip_str_of(conn->ws->key, SIP_UPGRADE_KEY_LEN));
	if (sip_out_end(&out) == SIP_OK)
		(void)net_ws_put(conn, sip_str_of(out.p, out.len),
		                 0); /* CLOSED says why */
	else
		net_conn_finish(conn, UV_EINVAL);
}

void net_upgrade_start(struct net_conn *conn)
{
	conn->state = CONN_UPGRADING;
	if (!conn->tls) /* else the time runs since TLS has begun */
		net_conn_linger(conn, conn->item.wire->limits.tls_handshake_ms);
	if (conn->state == CONN_UPGRADING && !conn->ws->server)
		ask(conn);
}

void net_upgrade_expired(struct net_conn *conn)
{
	net_ws_blame(conn, conn->ws->heard ? "the WebSocket handshake with %s took "
	                                     "too long"
	                                   : "%s says nothing to a WebSocket "
	                                     "handshake");
}

void net_upgrade_cut(struct net_conn *conn)
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
		(void)net_ws_put(conn, sip_str_of(out.p, out.len), 0);
	}
	net_ws_fail(conn);
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
	if (net_ws_put(conn, sip_str_of(out.p, out.len), 0) == SIP_OK)
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

void net_upgrade_drop(struct net_conn *conn)
{
	struct net_ws *ws = conn->ws;

	sip_free(conn->loop->alloc, ws->head, ws->head_cap);
	ws->head = NULL;
	ws->head_len = ws->head_cap = 0;
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

sip_str net_upgrade_bytes(struct net_conn *conn, sip_str bytes)
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
	net_upgrade_drop(conn);
	return sip_str_of(bytes.p + (len - before), bytes.len - (len - before));
}
