#include "media/conceal.h"

#include <string.h>

/* Lengths as parts of a second. */
enum {
	FULL_HZ = 100,  /* 10 ms filled in at full volume */
	BLEND_HZ = 250, /* 4 ms from what was filled in to what came */
	PITCH_MIN_HZ = 400,
	PITCH_MAX_HZ = 66,
	PITCH_WINDOW = 160, /* samples compared */
	FADE_MS = 60,       /* silent after it */
	UNITY = 256,
};

static uint32_t fade_len(const struct rtp_conceal *conceal)
{
	return conceal->rate * FADE_MS / 1000;
}

void rtp_conceal_init(struct rtp_conceal *conceal, uint32_t rate)
{
	memset(conceal, 0, sizeof *conceal);
	conceal->rate = rate;
	conceal->run = fade_len(conceal);
	conceal->pitch = rate / PITCH_MIN_HZ;
}

void rtp_conceal_heard(struct rtp_conceal *conceal, const int16_t *samples,
                       uint32_t count)
{
	const uint32_t keep = RTP_CONCEAL_HISTORY;

	conceal->run = 0;
	if (count > keep) {
		samples += count - keep;
		count = keep;
	}
	memmove(conceal->history, conceal->history + count,
	        (keep - count) * sizeof *samples);
	memcpy(conceal->history + keep - count, samples, count * sizeof *samples);
}

/* The lag at which the last samples are most like the ones before them. */
static uint32_t find_pitch(const struct rtp_conceal *conceal)
{
	const int16_t *window = conceal->history + RTP_CONCEAL_HISTORY - PITCH_WINDOW;
	const uint32_t min = conceal->rate / PITCH_MIN_HZ;
	uint32_t max = conceal->rate / PITCH_MAX_HZ, best = min;
	double best_score = -1;

	if (max > RTP_CONCEAL_HISTORY - PITCH_WINDOW)
		max = RTP_CONCEAL_HISTORY - PITCH_WINDOW;
	for (uint32_t lag = min; lag <= max; lag++) {
		int64_t product = 0, power = 1;
		double score;

		for (uint32_t i = 0; i < PITCH_WINDOW; i++) {
			const int32_t old = *(window + i - lag);

			product += (int64_t)old * window[i];
			power += (int64_t)old * old;
		}
		score = product > 0 ? (double)product * (double)product / (double)power
		                    : 0;
		if (score > best_score) {
			best_score = score;
			best = lag;
		}
	}
	return best;
}

int16_t rtp_conceal_next(struct rtp_conceal *conceal)
{
	const uint32_t full = conceal->rate / FULL_HZ, end = fade_len(conceal);
	const uint32_t run = conceal->run;
	int32_t gain = UNITY, sample;

	if (run >= end)
		return 0;
	if (run == 0)
		conceal->pitch = find_pitch(conceal);
	conceal->run++;
	sample = conceal->history[RTP_CONCEAL_HISTORY - conceal->pitch +
	                          run % conceal->pitch];
	if (run > full)
		gain = (int32_t)((end - run) * UNITY / (end - full));
	return (int16_t)(sample * gain / UNITY);
}

void rtp_conceal_blend(struct rtp_conceal *conceal, int16_t *out, uint32_t count)
{
	const uint32_t len = conceal->rate / BLEND_HZ;

	for (uint32_t i = 0; i < count && i < len; i++) {
		const int32_t made = rtp_conceal_next(conceal);

		out[i] = (int16_t)((made * (int32_t)(len - i) + out[i] * (int32_t)i) /
		                   (int32_t)len);
	}
}

bool rtp_conceal_is_silent(const struct rtp_conceal *conceal)
{
	return conceal->run >= fade_len(conceal);
}
