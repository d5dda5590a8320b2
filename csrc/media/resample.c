#include "media/resample.h"

#include <math.h>

enum {
	RATE_MIN = 4000,
	RATE_MAX = 192000,
	ZEROS = 36, /* of the sinc, on each side: how steep the filter is */
};

static const double KAISER_BETA = 7.5; /* 75 dB */
static const double PASS = 0.92;       /* the middle of the slope, of the lower rate */
static const double PI = 3.14159265358979323846;

struct media_resample {
	struct sip_alloc *alloc;
	size_t size;
	uint32_t up, down; /* out : in, in lowest terms */
	uint32_t taps;     /* of one phase */
	/* One window of samples is kept twice in a row, so that it never wraps. */
	uint32_t at;      /* where the next sample is written, below `taps` */
	uint32_t need;    /* samples to take before the next one out */
	uint32_t phase;   /* of the next one out, below `up` */
	uint64_t in, out; /* samples so far */
	float *window;    /* 2 * taps */
	float *filter;    /* up * taps: a row for each phase, oldest sample first */
};

static uint32_t gcd(uint32_t a, uint32_t b)
{
	while (b > 0) {
		const uint32_t rest = a % b;

		a = b;
		b = rest;
	}
	return a;
}

/* The modified Bessel function of order 0, by its series. */
static double bessel(double x)
{
	double sum = 1, term = 1;

	for (int i = 1; i < 60; i++) {
		term *= x * x / (4.0 * i * i);
		sum += term;
	}
	return sum;
}

/* The filter at `t` samples in from its middle; `cutoff` of half the rate in. */
static double kernel(double t, double half, double cutoff)
{
	const double x = t / half, angle = PI * t * cutoff;
	const double sinc = fabs(angle) < 1e-9 ? 1 : sin(angle) / angle;

	if (x <= -1 || x >= 1)
		return 0;
	return cutoff * sinc * bessel(KAISER_BETA * sqrt(1 - x * x)) /
	       bessel(KAISER_BETA);
}

/* Row `phase` weighs the samples around a point phase/up after one of them.  Each row
 * sums up to one, so that no phase is louder than another. */
static void fill_filter(struct media_resample *resample, double cutoff)
{
	const uint32_t taps = resample->taps;
	const double half = taps / 2.0;

	for (uint32_t phase = 0; phase < resample->up; phase++) {
		float *row = resample->filter + (size_t)phase * taps;
		const double point = half - 1 + (double)phase / resample->up;
		double sum = 0;

		for (uint32_t i = 0; i < taps; i++)
			sum += kernel(i - point, half, cutoff);
		for (uint32_t i = 0; i < taps; i++)
			row[i] = (float)(kernel(i - point, half, cutoff) / sum);
	}
}

sip_err media_resample_new(struct sip_alloc *alloc, uint32_t from, uint32_t to,
                           struct media_resample **resample)
{
	struct media_resample *fresh;
	uint32_t common, taps, up;
	double cutoff;
	size_t size;

	if (from < RATE_MIN || from > RATE_MAX || to < RATE_MIN || to > RATE_MAX)
		return SIP_EINVAL;
	common = gcd(from, to);
	up = to / common;
	cutoff = (to < from ? (double)to / from : 1) * PASS;
	taps = 2 * (uint32_t)ceil(ZEROS / cutoff);
	if ((uint64_t)taps * up > MEDIA_RESAMPLE_TAPS_MAX)
		return SIP_EINVAL;
	size = sizeof *fresh + ((size_t)taps * up + 2 * (size_t)taps) * sizeof(float);
	fresh = sip_alloc0(alloc, size);
	if (!fresh)
		return SIP_ENOMEM;
	fresh->alloc = alloc;
	fresh->size = size;
	fresh->up = up;
	fresh->down = from / common;
	fresh->taps = taps;
	fresh->need = taps / 2 + 1; /* the first sample in is in the middle then */
	fresh->window = (float *)(void *)(fresh + 1);
	fresh->filter = fresh->window + 2 * (size_t)taps;
	fill_filter(fresh, cutoff);
	*resample = fresh;
	return SIP_OK;
}

void media_resample_free(struct media_resample *resample)
{
	if (resample)
		sip_free(resample->alloc, resample, resample->size);
}

static void take(struct media_resample *resample, float sample)
{
	resample->window[resample->at] = sample;
	resample->window[resample->at + resample->taps] = sample;
	resample->at = (resample->at + 1) % resample->taps;
	resample->need--;
}

/* Four sums at once: what a compiler may turn into one vector. */
static int16_t give(struct media_resample *resample)
{
	const float *row = resample->filter + (size_t)resample->phase * resample->taps;
	const float *window = resample->window + resample->at;
	float sums[4] = { 0, 0, 0, 0 };
	uint32_t i = 0;
	long value;

	for (; i + 4 <= resample->taps; i += 4) {
		for (uint32_t k = 0; k < 4; k++)
			sums[k] += row[i + k] * window[i + k];
	}
	for (; i < resample->taps; i++)
		sums[0] += row[i] * window[i];
	resample->phase += resample->down;
	resample->need = resample->phase / resample->up;
	resample->phase %= resample->up;
	resample->out++;
	value = lrintf(sums[0] + sums[1] + sums[2] + sums[3]);
	if (value > INT16_MAX)
		return INT16_MAX;
	return (int16_t)(value < INT16_MIN ? INT16_MIN : value);
}

void media_resample_feed(struct media_resample *resample, const int16_t *in, size_t len,
                         size_t *used, int16_t *out, size_t cap, size_t *count)
{
	*used = 0;
	*count = 0;
	for (;;) {
		if (resample->need == 0) {
			if (*count == cap)
				return;
			out[(*count)++] = give(resample);
		} else {
			if (*used == len)
				return;
			take(resample, in[(*used)++]);
			resample->in++;
		}
	}
}

/* As many samples out as the time of those that came in, rounded up. */
size_t media_resample_flush(struct media_resample *resample, int16_t *out, size_t cap)
{
	const uint64_t all =
		(resample->in * resample->up + resample->down - 1) / resample->down;
	size_t count = 0;

	while (count < cap && resample->out < all) {
		if (resample->need == 0)
			out[count++] = give(resample);
		else
			take(resample, 0);
	}
	return count;
}
