#pragma once
/* The signalling thread's side of media: sessions as handles, prompts, recordings.
 *
 * The desk reads and writes files (base/file.h), decodes prompts into a bounded
 * cache, feeds the engine and writes what it recorded; it hears of the engine
 * through reports alone.  Nothing is done in reaction: what happened is asked for
 * with media_desk_next, once per turn of whoever drives it.
 */
#include "base/alloc.h"
#include "base/file.h"
#include "media/link.h"

struct media_desk;
struct media_session;

/* RTP ports, on the signalling thread. */
struct media_ports;

struct media_ports_ops {
	/* Bind a pair at this host: RTP on an even port, RTCP on the next (RFC 3550
	 * 11). Gives an id, below ports_max, and the RTP address.  SIP_EWIRE with
	 * `why`. */
	sip_err (*open)(struct media_ports *ports, const struct sip_addr *host,
	                uint32_t *port, struct sip_addr *bound, const char **why);
	/* The engine no longer knows the port. */
	void (*close)(struct media_ports *ports, uint32_t port);
	/* A command waits: rtp_engine_advance is to be called soon. */
	void (*wake)(struct media_ports *ports);
};

struct media_ports {
	const struct media_ports_ops *ops;
};

struct media_desk_config {
	struct sip_alloc *alloc; /* the signalling thread's */
	struct sip_files *files;
	struct media_ports *ports;
	struct media_link *link;
	uint32_t sessions_max;
	size_t cache_bytes; /* of decoded prompts; 0: the default */
};

struct media_desk *media_desk_new(const struct media_desk_config *config); /* or NULL */

/* After the engine has been freed and every file request is done, or none will be
 * (media_desk_idle).  Ends silently what is left. */
void media_desk_free(struct media_desk *desk);
void media_desk_close(struct media_desk *desk);      /* every session */
bool media_desk_idle(const struct media_desk *desk); /* no session, no file request */

/* ---- what happened ---- */

enum media_event_kind {
	MEDIA_EVENT_DIGIT,    /* digit, duration_ms */
	MEDIA_EVENT_PLAYED,   /* id, end, why when it failed */
	MEDIA_EVENT_RECORDED, /* id, end, samples, lost, why when it failed */
	MEDIA_EVENT_FAILED,   /* the session itself: why; CLOSED follows */
	MEDIA_EVENT_CLOSED, /* the last event of a session: the handle is gone after it
	                     */
};

struct media_event {
	enum media_event_kind kind;
	struct media_session *session;
	uint32_t id;
	enum media_end end;
	char digit;
	uint32_t duration_ms;
	uint64_t samples; /* recorded */
	uint64_t lost;    /* of them, filled with silence: the disk was too slow */
	char why[160];    /* readable, ends with NUL; empty unless something failed */
};

/* The next thing that happened, or false.  To be called until false once per turn,
 * after the files' completions have been delivered. */
bool media_desk_next(struct media_desk *desk, uint64_t now_ms,
                     struct media_event *event);
/* Is there something to ask for that no report announced?  A file was closed, say. */
bool media_desk_pending(const struct media_desk *desk);

/* ---- sessions: a handle is good until its CLOSED event has been taken ---- */

/* Bind a port pair at `host` and start listening.  SIP_ELIMIT, SIP_ENOMEM, SIP_EWIRE;
 * `why` is readable then. */
sip_err media_session_open(struct media_desk *desk, const struct sip_addr *host,
                           struct media_session **session, const char **why);
uint64_t
media_session_serial(const struct media_session *session);      /* never used twice */
uint64_t media_desk_next_serial(const struct media_desk *desk); /* of the next one */
const struct sip_addr *media_session_local(const struct media_session *session);

/* All of these: SIP_EGONE after close, SIP_ENOMEM. */
sip_err media_session_set_remote(struct media_session *session,
                                 const struct media_remote *remote);
sip_err media_session_press(struct media_session *session, sip_str digits,
                            uint16_t duration_ms, uint16_t gap_ms);
sip_err media_session_bridge(struct media_session *session,
                             struct media_session *other);
sip_err media_session_unbridge(struct media_session *session);

/* Play the items one after the other, `times` over (0: until stopped).  An item is
 * a file or "tone:SPEC".  A file that cannot be played ends it: PLAYED with `why`.
 * SIP_ESYNTAX with `why` for a tone that is none, SIP_ELIMIT for too many at once. */
sip_err media_session_play(struct media_session *session, const sip_str *items,
                           size_t count, uint32_t times, uint32_t *id,
                           const char **why);

struct media_record_opts {
	sip_str path;
	double max_s;     /* 0: no end */
	double silence_s; /* ends after so much silence; 0: never */
};

/* Record what is heard, until stopped.  One at a time: SIP_ESTATE. */
sip_err media_session_record(struct media_session *session,
                             const struct media_record_opts *opts, uint32_t *id);
sip_err media_session_stop(struct media_session *session, uint32_t id);

uint64_t media_session_gauge(const struct media_session *session,
                             enum media_gauge gauge);
const char *media_gauge_name(enum media_gauge gauge);

/* Ends what plays and records, each with its event, and then itself with CLOSED. */
void media_session_close(struct media_session *session);
