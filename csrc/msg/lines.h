#pragma once
/* The ends of lines, found 64 bytes at a time (RFC 3261 7: every line ends in CRLF).
 *
 * A block becomes two masks, of LFs and of CRs that no LF follows; walking the lines
 * is then a few instructions each.
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

/* The offset of the next LF, SIZE_MAX when there is none. */
size_t sip_lines_next(struct sip_lines *lines);

/* The offset of the first CR without LF before `lf`, the last LF given, or SIZE_MAX. */
static inline size_t sip_lines_stray(const struct sip_lines *lines, size_t lf)
{
	const uint64_t before = (UINT64_C(1) << (lf - lines->block)) - 1;

	if (__builtin_expect(lines->stray_at == SIZE_MAX && !(lines->stray & before),
	                     1))
		return SIZE_MAX;
	return lines->stray_at != SIZE_MAX
	               ? lines->stray_at
	               : lines->block + (size_t)__builtin_ctzll(lines->stray);
}
