#include "media/g711.h"

/* The tables are constant expressions: nothing is computed when a process starts,
 * and nothing is shared that could be written. */

#define ULAW_SIZE(c) (((((~(c)) & 15) * 8 + 132) << (((~(c)) >> 4) & 7)) - 132)
#define ULAW(c) (int16_t)((c)&0x80 ? ULAW_SIZE(c) : -ULAW_SIZE(c))

#define ALAW_STEP(c) ((((c) ^ 0x55) >> 4) & 7)
#define ALAW_MANTISSA(c) (((((c) ^ 0x55) & 15) << 4) + 8)
#define ALAW_SIZE(c)                                                                   \
	(ALAW_STEP(c) == 0 ? ALAW_MANTISSA(c)                                          \
	                   : (ALAW_MANTISSA(c) + 256) << ((ALAW_STEP(c) + 7) & 7))
#define ALAW(c) (int16_t)((c)&0x80 ? ALAW_SIZE(c) : -ALAW_SIZE(c))

#define ROW4(X, c) X(c), X((c) + 1), X((c) + 2), X((c) + 3)
#define ROW16(X, c) ROW4(X, c), ROW4(X, (c) + 4), ROW4(X, (c) + 8), ROW4(X, (c) + 12)
#define ROW64(X, c)                                                                    \
	ROW16(X, c), ROW16(X, (c) + 16), ROW16(X, (c) + 32), ROW16(X, (c) + 48)
#define ROW256(X) ROW64(X, 0), ROW64(X, 64), ROW64(X, 128), ROW64(X, 192)

static const int16_t decode_table[2][256] = {
	[MEDIA_ULAW] = { ROW256(ULAW) },
	[MEDIA_ALAW] = { ROW256(ALAW) },
};

void media_g711_decode(enum media_law law, const uint8_t *in, int16_t *out,
                       size_t count)
{
	const int16_t *table = decode_table[law];

	for (size_t i = 0; i < count; i++)
		out[i] = table[in[i]];
}

/* The segment is the place of the highest bit, so no table of decision values is
 * searched.  Of the 16 bits of a sample, mu-law sees 14 and A-law 12. */

static unsigned highest_bit(unsigned value)
{
	return 31u - (unsigned)__builtin_clz(value);
}

static uint8_t ulaw_encode(int sample)
{
	const unsigned sign = sample < 0 ? 0 : 0x80;
	unsigned size = (unsigned)(sample < 0 ? ~sample : sample) / 4 + 33;
	unsigned segment;

	if (size > 0x1fff)
		size = 0x1fff;
	segment = highest_bit(size) - 5;
	return (uint8_t)(sign |
	                 (~(segment << 4 | (size >> (segment + 1) & 15)) & 0x7f));
}

static uint8_t alaw_encode(int sample)
{
	const unsigned sign = sample < 0 ? 0 : 0x80;
	const unsigned size = (unsigned)(sample < 0 ? ~sample : sample) / 16;
	const unsigned segment = highest_bit(size | 16) - 4; /* 16: linear below it */
	const unsigned code = segment + (size >= 16);

	return (uint8_t)((sign | code << 4 | (size >> segment & 15)) ^ 0x55);
}

void media_g711_encode(enum media_law law, const int16_t *in, uint8_t *out,
                       size_t count)
{
	if (law == MEDIA_ULAW) {
		for (size_t i = 0; i < count; i++)
			out[i] = ulaw_encode(in[i]);
	} else {
		for (size_t i = 0; i < count; i++)
			out[i] = alaw_encode(in[i]);
	}
}
