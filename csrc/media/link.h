#pragma once
/* What passes between the two threads of media, and nothing else does.
 *
 * The desk (signalling thread) and the engine (media thread) share a link: commands
 * go down, reports come up.  Long things are not copied: a strip is the audio of one
 * `play`, a tape the audio of one `record`, both rings of their own, both allocated
 * and freed by the desk.  From the command that names it until the report that ends
 * it, the engine may use a strip or tape; so no count is shared between threads.
 */
#include "media/gauge.h"
#include "media/queue.h"
#include "media/remote.h"

struct media_tone;

enum {
	MEDIA_RATE = 8000,     /* inside, everything is 16 bits at 8 kHz */
	MEDIA_FRAME = 160,     /* samples in one beat */
	MEDIA_BEAT_US = 20000, /* how often the engine is advanced */

	MEDIA_PLAYS = 4,          /* at the same time in one session: they are mixed */
	MEDIA_STRIP_SEGMENTS = 8, /* ahead of the engine */
	MEDIA_TAPE_CHUNKS = 8,    /* 4 s of slow disk */
	MEDIA_CHUNK = 4000,       /* samples: half a second */
	MEDIA_PRESS_MAX = 32,     /* digits in one command */
	MEDIA_DIGITS_PENDING =
		32, /* typed ahead of the signalling thread, per session */
};

/* ---- a play ---- */

enum media_segment_kind {
	MEDIA_SEGMENT_PCM,
	MEDIA_SEGMENT_TONE, /* `count` samples of it, or to its end when that comes
	                       first */
	MEDIA_SEGMENT_END,
};

struct media_segment {
	enum media_segment_kind kind;
	uint32_t count;
	const int16_t *samples;
	struct media_tone *tone; /* the engine's until the segment has been read */
};

struct media_strip {
	_Atomic uint32_t written; /* by the desk */
	_Atomic uint32_t read;    /* by the engine */
	struct media_segment segments[MEDIA_STRIP_SEGMENTS];
};

/* ---- a recording ---- */

struct media_chunk {
	uint32_t count; /* samples */
	uint32_t lost;  /* samples that had no room before this chunk */
	int16_t samples[MEDIA_CHUNK];
};

struct media_tape {
	_Atomic uint32_t written; /* by the engine */
	_Atomic uint32_t read;    /* by the desk */
	struct media_chunk chunks[MEDIA_TAPE_CHUNKS];
};

/* ---- commands ---- */

struct media_press {
	char digits[MEDIA_PRESS_MAX]; /* 0-9 * # A-D */
	uint8_t count;
	uint16_t duration_ms, gap_ms;
};

enum media_command_kind {
	MEDIA_OPEN,   /* a session at `slot`, on `port` */
	MEDIA_REMOTE, /* may come again: a re-INVITE */
	MEDIA_PLAY,   /* add a player */
	MEDIA_STOP,   /* end a player or a recording by `id` */
	MEDIA_PRESS,
	MEDIA_RECORD,
	MEDIA_BRIDGE, /* with `other`; both ways; MEDIA_SLOT_NONE ends it */
	MEDIA_CLOSE,
};

#define MEDIA_SLOT_NONE UINT32_MAX

struct media_command {
	enum media_command_kind kind;
	uint32_t slot;
	uint32_t id; /* of a play or recording */
	union {
		struct {
			uint32_t port;
			struct media_gauges *gauges; /* until CLOSED is reported */
		} open;
		struct media_remote remote;
		struct media_strip *strip;
		struct media_press press;
		struct {
			struct media_tape *tape;
			uint64_t max_samples;     /* 0: no end */
			uint64_t silence_samples; /* ends after so much silence; 0:
			                             never */
		} record;
		uint32_t other;
	};
};

/* ---- reports ---- */

enum media_report_kind {
	MEDIA_REPORT_STRIP,    /* a segment of play `id` has been read */
	MEDIA_REPORT_PLAYED,   /* play `id` is over; its strip is the desk's again */
	MEDIA_REPORT_TAPE,     /* a chunk of recording `id` has been written */
	MEDIA_REPORT_RECORDED, /* recording `id` is over; its tape is the desk's again
	                        */
	MEDIA_REPORT_DIGIT,
	MEDIA_REPORT_FAILED, /* the session could not be made: `why` */
	MEDIA_REPORT_CLOSED, /* nothing of the session is left in the engine */
};

enum media_end { /* why a play or a recording is over */
	         MEDIA_END_FINISHED,
	         MEDIA_END_STOPPED,
	         MEDIA_END_SILENCE,
	         MEDIA_END_MAX,
	         MEDIA_END_CLOSED, /* with its session */
	         MEDIA_END_FAILED, /* by the desk: the text says why */
};

struct media_report {
	enum media_report_kind kind;
	uint32_t slot;
	uint32_t id;
	enum media_end end;
	char digit;
	uint32_t duration_ms; /* of a digit */
	uint32_t lost;        /* samples of a recording, after its last chunk */
	const char *why;      /* static text */
};

/* ---- the two queues ---- */

struct media_link {
	struct media_queue commands; /* the desk pushes, the engine pops */
	struct media_queue reports;  /* the engine pushes, the desk pops */
};

enum { MEDIA_COMMANDS = 1024, MEDIA_REPORTS = 4096 };

/* SIP_ENOMEM; nothing is left then. */
sip_err media_link_init(struct media_link *link, struct sip_alloc *alloc);
void media_link_fini(struct media_link *link); /* after engine and desk */
