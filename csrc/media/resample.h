#pragma once
/* Another sample rate: a polyphase filter for any ratio of whole numbers.
 *
 * A Kaiser window over a sinc; what the lower rate cannot carry is down by more than
 * 60 dB, and what it can (to 85 % of it) is flat.  The filter's own delay is taken out:
 * the first sample in is the first sample out.
 */
#include "base/alloc.h"
#include "base/err.h"

struct media_resample;

enum {
	MEDIA_RESAMPLE_TAPS_MAX = 1 << 20, /* all phases together */
};

/* SIP_EINVAL: a rate out of 4000 ... 192000, or a ratio of too large numbers;
 * SIP_ENOMEM. */
sip_err media_resample_new(struct sip_alloc *alloc, uint32_t from, uint32_t to,
                           struct media_resample **resample);
void media_resample_free(struct media_resample *resample); /* NULL is fine */

/* Take samples and give samples, until one side is used up. */
void media_resample_feed(struct media_resample *resample, const int16_t *in, size_t len,
                         size_t *used, int16_t *out, size_t cap, size_t *count);

/* After the last sample: what the filter still holds.  Gives 0 at the end. */
size_t media_resample_flush(struct media_resample *resample, int16_t *out, size_t cap);
