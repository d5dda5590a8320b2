#pragma once
/* The ends of lines, found 64 bytes at a time (RFC 3261 7: every line ends in CRLF).
 *
 * A block becomes two masks, of LFs and of halves of a CRLF that stand alone; walking
 * the lines is then a few instructions each.
 */
#include "base/str.h"

struct sip_lines {
	const char *p;
	size_t len;
	size_t block;    /* offset of the masks below */
	uint64_t lf;     /* LFs of this block that were not given yet */
	uint64_t stray;  /* CRs of this block without LF */
	size_t stray_at; /* the first of an earlier block, SIZE_MAX: none */
};

void sip_lines_init(struct sip_lines *lines, const char *p, size_t len);

/* Go to the next block that holds a LF; false when there is none. */
bool sip_lines_load_next(struct sip_lines *lines);

/* The offset of the next LF, SIZE_MAX when there is none. */
static inline size_t sip_lines_next(struct sip_lines *lines)
{
	unsigned bit;

	if (lines->lf == 0 && !sip_lines_load_next(lines))
		return SIZE_MAX;
	bit = (unsigned)__builtin_ctzll(lines->lf);
	lines->lf &= lines->lf - 1;
	return lines->block + bit;
}

/* The offset of the first CR or LF alone up to `lf`, the last LF given, or SIZE_MAX. */
static inline size_t sip_lines_stray(const struct sip_lines *lines, size_t lf)
{
	const uint64_t up_to = ~UINT64_C(0) >> (63 - (lf - lines->block));

	if (lines->stray_at != SIZE_MAX)
		return lines->stray_at;
	return lines->stray & up_to
	               ? lines->block + (size_t)__builtin_ctzll(lines->stray)
	               : SIZE_MAX;
}
