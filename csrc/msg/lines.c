#include "msg/lines.h"

#ifdef __SSE2__
#include <emmintrin.h>

static uint64_t mask16(const char *p, __m128i want)
{
	const __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)p);

	return (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(bytes, want));
}

static uint64_t mask_of(const char *p, char c)
{
	const __m128i want = _mm_set1_epi8(c);

	return mask16(p, want) | mask16(p + 16, want) << 16 |
	       mask16(p + 32, want) << 32 | mask16(p + 48, want) << 48;
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

static void set_masks(struct sip_lines *lines, const char *p)
{
	const char *const at = lines->p + lines->block;
	const uint64_t cr = mask_of(p, '\r'), lf = mask_of(p, '\n');
	uint64_t before_lf = lf >> 1, behind_cr = cr << 1;

	/* A CRLF may lie across the border of two blocks. */
	if ((cr >> 63) && lines->len - lines->block > 64 && at[64] == '\n')
		before_lf |= UINT64_C(1) << 63;
	if ((lf & 1) && lines->block > 0 && at[-1] == '\r')
		behind_cr |= 1;
	lines->lf = lf;
	lines->stray = (cr & ~before_lf) | (lf & ~behind_cr);
}

static void load(struct sip_lines *lines)
{
	const char *p = lines->p + lines->block;
	const size_t left = lines->len - lines->block;
	char padded[64];

	if (left >= sizeof padded) {
		set_masks(lines, p);
		return;
	}
	memset(padded, 0, sizeof padded);
	memcpy(padded, p, left);
	set_masks(lines, padded);
}

void sip_lines_init(struct sip_lines *lines, const char *p, size_t len)
{
	*lines = (struct sip_lines){ .p = p, .len = len, .stray_at = SIZE_MAX };
	if (len > 0)
		load(lines);
}

bool sip_lines_load_next(struct sip_lines *lines)
{
	do {
		if (lines->stray && lines->stray_at == SIZE_MAX)
			lines->stray_at =
				lines->block + (size_t)__builtin_ctzll(lines->stray);
		if (lines->len - lines->block <= 64) {
			lines->stray = 0;
			return false;
		}
		lines->block += 64;
		load(lines);
	} while (lines->lf == 0);
	return true;
}
