/* connect.c - connections that we begin; listen.c has those that others do. */
#include "net/conn.h"

static void on_connect(uv_connect_t *req, int status)
{
	struct net_conn *conn = req->data;

	if (conn->state == CONN_CLOSED)
		return;
	if (status < 0)
		net_conn_finish(conn, status);
	else
		net_conn_opened(conn);
}

static int begin_connect(struct net_conn *conn, const struct sip_addr *local,
                         const struct sip_addr *remote)
{
	struct sockaddr_storage addr;
	int status = 0;

	if (local && local->family != 0) {
		struct sip_addr from = *local;

		from.port = 0; /* the host alone is chosen */
		(void)net_sockaddr_set(&addr, &from);
		status = uv_tcp_bind(&conn->tcp, (struct sockaddr *)&addr, 0);
		conn->path.local = from;
	}
	if (status != 0)
		return status;
	(void)net_sockaddr_set(&addr, remote);
	conn->connect.data = conn;
	return uv_tcp_connect(&conn->connect, &conn->tcp, (struct sockaddr *)&addr,
	                      on_connect);
}

/* NOLINTNEXTLINE(readability-function-size): the seam has six parameters */
sip_err net_tcp_open(struct net_wire *wire, enum sip_transport transport,
                     const struct sip_addr *local, const struct sip_addr *remote,
                     sip_str server_name, uint32_t *id)
{
	struct net_conn *conn;
	sip_err err;
	int status;

	if (wire->connection_count >= wire->limits.connections)
		return SIP_ELIMIT;
	conn = net_conn_new(wire, transport);
	if (!conn)
		return SIP_ENOMEM;
	conn->path.remote = *remote;
	err = net_handshake_init(conn, false, server_name);
	if (err != SIP_OK) {
		net_tcp_abandon(&conn->item);
		return err;
	}
	conn->told = true;
	status = begin_connect(conn, local, remote);
	*id = conn->item.id;
	if (status != 0)
		net_conn_finish(conn, status); /* CLOSED says why */
	else /* the kernel would go on for two minutes */
		net_conn_linger(conn, wire->limits.stream_open_ms);
	return SIP_OK;
}
