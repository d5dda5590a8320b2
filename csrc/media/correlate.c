#include "media/correlate.h"

#include <math.h>

struct spectrum {
	double *re, *im; /* one block: im follows re */
};

static void swap(double *a, double *b)
{
	const double t = *a;

	*a = *b;
	*b = t;
}

static void reverse_bits(struct spectrum s, size_t size)
{
	for (size_t i = 1, j = 0; i < size; i++) {
		size_t bit = size >> 1;

		for (; j & bit; bit >>= 1)
			j ^= bit;
		j ^= bit;
		if (i < j) {
			swap(&s.re[i], &s.re[j]);
			swap(&s.im[i], &s.im[j]);
		}
	}
}

/* The discrete Fourier transform in place, of a power of two. */
static void transform(struct spectrum s, size_t size, double sign)
{
	reverse_bits(s, size);
	for (size_t half = 1; half < size; half *= 2) {
		for (size_t k = 0; k < half; k++) {
			const double angle = sign * M_PI * (double)k / (double)half;
			const double wr = cos(angle), wi = sin(angle);

			for (size_t i = k; i < size; i += 2 * half) {
				const size_t j = i + half;
				const double tr = s.re[j] * wr - s.im[j] * wi;
				const double ti = s.re[j] * wi + s.im[j] * wr;

				s.re[j] = s.re[i] - tr;
				s.im[j] = s.im[i] - ti;
				s.re[i] += tr;
				s.im[i] += ti;
			}
		}
	}
}

/* Both are real, so one transform does for two: `whole` is the real part, `part` the
 * imaginary one.  What comes back in `re` is their cross-correlation. */
static void cross(struct spectrum s, struct spectrum out, size_t size)
{
	transform(s, size, -1);
	for (size_t i = 0; i < size; i++) {
		const size_t j = (size - i) % size;
		const double ar = (s.re[i] + s.re[j]) / 2, ai = (s.im[i] - s.im[j]) / 2;
		const double br = (s.im[i] + s.im[j]) / 2, bi = (s.re[j] - s.re[i]) / 2;

		out.re[i] = ar * br + ai * bi; /* a times the conjugate of b */
		out.im[i] = ai * br - ar * bi;
	}
	transform(out, size, 1);
	for (size_t i = 0; i < size; i++)
		out.re[i] /= (double)size;
}

static double energy_of(const int16_t *samples, size_t len)
{
	double sum = 0;

	for (size_t i = 0; i < len; i++)
		sum += (double)samples[i] * samples[i];
	return sum;
}

static void find_peak(const double *cross_re, const int16_t *whole, size_t whole_len,
                      size_t part_len, double part_energy, double *peak, size_t *at)
{
	double energy = energy_of(whole, part_len);

	*peak = 0;
	*at = 0;
	for (size_t i = 0; i + part_len <= whole_len; i++) {
		const double value =
			energy >= 1 ? cross_re[i] / sqrt(energy * part_energy) : 0;

		if (fabs(value) > fabs(*peak)) {
			*peak = value;
			*at = i;
		}
		energy -= (double)whole[i] * whole[i];
		if (i + part_len < whole_len)
			energy += (double)whole[i + part_len] * whole[i + part_len];
	}
}

sip_err media_correlate(struct sip_alloc *alloc, const int16_t *whole, size_t whole_len,
                        const int16_t *part, size_t part_len, double *peak, size_t *at)
{
	struct spectrum in, out;
	size_t size = 2;
	double part_energy, *block;

	if (part_len > whole_len)
		part_len = whole_len;
	if (whole_len > MEDIA_CORRELATE_MAX)
		return SIP_ELIMIT;
	part_energy = energy_of(part, part_len);
	if (part_energy < 1)
		return SIP_EINVAL;
	while (size < whole_len + part_len)
		size *= 2;
	block = sip_alloc0(alloc, 4 * size * sizeof *block);
	if (!block)
		return SIP_ENOMEM;
	in = (struct spectrum){ block, block + size };
	out = (struct spectrum){ block + 2 * size, block + 3 * size };
	for (size_t i = 0; i < whole_len; i++)
		in.re[i] = whole[i];
	for (size_t i = 0; i < part_len; i++)
		in.im[i] = part[i];
	cross(in, out, size);
	find_peak(out.re, whole, whole_len, part_len, part_energy, peak, at);
	sip_free(alloc, block, 4 * size * sizeof *block);
	return SIP_OK;
}
