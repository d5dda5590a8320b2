/* secure.c - connections with TLS between the socket and their user, which may be a
 * WebSocket. */
#include "net/conn.h"

#include <stdio.h>

/* ---- what it is made of ---- */

/* What cannot be used of files that have changed is told, but not inside an
 * operation. */
struct notice {
	struct net_later later; /* the head */
	char why[NET_TLS_WHY_MAX];
};

static void release_notice(struct net_loop *loop, struct net_later *later)
{
	sip_free(loop->alloc, later, sizeof(struct notice));
}

static void notice_later(struct net_wire *wire, const char *why)
{
	struct notice *notice = sip_alloc0(wire->loop->alloc, sizeof *notice);

	if (!notice)
		return;
	notice->later.wire = wire;
	notice->later.release = release_notice;
	(void)snprintf(notice->why, sizeof notice->why, "%s", why); /* it fits */
	notice->later.event.kind = SIP_WIRE_NOTICE;
	notice->later.event.path.transport = SIP_TLS;
	notice->later.event.why = notice->why;
	net_owe(wire->loop, &notice->later);
}

static sip_err make_ready(struct net_wire *wire)
{
	static const struct sip_tls_config nothing_said;
	char why[NET_TLS_WHY_MAX];

	if (!wire->tls)
		return net_tls_context_new(wire->alloc, &nothing_said, &wire->tls, why);
	if (!net_tls_context_refresh(wire->tls, why))
		notice_later(wire, why);
	net_tls_context_age(wire->tls, net_loop_now_ms(wire->loop),
	                    wire->limits.tls_ticket_ms);
	return SIP_OK;
}

bool net_secure_serves(struct net_wire *wire, const char **why)
{
	if (wire->tls && net_tls_context_serves(wire->tls))
		return true;
	*why = "TLS needs a certificate: tls = { cert = \"...\", key = \"...\" }";
	return false;
}

sip_err net_secure_init(struct net_conn *conn, bool server, sip_str name)
{
	struct net_wire *wire = conn->item.wire;
	const sip_err err = make_ready(wire);

	if (err != SIP_OK)
		return err;
	conn->tls =
		net_tls_new(wire->alloc, wire->tls, server, name, &conn->path.remote);
	if (!conn->tls)
		return SIP_ENOMEM;
	if (conn->path.transport == SIP_WSS)
		net_tls_for_web(conn->tls);
	return SIP_OK;
}

void net_secure_fini(struct net_conn *conn)
{
	net_tls_free(conn->tls);
	conn->tls = NULL;
}

/* ---- bytes for the peer ---- */

/* What the filter has for the peer goes out.  The caller has looked at the bound of the
 * queue; `answers` are what the peer makes us say, and one that reads nothing of it
 * is not let go on. */
static int push(struct net_conn *conn, uint64_t token)
{
	const sip_str bytes = net_tls_pending(conn->tls);
	int status;

	if (bytes.len == 0)
		return 0;
	status = net_conn_put(conn, bytes, token);
	net_tls_sent(conn->tls);
	return status;
}

static int push_answers(struct net_conn *conn)
{
	const struct net_wire *wire = conn->item.wire;

	if (wire && conn->queued > wire->limits.stream_queue_bytes &&
	    net_tls_pending(conn->tls).len > 0)
		return UV_ENOBUFS;
	return push(conn, 0);
}

/* The peer is told why, if it still listens; whoever waits is told at once. */
static void tls_failed(struct net_conn *conn)
{
	int status;

	conn->status = UV_EPROTO;
	net_handshake_leave(conn);
	net_handshake_drop(conn);
	if (conn->state == CONN_CLOSED)
		return; /* by who was told */
	status = push(conn, 0);
	net_conn_part(conn, status);
}

sip_err net_secure_send(struct net_conn *conn, sip_str bytes, uint64_t token)
{
	int status;

	while (bytes.len > 0) {
		const size_t len = bytes.len < SSL3_RT_MAX_PLAIN_LENGTH
		                           ? bytes.len
		                           : SSL3_RT_MAX_PLAIN_LENGTH;

		if (net_tls_write(conn->tls, sip_str_of(bytes.p, len)) ==
		    NET_TLS_FAILED) {
			net_conn_finish(conn, UV_EPROTO);
			return SIP_EWIRE;
		}
		status = push(conn, token);
		if (status != 0) { /* a record in part is the end of a stream */
			net_conn_finish(conn, status);
			return status == UV_ENOMEM ? SIP_ENOMEM : SIP_EWIRE;
		}
		bytes = sip_str_of(bytes.p + len, bytes.len - len);
	}
	return SIP_OK;
}

void net_secure_end(struct net_conn *conn)
{
	int status;

	net_tls_end(conn->tls);
	status = push(conn, 0);
	if (status != 0)
		net_conn_finish(conn, status);
}

/* ---- the handshake ---- */

void net_secure_start(struct net_conn *conn)
{
	const uint32_t handshake_ms =
		conn->item.wire ? conn->item.wire->limits.tls_handshake_ms : 0;
	int status;

	if (conn->state != CONN_OPENING)
		return; /* it was closed while it opened, and nothing is held */
	net_tls_set_remote(conn->tls, &conn->path.remote);
	net_conn_linger(conn, handshake_ms);
	if (conn->state != CONN_OPENING)
		return;
	if (net_tls_start(conn->tls) == NET_TLS_FAILED) {
		tls_failed(conn);
		return;
	}
	status = push(conn, 0);
	if (status != 0)
		net_conn_finish(conn, status);
}

void net_secure_expired(struct net_conn *conn)
{
	net_tls_blame(conn->tls, net_tls_heard(conn->tls)
	                                 ? "the TLS handshake with %s took too long"
	                                 : "%s says nothing to a TLS handshake");
}

void net_secure_cut(struct net_conn *conn)
{
	if (conn->state != CONN_OPENING)
		return; /* messages have their own length: nothing can be cut off */
	if (!conn->told && !net_tls_heard(conn->tls))
		return; /* somebody who looks whether a port is open */
	net_tls_blame(conn->tls, "%s closed the connection during the TLS handshake");
	conn->status = UV_EPROTO;
}

/* ---- bytes from the peer ---- */

static bool is_secured(const struct net_conn *conn)
{
	return conn->state == CONN_UPGRADING || conn->state == CONN_OPEN;
}

/* All that can be read of what has been fed. */
static void read_all(struct net_conn *conn)
{
	/* What libuv reads lies in the front part of it. */
	char *plain = net_scratch(conn->loop) + NET_DATAGRAM_MAX;

	while (is_secured(conn)) {
		size_t len;
		const enum net_tls_state state =
			net_tls_read(conn->tls, plain, NET_DATAGRAM_MAX, &len);

		if (state == NET_TLS_FAILED)
			tls_failed(conn);
		else if (state == NET_TLS_CLOSED)
			net_conn_end(conn);
		if (state != NET_TLS_READY || len == 0)
			return;
		net_conn_bytes(conn, sip_str_of(plain, len));
	}
}

void net_secure_bytes(struct net_conn *conn, sip_str bytes)
{
	while (bytes.len > 0 && (conn->state == CONN_OPENING || is_secured(conn))) {
		const size_t len =
			bytes.len < NET_TLS_PIECE ? bytes.len : NET_TLS_PIECE;
		const enum net_tls_state state =
			net_tls_feed(conn->tls, sip_str_of(bytes.p, len));
		int status;

		bytes = sip_str_of(bytes.p + len, bytes.len - len);
		if (state == NET_TLS_FAILED) {
			tls_failed(conn);
			return;
		}
		status = push_answers(conn);
		if (status == 0 && state == NET_TLS_READY &&
		    conn->state == CONN_OPENING)
			net_conn_ready(conn);
		read_all(conn);
		if (status == 0 && is_secured(conn))
			status = push_answers(conn);
		if (status != 0)
			net_conn_finish(conn, status);
	}
}
