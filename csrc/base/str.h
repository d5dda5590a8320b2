#pragma once
/* Strings are a pointer and a length, borrowed from somewhere: never NUL-ended,
 * and NUL is a byte like any other (RFC 3261 19.1.2, RFC 4475 3.1.1.4).
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct sip_str {
	const char *p;
	size_t len;
} sip_str;

#define SIP_STR(literal) ((sip_str){ "" literal, sizeof(literal) - 1 })

static inline sip_str sip_str_of(const char *p, size_t len)
{
	return (sip_str){ p, len };
}

static inline bool sip_str_eq(sip_str a, sip_str b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.p, b.p, a.len) == 0);
}

bool sip_str_ieq(sip_str a, sip_str b); /* ASCII letters without case */
int sip_str_icmp(sip_str a, sip_str b); /* order, ASCII letters without case */

/* Decimal digits only, the whole string, not empty.  False on overflow of `max`. */
bool sip_str_to_u64(sip_str s, uint64_t max, uint64_t *value);

/* The same up to 2**32-1, which is what a larger number is. */
bool sip_str_to_u32_cut(sip_str s, uint32_t *value);

/* Strip spaces, tabs, CR and LF from both ends. */
sip_str sip_str_trim(sip_str s);

/* Does it hold CR, LF or NUL, which no header value or start line may? */
bool sip_str_breaks_lines(sip_str s);

/* Is this one of the lines, each ended by a line feed?  ASCII letters without case. */
bool sip_str_has_line(sip_str lines, sip_str line);

/* Write `value` in decimal at `out` (at least 20 bytes); gives the length. */
size_t sip_u64_write(char *out, uint64_t value);
