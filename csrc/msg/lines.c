#include "msg/lines.h"

#ifdef __SSE2__
#include <emmintrin.h>

static uint64_t mask_of(const char *p, char c)
{
	const __m128i want = _mm_set1_epi8(c);
	uint64_t mask = 0;

	for (int i = 0; i < 4; i++) {
		const __m128i bytes =
			_mm_loadu_si128((const __m128i *)(const void *)(p + 16 * i));
		const int bits = _mm_movemask_epi8(_mm_cmpeq_epi8(bytes, want));
		mask |= (uint64_t)(unsigned)bits << (16 * i);
	}
	return mask;
}
#else
static uint64_t mask_of(const char *p, char c)
{
	uint64_t mask = 0;

	for (int i = 0; i < 64; i++)
		mask |= (uint64_t)(p[i] == c) << i;
	return mask;
}
#endif

static void load(struct sip_lines *lines)
{
	const char *p = lines->p + lines->block;
	const size_t left = lines->len - lines->block;
	char padded[64];
	uint64_t cr;

	if (left < sizeof padded) {
		memset(padded, 0, sizeof padded);
		memcpy(padded, p, left);
		p = padded;
	}
	lines->lf = mask_of(p, '\n');
	cr = mask_of(p, '\r');
	lines->stray = cr & ~(lines->lf >> 1);
	/* The last CR of a block has its LF in the next one. */
	if ((cr >> 63) && left > 64 && lines->p[lines->block + 64] == '\n')
		lines->stray &= ~(UINT64_C(1) << 63);
}

void sip_lines_init(struct sip_lines *lines, const char *p, size_t len)
{
	*lines = (struct sip_lines){ .p = p, .len = len, .stray_at = SIZE_MAX };
	if (len > 0)
		load(lines);
}

size_t sip_lines_next(struct sip_lines *lines)
{
	unsigned bit;

	while (lines->lf == 0) {
		if (lines->stray && lines->stray_at == SIZE_MAX)
			lines->stray_at =
				lines->block + (size_t)__builtin_ctzll(lines->stray);
		if (lines->len - lines->block <= 64) {
			lines->stray = 0;
			return SIZE_MAX;
		}
		lines->block += 64;
		load(lines);
	}
	bit = (unsigned)__builtin_ctzll(lines->lf);
	lines->lf &= lines->lf - 1;
	return lines->block + bit;
}
