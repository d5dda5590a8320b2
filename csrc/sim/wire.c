/* The simulated network as a stack sees it: base/wire.h in virtual time. */
#include "sim/item.h"

#include <assert.h>
#include <stdio.h>

void sim_why(char why[SIM_WHY_MAX], const char *head, const struct sip_addr *addr,
             const char *tail)
{
	char text[SIP_ADDR_TEXT_MAX];

	text[sip_addr_write(addr, text)] = '\0';
	(void)snprintf(why, SIM_WHY_MAX, "%s%s%s", head, text, tail); /* it fits */
}

static uint64_t id_hash(uint32_t id)
{
	return (uint64_t)id * 0x9e3779b97f4a7c15u;
}

struct sim_item *sim_item_find(struct sim_world *world, uint32_t id)
{
	struct sip_node *node = sip_map_first(&world->items, id_hash(id));

	for (; node; node = sip_map_next(node)) {
		struct sim_item *item = SIP_CONTAINER(node, struct sim_item, node);
		if (item->id == id)
			return item;
	}
	return NULL;
}

struct sim_item *sim_item_new(struct sim_wire *wire, enum sim_kind kind)
{
	struct sim_world *world = wire->host->world;
	struct sim_item *item = sip_alloc0(world->alloc, sizeof *item);

	if (!item)
		return NULL;
	item->wire = wire;
	item->kind = kind;
	item->id = ++world->last_id;
	if (sip_map_insert(&world->items, &item->node, id_hash(item->id)) != SIP_OK) {
		sip_free(world->alloc, item, sizeof *item);
		return NULL;
	}
	sip_list_insert(&wire->items, &item->link);
	return item;
}

void sim_item_free(struct sim_item *item)
{
	struct sim_world *world = item->wire->host->world;

	for (unsigned i = 0; i < item->place_count; i++)
		sim_place_remove(&item->places[i]);
	if (item->kind == SIM_CONN)
		sim_conn_fini(item);
	sip_buf_unref(item->target);
	sip_map_remove(&world->items, &item->node);
	sip_list_remove(&item->link);
	sip_free(world->alloc, item, sizeof *item);
}

static struct sim_wire *wire_of(struct sip_wire *wire)
{
	return SIP_CONTAINER(wire, struct sim_wire, wire);
}

void sim_item_emit(struct sim_item *item, const struct sip_wire_event *event)
{
	item->wire->host->touched = true;
	item->wire->sink->event(item->wire->sink, event);
}

/* ---- listening ---- */

static void receive_datagram(struct sim_place *place, const struct sip_addr *from,
                             const struct sip_addr *to, sip_str bytes)
{
	struct sim_item *item = sim_item_find(place->host->world, place->owner);
	struct sip_wire_event event = { .kind = SIP_WIRE_BYTES, .bytes = bytes };

	assert(item);
	event.path = (struct sip_path){ SIP_UDP, item->id, *to, *from };
	sim_item_emit(item, &event);
}

static sip_err bind_item(struct sim_item *item, const struct sip_addr *at)
{
	struct sim_host *host = item->wire->host;
	const bool any = sip_addr_is_any(at);

	for (unsigned i = 0; i < host->addr_count; i++) {
		struct sim_place *place = &item->places[item->place_count];
		sip_err err;

		if (host->addrs[i].family != at->family ||
		    (!any && !sip_addr_same_host(&host->addrs[i], at)))
			continue;
		place->class = item->kind == SIM_SOCKET ? SIM_DATAGRAM : SIM_STREAM;
		place->addr = host->addrs[i];
		place->addr.port = at->port;
		place->host = host;
		place->owner = item->id;
		place->receive = receive_datagram;
		err = sim_place_add(place);
		if (err != SIP_OK)
			return err;
		item->place_count++;
	}
	return item->place_count > 0 ? SIP_OK : SIP_EINVAL;
}

static sip_err op_listen(struct sip_wire *w, enum sip_transport transport,
                         struct sip_addr *at, uint32_t *id, const char **why)
{
	struct sim_wire *wire = wire_of(w);
	const enum sim_kind kind = transport == SIP_UDP ? SIM_SOCKET : SIM_LISTENER;
	struct sim_item *item = sim_item_new(wire, kind);
	sip_err err;

	*why = "out of memory";
	if (!item)
		return SIP_ENOMEM;
	item->transport = transport;
	if (at->port == 0)
		at->port = sim_host_free_port(
			wire->host, kind == SIM_SOCKET ? SIM_DATAGRAM : SIM_STREAM,
			sip_addr_is_any(at) ? &wire->host->addrs[0] : at);
	err = bind_item(item, at);
	if (err != SIP_OK) {
		if (err == SIP_EWIRE) {
			sim_why(wire->why, "", at, " is in use already");
			*why = wire->why;
		} else if (err == SIP_EINVAL) {
			*why = "this host has no such address";
		}
		sim_item_free(item);
		return SIP_EWIRE;
	}
	*id = item->id;
	return SIP_OK;
}

static void op_unlisten(struct sip_wire *w, uint32_t id)
{
	struct sim_item *item = sim_item_find(wire_of(w)->host->world, id);

	if (item)
		sim_item_free(item);
}

static sip_err op_route(struct sip_wire *w, const struct sip_addr *remote,
                        struct sip_addr *local)
{
	struct sim_host *host = wire_of(w)->host;
	const struct sip_addr *found = NULL;

	for (unsigned i = 0; i < host->addr_count; i++) {
		const struct sip_addr *addr = &host->addrs[i];
		/* To itself a host goes from the same address. */
		if (sip_addr_same_host(addr, remote) ||
		    (!found && addr->family == remote->family))
			found = addr;
	}
	if (!found)
		return SIP_EWIRE;
	*local = *found;
	return SIP_OK;
}

static sip_err op_open(struct sip_wire *w, enum sip_transport transport,
                       const struct sip_addr *local, const struct sip_addr *remote,
                       sip_str server_name, uint32_t *id)
{
	struct sim_wire *wire = wire_of(w);
	struct sip_addr from = *local;

	if (local->family == 0 && op_route(w, remote, &from) != SIP_OK)
		return SIP_EWIRE;
	from.port = sim_host_free_port(wire->host, SIM_STREAM, &from);
	return sim_conn_open(wire, transport, &from, remote, server_name, id);
}

static sip_err op_send(struct sip_wire *w, const struct sip_path *path, sip_str bytes,
                       uint64_t token)
{
	struct sim_wire *wire = wire_of(w);
	struct sim_item *item = sim_item_find(wire->host->world, path->id);
	struct sip_addr from = path->local;

	(void)token; /* what fails is said at once, or as an ICMP error */
	if (!item || item->closing)
		return SIP_EWIRE;
	if (item->kind == SIM_CONN)
		return sim_conn_send(item, bytes);
	from.port = item->places[0].addr.port;
	sim_datagram(wire->host, &from, &path->remote, bytes, item->id);
	return SIP_OK;
}

static void op_close(struct sip_wire *w, uint32_t id)
{
	struct sim_item *item = sim_item_find(wire_of(w)->host->world, id);

	if (item && item->kind == SIM_CONN)
		sim_conn_close(item);
}

void sim_wire_refused(struct sim_world *world, uint32_t wire_id,
                      const struct sip_addr *local, const struct sip_addr *remote)
{
	struct sim_item *item = sim_item_find(world, wire_id);
	struct sip_wire_event event = { .kind = SIP_WIRE_FAILED, .err = SIP_EWIRE };
	char why[SIM_WHY_MAX];

	if (!item || item->wire->host->down)
		return;
	sim_why(why, "connection refused by ", remote, "");
	event.why = why;
	event.path = (struct sip_path){ SIP_UDP, item->id, *local, *remote };
	sim_item_emit(item, &event);
}

/* ---- names ---- */

static struct sim_wire *wire_find(struct sim_world *world, uint32_t id)
{
	struct sip_node *node = sip_map_first(&world->wires, id_hash(id));

	for (; node; node = sip_map_next(node)) {
		struct sim_wire *wire = SIP_CONTAINER(node, struct sim_wire, node);
		if (wire->id == id)
			return wire;
	}
	return NULL;
}

void sim_wire_records(struct sim_world *world, uint32_t wire_id,
                      const struct sip_wire_event *event)
{
	struct sim_wire *wire = wire_find(world, wire_id);

	if (!wire)
		return;
	wire->host->touched = true;
	wire->sink->event(wire->sink, event);
}

static sip_err op_lookup(struct sip_wire *w, sip_str name, enum sip_record_type type,
                         uint64_t token)
{
	const struct sim_wire *wire = wire_of(w);

	return sim_names_ask(wire->host->world, wire->id, name, type, token);
}

/* ---- life ---- */

static sip_err op_asks(struct sip_wire *w, sip_str target)
{
	struct sim_wire *wire = wire_of(w);

	return sip_buf_keep(&wire->target, wire->host->world->alloc, target);
}

static const struct sip_wire_ops ops = { op_listen, op_unlisten, op_open,  op_send,
	                                 op_close,  op_lookup,   op_route, op_asks };

sip_err sim_wire_new(struct sim_host *host, const struct sip_limits *limits,
                     struct sip_wire_sink *sink, struct sip_wire **out)
{
	struct sim_wire *wire = sip_alloc0(host->world->alloc, sizeof *wire);

	if (!wire)
		return SIP_ENOMEM;
	wire->wire.ops = &ops;
	wire->host = host;
	wire->sink = sink;
	/* Virtual queues are bounded by what a test sends. */
	wire->open_ms = limits->stream_open_ms;
	wire->unheard_ms = limits->stream_unheard_ms;
	wire->id = ++host->world->last_id;
	sip_list_init(&wire->items);
	if (sip_map_insert(&host->world->wires, &wire->node, id_hash(wire->id)) !=
	    SIP_OK) {
		sip_free(host->world->alloc, wire, sizeof *wire);
		return SIP_ENOMEM;
	}
	*out = &wire->wire;
	return SIP_OK;
}

void sim_wire_free(struct sip_wire *w)
{
	struct sim_wire *wire = wire_of(w);
	struct sim_world *world = wire->host->world;

	while (!sip_list_empty(&wire->items)) {
		struct sim_item *item =
			SIP_CONTAINER(wire->items.next, struct sim_item, link);

		sim_conn_reset(item);
		sim_item_free(item);
	}
	sip_map_remove(&world->wires, &wire->node);
	sip_buf_unref(wire->target);
	sip_free(world->alloc, wire, sizeof *wire);
}
