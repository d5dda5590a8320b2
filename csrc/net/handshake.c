/* handshake.c - connections that begin with a handshake: TLS, WebSocket, or both.
 *
 * Such a connection is told as opened when its handshakes are over, and what is sent
 * before that is held.  Half-open ones are bounded in time and number: at the bound the
 * oldest goes, so that a flood of them starves itself and not who is quick.
 */
#include "net/conn.h"

void net_handshake_leave(struct net_conn *conn)
{
	if (conn->handshake.next == &conn->handshake)
		return;
	sip_list_remove(&conn->handshake);
	sip_list_init(&conn->handshake);
	if (conn->item.wire)
		conn->item.wire->handshake_count--;
}

/* `%s` is the peer. */
static void blame(struct net_conn *conn, const char *of_tls, const char *of_ws)
{
	if (conn->tls && conn->state == CONN_OPENING)
		net_tls_blame(conn->tls, of_tls);
	else if (conn->ws)
		net_ws_blame(conn, of_ws);
}

static void enter(struct net_conn *conn)
{
	struct net_wire *wire = conn->item.wire;

	if (wire->handshake_count >= wire->limits.tls_handshakes) {
		struct net_conn *oldest = SIP_CONTAINER(wire->handshakes.next,
		                                        struct net_conn, handshake);

		net_handshake_leave(oldest);
		blame(oldest,
		      "too many TLS handshakes at once, that "
		      "with %s is the oldest",
		      "too many WebSocket handshakes at once, that with "
		      "%s is the oldest");
		net_conn_finish(oldest, UV_ECONNABORTED);
	}
	sip_list_insert(&wire->handshakes, &conn->handshake);
	wire->handshake_count++;
}

sip_err net_handshake_init(struct net_conn *conn, bool server, sip_str name)
{
	const enum sip_transport transport = conn->path.transport;
	sip_err err = SIP_OK;

	if (sip_transport_info(transport)->secure)
		err = net_secure_init(conn, server, name);
	if (err == SIP_OK && sip_transport_is_web(transport))
		err = net_ws_init(conn, server, name);
	if (err == SIP_OK && server && (conn->tls || conn->ws))
		enter(conn);
	return err;
}

static bool is_half_open(const struct net_conn *conn)
{
	return conn->item.wire && conn->handshake.next != &conn->handshake;
}

/* Each source has a share of them, and fills no more than that: its own oldest goes. */
void net_handshake_share(struct net_conn *conn)
{
	struct net_wire *wire = conn->item.wire;
	struct net_conn *oldest = NULL;
	struct sip_wire_sink *sink;
	uint32_t max, count = 0;

	if (!is_half_open(conn))
		return;
	sink = wire->sink;
	max = sink->half_open_max ? sink->half_open_max(sink, &conn->path.remote) : 0;
	if (max == 0 || wire->handshake_count <= max)
		return;
	for (struct sip_link *link = wire->handshakes.next; link != &wire->handshakes;
	     link = link->next) {
		struct net_conn *other =
			SIP_CONTAINER(link, struct net_conn, handshake);

		if (!sip_addr_same_source(&other->path.remote, &conn->path.remote))
			continue;
		oldest = oldest ? oldest : other;
		count++;
	}
	if (count <= max)
		return;
	net_handshake_leave(oldest);
	oldest->refused = true;
	net_conn_finish(oldest, UV_ECONNABORTED);
}

/* ---- what is held ---- */

sip_err net_handshake_hold(struct net_conn *conn, sip_str bytes, uint64_t token)
{
	struct net_write *held = sip_alloc(conn->loop->alloc, sizeof *held + bytes.len);

	if (!held)
		return SIP_ENOMEM;
	held->next = NULL;
	held->token = token;
	held->len = bytes.len;
	memcpy(held->bytes, bytes.p, bytes.len);
	*conn->last_held = held;
	conn->last_held = &held->next;
	conn->queued += bytes.len;
	return SIP_OK;
}

void net_handshake_drop(struct net_conn *conn)
{
	while (conn->first_held) {
		struct net_write *held = conn->first_held;
		const uint64_t token = held->token;

		conn->first_held = held->next;
		conn->queued -= held->len;
		sip_free(conn->loop->alloc, held, sizeof *held + held->len);
		net_conn_emit_failed(conn, token,
		                     conn->status ? conn->status : UV_ECANCELED);
	}
	conn->last_held = &conn->first_held;
}

static void send_held(struct net_conn *conn)
{
	while (conn->first_held && conn->state == CONN_OPEN) {
		struct net_write *held = conn->first_held;
		const sip_str bytes = sip_str_of(held->bytes, held->len);
		sip_err err;

		conn->first_held = held->next;
		if (!held->next)
			conn->last_held = &conn->first_held;
		conn->queued -= held->len;
		err = conn->ws ? net_ws_send(conn, bytes, held->token)
		               : net_secure_send(conn, bytes, held->token);
		if (err != SIP_OK)
			net_conn_emit_failed(conn, held->token, conn->status);
		sip_free(conn->loop->alloc, held, sizeof *held + held->len);
	}
}

void net_handshake_fini(struct net_conn *conn)
{
	net_handshake_drop(conn);
	net_handshake_leave(conn);
	if (conn->ws)
		net_ws_fini(conn);
	if (conn->tls)
		net_secure_fini(conn);
}

/* ---- how it ends ---- */

void net_handshake_done(struct net_conn *conn)
{
	sip_timer_stop(&conn->loop->timers, &conn->linger);
	net_handshake_leave(conn);
	conn->state = CONN_OPEN;
	send_held(conn);
	if (conn->state == CONN_OPEN)
		net_conn_opened_up(conn);
	if (conn->state == CONN_OPEN && conn->end_next)
		net_conn_end(conn);
}

void net_handshake_expired(struct net_conn *conn)
{
	if (conn->state == CONN_OPENING)
		net_secure_expired(conn);
	else
		net_upgrade_expired(conn);
	conn->status = UV_ETIMEDOUT;
}
