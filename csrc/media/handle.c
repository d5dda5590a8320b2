#include "media/handle.h"

#include "media/dtmf_event.h"

#include <assert.h>
#include <math.h>

/* ---- sessions ---- */

static sip_err session_start(struct media_session *session, const struct sip_addr *host,
                             const char **why)
{
	struct media_desk *desk = session->desk;
	struct media_command command = { .kind = MEDIA_OPEN };
	sip_err err;

	err = media_desk_reserve(desk, desk->session_count + 2);
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
	media_desk_send_reserved(desk, &command);
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
	return media_desk_send(session, &command);
}

/* More digits than one command holds go in several: the order stays. */
sip_err media_session_press(struct media_session *session, sip_str digits,
                            uint16_t duration_ms, uint16_t gap_ms)
{
	if (is_gone(session))
		return SIP_EGONE;
	for (size_t i = 0; i < digits.len; i++)
		if (rtp_dtmf_event_of(digits.p[i]) < 0)
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
		err = media_desk_send(session, &command);
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
	if (session->desk != other->desk)
		return SIP_EINVAL;
	return media_desk_send(session, &command);
}

sip_err media_session_unbridge(struct media_session *session)
{
	struct media_command command = { .kind = MEDIA_BRIDGE,
		                         .other = MEDIA_SLOT_NONE };

	return is_gone(session) ? SIP_EGONE : media_desk_send(session, &command);
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

void media_session_close(struct media_session *session)
{
	const struct media_command command = { .kind = MEDIA_CLOSE,
		                               .slot = session->slot };

	if (session->closing)
		return;
	session->closing = true;
	if (!session->gone)
		media_desk_send_reserved(session->desk, &command);
}

/* ---- plays ---- */

static void play_look(struct media_play *play)
{
	struct media_desk *desk = play->session->desk;

	if (media_play_finished(play) && !sip_link_in_list(&play->happened))
		sip_list_insert(&desk->plays_over, &play->happened);
}

struct media_play *media_session_find_play(const struct media_session *session,
                                           uint32_t id)
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
	err = media_desk_send(session, &command);
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

void media_session_play_returned(struct media_play *play, enum media_end end)
{
	play->session->playing--;
	media_play_returned(play, end);
	play_look(play);
}

/* ---- recordings ---- */

void media_session_recorder_look(struct media_recorder *recorder)
{
	struct media_session *session = recorder->session;
	struct media_desk *desk = session->desk;
	struct media_command command = { .kind = MEDIA_STOP, .id = recorder->id };

	/* When there is no memory for this command, the next chunk brings us here. */
	if (recorder->failed && !recorder->returned && !is_gone(session))
		(void)media_desk_send(session, &command); /* see above */
	if (media_recorder_finished(recorder) && !sip_link_in_list(&recorder->happened))
		sip_list_insert(&desk->recorders_over, &recorder->happened);
}

struct media_recorder *media_session_find_recorder(const struct media_session *session,
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
	if (media_desk_reserve(desk, desk->session_count + 1))
		return SIP_ENOMEM;
	recorder = media_recorder_new(desk->config.alloc, desk->config.files,
	                              opts->path, media_session_recorder_look);
	if (!recorder)
		return SIP_ENOMEM;
	recorder->session = session;
	recorder->id = next_id(desk);
	command.slot = session->slot;
	command.id = recorder->id;
	command.record.tape = &recorder->tape;
	command.record.max_samples = samples_of(opts->max_s);
	command.record.silence_samples = samples_of(opts->silence_s);
	media_desk_send_reserved(desk, &command);
	session->recording++;
	sip_list_insert(&session->recorders, &recorder->link);
	media_prompts_forget(&desk->prompts, opts->path);
	*id = recorder->id;
	return SIP_OK;
}

void media_session_recorder_returned(struct media_recorder *recorder,
                                     enum media_end end, uint32_t lost)
{
	recorder->session->recording--;
	media_recorder_returned(recorder, end, lost);
	media_session_recorder_look(recorder);
}

sip_err media_session_stop(struct media_session *session, uint32_t id)
{
	struct media_command command = { .kind = MEDIA_STOP, .id = id };

	if (is_gone(session) || (!media_session_find_play(session, id) &&
	                         !media_session_find_recorder(session, id)))
		return SIP_EGONE;
	return media_desk_send(session, &command);
}
