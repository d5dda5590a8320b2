/* Media of a simulated host: the same engine and desk as in production, with the
 * thread between them replaced by delays (doc/design.md). */
#include "sim/state.h"

#include "media/desk.h"
#include "media/engine.h"

#include <assert.h>

enum { PORTS = 4096, SESSIONS = 2048, CROSSING_US = 20000 };

struct port {
	struct sim_place rtp, rtcp;
	bool open;
};

struct sim_media {
	struct sim_host *host;
	struct media_ports ports;
	struct rtp_wire wire;
	struct media_link link;
	struct rtp_engine *engine;
	struct media_desk *desk;
	uint64_t seen_due_us; /* when the signalling side looks; SIP_NEVER */
	uint64_t beat_due_us; /* of the task that is armed; SIP_NEVER */
	uint32_t first_free;
	struct port port[PORTS];
};

static struct sim_media *of_ports(struct media_ports *ports)
{
	return SIP_CONTAINER(ports, struct sim_media, ports);
}

static struct sim_media *of_wire(struct rtp_wire *wire)
{
	return SIP_CONTAINER(wire, struct sim_media, wire);
}

/* ---- time ---- */

struct beat {
	struct sim_task task;
	struct sim_media *media;
};

static void arm_beat(struct sim_media *media, uint64_t due_us);

static void run_beat(struct sim_task *task)
{
	struct sim_media *media = ((struct beat *)(void *)task)->media;
	const uint64_t now_us = task->world->now_us;

	if (media->beat_due_us != now_us)
		return; /* an earlier one has been armed since, and has run */
	media->beat_due_us = SIP_NEVER;
	rtp_engine_advance(media->engine, now_us);
	arm_beat(media, rtp_engine_deadline(media->engine));
}

static void arm_beat(struct sim_media *media, uint64_t due_us)
{
	struct sim_world *world = media->host->world;
	struct beat *beat;

	if (due_us < world->now_us)
		due_us = world->now_us;
	if (due_us == SIP_NEVER || due_us >= media->beat_due_us)
		return;
	beat = sim_task_new(world, sizeof *beat, due_us - world->now_us, run_beat);
	if (!beat)
		return; /* the next command or packet arms it */
	beat->media = media;
	media->beat_due_us = due_us;
}

/* ---- ports ---- */

static void receive(struct sim_place *place, const struct sip_addr *from,
                    const struct sip_addr *to, sip_str bytes)
{
	struct sim_media *media = place->host->media;
	const uint32_t port = place->owner / 2;

	(void)to;
	rtp_engine_input(media->engine, place->host->world->now_us, port,
	                 place->owner % 2 != 0, from, bytes.p, bytes.len);
	arm_beat(media, rtp_engine_deadline(media->engine));
}

static sip_err add_place(struct sim_media *media, struct sim_place *place,
                         const struct sip_addr *at, uint32_t owner)
{
	place->class = SIM_DATAGRAM;
	place->addr = *at;
	place->host = media->host;
	place->owner = owner;
	place->receive = receive;
	return sim_place_add(place);
}

static sip_err op_open(struct media_ports *ports, const struct sip_addr *host,
                       uint32_t *id, struct sip_addr *bound, const char **why)
{
	struct sim_media *media = of_ports(ports);
	struct sip_addr at = *host;

	*why = "no RTP port is free";
	for (uint32_t i = 0; i < PORTS; i++) {
		const uint32_t n = (media->first_free + i) % PORTS;
		struct port *port = &media->port[n];

		if (port->open)
			continue;
		at.port = sim_host_free_port(media->host, SIM_DATAGRAM, &at);
		*bound = at;
		if (add_place(media, &port->rtp, &at, n * 2) != SIP_OK)
			return SIP_EWIRE;
		at.port++;
		if (add_place(media, &port->rtcp, &at, n * 2 + 1) != SIP_OK) {
			sim_place_remove(&port->rtp);
			return SIP_EWIRE;
		}
		port->open = true;
		media->first_free = n + 1;
		*id = n;
		return SIP_OK;
	}
	return SIP_ELIMIT;
}

static void op_close(struct media_ports *ports, uint32_t id)
{
	struct port *port = &of_ports(ports)->port[id];

	assert(port->open);
	sim_place_remove(&port->rtp);
	sim_place_remove(&port->rtcp);
	port->open = false;
}

/* A command reaches the other thread at once: it polls its queue. */
static void op_wake(struct media_ports *ports)
{
	struct sim_media *media = of_ports(ports);

	arm_beat(media, media->host->world->now_us);
}

static void op_send(struct rtp_wire *wire, uint32_t id, bool rtcp,
                    const struct sip_addr *to, const void *bytes, size_t len)
{
	struct sim_media *media = of_wire(wire);
	const struct port *port = &media->port[id];

	sim_datagram(media->host, rtcp ? &port->rtcp.addr : &port->rtp.addr, to,
	             sip_str_of(bytes, len), 0);
}

/* Reports cross to the signalling thread within one beat, as they do with a thread
 * that may be busy just then. */
static void op_notify(struct rtp_wire *wire, bool reports)
{
	struct sim_media *media = of_wire(wire);
	struct sip_random *random = &media->host->random.random;

	if (!reports || media->seen_due_us != SIP_NEVER)
		return;
	media->seen_due_us = media->host->world->now_us +
	                     (uint64_t)(sip_random_unit(random) * CROSSING_US);
}

/* ---- life ---- */

static const struct media_ports_ops ports_ops = { op_open, op_close, op_wake };
static const struct rtp_wire_ops wire_ops = { op_send, op_notify };

static sip_err make(struct sim_media *media)
{
	struct sim_host *host = media->host;
	const struct rtp_engine_config engine = { .alloc = host->world->alloc,
		                                  .random = &host->random.random,
		                                  .wire = &media->wire,
		                                  .link = &media->link,
		                                  .sessions_max = SESSIONS,
		                                  .ports_max = PORTS };
	const struct media_desk_config desk = { .alloc = host->world->alloc,
		                                .files = &host->fs.files,
		                                .ports = &media->ports,
		                                .link = &media->link,
		                                .sessions_max = SESSIONS };

	if (media_link_init(&media->link, host->world->alloc) != SIP_OK)
		return SIP_ENOMEM;
	media->engine = rtp_engine_new(&engine);
	media->desk = media->engine ? media_desk_new(&desk) : NULL;
	if (media->desk)
		return SIP_OK;
	if (media->engine)
		rtp_engine_free(media->engine);
	media_link_fini(&media->link);
	return SIP_ENOMEM;
}

struct media_desk *sim_host_desk(struct sim_host *host)
{
	struct sim_media *media = host->media;

	if (media)
		return media->desk;
	media = sip_alloc0(host->world->alloc, sizeof *media);
	if (!media)
		return NULL;
	media->host = host;
	media->ports.ops = &ports_ops;
	media->wire.ops = &wire_ops;
	media->seen_due_us = media->beat_due_us = SIP_NEVER;
	if (make(media) != SIP_OK) {
		sip_free(host->world->alloc, media, sizeof *media);
		return NULL;
	}
	host->media = media;
	return media->desk;
}

uint64_t sim_host_media_due_us(const struct sim_host *host)
{
	return host->media ? host->media->seen_due_us : SIP_NEVER;
}

/* What the desk waits for may be a file, not a report. */
void sim_media_look(struct sim_host *host)
{
	if (host->media && host->media->seen_due_us == SIP_NEVER)
		host->media->seen_due_us = host->world->now_us;
}

void sim_host_media_seen(struct sim_host *host)
{
	if (host->media)
		host->media->seen_due_us = SIP_NEVER;
}

void sim_media_free(struct sim_host *host)
{
	struct sim_media *media = host->media;

	if (!media)
		return;
	rtp_engine_free(media->engine);
	media_desk_free(media->desk);
	media_link_fini(&media->link);
	for (uint32_t i = 0; i < PORTS; i++) {
		if (media->port[i].open)
			op_close(&media->ports, i);
	}
	sip_free(host->world->alloc, media, sizeof *media);
	host->media = NULL;
}
