#include "media/desk.h"

#include "media/handle.h"

#include <assert.h>

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

		if (!session->gone)
			desk->config.ports->ops->close(desk->config.ports,
			                               session->port);
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

sip_err media_desk_reserve(struct media_desk *desk, uint32_t room)
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
	return media_desk_reserve(desk, room);
}

static void backlog_flush(struct media_desk *desk)
{
	while (desk->backlog_len > 0 &&
	       media_queue_push(&desk->config.link->commands, backlog_at(desk, 0))) {
		desk->backlog_at = (desk->backlog_at + 1) % desk->backlog_cap;
		desk->backlog_len--;
	}
}

void media_desk_send_reserved(struct media_desk *desk,
                              const struct media_command *command)
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
sip_err media_desk_send(struct media_session *session, struct media_command *command)
{
	sip_err err =
		media_desk_reserve(session->desk, session->desk->session_count + 1);

	if (err)
		return err;
	command->slot = session->slot;
	media_desk_send_reserved(session->desk, command);
	return SIP_OK;
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

/* ---- reports ---- */

static void session_failed(struct media_session *session, const char *why)
{
	struct sip_link *link;

	session->failed = true;
	session->why = why;
	for (link = session->plays.next; link != &session->plays; link = link->next) {
		struct media_play *play = SIP_CONTAINER(link, struct media_play, link);

		if (!play->returned)
			media_session_play_returned(play, MEDIA_END_CLOSED);
	}
	for (link = session->recorders.next; link != &session->recorders;
	     link = link->next) {
		struct media_recorder *recorder =
			SIP_CONTAINER(link, struct media_recorder, link);

		if (!recorder->returned)
			media_session_recorder_returned(recorder, MEDIA_END_CLOSED, 0);
	}
	session_gone(session);
	if (!sip_link_in_list(&session->happened))
		sip_list_insert(&session->desk->sessions_over, &session->happened);
}

static void report_taken(struct media_session *session,
                         const struct media_report *report)
{
	struct media_play *play = media_session_find_play(session, report->id);
	struct media_recorder *recorder =
		media_session_find_recorder(session, report->id);

	switch (report->kind) {
	case MEDIA_REPORT_STRIP:
		if (play)
			media_play_feed(play);
		break;
	case MEDIA_REPORT_PLAYED:
		assert(play);
		media_session_play_returned(play, report->end);
		break;
	case MEDIA_REPORT_TAPE:
		if (recorder) {
			media_recorder_pump(recorder);
			media_session_recorder_look(recorder);
		}
		break;
	case MEDIA_REPORT_RECORDED:
		assert(recorder);
		media_session_recorder_returned(recorder, report->end, report->lost);
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

bool media_desk_pending(const struct media_desk *desk)
{
	return !sip_list_empty(&desk->plays_over) ||
	       !sip_list_empty(&desk->recorders_over) ||
	       !sip_list_empty(&desk->sessions_over) || desk->backlog_len > 0;
}
