#pragma once
/* The playout buffer: packets as they come in, one frame of samples per beat out.
 *
 * Samples lie in a ring by their timestamp, so packets of any length, copies,
 * overlaps and any order need no cases of their own.  The delay follows what the
 * network does: it grows when packets come late and shrinks, a few milliseconds at a
 * time, when all of them came early for a while; that also absorbs the drift of two
 * clocks.  What is missing is filled in (media/conceal.h).  A new SSRC, a jump of
 * timestamps or a talkspurt starts afresh.
 */
#include "media/conceal.h"
#include "media/margin.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	RTP_JITTER_RING = 4096,       /* samples; a power of two */
	RTP_JITTER_FRAME_MAX = 480,   /* samples of one get */
	RTP_JITTER_PACKET_MAX = 2048, /* samples of one put */
};

enum rtp_jitter_put {
	RTP_JITTER_TAKEN,
	RTP_JITTER_LATE,      /* after its instant, or too long */
	RTP_JITTER_DUPLICATE, /* all of it was there */
	RTP_JITTER_JUMP,      /* too far off; the next one like it starts afresh */
};

enum rtp_jitter_get {
	RTP_JITTER_VOICE,     /* all samples came from packets */
	RTP_JITTER_CONCEALED, /* some were filled in */
	RTP_JITTER_SILENCE,   /* nothing is being said: all zero */
};

struct rtp_jitter {
	uint32_t rate;
	uint32_t delay_first, delay_max; /* samples */
	uint32_t ssrc;
	bool known;        /* a packet has come: `ssrc` and `play` mean something */
	uint32_t play;     /* timestamp of the next sample to be given */
	uint32_t top;      /* after the newest sample there is */
	uint32_t start_in; /* samples to wait before the first is played */

	struct rtp_margin margin;
	bool shorten;  /* the delay is to shrink at the next frame that is whole */
	uint32_t hold; /* samples the delay has still to grow by */
	uint8_t late_run;
	bool has_far; /* the last packet was far off */
	uint32_t far; /* where the one after it would be */

	struct rtp_conceal conceal;
	uint64_t filled[RTP_JITTER_RING / 64]; /* a bit for each sample of the ring */
	int16_t ring[RTP_JITTER_RING];
};

/* The delay starts at 40 ms and stays between one packet and 200 ms. */
void rtp_jitter_init(struct rtp_jitter *jitter, uint32_t rate);

/* The decoded samples of one packet.  `marker`: first of a talkspurt (RFC 3551 4.1). */
enum rtp_jitter_put rtp_jitter_put(struct rtp_jitter *jitter, uint32_t ssrc,
                                   uint32_t timestamp, bool marker,
                                   const int16_t *samples, size_t count);

/* The next `count` samples, at most RTP_JITTER_FRAME_MAX; once per beat. */
enum rtp_jitter_get rtp_jitter_get(struct rtp_jitter *jitter, int16_t *out,
                                   size_t count);

/* Samples between what is played and what came last. */
uint32_t rtp_jitter_delay(const struct rtp_jitter *jitter);
