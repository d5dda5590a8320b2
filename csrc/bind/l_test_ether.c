/* l_test_ether.c - hosts on it, links, and what no host has. */
#include "bind/l_test_ether.h"

#include "base/random.h"
#include "bind/l_test_book.h"

#include <assert.h>
#include <string.h>

enum { CLAIM_PORT = 22400, PREFIX_MIN = 2, PREFIX_MAX = 250 };

/* --- hosts ----------------------------------------------------------------------- */

sip_err l_ether_host_init(struct l_ether *ether, struct l_ether_host *host,
                          const char **why)
{
	const sip_err err = net_loop_new(ether->alloc, &ether->clock, &host->loop, why);

	if (err != SIP_OK)
		return err;
	host->ether = ether;
	sip_list_init(&host->wires);
	sip_list_insert(&ether->hosts, &host->link);
	return SIP_OK;
}

void l_ether_host_fini(struct l_ether_host *host)
{
	if (!host->loop)
		return;
	assert(sip_list_empty(&host->wires));
	sip_list_remove(&host->link);
	net_loop_free(host->loop);
	host->loop = NULL;
}

sip_err l_ether_host_address(struct l_ether_host *host, const struct sip_addr *addr)
{
	if (host->addr_count == ETHER_ADDRESSES)
		return SIP_ELIMIT;
	if (l_host_at(host->ether, addr))
		return SIP_EINVAL;
	host->addrs[host->addr_count] = *addr;
	host->addrs[host->addr_count++].port = 0;
	return SIP_OK;
}

size_t l_ether_host_sockets(const struct l_ether_host *host)
{
	size_t count = 0;

	for (struct sip_link *l = host->wires.next; l != &host->wires; l = l->next)
		count += net_wire_count(
			SIP_CONTAINER(l, struct ether_wire, link)->below);
	return count;
}

uint64_t l_ether_host_deadline_ms(const struct l_ether_host *host)
{
	const uint64_t wait_ms = net_loop_wait_ms(host->loop);

	return wait_ms == SIP_NEVER ? SIP_NEVER : host->ether->now_ms + wait_ms;
}

/* --- links ------------------------------------------------------------------------ */

static bool link_matches(const struct sip_addr *rule, const struct sip_addr *addr)
{
	return rule->family == 0 || sip_addr_same_host(rule, addr);
}

static bool same_ends(const struct l_ether_link *a, const struct l_ether_link *b)
{
	return a->from.family == b->from.family && a->to.family == b->to.family &&
	       sip_addr_same_host(&a->from, &b->from) &&
	       sip_addr_same_host(&a->to, &b->to);
}

sip_err l_ether_link(struct l_ether *ether, const struct l_ether_link *link)
{
	for (unsigned i = 0; i < ether->link_count; i++) { /* the same pair again */
		if (same_ends(&ether->links[i], link)) {
			ether->links[i] = *link;
			return SIP_OK;
		}
	}
	if (ether->link_count == ETHER_LINKS)
		return SIP_ELIMIT;
	ether->links[ether->link_count++] = *link;
	return SIP_OK;
}

bool l_link_draw(struct l_ether *ether, const struct sip_addr *from,
                 const struct sip_addr *to, uint64_t *delay_ms, bool *again)
{
	static const struct l_ether_link perfect;
	const struct l_ether_link *link = &perfect;
	struct sip_random *random = ether->random;

	for (unsigned i = 0; i < ether->link_count; i++) {
		if (link_matches(&ether->links[i].from, from) &&
		    link_matches(&ether->links[i].to, to))
			link = &ether->links[i];
	}
	*delay_ms = link->delay_ms;
	*again = false;
	if (link->loss > 0 && sip_random_unit(random) < link->loss)
		return false;
	if (link->reorder > 0 && sip_random_unit(random) < link->reorder)
		*delay_ms +=
			(uint64_t)(sip_random_unit(random) * (double)link->reorder_ms);
	if (link->duplicate > 0)
		*again = sip_random_unit(random) < link->duplicate;
	return true;
}

static void held_free(struct l_ether *ether, struct held *held)
{
	sip_list_remove(&held->link);
	ether->held_count--;
	sip_free(ether->alloc, held, sizeof *held + held->len);
}

sip_err l_hold(struct ether_wire *wire, const struct held *model, uint64_t delay_ms,
               sip_str bytes)
{
	struct l_ether *ether = wire->host->ether;
	struct held *held = sip_alloc(ether->alloc, sizeof *held + bytes.len);
	struct sip_link *at = &ether->held;

	if (!held)
		return SIP_ENOMEM;
	*held = *model;
	held->due_ms = ether->now_ms + delay_ms;
	held->wire = wire;
	held->len = bytes.len;
	if (bytes.len > 0)
		memcpy(held->bytes, bytes.p, bytes.len);
	while (at->prev != &ether->held &&
	       SIP_CONTAINER(at->prev, struct held, link)->due_ms > held->due_ms)
		at = at->prev;
	sip_list_insert(at, &held->link);
	ether->held_count++;
	return SIP_OK;
}

void l_held_forget(struct ether_wire *wire)
{
	const struct l_ether *ether = wire->host->ether;

	for (struct sip_link *l = ether->held.next; l != &ether->held; l = l->next) {
		struct held *held = SIP_CONTAINER(l, struct held, link);

		if (held->wire == wire)
			held->wire = NULL;
	}
}

uint64_t l_ether_deadline_ms(const struct l_ether *ether)
{
	return sip_list_empty(&ether->held)
	               ? SIP_NEVER
	               : SIP_CONTAINER(ether->held.next, struct held, link)->due_ms;
}

/* From a socket that is there for this one datagram. */
static sip_err forge(struct l_ether *ether, const struct sip_addr *from,
                     const struct sip_addr *to, sip_str bytes)
{
	struct sip_path path = { .transport = SIP_UDP };
	const char *why;
	sip_err err;

	if (!l_to_real(ether, SIP_UDP, from, &path.local) ||
	    !l_to_real(ether, SIP_UDP, to, &path.remote))
		return SIP_EINVAL;
	err = ether->wire->ops->listen(ether->wire, SIP_UDP, &path.local, &path.id,
	                               &why);
	if (err != SIP_OK)
		return err;
	err = ether->wire->ops->send(ether->wire, &path, bytes, 0);
	if (err == SIP_OK)
		l_expect(ether, NULL, to);
	ether->wire->ops->unlisten(ether->wire, path.id); /* sends it first */
	return err;
}

/* What fails here has failed in the network: nobody is told. */
static void release_held(struct l_ether *ether)
{
	while (l_ether_deadline_ms(ether) <= ether->now_ms) {
		struct held *held = SIP_CONTAINER(ether->held.next, struct held, link);
		const sip_str bytes = sip_str_of(held->bytes, held->len);

		if (held->wire && held->close)
			l_wire_close(held->wire, held->path.id);
		else if (held->wire)
			(void)l_wire_send(held->wire, &held->path, bytes, held->token);
		else if (held->path.transport == SIP_UDP && !held->close)
			(void)forge(ether, &held->path.local, &held->path.remote,
			            bytes);
		held_free(ether, held);
	}
}

/* --- the ether ------------------------------------------------------------------- */

static uint64_t ether_now_ms(const struct net_clock *clock)
{
	return SIP_CONTAINER(clock, struct l_ether, clock)->now_ms;
}

static void swallow(struct sip_wire_sink *sink, const struct sip_wire_event *event)
{
	(void)sink; /* holes give nothing back */
	(void)event;
}

/* The first 127.prefix.x.y that nobody else claims: runs beside each other, and
 * worlds that the collector has not found yet, do not meet. */
static bool claim(struct l_ether *ether, const char **why)
{
	for (unsigned prefix = PREFIX_MIN; prefix <= PREFIX_MAX; prefix++) {
		struct sip_addr at = { .family = 4, .port = CLAIM_PORT };
		uint32_t id;

		at.ip[0] = 127;
		at.ip[1] = ether->prefix = (uint8_t)prefix;
		at.ip[3] = 1;
		if (ether->wire->ops->listen(ether->wire, SIP_UDP, &at, &id, why) ==
		    SIP_OK)
			return true;
	}
	return false;
}

sip_err l_ether_init(struct l_ether *ether, struct sip_alloc *alloc,
                     struct sip_random *random, const char **why)
{
	const struct sip_limits limits = SIP_LIMITS_DEFAULT;
	sip_err err;

	memset(ether, 0, sizeof *ether);
	ether->clock.now_ms = ether_now_ms;
	ether->alloc = alloc;
	ether->random = random;
	ether->sink.event = swallow;
	sip_list_init(&ether->hosts);
	sip_list_init(&ether->places);
	sip_list_init(&ether->conns);
	sip_list_init(&ether->held);
	err = net_loop_new(alloc, &ether->clock, &ether->loop, why);
	if (err != SIP_OK)
		return err;
	*why = "out of memory";
	err = net_wire_new(ether->loop, &limits, &ether->sink, &ether->wire);
	if (err == SIP_OK && !claim(ether, why))
		err = SIP_EWIRE;
	if (err != SIP_OK)
		l_ether_fini(ether);
	return err;
}

void l_ether_fini(struct l_ether *ether)
{
	if (!ether->loop)
		return;
	while (!sip_list_empty(&ether->places)) /* holes */
		l_place_free(ether,
		             SIP_CONTAINER(ether->places.next, struct place, link));
	while (!sip_list_empty(&ether->held))
		held_free(ether, SIP_CONTAINER(ether->held.next, struct held, link));
	net_wire_free(ether->wire);
	net_loop_free(ether->loop);
	ether->loop = NULL;
}

void l_ether_flush(struct l_ether *ether)
{
	struct sip_link *l, *w;

	release_held(ether);
	for (l = ether->places.next; l != &ether->places; l = l->next) {
		struct place *place = SIP_CONTAINER(l, struct place, link);

		place->expected += place->queued;
		place->queued = 0;
	}
	for (l = ether->hosts.next; l != &ether->hosts; l = l->next) {
		struct l_ether_host *host = SIP_CONTAINER(l, struct l_ether_host, link);

		for (w = host->wires.next; w != &host->wires; w = w->next) {
			struct ether_wire *wire =
				SIP_CONTAINER(w, struct ether_wire, link);

			wire->refusals += wire->queued;
			wire->queued = 0;
		}
		net_loop_flush(host->loop);
	}
}

void l_ether_poll(struct l_ether *ether)
{
	net_loop_poll(ether->loop, 0);
	for (struct sip_link *l = ether->hosts.next; l != &ether->hosts; l = l->next)
		net_loop_poll(SIP_CONTAINER(l, struct l_ether_host, link)->loop, 0);
}

sip_err l_ether_datagram(struct l_ether *ether, const struct sip_addr *from,
                         const struct sip_addr *to, sip_str bytes)
{
	const struct place *place = l_place_at(ether, SIP_UDP, from);
	struct sip_path path = { SIP_UDP, 0, *from, *to };

	if (place && place->wire) {
		path.id = place->id;
		return place->wire->wire.ops->send(&place->wire->wire, &path, bytes, 0);
	}
	return forge(ether, from, to, bytes);
}
