#include "media/desk.h"

#include "media/play.h"
#include "media/recorder.h"

#include <assert.h>
#include <math.h>

struct media_session {
	struct media_desk *desk;
	struct sip_link link;     /* of the desk */
	struct sip_link happened; /* of the desk, when FAILED or CLOSED is to be told */
	uint64_t serial;
	uint32_t slot, port;
	struct sip_addr local;
	struct sip_link plays, recorders;
	uint32_t playing, recording; /* those whose strip or tape the engine has */
	bool closing;
	bool gone; /* the engine knows it no longer */
	bool failed, failure_told;
	const char *why;
	struct media_gauges gauges;
};

struct media_desk {
	struct media_desk_config config;
	struct media_prompts prompts;
	struct sip_link sessions, plays_over, recorders_over, sessions_over;
	struct media_session **slots;
	uint32_t *free_slots;
	uint32_t free_count, session_count;
	uint64_t last_serial;
	uint32_t last_id;

	/* Commands that found the queue full.  There is always room for a CLOSE of each
	 * session, so closing cannot fail. */
	struct media_command *backlog;
	uint32_t backlog_at, backlog_len, backlog_cap;

	struct media_session *dead; /* told CLOSED; freed at the next look */
};

/* ---- the desk ---- */

struct media_desk *media_desk_new(const struct media_desk_config *config)
{
	struct sip_alloc *alloc = config->alloc;
	struct media_desk *desk = sip_alloc0(alloc, sizeof *desk);
	const uint32_t max = config->sessions_max;

	assert(max > 0 && max < MEDIA_SLOT_NONE);
	if (!desk)
		return NULL;
	desk->config = *config;
	media_prompts_init(&desk->prompts, alloc, config->files, config->cache_bytes);
	sip_list_init(&desk->sessions);
	sip_list_init(&desk->plays_over);
	sip_list_init(&desk->recorders_over);
	sip_list_init(&desk->sessions_over);
	desk->slots = sip_alloc0(alloc, max * sizeof(struct media_session *));
	desk->free_slots = sip_alloc(alloc, max * sizeof *desk->free_slots);
	if (!desk->slots || !desk->free_slots) {
		media_desk_free(desk);
		return NULL;
	}
	for (uint32_t i = 0; i < max; i++)
		desk->free_slots[i] = max - 1 - i;
	desk->free_count = max;
	return desk;
}

static void play_end(struct media_play *play)
{
	sip_list_remove(&play->link);
	sip_list_remove(&play->happened);
	media_play_free(play);
}

static void recorder_end(struct media_recorder *recorder)
{
	sip_list_remove(&recorder->link);
	sip_list_remove(&recorder->happened);
	media_recorder_free(recorder);
}

static void session_free(struct media_session *session)
{
	struct media_desk *desk = session->desk;

	while (!sip_list_empty(&session->plays))
		play_end(SIP_CONTAINER(session->plays.next, struct media_play, link));
	while (!sip_list_empty(&session->recorders))
		recorder_end(SIP_CONTAINER(session->recorders.next,
		                           struct media_recorder, link));
	sip_list_remove(&session->link);
	sip_list_remove(&session->happened);
	sip_free(desk->config.alloc, session, sizeof *session);
}

static void bury(struct media_desk *desk)
{
	struct media_session *dead = desk->dead;

	desk->dead = NULL;
	if (dead)
		session_free(dead);
}

void media_desk_free(struct media_desk *desk)
{
	struct sip_alloc *alloc;
	uint32_t max;

	if (!desk)
		return;
	alloc = desk->config.alloc;
	max = desk->config.sessions_max;
	bury(desk);
	while (!sip_list_empty(&desk->sessions)) {
		struct media_session *session =
			SIP_CONTAINER(desk->sessions.next, struct media_session, link);

		desk->config.ports->ops->close(desk->config.ports, session->port);
		session_free(session);
	}
	media_prompts_fini(&desk->prompts);
	sip_free(alloc, desk->backlog, desk->backlog_cap * sizeof *desk->backlog);
	sip_free(alloc, desk->slots, max * sizeof(struct media_session *));
	sip_free(alloc, desk->free_slots, max * sizeof *desk->free_slots);
	sip_free(alloc, desk, sizeof *desk);
}

void media_desk_close(struct media_desk *desk)
{
	struct sip_link *link = desk->sessions.next;

	for (; link != &desk->sessions; link = link->next)
		media_session_close(SIP_CONTAINER(link, struct media_session, link));
}

bool media_desk_idle(const struct media_desk *desk)
{
	return desk->session_count == 0 && desk->prompts.open == 0;
}

/* ---- commands ---- */

static struct media_command *backlog_at(struct media_desk *desk, uint32_t at)
{
	assert(desk->backlog_cap > 0);
	return &desk->backlog[(desk->backlog_at + at) % desk->backlog_cap];
}

static sip_err backlog_reserve(struct media_desk *desk, uint32_t room)
{
	struct sip_alloc *alloc = desk->config.alloc;
	const uint32_t cap = desk->backlog_cap ? desk->backlog_cap * 2 : 16;
	struct media_command *bigger;

	if (desk->backlog_len + room <= desk->backlog_cap)
		return SIP_OK;
	bigger = sip_alloc(alloc, cap * sizeof *bigger);
	if (!bigger)
		return SIP_ENOMEM;
	for (uint32_t i = 0; i < desk->backlog_len; i++)
		bigger[i] = *backlog_at(desk, i);
	sip_free(alloc, desk->backlog, desk->backlog_cap * sizeof *bigger);
	desk->backlog = bigger;
	desk->backlog_cap = cap;
	desk->backlog_at = 0;
	return backlog_reserve(desk, room);
}

static void backlog_flush(struct media_desk *desk)
{
	while (desk->backlog_len > 0 &&
	       media_queue_push(&desk->config.link->commands, backlog_at(desk, 0))) {
		desk->backlog_at = (desk->backlog_at + 1) % desk->backlog_cap;
		desk->backlog_len--;
	}
}

static void send_reserved(struct media_desk *desk, const struct media_command *command)
{
	backlog_flush(desk);
	if (desk->backlog_len > 0 ||
	    !media_queue_push(&desk->config.link->commands, command)) {
		assert(desk->backlog_len < desk->backlog_cap);
		*backlog_at(desk, desk->backlog_len++) = *command;
	}
	desk->config.ports->ops->wake(desk->config.ports);
}

/* A closing session has used its reservation; counting it still is only generous. */
static sip_err send(struct media_session *session, struct media_command *command)
{
	sip_err err = backlog_reserve(session->desk, session->desk->session_count + 1);

	if (err)
		return err;
	command->slot = session->slot;
	send_reserved(session->desk, command);
	return SIP_OK;
}

/* ---- sessions ---- */

static sip_err session_start(struct media_session *session, const struct sip_addr *host,
                             const char **why)
{
	struct media_desk *desk = session->desk;
	struct media_command command = { .kind = MEDIA_OPEN };
	sip_err err;

	err = backlog_reserve(desk, desk->session_count + 2);
	if (err)
		return err;
	err = desk->config.ports->ops->open(desk->config.ports, host, &session->port,
	                                    &session->local, why);
	if (err)
		return err;
	session->slot = desk->free_slots[--desk->free_count];
	session->serial = ++desk->last_serial;
	desk->slots[session->slot] = session;
	desk->session_count++;
	sip_list_insert(&desk->sessions, &session->link);
	command.slot = session->slot;
	command.open.port = session->port;
	command.open.gauges = &session->gauges;
	send_reserved(desk, &command);
	return SIP_OK;
}

sip_err media_session_open(struct media_desk *desk, const struct sip_addr *host,
                           struct media_session **out, const char **why)
{
	struct media_session *session;
	sip_err err;

	*why = "too many media sessions";
	if (desk->free_count == 0)
		return SIP_ELIMIT;
	*why = "no memory for another media session";
	session = sip_alloc0(desk->config.alloc, sizeof *session);
	if (!session)
		return SIP_ENOMEM;
	session->desk = desk;
	sip_list_init(&session->plays);
	sip_list_init(&session->recorders);
	err = session_start(session, host, why);
	if (err) {
		sip_free(desk->config.alloc, session, sizeof *session);
		return err;
	}
	*out = session;
	return SIP_OK;
}

uint64_t media_session_serial(const struct media_session *session)
{
	return session->serial;
}

uint64_t media_desk_next_serial(const struct media_desk *desk)
{
	return desk->last_serial + 1;
}

const struct sip_addr *media_session_local(const struct media_session *session)
{
	return &session->local;
}

static bool is_gone(const struct media_session *session)
{
	return session->closing || session->failed;
}

sip_err media_session_set_remote(struct media_session *session,
                                 const struct media_remote *remote)
{
	struct media_command command = { .kind = MEDIA_REMOTE, .remote = *remote };

	if (is_gone(session))
		return SIP_EGONE;
	if (remote->codec == MEDIA_CODEC_NONE || remote->ptime_ms < 10 ||
	    remote->ptime_ms > 120)
		return SIP_EINVAL;
	return send(session, &command);
}

/* More digits than one command holds go in several: the order stays. */
sip_err media_session_press(struct media_session *session, sip_str digits,
                            uint16_t duration_ms, uint16_t gap_ms)
{
	if (is_gone(session))
		return SIP_EGONE;
	for (size_t i = 0; i < digits.len; i++)
		/* NOLINTNEXTLINE(bugprone-not-null-terminated-result): no string */
		if (!memchr("0123456789*#ABCD", digits.p[i], 16))
			return SIP_EINVAL;
	while (digits.len > 0) {
		struct media_command command = { .kind = MEDIA_PRESS };
		const size_t n =
			digits.len < MEDIA_PRESS_MAX ? digits.len : MEDIA_PRESS_MAX;
		sip_err err;

		memcpy(command.press.digits, digits.p, n);
		command.press.count = (uint8_t)n;
		command.press.duration_ms = duration_ms;
		command.press.gap_ms = gap_ms;
		err = send(session, &command);
		if (err)
			return err;
		digits = sip_str_of(digits.p + n, digits.len - n);
	}
	return SIP_OK;
}

sip_err media_session_bridge(struct media_session *session, struct media_session *other)
{
	struct media_command command = { .kind = MEDIA_BRIDGE, .other = other->slot };

	if (is_gone(session) || is_gone(other))
		return SIP_EGONE;
	if (session == other || session->desk != other->desk)
		return SIP_EINVAL;
	return send(session, &command);
}

sip_err media_session_unbridge(struct media_session *session)
{
	struct media_command command = { .kind = MEDIA_BRIDGE,
		                         .other = MEDIA_SLOT_NONE };

	return is_gone(session) ? SIP_EGONE : send(session, &command);
}

uint64_t media_session_gauge(const struct media_session *session,
                             enum media_gauge gauge)
{
	return atomic_load_explicit(&session->gauges.value[gauge],
	                            memory_order_relaxed);
}

#define GAUGE_NAME(name) #name,
static const char *const gauge_names[] = { MEDIA_GAUGE_MAP(GAUGE_NAME) };
#undef GAUGE_NAME

const char *media_gauge_name(enum media_gauge gauge)
{
	return gauge_names[gauge];
}

/* ---- the end of a session ---- */

/* When everything of it has come back and been told, it has its last event. */
static void session_look(struct media_session *session)
{
	struct media_desk *desk = session->desk;

	if (!session->gone || !sip_list_empty(&session->plays) ||
	    !sip_list_empty(&session->recorders))
		return;
	if (!sip_link_in_list(&session->happened))
		sip_list_insert(&desk->sessions_over, &session->happened);
}

static void session_gone(struct media_session *session)
{
	struct media_desk *desk = session->desk;

	session->gone = true;
	desk->slots[session->slot] = NULL;
	desk->free_slots[desk->free_count++] = session->slot;
	desk->config.ports->ops->close(desk->config.ports, session->port);
	session_look(session);
}

void media_session_close(struct media_session *session)
{
	const struct media_command command = { .kind = MEDIA_CLOSE,
		                               .slot = session->slot };

	if (session->closing)
		return;
	session->closing = true;
	if (!session->gone)
		send_reserved(session->desk, &command);
}

/* ---- plays ---- */

static void play_look(struct media_play *play)
{
	struct media_desk *desk = play->session->desk;

	if (media_play_finished(play) && !sip_link_in_list(&play->happened))
		sip_list_insert(&desk->plays_over, &play->happened);
}

static struct media_play *play_find(const struct media_session *session, uint32_t id)
{
	struct sip_link *link = session->plays.next;

	for (; link != &session->plays; link = link->next) {
		struct media_play *play = SIP_CONTAINER(link, struct media_play, link);

		if (play->id == id && !play->returned)
			return play;
	}
	return NULL;
}

static uint32_t next_id(struct media_desk *desk)
{
	desk->last_id += desk->last_id == UINT32_MAX ? 2 : 1;
	return desk->last_id;
}

sip_err media_session_play(struct media_session *session, const sip_str *items,
                           size_t count, uint32_t times, uint32_t *id, const char **why)
{
	struct media_desk *desk = session->desk;
	struct media_command command = { .kind = MEDIA_PLAY };
	struct media_play *play = NULL;
	sip_err err;

	*why = "the media session is closed";
	if (is_gone(session))
		return SIP_EGONE;
	*why = "too many plays at the same time";
	if (session->playing == MEDIA_PLAYS)
		return SIP_ELIMIT;
	err = media_play_new(&desk->prompts, items, count, times, play_look, &play,
	                     why);
	if (err)
		return err;
	play->session = session;
	play->id = next_id(desk);
	command.id = play->id;
	command.strip = &play->strip;
	*why = "no memory for another command";
	err = send(session, &command);
	if (err) {
		media_play_free(play);
		return err;
	}
	session->playing++;
	sip_list_insert(&session->plays, &play->link);
	media_play_feed(play);
	*id = play->id;
	return SIP_OK;
}

static void play_returned(struct media_session *session, struct media_play *play,
                          enum media_end end)
{
	session->playing--;
	media_play_returned(play, end);
	play_look(play);
}

/* ---- recordings ---- */

static void recorder_look(struct media_recorder *recorder)
{
	struct media_session *session = recorder->session;
	struct media_desk *desk = session->desk;
	struct media_command command = { .kind = MEDIA_STOP, .id = recorder->id };

	/* When there is no memory for this command, the next chunk brings us here. */
	if (recorder->failed && !recorder->returned && !is_gone(session))
		(void)send(session, &command); /* see above */
	if (media_recorder_finished(recorder) && !sip_link_in_list(&recorder->happened))
		sip_list_insert(&desk->recorders_over, &recorder->happened);
}

static struct media_recorder *recorder_find(const struct media_session *session,
                                            uint32_t id)
{
	struct sip_link *link = session->recorders.next;

	for (; link != &session->recorders; link = link->next) {
		struct media_recorder *recorder =
			SIP_CONTAINER(link, struct media_recorder, link);

		if (recorder->id == id && !recorder->returned)
			return recorder;
	}
	return NULL;
}

static uint64_t samples_of(double seconds)
{
	return seconds > 0 ? (uint64_t)llround(seconds * MEDIA_RATE) : 0;
}

sip_err media_session_record(struct media_session *session,
                             const struct media_record_opts *opts, uint32_t *id)
{
	struct media_desk *desk = session->desk;
	struct media_command command = { .kind = MEDIA_RECORD };
	struct media_recorder *recorder;

	if (is_gone(session))
		return SIP_EGONE;
	if (session->recording > 0)
		return SIP_ESTATE;
	if (opts->path.len == 0 || opts->path.len > 4096 || !(opts->max_s < 1e9) ||
	    !(opts->silence_s < 1e9))
		return SIP_EINVAL;
	if (backlog_reserve(desk, desk->session_count + 1))
		return SIP_ENOMEM;
	recorder = media_recorder_new(desk->config.alloc, desk->config.files,
	                              opts->path, recorder_look);
	if (!recorder)
		return SIP_ENOMEM;
	recorder->session = session;
	recorder->id = next_id(desk);
	command.slot = session->slot;
	command.id = recorder->id;
	command.record.tape = &recorder->tape;
	command.record.max_samples = samples_of(opts->max_s);
	command.record.silence_samples = samples_of(opts->silence_s);
	send_reserved(desk, &command);
	session->recording++;
	sip_list_insert(&session->recorders, &recorder->link);
	media_prompts_forget(&desk->prompts, opts->path);
	*id = recorder->id;
	return SIP_OK;
}

static void recorder_returned(struct media_session *session,
                              struct media_recorder *recorder, enum media_end end,
                              uint32_t lost)
{
	session->recording--;
	media_recorder_returned(recorder, end, lost);
	recorder_look(recorder);
}

sip_err media_session_stop(struct media_session *session, uint32_t id)
{
	struct media_command command = { .kind = MEDIA_STOP, .id = id };

	if (is_gone(session) ||
	    (!play_find(session, id) && !recorder_find(session, id)))
		return SIP_EGONE;
	return send(session, &command);
}

/* ---- reports ---- */

static void session_failed(struct media_session *session, const char *why)
{
	struct sip_link *link;

	session->failed = true;
	session->why = why;
	for (link = session->plays.next; link != &session->plays; link = link->next) {
		struct media_play *play = SIP_CONTAINER(link, struct media_play, link);

		if (!play->returned)
			play_returned(session, play, MEDIA_END_CLOSED);
	}
	for (link = session->recorders.next; link != &session->recorders;
	     link = link->next) {
		struct media_recorder *recorder =
			SIP_CONTAINER(link, struct media_recorder, link);

		if (!recorder->returned)
			recorder_returned(session, recorder, MEDIA_END_CLOSED, 0);
	}
	session_gone(session);
	if (!sip_link_in_list(&session->happened))
		sip_list_insert(&session->desk->sessions_over, &session->happened);
}

static void report_taken(struct media_session *session,
                         const struct media_report *report)
{
	struct media_play *play = play_find(session, report->id);
	struct media_recorder *recorder = recorder_find(session, report->id);

	switch (report->kind) {
	case MEDIA_REPORT_STRIP:
		if (play)
			media_play_feed(play);
		break;
	case MEDIA_REPORT_PLAYED:
		assert(play);
		play_returned(session, play, report->end);
		break;
	case MEDIA_REPORT_TAPE:
		if (recorder) {
			media_recorder_pump(recorder);
			recorder_look(recorder);
		}
		break;
	case MEDIA_REPORT_RECORDED:
		assert(recorder);
		recorder_returned(session, recorder, report->end, report->lost);
		break;
	case MEDIA_REPORT_FAILED:
		session_failed(session, report->why);
		break;
	case MEDIA_REPORT_CLOSED:
		session_gone(session);
		break;
	case MEDIA_REPORT_DIGIT:
		break;
	}
}

/* ---- events ---- */

static bool tell_play(struct media_desk *desk, struct media_event *event)
{
	struct media_play *play;
	struct media_session *session;

	if (sip_list_empty(&desk->plays_over))
		return false;
	play = SIP_CONTAINER(desk->plays_over.next, struct media_play, happened);
	session = play->session;
	*event = (struct media_event){ .kind = MEDIA_EVENT_PLAYED,
		                       .session = session,
		                       .id = play->id,
		                       .end = play->end };
	if (play->end == MEDIA_END_FAILED)
		memcpy(event->why, play->why, sizeof event->why);
	play_end(play);
	session_look(session);
	return true;
}

static bool tell_recorder(struct media_desk *desk, struct media_event *event)
{
	struct media_recorder *recorder;
	struct media_session *session;

	if (sip_list_empty(&desk->recorders_over))
		return false;
	recorder = SIP_CONTAINER(desk->recorders_over.next, struct media_recorder,
	                         happened);
	session = recorder->session;
	*event = (struct media_event){ .kind = MEDIA_EVENT_RECORDED,
		                       .session = session,
		                       .id = recorder->id,
		                       .end = recorder->end,
		                       .samples = recorder->samples,
		                       .lost = recorder->lost };
	if (recorder->failed) {
		event->end = MEDIA_END_FAILED;
		memcpy(event->why, recorder->why, sizeof event->why);
	}
	media_prompts_forget(&desk->prompts,
	                     sip_str_of(recorder->path, recorder->path_len));
	recorder_end(recorder);
	session_look(session);
	return true;
}

static bool tell_session(struct media_desk *desk, struct media_event *event)
{
	struct media_session *session;

	if (sip_list_empty(&desk->sessions_over))
		return false;
	session =
		SIP_CONTAINER(desk->sessions_over.next, struct media_session, happened);
	*event = (struct media_event){ .kind = MEDIA_EVENT_CLOSED, .session = session };
	sip_list_remove(&session->happened);
	if (session->failed && !session->failure_told) {
		event->kind = MEDIA_EVENT_FAILED;
		memcpy(event->why, session->why,
		       strnlen(session->why, sizeof event->why - 1));
		session->failure_told = true;
		session_look(session);
		return true;
	}
	sip_list_remove(&session->link);
	desk->session_count--;
	desk->dead = session;
	return true;
}

/* Reports are taken one at a time, so that events come in the order in which things
 * happened as far as files allow. */
bool media_desk_next(struct media_desk *desk, uint64_t now_ms,
                     struct media_event *event)
{
	struct media_report report;

	bury(desk);
	desk->prompts.now_ms = now_ms;
	if (desk->backlog_len > 0) {
		backlog_flush(desk);
		desk->config.ports->ops->wake(desk->config.ports);
	}
	for (;;) {
		struct media_session *session;

		if (tell_play(desk, event) || tell_recorder(desk, event) ||
		    tell_session(desk, event))
			return true;
		if (!media_queue_pop(&desk->config.link->reports, &report))
			return false;
		session = desk->slots[report.slot];
		assert(session);
		if (report.kind == MEDIA_REPORT_DIGIT) {
			*event = (struct media_event){ .kind = MEDIA_EVENT_DIGIT,
				                       .session = session,
				                       .digit = report.digit,
				                       .duration_ms =
				                               report.duration_ms };
			return true;
		}
		report_taken(session, &report);
	}
}
