/* The simulated network as a stack sees it: base/wire.h in virtual time. */
#include "sim/state.h"

#include <assert.h>
#include <stdio.h>

enum {
	CONNECT_TIMEOUT_US = 20000000,
	REPAIR_US = 200000,
	REPAIRS_MAX = 8,
	WHY_MAX = 128
};

enum item_kind { ITEM_SOCKET, ITEM_LISTENER, ITEM_CONN };

struct sim_wire {
	struct sip_wire wire;
	struct sim_host *host;
	struct sip_wire_sink *sink;
	uint32_t id;
	struct sip_node node; /* by id, so that a late packet finds nobody */
	struct sip_link items;
	char why[WHY_MAX];
};

/* Bytes that wait for their connection. */
struct unsent {
	struct unsent *next;
	size_t len;
	char bytes[];
};

/* A socket, a listener or one end of a connection. */
struct item {
	struct sip_link link;
	struct sip_node node;
	struct sim_wire *wire;
	enum item_kind kind;
	enum sip_transport transport;
	uint32_t id;
	struct sip_path path;        /* of a connection */
	uint32_t peer;               /* its other end, 0: none any more */
	uint64_t last_due_us;        /* bytes never overtake bytes */
	struct unsent *first_unsent; /* until the connection is there */
	bool open, closing, accepted;
	struct sim_place places[SIM_ADDRESSES];
	unsigned place_count;
};

/* The same words as the real wire has: scripts show them. */
static void set_why(char why[WHY_MAX], const char *head, const struct sip_addr *addr,
                    const char *tail)
{
	char text[SIP_ADDR_TEXT_MAX];

	text[sip_addr_write(addr, text)] = '\0';
	(void)snprintf(why, WHY_MAX, "%s%s%s", head, text, tail); /* it fits */
}

static uint64_t id_hash(uint32_t id)
{
	return (uint64_t)id * 0x9e3779b97f4a7c15u;
}

static struct item *item_find(struct sim_world *world, uint32_t id)
{
	struct sip_node *node = sip_map_first(&world->items, id_hash(id));

	for (; node; node = sip_map_next(node)) {
		struct item *item = SIP_CONTAINER(node, struct item, node);
		if (item->id == id)
			return item;
	}
	return NULL;
}

static struct item *item_new(struct sim_wire *wire, enum item_kind kind)
{
	struct sim_world *world = wire->host->world;
	struct item *item = sip_alloc0(world->alloc, sizeof *item);

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

static void drop_first_unsent(struct item *item)
{
	struct unsent *unsent = item->first_unsent;

	item->first_unsent = unsent->next;
	sip_free(item->wire->host->world->alloc, unsent, sizeof *unsent + unsent->len);
}

static void item_free(struct item *item)
{
	struct sim_world *world = item->wire->host->world;

	while (item->first_unsent)
		drop_first_unsent(item);
	for (unsigned i = 0; i < item->place_count; i++)
		sim_place_remove(&item->places[i]);
	if (item->kind == ITEM_CONN)
		item->wire->host->sockets--;
	sip_map_remove(&world->items, &item->node);
	sip_list_remove(&item->link);
	sip_free(world->alloc, item, sizeof *item);
}

static struct sim_wire *wire_of(struct sip_wire *wire)
{
	return SIP_CONTAINER(wire, struct sim_wire, wire);
}

static void emit(struct item *item, const struct sip_wire_event *event)
{
	item->wire->host->touched = true;
	item->wire->sink->event(item->wire->sink, event);
}

/* ---- listening ---- */

static void receive_datagram(struct sim_place *place, const struct sip_addr *from,
                             const struct sip_addr *to, sip_str bytes)
{
	struct item *item = item_find(place->host->world, place->owner);
	struct sip_wire_event event = { .kind = SIP_WIRE_BYTES, .bytes = bytes };

	assert(item);
	event.path = (struct sip_path){ SIP_UDP, item->id, *to, *from };
	emit(item, &event);
}

static sip_err bind_item(struct item *item, const struct sip_addr *at)
{
	struct sim_host *host = item->wire->host;
	const bool any = sip_addr_is_any(at);

	for (unsigned i = 0; i < host->addr_count; i++) {
		struct sim_place *place = &item->places[item->place_count];
		sip_err err;

		if (host->addrs[i].family != at->family ||
		    (!any && !sip_addr_same_host(&host->addrs[i], at)))
			continue;
		place->class = item->kind == ITEM_SOCKET ? SIM_DATAGRAM : SIM_STREAM;
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
	const enum item_kind kind = transport == SIP_UDP ? ITEM_SOCKET : ITEM_LISTENER;
	struct item *item = item_new(wire, kind);
	sip_err err;

	*why = "out of memory";
	if (!item)
		return SIP_ENOMEM;
	item->transport = transport;
	if (at->port == 0)
		at->port = sim_host_free_port(
			wire->host, kind == ITEM_SOCKET ? SIM_DATAGRAM : SIM_STREAM,
			sip_addr_is_any(at) ? &wire->host->addrs[0] : at);
	err = bind_item(item, at);
	if (err != SIP_OK) {
		if (err == SIP_EWIRE) {
			set_why(wire->why, "", at, " is in use already");
			*why = wire->why;
		} else if (err == SIP_EINVAL) {
			*why = "this host has no such address";
		}
		item_free(item);
		return SIP_EWIRE;
	}
	*id = item->id;
	return SIP_OK;
}

static void op_unlisten(struct sip_wire *w, uint32_t id)
{
	struct item *item = item_find(wire_of(w)->host->world, id);

	if (item)
		item_free(item);
}

/* ---- connections ---- */

struct step {
	struct sim_task task;
	void (*then)(struct item *item, struct step *step);
	uint32_t id;  /* of the item it is about; it may be gone by then */
	bool crosses; /* the network: it does not reach a host that is down */
	sip_err err;
	char why[WHY_MAX];
	size_t len;
	char bytes[];
};

static void miss(struct item *item, const struct step *step);

static void run_step(struct sim_task *task)
{
	struct step *step = (struct step *)(void *)task;
	struct item *item = item_find(task->world, step->id);

	if (item && step->crosses && item->wire->host->down)
		miss(item, step);
	else if (item)
		step->then(item, step);
}

static void cross(struct step *step)
{
	if (step)
		step->crosses = true;
}

static struct step *later(struct item *item, uint64_t delay_us, size_t len,
                          void (*then)(struct item *item, struct step *step))
{
	struct sim_world *world = item->wire->host->world;
	struct step *step;
	uint64_t due = world->now_us + delay_us;

	if (due < item->last_due_us)
		due = item->last_due_us;
	step = sim_task_new(world, sizeof *step + len, due - world->now_us, run_step);
	if (!step)
		return NULL;
	item->last_due_us = due;
	step->then = then;
	step->id = item->id;
	return step;
}

static sip_err send_stream(struct item *item, sip_str bytes);

static void then_opened(struct item *item, struct step *step)
{
	struct sip_wire_event event = { .kind = SIP_WIRE_OPENED,
		                        .path = item->path,
		                        .names = sip_str_of(step->bytes, step->len) };

	if (item->accepted && sip_transport_is_web(item->transport))
		event.handshake.target = SIP_STR("/"); /* as the real wire asks */
	item->open = true;
	while (item->first_unsent) {
		struct unsent *unsent = item->first_unsent;

		/* What has no memory left is lost with the connection below it. */
		(void)send_stream(item, sip_str_of(unsent->bytes, unsent->len));
		drop_first_unsent(item);
	}
	emit(item, &event);
}

/* The end of an end: CLOSED exactly once, and the item is gone before it is told. */
static void then_closed(struct item *item, struct step *step)
{
	struct sim_wire *wire = item->wire;
	const struct sip_wire_event event = { .kind = SIP_WIRE_CLOSED,
		                              .path = item->path,
		                              .err = step->err,
		                              .why = step->why };

	item_free(item);
	wire->host->touched = true;
	wire->sink->event(wire->sink, &event);
}

static void then_bytes(struct item *item, struct step *step)
{
	const struct sip_wire_event event = { .kind = SIP_WIRE_BYTES,
		                              .path = item->path,
		                              .bytes = sip_str_of(step->bytes,
		                                                  step->len) };

	if (!item->closing)
		emit(item, &event);
}

/* Is one of the two hosts down? */
static bool cut_off(const struct item *item)
{
	const struct sim_host *host = item->wire->host,
			      *far = sim_host_at(host->world, &item->path.remote);

	return host->down || !far || far->down;
}

/* Retransmission in the network below: each lost segment costs its repair time, and
 * a dead link costs the connection. */
static bool stream_delay(struct item *item, uint64_t *delay_us)
{
	struct sim_world *world = item->wire->host->world;
	const bool dead = cut_off(item);
	uint64_t delay, sum = 0;
	bool again;

	for (int i = 0; i < REPAIRS_MAX; i++) {
		if (!dead && sim_link_draw(world, &item->path.local, &item->path.remote,
		                           &delay, &again)) {
			*delay_us = sum + delay;
			return true;
		}
		sum += (uint64_t)REPAIR_US << i;
	}
	*delay_us = sum;
	return false;
}

static struct step *end_later(struct item *item, uint64_t delay_us, sip_err err,
                              const char *what)
{
	struct step *step = later(item, delay_us, 0, then_closed);

	if (!step)
		return NULL;
	step->err = err;
	set_why(step->why, what, &item->path.remote, "");
	return step;
}

/* What does not reach its host costs the connection: who has sent it gives up after a
 * while, and here nobody knows, until something is sent.  A connection that was yet to
 * be opened is given up here. */
static void miss(struct item *item, const struct step *step)
{
	struct item *peer = item_find(item->wire->host->world, item->peer);

	item->peer = 0;
	if (!item->open)
		end_later(item, CONNECT_TIMEOUT_US, SIP_EWIRE, "timed out: ");
	if (!peer)
		return;
	peer->peer = 0;
	if (step->then == then_bytes)
		end_later(peer, CONNECT_TIMEOUT_US, SIP_EWIRE, "timed out: ");
}

static struct item *conn_new(struct sim_wire *wire, enum sip_transport transport,
                             const struct sip_addr *local,
                             const struct sip_addr *remote)
{
	struct item *item = item_new(wire, ITEM_CONN);

	if (!item)
		return NULL;
	wire->host->sockets++;
	item->transport = transport;
	item->path = (struct sip_path){ transport, item->id, *local, *remote };
	return item;
}

/* ---- TLS, as far as it is seen from above ---- */

/* Why the two ends cannot come together, or NULL. */
static const char *mismatch(const struct item *item, const struct item *listener,
                            sip_str server_name)
{
	const struct sim_host *host = listener->wire->host;

	const bool secure = sip_transport_info(item->transport)->secure;

	if (item->transport != listener->transport) {
		if (secure != sip_transport_info(listener->transport)->secure)
			return secure ? "no TLS is spoken by " : "closed by ";
		return sip_transport_is_web(item->transport) ? "no WebSocket with "
		                                             : "closed by ";
	}
	if (secure && server_name.len > 0 && host->names_len > 0 &&
	    !sip_str_has_line(sip_str_of(host->names, host->names_len), server_name))
		return "the certificate is for others: ";
	return NULL;
}

/* Tell an end that it is open, and who has proven to be at the other one.  Without
 * names of its own a host proves what it is asked for. */
static bool open_later(struct item *item, uint64_t delay_us,
                       const struct sim_host *peer, sip_str asked)
{
	const bool own = peer->names_len > 0;
	const sip_str names = own ? sip_str_of(peer->names, peer->names_len) : asked;
	const bool told = sip_transport_info(item->transport)->secure && names.len > 0;
	struct step *step = later(item, delay_us, names.len + 1, then_opened);

	cross(step);
	if (step && told) {
		memcpy(step->bytes, names.p, names.len);
		step->bytes[names.len] = '\n';
		step->len = own ? names.len : names.len + 1;
	}
	return step != NULL;
}

/* The far end of an `open`, half a round trip later. */
static void then_arrive(struct item *item, struct step *step)
{
	struct sim_world *world = item->wire->host->world;
	struct sim_place *place = sim_place_find(world, SIM_STREAM, &item->path.remote);
	struct item *listener = place ? item_find(world, place->owner) : NULL;
	const struct sim_host *host = sim_host_at(world, &item->path.remote);
	const sip_str server_name = sip_str_of(step->bytes, step->len);
	struct item *far;
	uint64_t back = 0;

	if (!host || host->down) {
		end_later(item, CONNECT_TIMEOUT_US, SIP_EWIRE, "timed out: ");
		return;
	}
	if (!stream_delay(item, &back)) {
		end_later(item, back, SIP_EWIRE, "timed out: ");
		return;
	}
	if (!listener) {
		cross(end_later(item, back, SIP_EWIRE, "connection refused by "));
		return;
	}
	if (mismatch(item, listener, server_name)) {
		cross(end_later(item, back, SIP_EWIRE,
		                mismatch(item, listener, server_name)));
		return;
	}
	far = conn_new(listener->wire, item->transport, &item->path.remote,
	               &item->path.local);
	if (!far || !open_later(far, 0, item->wire->host, SIP_STR("")) ||
	    !open_later(item, back, host, server_name)) {
		end_later(item, back, SIP_EWIRE, "out of memory at ");
		return;
	}
	far->accepted = true;
	far->peer = item->id;
	item->peer = far->id;
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
	struct item *item;
	struct step *step = NULL;
	uint64_t delay;

	if (local->family == 0 && op_route(w, remote, &from) != SIP_OK)
		return SIP_EWIRE;
	from.port = sim_host_free_port(wire->host, SIM_STREAM, &from);
	item = conn_new(wire, transport, &from, remote);
	if (!item)
		return SIP_ENOMEM;
	*id = item->id;
	if (!sim_host_at(wire->host->world, remote) || !stream_delay(item, &delay)) {
		end_later(item, CONNECT_TIMEOUT_US, SIP_EWIRE, "timed out: ");
		return SIP_OK;
	}
	step = later(item, delay, server_name.len, then_arrive);
	if (!step) {
		end_later(item, 0, SIP_EWIRE, "out of memory at ");
		return SIP_OK;
	}
	step->len = server_name.len;
	if (server_name.len > 0)
		memcpy(step->bytes, server_name.p, server_name.len);
	return SIP_OK;
}

static sip_err keep_unsent(struct item *item, sip_str bytes)
{
	struct unsent *unsent =
		sip_alloc(item->wire->host->world->alloc, sizeof *unsent + bytes.len);
	struct unsent **last = &item->first_unsent;

	if (!unsent)
		return SIP_ENOMEM;
	unsent->next = NULL;
	unsent->len = bytes.len;
	memcpy(unsent->bytes, bytes.p, bytes.len);
	while (*last)
		last = &(*last)->next;
	*last = unsent;
	return SIP_OK;
}

static sip_err send_stream(struct item *item, sip_str bytes)
{
	struct item *peer = item_find(item->wire->host->world, item->peer);
	uint64_t delay = 0;
	struct step *step;

	if (!item->open)
		return keep_unsent(item, bytes);
	if (!peer) {
		end_later(item, 0, SIP_EWIRE, "connection reset by ");
		return SIP_EWIRE;
	}
	if (!stream_delay(item, &delay)) {
		end_later(item, delay, SIP_EWIRE, "timed out: ");
		return SIP_OK;
	}
	step = later(peer, delay, bytes.len, then_bytes);
	cross(step);
	if (!step)
		return SIP_ENOMEM;
	step->len = bytes.len;
	memcpy(step->bytes, bytes.p, bytes.len);
	return SIP_OK;
}

static sip_err op_send(struct sip_wire *w, const struct sip_path *path, sip_str bytes,
                       uint64_t token)
{
	struct sim_wire *wire = wire_of(w);
	struct item *item = item_find(wire->host->world, path->id);
	struct sip_addr from = path->local;

	(void)token; /* what fails is said at once, or as an ICMP error */
	if (!item || item->closing)
		return SIP_EWIRE;
	if (item->kind == ITEM_CONN)
		return send_stream(item, bytes);
	from.port = item->places[0].addr.port;
	sim_datagram(wire->host, &from, &path->remote, bytes, item->id);
	return SIP_OK;
}

static void op_close(struct sip_wire *w, uint32_t id)
{
	struct sim_world *world = wire_of(w)->host->world;
	struct item *item = item_find(world, id);
	struct item *peer;
	uint64_t delay = 0;

	if (!item || item->kind != ITEM_CONN || item->closing)
		return;
	item->closing = true;
	peer = item_find(world, item->peer);
	if (peer && stream_delay(item, &delay)) {
		peer->peer = 0;
		cross(end_later(peer, delay, SIP_OK, "closed by "));
	}
	end_later(item, 0, SIP_OK, "closed to ");
}

void sim_wire_refused(struct sim_world *world, uint32_t wire_id,
                      const struct sip_addr *local, const struct sip_addr *remote)
{
	struct item *item = item_find(world, wire_id);
	struct sip_wire_event event = { .kind = SIP_WIRE_FAILED, .err = SIP_EWIRE };
	char why[WHY_MAX];

	if (!item || item->wire->host->down)
		return;
	set_why(why, "connection refused by ", remote, "");
	event.why = why;
	event.path = (struct sip_path){ SIP_UDP, item->id, *local, *remote };
	emit(item, &event);
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

static const struct sip_wire_ops ops = { op_listen, op_unlisten, op_open, op_send,
	                                 op_close,  op_lookup,   op_route };

sip_err sim_wire_new(struct sim_host *host, const struct sip_limits *limits,
                     struct sip_wire_sink *sink, struct sip_wire **out)
{
	struct sim_wire *wire = sip_alloc0(host->world->alloc, sizeof *wire);

	(void)limits; /* virtual queues are bounded by what a test sends */
	if (!wire)
		return SIP_ENOMEM;
	wire->wire.ops = &ops;
	wire->host = host;
	wire->sink = sink;
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
		struct item *item = SIP_CONTAINER(wire->items.next, struct item, link);
		struct item *peer = item_find(world, item->peer);

		if (peer) { /* a process that ends resets its connections */
			peer->peer = 0;
			if (!cut_off(item))
				cross(end_later(peer, 0, SIP_EWIRE,
				                "connection reset by "));
		}
		item_free(item);
	}
	sip_map_remove(&world->wires, &wire->node);
	sip_free(world->alloc, wire, sizeof *wire);
}
