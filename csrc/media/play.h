#pragma once
/* The desk's side of a play: a list of items, fed into a strip (link.h) as far ahead
 * as it has room, and taken back as the engine has read them.
 *
 * A short file is one segment out of the cache; a long one is read in chunks of half a
 * second, two seconds ahead; a tone is made by the engine.
 */
#include "media/prompt.h"
#include "media/tone.h"

enum { MEDIA_PLAY_CHUNKS = 4, MEDIA_PLAY_ITEMS = 64 };

struct media_play_chunks {
	int16_t samples[MEDIA_PLAY_CHUNKS][MEDIA_CHUNK];
};

/* What stands behind a segment until the engine has read it. */
struct media_play_hold {
	struct media_pcm *pcm;
	struct media_tone *tone;
};

struct media_play {
	struct sip_link link;     /* of its session */
	struct sip_link happened; /* of the desk, once it is over */
	struct media_session *session;
	struct media_prompts *prompts;
	void (*changed)(struct media_play *play); /* after a completion */
	uint32_t id;

	sip_str *items; /* one block with their text */
	size_t item_count, item_at, block_size;
	uint32_t times; /* passes left, 0: until stopped */
	bool sounded;   /* something was fed in this pass */

	bool fed;      /* END has been written */
	bool returned; /* the engine is through with the strip */
	enum media_end end;
	char why[MEDIA_WHY_MAX];

	struct media_waiter waiter;
	struct media_source *source; /* of the long file at hand */
	struct media_play_chunks *chunks;
	uint32_t chunk_next, chunks_out, chunk_fill; /* a ring */
	bool long_item; /* the item at hand is read by `source` */

	uint32_t released; /* segments taken back */
	struct media_play_hold holds[MEDIA_STRIP_SEGMENTS];
	struct media_strip strip;
};

/* SIP_EINVAL, SIP_ESYNTAX with `why`, SIP_ENOMEM. */
sip_err media_play_new(struct media_prompts *prompts, const sip_str *items,
                       size_t count, uint32_t times,
                       void (*changed)(struct media_play *), struct media_play **play,
                       const char **why);
void media_play_free(
	struct media_play *play); /* returned and finished, or at the end */

/* Take back what has been read and feed what there is room for. */
void media_play_feed(struct media_play *play);
/* The engine has given back the strip.  Nothing more is fed. */
void media_play_returned(struct media_play *play, enum media_end end);
/* Returned, and no file is open: the owner may tell and free it. */
bool media_play_finished(const struct media_play *play);
