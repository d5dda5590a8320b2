#include "media/jitter.h"

#include <assert.h>
#include <string.h>

/* Lengths as parts of a second. */
enum {
	FIRST_HZ = 25,    /* 40 ms: the delay at first */
	MAX_HZ = 5,       /* 200 ms */
	SPARE_HZ = 100,   /* 10 ms: the time to spare that is aimed at */
	CUT_HZ = 100,     /* 10 ms: the most that is cut at once */
	CUT_MIN_HZ = 400, /* 2.5 ms */
	LATE_RUN_MAX = 4, /* late packets in a row that make it start afresh */
};

static int32_t diff(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b);
}

/* ---- the ring ---- */

static uint32_t place(uint32_t timestamp)
{
	return timestamp % RTP_JITTER_RING;
}

enum bits { BITS_COUNT, BITS_SET, BITS_CLEAR };

/* Over the bits of [timestamp, timestamp + count): gives how many were set. */
static uint32_t bits(struct rtp_jitter *jitter, uint32_t timestamp, uint32_t count,
                     enum bits what)
{
	uint32_t at = place(timestamp), set = 0;

	while (count > 0) {
		const uint32_t first = at % 64;
		const uint32_t len = count < 64 - first ? count : 64 - first;
		uint64_t *word = &jitter->filled[at / 64];
		uint64_t mask;

		assert(len > 0 && len <= 64 && first < 64);
		mask = ~0ull >> (64 - len) << first;
		set += (uint32_t)__builtin_popcountll(*word & mask);
		if (what == BITS_SET)
			*word |= mask;
		else if (what == BITS_CLEAR)
			*word &= ~mask;
		count -= len;
		at = (at + len) % RTP_JITTER_RING;
	}
	return set;
}

static bool is_filled(const struct rtp_jitter *jitter, uint32_t timestamp)
{
	const uint32_t at = place(timestamp);

	return jitter->filled[at / 64] >> at % 64 & 1;
}

static void ring_write(struct rtp_jitter *jitter, uint32_t timestamp,
                       const int16_t *samples, uint32_t count)
{
	const uint32_t at = place(timestamp);
	const uint32_t left = RTP_JITTER_RING - at;
	const uint32_t len = count < left ? count : left;

	memcpy(jitter->ring + at, samples, len * sizeof *samples);
	memcpy(jitter->ring, samples + len, (count - len) * sizeof *samples);
}

static void ring_read(const struct rtp_jitter *jitter, uint32_t timestamp, int16_t *out,
                      uint32_t count)
{
	const uint32_t at = place(timestamp);
	const uint32_t left = RTP_JITTER_RING - at;
	const uint32_t len = count < left ? count : left;

	memcpy(out, jitter->ring + at, len * sizeof *out);
	memcpy(out + len, jitter->ring, (count - len) * sizeof *out);
}

/* Leave out what is between here and `timestamp`. */
static void skip_to(struct rtp_jitter *jitter, uint32_t timestamp)
{
	const uint32_t count = timestamp - jitter->play;

	(void)bits(jitter, jitter->play, /* how many were there is of no interest */
	           count < RTP_JITTER_RING ? count : RTP_JITTER_RING, BITS_CLEAR);
	jitter->play = timestamp;
	if (diff(jitter->top, timestamp) < 0) /* or it would wrap, hours later */
		jitter->top = timestamp;
}

/* ---- the delay ---- */

static void forget_margins(struct rtp_jitter *jitter)
{
	rtp_margin_init(&jitter->margin);
	jitter->shorten = false;
	jitter->hold = 0;
}

/* How much more delay is allowed, of what is wanted. */
static uint32_t growth(const struct rtp_jitter *jitter, uint32_t wanted)
{
	const int32_t max = (int32_t)jitter->delay_max - (int32_t)jitter->hold;
	int32_t least, most;

	if (!rtp_margin_range(&jitter->margin, &least, &most))
		most = 0;
	if (most >= max)
		return 0;
	return wanted < (uint32_t)(max - most) ? wanted : (uint32_t)(max - most);
}

/* When no packet of the last four seconds came in less than the time to spare, the
 * delay is longer than it need be. */
static void age_margins(struct rtp_jitter *jitter, uint32_t count)
{
	const int32_t spare = (int32_t)(jitter->rate / SPARE_HZ);
	int32_t least;

	if (rtp_margin_age(&jitter->margin, count, jitter->rate, &least) &&
	    least > spare + (int32_t)(jitter->rate / CUT_HZ))
		jitter->shorten = true;
}

/* ---- packets in ---- */

void rtp_jitter_init(struct rtp_jitter *jitter, uint32_t rate)
{
	memset(jitter, 0, sizeof *jitter);
	jitter->rate = rate;
	jitter->delay_first = rate / FIRST_HZ;
	jitter->delay_max = rate / MAX_HZ;
	rtp_conceal_init(&jitter->conceal, rate);
	forget_margins(jitter);
}

/* Play from this packet on, after a delay as the network has been needing it. */
static void restart(struct rtp_jitter *jitter, uint32_t ssrc, uint32_t timestamp)
{
	uint32_t delay = jitter->delay_first;
	int32_t least, most;

	if (jitter->known && jitter->ssrc == ssrc &&
	    rtp_margin_range(&jitter->margin, &least, &most) &&
	    most - least > (int32_t)delay)
		delay = (uint32_t)(most - least);
	jitter->start_in = delay < jitter->delay_max ? delay : jitter->delay_max;
	jitter->known = true;
	jitter->ssrc = ssrc;
	jitter->play = timestamp;
	jitter->top = timestamp;
	jitter->late_run = 0;
	jitter->has_far = false;
	forget_margins(jitter);
	memset(jitter->filled, 0, sizeof jitter->filled);
}

/* Nothing is left to play, and nothing is heard any more. */
static bool is_idle(const struct rtp_jitter *jitter)
{
	return diff(jitter->top, jitter->play) <= 0 &&
	       rtp_conceal_is_silent(&jitter->conceal);
}

/* A packet far off is believed when the next one agrees with it. */
static bool is_far(struct rtp_jitter *jitter, uint32_t timestamp, uint32_t count)
{
	const int32_t ahead = diff(timestamp, jitter->play);
	const int32_t near = (int32_t)jitter->rate;
	int32_t off;

	if (ahead >= -near &&
	    ahead <= RTP_JITTER_RING - RTP_JITTER_FRAME_MAX - (int32_t)count) {
		jitter->has_far = false;
		return false;
	}
	off = diff(timestamp, jitter->far);
	if (jitter->has_far && off >= -near && off <= near) {
		restart(jitter, jitter->ssrc, timestamp);
		return false;
	}
	jitter->has_far = true;
	jitter->far = timestamp + count;
	return true;
}

/* All of it, or its beginning, came after its instant.  When nothing else has been
 * played since then, the play can go back; else the delay grows for the next ones.
 * False: this one is lost. */
static bool take_late(struct rtp_jitter *jitter, uint32_t timestamp, uint32_t count)
{
	const uint32_t late = jitter->play - timestamp;
	const uint32_t wanted = late + jitter->rate / SPARE_HZ;

	jitter->late_run++;
	if (is_idle(jitter) || jitter->late_run >= LATE_RUN_MAX) {
		restart(jitter, jitter->ssrc, timestamp);
		return true;
	}
	if (late <= jitter->conceal.run && growth(jitter, late) == late) {
		jitter->play = timestamp;
		rtp_margin_move(&jitter->margin, (int32_t)late);
		return true;
	}
	if (jitter->hold == 0)
		jitter->hold = growth(jitter, wanted);
	return late < count;
}

static enum rtp_jitter_put store(struct rtp_jitter *jitter, uint32_t timestamp,
                                 const int16_t *samples, uint32_t count)
{
	const uint32_t there = bits(jitter, timestamp, count, BITS_COUNT);

	if (there == count)
		return RTP_JITTER_DUPLICATE;
	if (there == 0) {
		ring_write(jitter, timestamp, samples, count);
	} else {
		for (uint32_t i = 0; i < count; i++) {
			if (!is_filled(jitter, timestamp + i))
				jitter->ring[place(timestamp + i)] = samples[i];
		}
	}
	(void)bits(jitter, timestamp, count, BITS_SET); /* counted above */
	if (diff(timestamp + count, jitter->top) > 0)
		jitter->top = timestamp + count;
	return RTP_JITTER_TAKEN;
}

enum rtp_jitter_put rtp_jitter_put(struct rtp_jitter *jitter, uint32_t ssrc,
                                   uint32_t timestamp, bool marker,
                                   const int16_t *samples, size_t count)
{
	uint32_t len = (uint32_t)count;
	enum rtp_jitter_put taken;
	int32_t margin;
	bool fresh;

	if (count == 0 || count > RTP_JITTER_PACKET_MAX)
		return RTP_JITTER_LATE;
	fresh = !jitter->known || jitter->ssrc != ssrc;
	if (!fresh && is_far(jitter, timestamp, len))
		return RTP_JITTER_JUMP;
	if (fresh || (marker && is_idle(jitter)))
		restart(jitter, ssrc, timestamp);
	if (diff(timestamp, jitter->play) < 0) {
		const uint32_t late = jitter->play - timestamp;

		if (jitter->start_in > 0 && late <= growth(jitter, late)) {
			jitter->play = timestamp; /* nothing was played yet */
			jitter->start_in -=
				late < jitter->start_in ? late : jitter->start_in;
		} else if (!take_late(jitter, timestamp, len)) {
			return RTP_JITTER_LATE;
		}
	} else {
		jitter->late_run = 0;
	}
	margin = diff(timestamp, jitter->play) + (int32_t)jitter->start_in;
	if (margin < 0) { /* the beginning is over */
		const uint32_t gone = jitter->play - timestamp;

		if (gone >= len)
			return RTP_JITTER_LATE;
		timestamp += gone;
		samples += gone;
		len -= gone;
	}
	taken = store(jitter, timestamp, samples, len);
	if (taken == RTP_JITTER_TAKEN)
		rtp_margin_note(&jitter->margin, margin);
	return taken;
}

/* ---- frames out ---- */

/* Some samples are there and some are not. */
static uint32_t get_patched(struct rtp_jitter *jitter, int16_t *out, uint32_t count)
{
	uint32_t real = 0;

	for (uint32_t i = 0; i < count;) {
		uint32_t run = 0;

		if (!is_filled(jitter, jitter->play + i)) {
			out[i++] = rtp_conceal_next(&jitter->conceal);
			continue;
		}
		while (i + run < count && is_filled(jitter, jitter->play + i + run))
			run++;
		ring_read(jitter, jitter->play + i, out + i, run);
		if (jitter->conceal.run > 0)
			rtp_conceal_blend(&jitter->conceal, out + i, run);
		rtp_conceal_heard(&jitter->conceal, out + i, run);
		i += run;
		real += run;
	}
	return real;
}

/* Leave out as many samples as fit best, and pass over them in a slope. */
static void get_shortened(struct rtp_jitter *jitter, int16_t *out, uint32_t count)
{
	const uint32_t max = jitter->rate / CUT_HZ;
	int16_t all[RTP_JITTER_FRAME_MAX + RTP_JITTER_FRAME_MAX] = { 0 };
	const uint32_t slope = count < max ? count : max;
	uint32_t cut = max, best = UINT32_MAX;

	assert(count > 0 && max > 0 && count + max <= sizeof all / sizeof all[0]);
	ring_read(jitter, jitter->play, all, count + max);
	for (uint32_t lag = jitter->rate / CUT_MIN_HZ; lag <= max; lag++) {
		uint32_t sum = 0;

		for (uint32_t i = 0; i < slope; i++) {
			const int32_t off = all[i] - all[i + lag];

			sum += (uint32_t)(off < 0 ? -off : off);
		}
		if (sum <= best) { /* of equals, the longest */
			best = sum;
			cut = lag;
		}
	}
	for (uint32_t i = 0; i < count; i++) {
		const int32_t in = (int32_t)(i < slope ? i : slope);

		out[i] =
			(int16_t)((all[i] * ((int32_t)slope - in) + all[i + cut] * in) /
		                  (int32_t)slope);
	}
	rtp_conceal_heard(&jitter->conceal, out, count);
	skip_to(jitter, jitter->play + count + cut);
	rtp_margin_move(&jitter->margin, -(int32_t)cut);
	jitter->shorten = false;
}

/* Before a frame: more than the longest delay is left out at once. */
static void drop_excess(struct rtp_jitter *jitter, uint32_t count)
{
	const int32_t held = diff(jitter->top, jitter->play);
	const int32_t max = (int32_t)(jitter->delay_max + count);

	if (held > max + (int32_t)count) {
		skip_to(jitter, jitter->top - (uint32_t)max);
		rtp_margin_move(&jitter->margin, max - held);
	}
}

/* What goes before the frame: the wait for the first packet, or a longer delay.  Gives
 * how many samples it wrote. */
static uint32_t get_waiting(struct rtp_jitter *jitter, int16_t *out, uint32_t count)
{
	uint32_t wait = jitter->hold;

	if (jitter->start_in > 0) {
		wait = jitter->start_in < count ? jitter->start_in : count;
		jitter->start_in -= wait;
	} else if (wait > 0) {
		wait = wait < count ? wait : count;
		jitter->hold -= wait;
		rtp_margin_move(&jitter->margin, (int32_t)wait);
	}
	for (uint32_t i = 0; i < wait; i++)
		out[i] = rtp_conceal_next(&jitter->conceal);
	return wait;
}

enum rtp_jitter_get rtp_jitter_get(struct rtp_jitter *jitter, int16_t *out, size_t size)
{
	const bool was_silent = rtp_conceal_is_silent(&jitter->conceal);
	uint32_t count = (uint32_t)size, waited, there, real;

	assert(size > 0 && size <= RTP_JITTER_FRAME_MAX);
	if (!jitter->known) {
		memset(out, 0, size * sizeof *out);
		return RTP_JITTER_SILENCE;
	}
	drop_excess(jitter, count);
	waited = get_waiting(jitter, out, count);
	out += waited;
	count -= waited;
	there = bits(jitter, jitter->play, count, BITS_COUNT);
	if (jitter->shorten && waited == 0 && jitter->conceal.run == 0 &&
	    bits(jitter, jitter->play, count + jitter->rate / CUT_HZ, BITS_COUNT) ==
	            count + jitter->rate / CUT_HZ) {
		get_shortened(jitter, out, count);
		age_margins(jitter, (uint32_t)size);
		return RTP_JITTER_VOICE;
	}
	if (there == count && jitter->conceal.run == 0) {
		ring_read(jitter, jitter->play, out, count);
		rtp_conceal_heard(&jitter->conceal, out, count);
		real = count;
	} else {
		real = get_patched(jitter, out, count);
	}
	skip_to(jitter, jitter->play + count);
	age_margins(jitter, (uint32_t)size);
	if (real == size)
		return RTP_JITTER_VOICE;
	return real == 0 && was_silent ? RTP_JITTER_SILENCE : RTP_JITTER_CONCEALED;
}

uint32_t rtp_jitter_delay(const struct rtp_jitter *jitter)
{
	const int32_t held =
		diff(jitter->top, jitter->play) + (int32_t)jitter->start_in;

	return jitter->known && held > 0 ? (uint32_t)held : 0;
}
