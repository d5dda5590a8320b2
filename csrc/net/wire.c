/* wire.c - the operations of base/wire.h, by transport, and what has an id. */
#include "net/conn.h"

#include <unistd.h>

void net_emit(struct net_wire *wire, const struct sip_wire_event *event)
{
	if (wire)
		wire->sink->event(wire->sink, event);
}

void net_notice(struct net_wire *wire, const struct sip_path *path, const char *why)
{
	const struct sip_wire_event event = { .kind = SIP_WIRE_NOTICE,
		                              .path = *path,
		                              .why = why };
	uint64_t now_ms;

	if (!wire)
		return;
	now_ms = net_loop_now_ms(wire->loop);
	if (now_ms - wire->notice_ms >= 1000) {
		wire->notice_ms = now_ms;
		wire->notices = 0;
	}
	if (wire->notices < NET_NOTICES) {
		wire->notices++;
		net_emit(wire, &event);
	}
}

void net_refused(struct net_wire *wire, const struct sip_path *path)
{
	const struct sip_wire_event event = { .kind = SIP_WIRE_REFUSED, .path = *path };

	net_emit(wire, &event);
}

sip_err net_item_add(struct net_wire *wire, struct net_item *item, enum net_kind kind)
{
	struct net_loop *loop = wire->loop;

	do {
		loop->last_id++;
	} while (loop->last_id == 0 || net_item_find(wire, loop->last_id));
	item->id = loop->last_id;
	item->kind = kind;
	item->wire = wire;
	/* Ids are ours: they need no secret to be spread well. */
	if (sip_map_insert(&wire->items, &item->node, item->id) != SIP_OK) {
		item->wire = NULL;
		return SIP_ENOMEM;
	}
	wire->connection_count += kind == NET_CONNECTION;
	loop->fresh = true;
	return SIP_OK;
}

void net_item_remove(struct net_item *item)
{
	struct net_wire *wire = item->wire;

	if (!wire)
		return;
	sip_map_remove(&wire->items, &item->node);
	wire->connection_count -= item->kind == NET_CONNECTION;
	item->wire = NULL;
}

struct net_item *net_item_find(const struct net_wire *wire, uint32_t id)
{
	struct sip_node *node = sip_map_first(&wire->items, id);

	while (node && ((struct net_item *)(void *)node)->id != id)
		node = sip_map_next(node);
	return (struct net_item *)(void *)node;
}

static struct net_wire *net_wire_of(struct sip_wire *wire)
{
	return (struct net_wire *)(void *)wire;
}

static sip_err op_listen(struct sip_wire *base, enum sip_transport transport,
                         struct sip_addr *at, uint32_t *id, const char **why)
{
	struct net_wire *wire = net_wire_of(base);
	int status = 0;
	sip_err err;

	*why = "the loop has ended";
	if (!wire->loop)
		return SIP_EGONE;
	if (transport == SIP_UDP)
		err = net_udp_listen(wire, at, id, &status);
	else if (sip_transport_info(transport)->secure && !net_secure_serves(wire, why))
		return SIP_EWIRE;
	else
		err = net_tcp_listen(wire, transport, at, id, &status);
	if (err == SIP_ENOMEM)
		*why = "no memory";
	else if (err != SIP_OK)
		*why = net_why(wire->loop->why, status, at);
	return err;
}

static void op_unlisten(struct sip_wire *base, uint32_t id)
{
	struct net_wire *wire = net_wire_of(base);
	struct net_item *item = wire->loop ? net_item_find(wire, id) : NULL;

	if (item && item->kind == NET_UDP)
		net_udp_close(item);
	else if (item && item->kind == NET_LISTENER)
		net_tcp_unlisten(item);
}

/* NOLINTNEXTLINE(readability-function-size): the seam has six parameters */
static sip_err op_open(struct sip_wire *base, enum sip_transport transport,
                       const struct sip_addr *local, const struct sip_addr *remote,
                       sip_str server_name, uint32_t *id)
{
	struct net_wire *wire = net_wire_of(base);

	if (!wire->loop)
		return SIP_EGONE;
	if (transport == SIP_UDP || remote->family == 0 || server_name.len > 255)
		return SIP_EINVAL;
	return net_tcp_open(wire, transport, local, remote, server_name, id);
}

static sip_err op_send(struct sip_wire *base, const struct sip_path *path,
                       sip_str bytes, uint64_t token)
{
	struct net_wire *wire = net_wire_of(base);
	struct net_item *item = wire->loop ? net_item_find(wire, path->id) : NULL;

	if (!item)
		return SIP_EGONE;
	if (item->kind == NET_UDP)
		return net_udp_send(item, path, bytes, token);
	if (item->kind == NET_CONNECTION)
		return net_tcp_send(item, bytes, token);
	return SIP_EINVAL;
}

static void op_close(struct sip_wire *base, uint32_t id)
{
	struct net_wire *wire = net_wire_of(base);
	struct net_item *item = wire->loop ? net_item_find(wire, id) : NULL;

	if (item && item->kind == NET_CONNECTION)
		net_tcp_close(item);
}

static sip_err op_lookup(struct sip_wire *base, sip_str name, enum sip_record_type type,
                         uint64_t token)
{
	struct net_wire *wire = net_wire_of(base);

	return wire->loop ? net_dns_lookup(wire, name, type, token) : SIP_EGONE;
}

/* A connected datagram socket sends nothing, but makes the kernel choose. */
static sip_err op_route(struct sip_wire *base, const struct sip_addr *remote,
                        struct sip_addr *local)
{
	struct sockaddr_storage addr;
	socklen_t len;
	int fd;
	sip_err err = SIP_EWIRE;

	(void)base; /* the kernel's routes are everybody's */
	if (remote->family == 0)
		return SIP_EINVAL;
	len = net_sockaddr_set(&addr, remote);
	fd = net_datagram_socket(remote);
	if (fd < 0)
		return SIP_EWIRE;
	if (connect(fd, (struct sockaddr *)&addr, len) == 0) {
		len = sizeof addr;
		if (getsockname(fd, (struct sockaddr *)&addr, &len) == 0) {
			*local = net_sockaddr_get((struct sockaddr *)&addr);
			local->port = 0;
			err = SIP_OK;
		}
	}
	close(fd);
	return err;
}

static sip_err op_asks(struct sip_wire *base, sip_str target)
{
	struct net_wire *wire = net_wire_of(base);

	return sip_buf_keep(&wire->target, wire->alloc, target);
}

static const struct sip_wire_ops net_wire_ops = {
	.listen = op_listen,
	.unlisten = op_unlisten,
	.open = op_open,
	.send = op_send,
	.close = op_close,
	.lookup = op_lookup,
	.route = op_route,
	.asks = op_asks,
};

sip_err net_wire_tls(struct sip_wire *base, const struct sip_tls_config *config,
                     const char **why)
{
	struct net_wire *wire = net_wire_of(base);
	struct net_tls_context *context;
	sip_err err;

	err = net_tls_context_new(wire->alloc, config, &context, wire->loop->why);
	if (err != SIP_OK) {
		*why = wire->loop->why;
		return err;
	}
	net_tls_context_unref(wire->tls);
	wire->tls = context;
	return SIP_OK;
}

sip_err net_wire_origins(struct sip_wire *base, sip_str origins)
{
	struct net_wire *wire = net_wire_of(base);

	return sip_buf_keep(&wire->origins, wire->alloc, origins);
}

sip_err net_wire_new(struct net_loop *loop, const struct sip_limits *limits,
                     struct sip_wire_sink *sink, struct sip_wire **out)
{
	struct net_wire *wire = sip_alloc0(loop->alloc, sizeof *wire);

	if (!wire)
		return SIP_ENOMEM;
	wire->wire.ops = &net_wire_ops;
	wire->loop = loop;
	wire->alloc = loop->alloc;
	wire->limits = *limits;
	wire->limits.connections = net_connections_max(limits->connections);
	wire->sink = sink;
	sip_map_init(&wire->items, loop->alloc);
	sip_list_init(&wire->handshakes);
	sip_list_insert(&loop->wires, &wire->link);
	*out = &wire->wire;
	return SIP_OK;
}

void net_wire_detach(struct net_wire *wire)
{
	struct net_loop *loop = wire->loop;
	struct sip_node *node;

	while ((node = sip_map_any(&wire->items)) != NULL) {
		struct net_item *item = (struct net_item *)(void *)node;

		if (item->kind == NET_UDP)
			net_udp_close(item);
		else if (item->kind == NET_LISTENER)
			net_tcp_unlisten(item);
		else
			net_tcp_abandon(item);
	}
	net_dns_forget(wire);
	for (struct sip_link *l = loop->later.next; l != &loop->later; l = l->next) {
		struct net_later *later = SIP_CONTAINER(l, struct net_later, link);

		if (later->wire == wire)
			later->wire = NULL;
	}
	sip_list_remove(&wire->link);
	wire->loop = NULL;
}

void net_wire_free(struct sip_wire *base)
{
	struct net_wire *wire = net_wire_of(base);

	if (!base)
		return;
	if (wire->loop)
		net_wire_detach(wire);
	net_tls_context_unref(wire->tls);
	sip_buf_unref(wire->origins);
	sip_buf_unref(wire->target);
	sip_map_fini(&wire->items);
	sip_free(wire->alloc, wire, sizeof *wire);
}

size_t net_wire_count(const struct sip_wire *base)
{
	return ((const struct net_wire *)(const void *)base)->items.count;
}
