/* l_test_ether_wire.c - a wire that renames addresses on their way down and up. */
#include "bind/l_test_book.h"

#include <string.h>

enum { WHY_MAX = 200 };

static const char STREAM_DOWN[] = "a stream of a host that is down";

static struct ether_wire *wire_of(struct sip_wire *wire)
{
	return SIP_CONTAINER(wire, struct ether_wire, wire);
}

/* --- coming up ------------------------------------------------------------------- */

static void note_connection(struct ether_wire *wire, const struct sip_wire_event *event)
{
	struct conn *conn = l_conn_find(wire, event->path.id);

	if (event->kind == SIP_WIRE_OPENED && !conn)
		conn = l_conn_new(wire, event->path.id); /* accepted */
	if (!conn)
		return;
	if (event->kind == SIP_WIRE_CLOSED) {
		l_conn_free(conn);
		return;
	}
	if (event->kind == SIP_WIRE_OPENED) {
		conn->open = true;
		conn->local = event->path.local;
		conn->remote = event->path.remote;
	}
	conn->read += event->bytes.len;
}

static void note_datagram(struct ether_wire *wire, const struct sip_wire_event *event,
                          const struct sip_addr *remote)
{
	const struct l_ether *ether = wire->host->ether;
	struct place *place;

	if (event->kind == SIP_WIRE_FAILED) {
		place = l_place_at(ether, SIP_UDP, remote);
		if (place)
			l_take_one(&place->expected, &place->queued);
		else
			l_take_one(&wire->refusals, &wire->queued);
		return;
	}
	for (struct sip_link *l = ether->places.next; l != &ether->places;
	     l = l->next) {
		place = SIP_CONTAINER(l, struct place, link);
		if (place->wire == wire && place->id == event->path.id)
			l_take_one(&place->expected, &place->queued);
	}
}

/* The address in a reason, by the name that the spec knows. */
static const char *rename_why(const char *why, const struct sip_addr *real,
                              const struct sip_addr *virt, char *out, size_t size)
{
	char text[SIP_ADDR_TEXT_MAX];
	const char *at;

	if (!why)
		return NULL;
	text[sip_addr_write(real, text)] = '\0';
	at = strstr(why, text);
	if (!at || (size_t)(at - why) + SIP_ADDR_TEXT_MAX >= size)
		return why;
	memcpy(out, why, (size_t)(at - why));
	out[(size_t)(at - why) + sip_addr_write(virt, out + (at - why))] = '\0';
	strncat(out, at + strlen(text), size - strlen(out) - 1);
	return out;
}

/* A connection that comes in before its opener has heard: whose it is tells its name.
 */
static void claim_opener(const struct l_ether *ether, const struct sip_path *path)
{
	for (struct sip_link *l = ether->conns.next; l != &ether->conns; l = l->next) {
		struct conn *conn = SIP_CONTAINER(l, struct conn, link);

		if (!conn->open && conn->local.port == 0 &&
		    sip_addr_eq(&conn->remote, &path->local)) {
			conn->local = path->remote;
			return;
		}
	}
}

static void on_event(struct sip_wire_sink *sink, const struct sip_wire_event *event)
{
	struct ether_wire *wire = SIP_CONTAINER(sink, struct ether_wire, sink);
	const struct l_ether *ether = wire->host->ether;
	const enum sip_transport transport = event->path.transport;
	struct sip_wire_event renamed = *event;
	char why[WHY_MAX];

	if (event->kind == SIP_WIRE_OPENED && !l_conn_find(wire, event->path.id))
		claim_opener(ether, &event->path);
	renamed.path.local = l_to_virt(ether, transport, &event->path.local);
	renamed.path.remote = l_to_virt(ether, transport, &event->path.remote);
	renamed.why = rename_why(event->why, &event->path.remote, &renamed.path.remote,
	                         why, sizeof why);
	if (event->path.transport == SIP_UDP)
		note_datagram(wire, event, &renamed.path.remote);
	else
		note_connection(wire, event);
	wire->host->touched = true;
	wire->above->event(wire->above, &renamed);
}

static void on_records(struct sip_wire_sink *sink, const struct sip_wire_event *event)
{
	struct ether_wire *wire = SIP_CONTAINER(sink, struct ether_wire, records);

	wire->host->touched = true;
	wire->above->event(wire->above, event);
}

/* --- going down ------------------------------------------------------------------ */

static sip_err op_listen(struct sip_wire *w, enum sip_transport transport,
                         struct sip_addr *at, uint32_t *id, const char **why)
{
	struct ether_wire *wire = wire_of(w);
	struct l_ether *ether = wire->host->ether;
	const bool any = sip_addr_is_any(at);
	const bool unshifted = any || at->family == 6;
	struct place *place;
	struct sip_addr real = *at;
	sip_err err;

	*why = any ? "out of memory" : "this host has no such address";
	if (!any &&
	    (!l_host_has(wire->host, at) || !l_to_real(ether, transport, at, &real)))
		return SIP_EWIRE;
	if (unshifted && at->port != 0 && l_place_at(ether, transport, at)) {
		*why = "it is in use already";
		return SIP_EWIRE;
	}
	if (unshifted)
		real.port = 0; /* the kernel's choice: others have this one, too */
	place = l_place_new(ether, at);
	if (!place)
		return SIP_ENOMEM;
	err = wire->below->ops->listen(wire->below, transport, &real, id, why);
	if (err != SIP_OK) {
		*why = rename_why(*why, &real, at, wire->why, sizeof wire->why);
		l_place_free(ether, place);
		return err;
	}
	place->wire = wire;
	place->host = wire->host;
	place->transport = transport;
	place->id = *id;
	place->any = any;
	place->real = real;
	if (at->port == 0)
		at->port =
			unshifted ? real.port : l_to_virt(ether, transport, &real).port;
	place->virt = *at;
	return SIP_OK;
}

static void op_unlisten(struct sip_wire *w, uint32_t id)
{
	struct ether_wire *wire = wire_of(w);
	struct l_ether *ether = wire->host->ether;
	struct sip_link *l, *next;

	for (l = ether->places.next; l != &ether->places; l = next) {
		struct place *place = SIP_CONTAINER(l, struct place, link);

		next = l->next;
		if (place->wire != wire || place->id != id)
			continue;
		if (place->transport == SIP_UDP)
			wire->refusals = wire->queued = 0; /* nobody will be told */
		l_place_free(ether, place);
	}
	wire->below->ops->unlisten(wire->below, id);
}

static sip_err op_route(struct sip_wire *w, const struct sip_addr *remote,
                        struct sip_addr *local)
{
	const struct l_ether_host *host = wire_of(w)->host;
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

/* NOLINTNEXTLINE(readability-function-size): the seam has six parameters */
static sip_err op_open(struct sip_wire *w, enum sip_transport transport,
                       const struct sip_addr *local, const struct sip_addr *remote,
                       sip_str server_name, uint32_t *id)
{
	struct ether_wire *wire = wire_of(w);
	struct l_ether *ether = wire->host->ether;
	const struct l_ether_host *there = l_host_at(ether, remote);
	struct sip_addr from = *local, real_from, real_to;
	struct conn *conn;
	sip_err err;

	if (from.family == 0 && op_route(w, remote, &from) != SIP_OK)
		return SIP_EWIRE;
	from.port = 0;
	if (!l_to_real(ether, transport, &from, &real_from) ||
	    !l_to_real(ether, transport, remote, &real_to))
		return SIP_EWIRE;
	err = wire->below->ops->open(wire->below, transport, &real_from, &real_to,
	                             server_name, id);
	if (err != SIP_OK)
		return err;
	if (wire->host->down || (there && there->down))
		ether->wanted = STREAM_DOWN;
	conn = l_conn_new(wire, *id);
	if (!conn)
		return SIP_ENOMEM;
	conn->remote = real_to;
	return SIP_OK;
}

/* A host that is down is silent.  The kernel would answer for its streams. */
static bool is_cut_off(struct ether_wire *wire, const struct conn *conn,
                       const struct sip_addr *remote)
{
	struct l_ether *ether = wire->host->ether;
	const struct sip_addr to =
		conn ? l_to_virt(ether, SIP_TCP, &conn->remote) : *remote;
	const struct l_ether_host *there = l_host_at(ether, &to);
	const bool cut_off = wire->host->down || (there && there->down);

	if (cut_off && conn)
		ether->wanted = STREAM_DOWN;
	return cut_off;
}

sip_err l_wire_send(struct ether_wire *wire, const struct sip_path *path, sip_str bytes,
                    uint64_t token)
{
	struct l_ether *ether = wire->host->ether;
	struct conn *conn = l_conn_find(wire, path->id);
	struct sip_path real = *path;
	sip_err err;

	if (is_cut_off(wire, conn, &path->remote))
		return SIP_OK;
	if (!conn && !l_place_at(ether, SIP_UDP, &path->remote) &&
	    !l_host_at(ether, &path->remote))
		l_dig_hole(ether, &path->remote);
	if (!l_to_real(ether, path->transport, &path->local, &real.local) ||
	    !l_to_real(ether, path->transport, &path->remote, &real.remote))
		return SIP_EWIRE;
	err = wire->below->ops->send(wire->below, &real, bytes, token);
	if (err != SIP_OK)
		return err;
	if (conn)
		conn->written += bytes.len;
	else
		l_expect(ether, wire, &path->remote);
	return SIP_OK;
}

void l_wire_close(struct ether_wire *wire, uint32_t id)
{
	struct conn *conn = l_conn_find(wire, id);

	if (conn)
		conn->closing = true;
	wire->below->ops->close(wire->below, id);
}

/* Streams repair what is lost and keep their order: they are delayed, no more. */
static bool conn_delay(struct ether_wire *wire, uint32_t id, uint64_t *delay_ms)
{
	struct l_ether *ether = wire->host->ether;
	const struct conn *conn = l_conn_find(wire, id);
	struct sip_addr from, to;
	bool again;

	if (!conn || !conn->open)
		return false;
	from = l_to_virt(ether, SIP_TCP, &conn->local);
	to = l_to_virt(ether, SIP_TCP, &conn->remote);
	(void)l_link_draw(ether, &from, &to, delay_ms, &again);
	return *delay_ms > 0;
}

static sip_err op_send(struct sip_wire *w, const struct sip_path *path, sip_str bytes,
                       uint64_t token)
{
	struct ether_wire *wire = wire_of(w);
	const struct held held = { .path = *path, .token = token };
	sip_err err = SIP_OK;
	uint64_t delay_ms;
	bool again = true;

	if (l_conn_find(wire, path->id))
		return conn_delay(wire, path->id, &delay_ms)
		               ? l_hold(wire, &held, delay_ms, bytes)
		               : l_wire_send(wire, path, bytes, token);
	for (int copy = 0; err == SIP_OK && again && copy < 2; copy++) {
		if (!l_link_draw(wire->host->ether, &path->local, &path->remote,
		                 &delay_ms, &again))
			break;
		err = delay_ms > 0 ? l_hold(wire, &held, delay_ms, bytes)
		                   : l_wire_send(wire, path, bytes, token);
	}
	return err;
}

static void op_close(struct sip_wire *w, uint32_t id)
{
	struct ether_wire *wire = wire_of(w);
	const struct held held = { .path.id = id, .close = true };
	uint64_t delay_ms;

	if (!conn_delay(wire, id, &delay_ms) ||
	    l_hold(wire, &held, delay_ms, SIP_STR("")) != SIP_OK)
		l_wire_close(wire, id);
}

static sip_err op_lookup(struct sip_wire *w, sip_str name, enum sip_record_type type,
                         uint64_t token)
{
	struct sip_wire *names = wire_of(w)->names;

	return names->ops->lookup(names, name, type, token);
}

static sip_err op_asks(struct sip_wire *w, sip_str target)
{
	struct ether_wire *wire = wire_of(w);

	return wire->below->ops->asks(wire->below, target);
}

static const struct sip_wire_ops ether_ops = {
	.listen = op_listen,
	.unlisten = op_unlisten,
	.open = op_open,
	.send = op_send,
	.close = op_close,
	.lookup = op_lookup,
	.route = op_route,
	.asks = op_asks,
};

/* --- wires ----------------------------------------------------------------------- */

sip_err l_ether_wire_new(struct l_ether_host *host, struct sim_host *sim,
                         const struct sip_limits *limits, struct sip_wire_sink *sink,
                         struct sip_wire **out)
{
	struct ether_wire *wire = sip_alloc0(host->ether->alloc, sizeof *wire);
	sip_err err;

	if (!wire)
		return SIP_ENOMEM;
	wire->wire.ops = &ether_ops;
	wire->sink.event = on_event;
	wire->above = sink;
	wire->host = host;
	wire->records.event = on_records;
	err = sim_wire_new(sim, limits, &wire->records, &wire->names);
	if (err == SIP_OK)
		err = net_wire_new(host->loop, limits, &wire->sink, &wire->below);
	if (err != SIP_OK) {
		if (wire->names)
			sim_wire_free(wire->names);
		sip_free(host->ether->alloc, wire, sizeof *wire);
		return err;
	}
	sip_list_insert(&host->wires, &wire->link);
	*out = &wire->wire;
	return SIP_OK;
}

void l_ether_wire_free(struct sip_wire *w)
{
	struct ether_wire *wire = wire_of(w);
	struct l_ether *ether = wire->host->ether;
	struct sip_link *l, *next;

	for (l = ether->places.next; l != &ether->places; l = next) {
		next = l->next;
		if (SIP_CONTAINER(l, struct place, link)->wire == wire)
			l_place_free(ether, SIP_CONTAINER(l, struct place, link));
	}
	for (l = ether->conns.next; l != &ether->conns; l = next) {
		next = l->next;
		if (SIP_CONTAINER(l, struct conn, link)->wire == wire)
			l_conn_free(SIP_CONTAINER(l, struct conn, link));
	}
	l_held_forget(wire);
	sim_wire_free(wire->names);
	net_wire_free(wire->below);
	sip_list_remove(&wire->link);
	sip_free(ether->alloc, wire, sizeof *wire);
}
