#include "sim/world.h"

#include "sim/state.h"

#include <assert.h>

sip_err sim_world_new(struct sip_alloc *alloc, uint64_t seed, struct sim_world **out)
{
	struct sim_world *world = sip_alloc0(alloc, sizeof *world);

	if (!world)
		return SIP_ENOMEM;
	world->alloc = alloc;
	sip_seeded_random_init(&world->random, seed);
	sip_timers_init(&world->tasks, alloc);
	sip_list_init(&world->hosts);
	sip_list_init(&world->held);
	sip_map_init(&world->places, alloc);
	sip_map_init(&world->items, alloc);
	sip_map_init(&world->wires, alloc);
	world->random.random.fill(&world->random.random, &world->key,
	                          sizeof world->key);
	*out = world;
	return SIP_OK;
}

static struct sim_task *task_of(struct sip_timer *timer)
{
	return SIP_CONTAINER(timer, struct sim_task, timer);
}

static void free_held(struct sim_world *world);

void sim_world_free(struct sim_world *world)
{
	struct sip_timer *timer;

	free_held(world);
	while (!sip_list_empty(&world->hosts)) {
		struct sim_host *host =
			SIP_CONTAINER(world->hosts.next, struct sim_host, link);

		sip_list_remove(&host->link);
		sim_media_free(host);
		sim_fs_fini(host);
		sip_free(world->alloc, host, sizeof *host);
	}
	while ((timer = sip_timers_pop(&world->tasks, SIP_NEVER)))
		sip_free(world->alloc, task_of(timer), task_of(timer)->size);
	sip_timers_fini(&world->tasks);
	sip_map_fini(&world->places);
	sip_map_fini(&world->items);
	sip_map_fini(&world->wires);
	sim_names_free(world);
	sip_free(world->alloc, world, sizeof *world);
}

uint64_t sim_world_now_us(const struct sim_world *world)
{
	return world->now_us;
}

uint64_t sim_world_next_us(const struct sim_world *world)
{
	return sip_timers_deadline(&world->tasks);
}

size_t sim_world_pending(const struct sim_world *world)
{
	return world->tasks.count + world->held_count;
}

struct sip_random *sim_world_random(struct sim_world *world)
{
	return &world->random.random;
}

void *sim_task_new(struct sim_world *world, size_t size, uint64_t delay_us,
                   void (*run)(struct sim_task *task))
{
	struct sim_task *task = sip_alloc0(world->alloc, size);

	if (!task)
		return NULL;
	task->world = world;
	task->run = run;
	task->size = size;
	if (sip_timer_arm(&world->tasks, &task->timer, world->now_us, delay_us) !=
	    SIP_OK) {
		sip_free(world->alloc, task, size);
		return NULL;
	}
	return task;
}

/* What a task makes due at this very instant waits for the next run: every host has
 * its turn before. */
void sim_world_run(struct sim_world *world, uint64_t to_us)
{
	const uint64_t last = world->tasks.order;
	struct sip_timer *timer;

	assert(to_us >= world->now_us);
	world->now_us = to_us;
	for (struct sip_link *link = world->hosts.next; link != &world->hosts;
	     link = link->next)
		sim_files_run_owed(SIP_CONTAINER(link, struct sim_host, link));
	/* A task armed by one of these stays where it is in the order. */
	while ((timer = sip_timers_find(&world->tasks, to_us)) && timer->order < last) {
		struct sim_task *task = task_of(timer);

		sip_timer_stop(&world->tasks, timer);
		task->run(task);
		sip_free(world->alloc, task, task->size);
	}
}

/* ---- links ---- */

sip_err sim_world_link(struct sim_world *world, const struct sim_link *link)
{
	for (unsigned i = 0; i < world->link_count; i++) { /* the same pair again */
		struct sim_link *old = &world->links[i];
		if (old->from.family == link->from.family &&
		    old->to.family == link->to.family &&
		    sip_addr_same_host(&old->from, &link->from) &&
		    sip_addr_same_host(&old->to, &link->to)) {
			*old = *link;
			return SIP_OK;
		}
	}
	if (world->link_count == SIM_LINKS)
		return SIP_ELIMIT;
	world->links[world->link_count++] = *link;
	return SIP_OK;
}

static bool matches(const struct sip_addr *rule, const struct sip_addr *addr)
{
	return rule->family == 0 || sip_addr_same_host(rule, addr);
}

bool sim_link_draw(struct sim_world *world, const struct sip_addr *from,
                   const struct sip_addr *to, uint64_t *delay_us, bool *again)
{
	static const struct sim_link perfect;
	const struct sim_link *link = &perfect;
	struct sip_random *random = &world->random.random;

	for (unsigned i = 0; i < world->link_count; i++) {
		if (matches(&world->links[i].from, from) &&
		    matches(&world->links[i].to, to))
			link = &world->links[i];
	}
	*delay_us = link->delay_us;
	*again = false;
	if (link->loss > 0 && sip_random_unit(random) < link->loss)
		return false;
	if (link->reorder > 0 && sip_random_unit(random) < link->reorder)
		*delay_us +=
			(uint64_t)(sip_random_unit(random) * (double)link->reorder_us);
	if (link->duplicate > 0)
		*again = sip_random_unit(random) < link->duplicate;
	return true;
}

/* ---- hosts ---- */

sip_err sim_host_new(struct sim_world *world, const struct sip_addr *addr,
                     struct sim_host **out)
{
	struct sim_host *host;

	if (sim_host_at(world, addr))
		return SIP_EINVAL;
	host = sip_alloc0(world->alloc, sizeof *host);
	if (!host)
		return SIP_ENOMEM;
	host->world = world;
	host->next_port = 40000;
	sip_seeded_random_init(&host->random, sip_random_u64(&world->random.random));
	sim_fs_init(host);
	sip_list_insert(&world->hosts, &host->link);
	*out = host;
	return sim_host_add_address(host, addr);
}

sip_err sim_host_set_certificate(struct sim_host *host, sip_str names)
{
	if (names.len > sizeof host->names)
		return SIP_ELIMIT;
	memcpy(host->names, names.p, names.len);
	host->names_len = (uint16_t)names.len;
	return SIP_OK;
}

sip_err sim_host_add_address(struct sim_host *host, const struct sip_addr *addr)
{
	if (host->addr_count == SIM_ADDRESSES)
		return SIP_ELIMIT;
	host->addrs[host->addr_count] = *addr;
	host->addrs[host->addr_count++].port = 0;
	return SIP_OK;
}

struct sip_random *sim_host_random(struct sim_host *host)
{
	return &host->random.random;
}

bool sim_host_take_touched(struct sim_host *host)
{
	const bool touched = host->touched;

	host->touched = false;
	return touched;
}

void sim_host_set_down(struct sim_host *host, bool down)
{
	host->down = down;
}

size_t sim_host_sockets(const struct sim_host *host)
{
	return host->sockets;
}

struct sim_host *sim_host_at(struct sim_world *world, const struct sip_addr *addr)
{
	struct sip_link *link;

	for (link = world->hosts.next; link != &world->hosts; link = link->next) {
		struct sim_host *host = SIP_CONTAINER(link, struct sim_host, link);
		for (unsigned i = 0; i < host->addr_count; i++) {
			if (sip_addr_same_host(&host->addrs[i], addr))
				return host;
		}
	}
	return NULL;
}

/* ---- places ---- */

static uint64_t place_hash(const struct sim_world *world, enum sim_class class,
                           const struct sip_addr *addr)
{
	char text[SIP_ADDR_TEXT_MAX + 1];
	size_t len = sip_addr_write(addr, text);

	text[len++] = (char)class;
	return sip_hash(&world->key, text, len);
}

struct sim_place *sim_place_find(struct sim_world *world, enum sim_class class,
                                 const struct sip_addr *addr)
{
	struct sip_node *node =
		sip_map_first(&world->places, place_hash(world, class, addr));

	for (; node; node = sip_map_next(node)) {
		struct sim_place *place = SIP_CONTAINER(node, struct sim_place, node);
		if (place->class == class && sip_addr_eq(&place->addr, addr))
			return place;
	}
	return NULL;
}

sip_err sim_place_add(struct sim_place *place)
{
	struct sim_world *world = place->host->world;
	sip_err err;

	if (sim_place_find(world, place->class, &place->addr))
		return SIP_EWIRE;
	err = sip_map_insert(&world->places, &place->node,
	                     place_hash(world, place->class, &place->addr));
	if (err == SIP_OK)
		place->host->sockets++;
	return err;
}

void sim_place_remove(struct sim_place *place)
{
	sip_map_remove(&place->host->world->places, &place->node);
	place->host->sockets--;
}

uint16_t sim_host_free_port(struct sim_host *host, enum sim_class class,
                            const struct sip_addr *addr)
{
	struct sip_addr at = *addr;

	do {
		host->next_port = host->next_port < 65000 ? host->next_port + 2 : 40000;
		at.port = host->next_port;
	} while (sim_place_find(host->world, class, &at));
	return at.port;
}

/* ---- datagrams ---- */

struct datagram {
	struct sim_task task; /* of one that is held nothing is armed */
	struct sip_link link; /* among those that are held */
	uint32_t id;
	struct sip_addr from, to;
	uint32_t wire_id;
	size_t len;
	char bytes[];
};

static void deliver(struct sim_task *task)
{
	struct datagram *d = (struct datagram *)(void *)task;
	struct sim_place *place = sim_place_find(task->world, SIM_DATAGRAM, &d->to);
	struct sim_host *host = sim_host_at(task->world, &d->to);

	if (!host || host->down)
		return;
	if (place) {
		host->touched = true;
		place->receive(place, &d->from, &d->to, sip_str_of(d->bytes, d->len));
	} else if (d->wire_id) { /* the host is there, the port is not: ICMP */
		sim_wire_refused(task->world, d->wire_id, &d->from, &d->to);
	}
}

static void fill(struct datagram *d, const struct sip_addr *from,
                 const struct sip_addr *to, sip_str bytes, uint32_t wire_id)
{
	d->from = *from;
	d->to = *to;
	d->wire_id = wire_id;
	d->len = bytes.len;
	if (bytes.len > 0)
		memcpy(d->bytes, bytes.p, bytes.len);
}

static void hold(struct sim_world *world, const struct sip_addr *from,
                 const struct sip_addr *to, sip_str bytes, uint32_t wire_id)
{
	struct datagram *d = sip_alloc0(world->alloc, sizeof *d + bytes.len);

	if (!d)
		return; /* a network may lose what it likes */
	d->task.world = world;
	d->task.size = sizeof *d + bytes.len;
	d->id = ++world->held_id;
	fill(d, from, to, bytes, wire_id);
	sip_list_insert(&world->held, &d->link);
	world->held_count++;
}

void sim_datagram(struct sim_host *from_host, const struct sip_addr *from,
                  const struct sip_addr *to, sip_str bytes, uint32_t wire_id)
{
	struct sim_world *world = from_host->world;
	uint64_t delay_us;
	bool again = true;

	if (from_host->down)
		return;
	if (world->holds) {
		hold(world, from, to, bytes, wire_id);
		return;
	}
	for (int copy = 0; again && copy < 2; copy++) {
		struct datagram *d;

		if (!sim_link_draw(world, from, to, &delay_us, &again))
			return;
		d = sim_task_new(world, sizeof *d + bytes.len, delay_us, deliver);
		if (!d)
			return; /* a network may lose what it likes */
		fill(d, from, to, bytes, wire_id);
	}
}

/* ---- datagrams that are held ---- */

void sim_world_hold(struct sim_world *world, bool on)
{
	world->holds = on;
}

static struct datagram *held_at(struct sip_link *link)
{
	return SIP_CONTAINER(link, struct datagram, link);
}

static struct datagram *find_held(struct sim_world *world, uint32_t id)
{
	struct sip_link *link;

	for (link = world->held.next; link != &world->held; link = link->next) {
		if (held_at(link)->id == id)
			return held_at(link);
	}
	return NULL;
}

static void drop(struct datagram *d)
{
	struct sim_world *world = d->task.world;

	sip_list_remove(&d->link);
	world->held_count--;
	sip_free(world->alloc, d, d->task.size);
}

static void free_held(struct sim_world *world)
{
	while (!sip_list_empty(&world->held))
		drop(held_at(world->held.next));
}

bool sim_world_flying(const struct sim_world *world, uint32_t id,
                      struct sim_flying *flying)
{
	struct sip_link *link = world->held.next;

	while (link != &world->held && held_at(link)->id <= id)
		link = link->next;
	if (link == &world->held)
		return false;
	*flying = (struct sim_flying){
		held_at(link)->id, held_at(link)->from, held_at(link)->to,
		sip_str_of(held_at(link)->bytes, held_at(link)->len)
	};
	return true;
}

bool sim_world_deliver(struct sim_world *world, uint32_t id, bool keep)
{
	struct datagram *d = find_held(world, id);

	if (!d)
		return false;
	deliver(&d->task);
	if (!keep)
		drop(d);
	return true;
}

bool sim_world_lose(struct sim_world *world, uint32_t id)
{
	struct datagram *d = find_held(world, id);

	if (d)
		drop(d);
	return d != NULL;
}

void sim_host_send(struct sim_host *host, const struct sip_addr *from,
                   const struct sip_addr *to, sip_str bytes)
{
	sim_datagram(host, from, to, bytes, 0);
}
