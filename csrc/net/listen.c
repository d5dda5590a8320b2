/* listen.c - listeners for streams: what they accept becomes a connection. */
#include "net/conn.h"

struct net_listener {
	struct net_item item;
	struct net_loop *loop;
	enum sip_transport transport;
	uv_tcp_t tcp;
	uv_tcp_t refused; /* what is over the bound is accepted into this, and closed */
	bool refusing, refuse_next, closed;
};

enum { LISTEN_BACKLOG = 1024 };

static void refuse(struct net_listener *listener);

static void on_listener_closed(uv_handle_t *handle)
{
	struct net_listener *listener = handle->data;

	if (handle == (uv_handle_t *)&listener->refused)
		listener->refusing = false;
	else
		listener->closed = true;
	if (listener->closed && !listener->refusing) {
		sip_free(listener->loop->alloc, listener, sizeof *listener);
	} else if (listener->refuse_next && !listener->closed) {
		listener->refuse_next = false;
		refuse(listener);
	}
}

/* Take it off the kernel's queue and close it: libuv accepts no other before.  One
 * at a time and without memory of its own, for memory may be what is short. */
static void refuse(struct net_listener *listener)
{
	if (listener->refusing) {
		listener->refuse_next = true;
		return;
	}
	if (uv_tcp_init(&listener->loop->uv, &listener->refused) != 0)
		return; /* cannot fail: it opens nothing */
	listener->refusing = true;
	listener->refused.data = listener;
	/* May fail: then the peer has gone itself. */
	(void)uv_accept((uv_stream_t *)&listener->tcp,
	                (uv_stream_t *)&listener->refused);
	uv_close((uv_handle_t *)&listener->refused, on_listener_closed);
}

static void on_connection(uv_stream_t *stream, int status)
{
	struct net_listener *listener = stream->data;
	struct net_wire *wire = listener->item.wire;
	struct net_conn *conn;

	if (status < 0 || !wire)
		return; /* a peer that has gone before it was accepted */
	if (wire->connection_count >= wire->limits.connections) {
		const struct sip_path path = { .transport = listener->transport };

		refuse(listener);
		net_refused(wire, &path);
		return;
	}
	conn = net_conn_new(wire, listener->transport);
	if (conn && net_handshake_init(conn, true, SIP_STR("")) != SIP_OK) {
		net_tcp_abandon(&conn->item);
		conn = NULL;
	}
	if (!conn) {
		refuse(listener);
		return;
	}
	status = uv_accept(stream, (uv_stream_t *)&conn->tcp);
	if (status != 0) {
		net_tcp_abandon(&conn->item);
		return;
	}
	net_conn_opened(conn);
}

void net_tcp_unlisten(struct net_item *item)
{
	struct net_listener *listener = (struct net_listener *)(void *)item;

	net_item_remove(item);
	uv_close((uv_handle_t *)&listener->tcp, on_listener_closed);
	listener->loop->fresh = true;
}

static int bind_and_listen(struct net_listener *listener, struct sip_addr *at)
{
	struct sockaddr_storage addr;
	int len = sizeof addr;
	int status;

	(void)net_sockaddr_set(&addr, at);
	status = uv_tcp_bind(&listener->tcp, (struct sockaddr *)&addr,
	                     at->family == 6 ? UV_TCP_IPV6ONLY : 0);
	if (status == 0)
		status = uv_listen((uv_stream_t *)&listener->tcp, LISTEN_BACKLOG,
		                   on_connection);
	if (status == 0)
		status = uv_tcp_getsockname(&listener->tcp, (struct sockaddr *)&addr,
		                            &len);
	if (status == 0)
		*at = net_sockaddr_get((struct sockaddr *)&addr);
	return status;
}

sip_err net_tcp_listen(struct net_wire *wire, enum sip_transport transport,
                       struct sip_addr *at, uint32_t *id, int *status)
{
	struct net_loop *loop = wire->loop;
	struct net_listener *listener = sip_alloc0(loop->alloc, sizeof *listener);
	sip_err err;

	if (!listener)
		return SIP_ENOMEM;
	*status = uv_tcp_init(&loop->uv, &listener->tcp);
	if (*status != 0) {
		sip_free(loop->alloc, listener, sizeof *listener);
		return SIP_EWIRE;
	}
	listener->loop = loop;
	listener->transport = transport;
	listener->tcp.data = listener;
	*status = bind_and_listen(listener, at);
	err = *status != 0 ? SIP_EWIRE
	                   : net_item_add(wire, &listener->item, NET_LISTENER);
	if (err != SIP_OK) {
		net_tcp_unlisten(&listener->item); /* not in the map: only closes */
		return err;
	}
	*id = listener->item.id;
	return SIP_OK;
}
