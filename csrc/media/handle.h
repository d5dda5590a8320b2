#pragma once
/* What desk.c and handle.c share: the desk takes reports and tells events, the handles
 * take what scripts want of a session. */
#include "media/desk.h"
#include "media/play.h"
#include "media/recorder.h"

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

/* A command that may fail for want of memory, and one whose place was reserved. */
sip_err media_desk_send(struct media_session *session, struct media_command *command);
void media_desk_send_reserved(struct media_desk *desk,
                              const struct media_command *command);
/* Room for so many commands that find the queue full. */
sip_err media_desk_reserve(struct media_desk *desk, uint32_t room);

/* What the engine still has of this session, by id; NULL: nothing. */
struct media_play *media_session_find_play(const struct media_session *session,
                                           uint32_t id);
struct media_recorder *media_session_find_recorder(const struct media_session *session,
                                                   uint32_t id);
/* It has come back, or its file has gone on: is there something to tell? */
void media_session_play_returned(struct media_play *play, enum media_end end);
void media_session_recorder_returned(struct media_recorder *recorder,
                                     enum media_end end, uint32_t lost);
void media_session_recorder_look(struct media_recorder *recorder);
