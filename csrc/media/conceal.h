#pragma once
/* Filling in for what is missing, as G.711 Appendix I does without its growing number
 * of periods: the last pitch period again and again, at full volume for 10 ms, silent
 * after 60.
 */
#include <stdbool.h>
#include <stdint.h>

enum { RTP_CONCEAL_HISTORY = 400 };

struct rtp_conceal {
	uint32_t rate;
	uint32_t run; /* samples since the last real one */
	uint32_t pitch;
	int16_t history[RTP_CONCEAL_HISTORY]; /* the real samples given last */
};

void rtp_conceal_init(struct rtp_conceal *conceal, uint32_t rate); /* silent */

/* Real samples were given: what is filled in follows from them. */
void rtp_conceal_heard(struct rtp_conceal *conceal, const int16_t *samples,
                       uint32_t count);
int16_t rtp_conceal_next(struct rtp_conceal *conceal);
/* Lead over, in `out`, from what would be filled in to what came. */
void rtp_conceal_blend(struct rtp_conceal *conceal, int16_t *out, uint32_t count);
/* Nothing is heard any more. */
bool rtp_conceal_is_silent(const struct rtp_conceal *conceal);
