#pragma once
/* Where, and how well, one piece of audio is found in another: the peak of their
 * normalised cross-correlation.  What a phone recorded is compared so with the prompt
 * it should have heard. */
#include "base/alloc.h"
#include "base/err.h"

enum { MEDIA_CORRELATE_MAX = 1 << 22 }; /* samples: nearly nine minutes */

/* `peak`: 1 when `part` is in `whole` as it is, -1 inverted, near 0 when it is not in
 * there; `at`: the sample of `whole` where it begins.  A `part` longer than `whole` is
 * cut.  SIP_EINVAL: nothing to compare, or silence; SIP_ELIMIT; SIP_ENOMEM. */
sip_err media_correlate(struct sip_alloc *alloc, const int16_t *whole, size_t whole_len,
                        const int16_t *part, size_t part_len, double *peak, size_t *at);
