#include "media/engine.h"

#include "media/session.h"

#include <assert.h>
#include <string.h>

enum {
	SLAB = 8,            /* sessions allocated at once */
	CATCH_UP_BEATS = 10, /* later than that, the audio in between is left out */
};

struct slab {
	struct rtp_session sessions[SLAB];
};

struct rtp_engine {
	struct rtp_engine_config config;
	struct rtp_shared shared;
	struct slab **slabs;  /* by slot / SLAB; allocated when first needed */
	uint32_t *active;     /* the slots of open sessions, dense */
	uint32_t *port_slots; /* by port id */
	bool *failed; /* slots that could not be opened and are to be reported */
	uint32_t slab_count, active_count, failed_count;
	uint64_t beat_us; /* the next one */
};

/* ---- memory ---- */

static sip_err engine_tables(struct rtp_engine *engine)
{
	struct sip_alloc *alloc = engine->config.alloc;
	const uint32_t max = engine->config.sessions_max;
	const uint32_t ports = engine->config.ports_max;

	engine->slab_count = (max + SLAB - 1) / SLAB;
	engine->slabs = sip_alloc0(alloc, engine->slab_count * sizeof(struct slab *));
	engine->active = sip_alloc0(alloc, max * sizeof *engine->active);
	engine->failed = sip_alloc0(alloc, max * sizeof *engine->failed);
	engine->port_slots = sip_alloc0(alloc, ports * sizeof *engine->port_slots);
	if (!engine->slabs || !engine->active || !engine->failed || !engine->port_slots)
		return SIP_ENOMEM;
	for (uint32_t i = 0; i < ports; i++)
		engine->port_slots[i] = MEDIA_SLOT_NONE;
	return SIP_OK;
}

struct rtp_engine *rtp_engine_new(const struct rtp_engine_config *config)
{
	struct rtp_engine *engine = sip_alloc0(config->alloc, sizeof *engine);

	assert(config->sessions_max > 0 && config->ports_max > 0);
	if (!engine)
		return NULL;
	engine->config = *config;
	engine->shared = (struct rtp_shared){
		.alloc = config->alloc,
		.random = config->random,
		.wire = config->wire,
		.wall_offset_us = config->wall_offset_us,
	};
	if (engine_tables(engine)) {
		rtp_engine_free(engine);
		return NULL;
	}
	return engine;
}

static struct rtp_session *session_at(const struct rtp_engine *engine, uint32_t slot)
{
	struct slab *slab;

	assert(slot < engine->config.sessions_max);
	slab = engine->slabs[slot / SLAB];
	return slab ? &slab->sessions[slot % SLAB] : NULL;
}

static struct rtp_session *open_session(const struct rtp_engine *engine, uint32_t slot)
{
	struct rtp_session *session =
		slot < engine->config.sessions_max ? session_at(engine, slot) : NULL;

	return session && session->open ? session : NULL;
}

void rtp_engine_free(struct rtp_engine *engine)
{
	struct sip_alloc *alloc;
	uint32_t max;

	if (!engine)
		return;
	alloc = engine->config.alloc;
	max = engine->config.sessions_max;
	for (uint32_t i = 0; i < engine->active_count; i++)
		rtp_session_fini(session_at(engine, engine->active[i]));
	for (uint32_t i = 0; engine->slabs && i < engine->slab_count; i++)
		sip_free(alloc, engine->slabs[i], sizeof(struct slab));
	sip_free(alloc, engine->slabs, engine->slab_count * sizeof(struct slab *));
	sip_free(alloc, engine->active, max * sizeof *engine->active);
	sip_free(alloc, engine->failed, max * sizeof *engine->failed);
	sip_free(alloc, engine->port_slots,
	         engine->config.ports_max * sizeof *engine->port_slots);
	sip_free(alloc, engine, sizeof *engine);
}

/* ---- commands ---- */

static sip_err session_open(struct rtp_engine *engine, uint64_t now_us,
                            const struct media_command *command)
{
	const uint32_t slot = command->slot;
	struct slab **slab = &engine->slabs[slot / SLAB];
	struct rtp_session *session;
	sip_err err;

	if (!*slab)
		*slab = sip_alloc0(engine->config.alloc, sizeof **slab);
	if (!*slab)
		return SIP_ENOMEM;
	session = &(*slab)->sessions[slot % SLAB];
	assert(!session->open);
	err = rtp_session_init(session, &engine->shared, slot, command->open.port,
	                       now_us, command->open.gauges);
	if (err)
		return err;
	if (engine->active_count == 0)
		engine->beat_us = now_us;
	session->active_at = engine->active_count;
	engine->active[engine->active_count++] = slot;
	engine->port_slots[command->open.port] = slot;
	return SIP_OK;
}

/* A session is out of its bridge before anything else happens to it. */
static void session_unbridge(struct rtp_engine *engine, struct rtp_session *session)
{
	struct rtp_session *other;

	if (session->bridged == MEDIA_SLOT_NONE)
		return;
	other = session_at(engine, session->bridged);
	assert(other && other->bridged == session->slot);
	other->bridged = MEDIA_SLOT_NONE;
	session->bridged = MEDIA_SLOT_NONE;
}

static void session_bridge(struct rtp_engine *engine, struct rtp_session *session,
                           uint32_t other_slot)
{
	struct rtp_session *other = open_session(engine, other_slot);

	session_unbridge(engine, session);
	if (!other || other->closing)
		return;
	session_unbridge(engine, other);
	session->bridged = other->slot;
	other->bridged = session->slot;
}

static void session_command(struct rtp_engine *engine, struct rtp_session *session,
                            uint64_t now_us, const struct media_command *command)
{
	switch (command->kind) {
	case MEDIA_BRIDGE:
		session_bridge(engine, session, command->other);
		break;
	case MEDIA_CLOSE:
		session_unbridge(engine, session);
		rtp_session_close(session, now_us);
		engine->port_slots[session->port] = MEDIA_SLOT_NONE;
		break;
	default:
		rtp_session_command(session, now_us, command);
		break;
	}
}

/* What is for a session that could not be opened is ignored: its failure tells the
 * desk that everything it has sent is its own again. */
static void take_commands(struct rtp_engine *engine, uint64_t now_us)
{
	struct media_command command;

	while (media_queue_pop(&engine->config.link->commands, &command)) {
		struct rtp_session *session;

		assert(command.slot < engine->config.sessions_max);
		if (command.kind == MEDIA_OPEN) {
			assert(command.open.port < engine->config.ports_max);
			if (session_open(engine, now_us, &command)) {
				engine->failed[command.slot] = true;
				engine->failed_count++;
			}
			continue;
		}
		session = open_session(engine, command.slot);
		if (session && !session->closing)
			session_command(engine, session, now_us, &command);
	}
}

/* ---- reports: what does not fit into the queue waits where it came about ---- */

static bool report_failures(struct rtp_engine *engine)
{
	struct media_report report = { .kind = MEDIA_REPORT_FAILED,
		                       .why = "no memory for another media session" };

	for (uint32_t i = 0; engine->failed_count > 0; i++) {
		if (!engine->failed[i])
			continue;
		report.slot = i;
		if (!media_queue_push(&engine->config.link->reports, &report))
			return false;
		engine->failed[i] = false;
		engine->failed_count--;
	}
	return true;
}

static void session_retire(struct rtp_engine *engine, struct rtp_session *session)
{
	const uint32_t last = engine->active[--engine->active_count];

	engine->active[session->active_at] = last;
	session_at(engine, last)->active_at = session->active_at;
	rtp_session_fini(session);
}

static void report_all(struct rtp_engine *engine)
{
	struct media_queue *reports = &engine->config.link->reports;

	if (!report_failures(engine))
		return;
	for (uint32_t i = 0; i < engine->active_count;) {
		struct rtp_session *session = session_at(engine, engine->active[i]);

		if (!rtp_session_report(session, reports))
			return;
		if (session->closing)
			session_retire(engine, session); /* another takes this place */
		else
			i++;
	}
}

/* ---- time ---- */

/* First everybody hears, then everybody speaks: so the order of sessions does not
 * matter to a bridge. */
static void beat(struct rtp_engine *engine, uint64_t at_us)
{
	for (uint32_t i = 0; i < engine->active_count; i++)
		rtp_session_hear(session_at(engine, engine->active[i]), at_us);
	for (uint32_t i = 0; i < engine->active_count; i++) {
		struct rtp_session *session = session_at(engine, engine->active[i]);

		rtp_session_speak(session, at_us,
		                  open_session(engine, session->bridged));
	}
}

static void skip(struct rtp_engine *engine, uint64_t beats)
{
	for (uint32_t i = 0; i < engine->active_count; i++)
		rtp_session_skip(session_at(engine, engine->active[i]),
		                 (uint32_t)beats);
	engine->beat_us += beats * MEDIA_BEAT_US;
}

void rtp_engine_advance(struct rtp_engine *engine, uint64_t now_us)
{
	take_commands(engine, now_us);
	if (engine->active_count > 0 &&
	    now_us >= engine->beat_us + CATCH_UP_BEATS * (uint64_t)MEDIA_BEAT_US)
		skip(engine, (now_us - engine->beat_us) / MEDIA_BEAT_US);
	while (engine->active_count > 0 && now_us >= engine->beat_us) {
		beat(engine, engine->beat_us);
		engine->beat_us += MEDIA_BEAT_US;
	}
	report_all(engine);
	if (engine->active_count == 0)
		engine->beat_us =
			now_us + MEDIA_BEAT_US; /* when a failure is told again */
	engine->config.wire->ops->notify(
		engine->config.wire, !media_queue_empty(&engine->config.link->reports));
}

uint64_t rtp_engine_deadline(const struct rtp_engine *engine)
{
	return engine->active_count + engine->failed_count > 0 ? engine->beat_us
	                                                       : UINT64_MAX;
}

uint32_t rtp_engine_sessions(const struct rtp_engine *engine)
{
	return engine->active_count;
}

void rtp_engine_input(struct rtp_engine *engine, uint64_t now_us, uint32_t port,
                      bool rtcp, const struct sip_addr *from, const void *bytes,
                      size_t len)
{
	struct rtp_session *session;

	if (port >= engine->config.ports_max)
		return;
	take_commands(engine, now_us);
	session = open_session(engine, engine->port_slots[port]);
	if (!session || session->closing)
		return;
	if (rtcp)
		rtp_session_control(session, now_us, from, bytes, len);
	else
		rtp_session_input(session, now_us, from, bytes, len);
}
