#pragma once
/* Characters by class (RFC 3261 25.1), one table, and the two loops over it.
 *
 * A class is a bit.  "%" is in no class of an URI: sip_scan_escaped takes it only
 * with its two digits.  A few bytes that the grammar forbids and the field uses are
 * let in where they cannot be mistaken for structure: "_" in hosts, "#" in users,
 * "=" in parameter values.
 */
#include "base/str.h"

enum {
	SIP_C_ALPHA = 1 << 0,
	SIP_C_DIGIT = 1 << 1,
	SIP_C_HEX = 1 << 2,
	SIP_C_BLANK = 1 << 3, /* SP, HTAB, and CR and LF of a fold */
	SIP_C_TOKEN = 1 << 4,
	SIP_C_HOST = 1 << 5, /* name or IPv4 address */
	SIP_C_USER = 1 << 6,
	SIP_C_PASSWORD = 1 << 7,
	SIP_C_PARAM = 1 << 8,  /* URI parameter */
	SIP_C_HEADER = 1 << 9, /* URI header, one side of its "=" */
	SIP_C_URIC = 1 << 10,  /* anywhere in an URI */
	SIP_C_VALUE = 1 << 11, /* value of a header's parameter, unquoted */
	SIP_C_SCHEME = 1 << 12,
	SIP_C_DISPLAY = 1 << 13, /* display name without quotes, blanks included */
	SIP_C_WORD = 1 << 14,    /* Call-ID, "@" included */
};

extern const uint16_t sip_class[256];

static inline bool sip_is(char c, unsigned class_bits)
{
	return (sip_class[(unsigned char)c] & class_bits) != 0;
}

/* The first place from `p` on that is not of this class. */
static inline const char *sip_scan(const char *p, const char *end, unsigned class_bits)
{
	while (p < end && sip_is(*p, class_bits))
		p++;
	return p;
}

static inline const char *sip_skip_blanks(const char *p, const char *end)
{
	return sip_scan(p, end, SIP_C_BLANK);
}

/* As sip_scan, and over "%HH" too; a "%" without two digits stops it. */
const char *sip_scan_escaped(const char *p, const char *end, unsigned class_bits);

/* The end of the quoted string that begins at `p`, behind its closing quote; NULL
 * when it is not closed. */
const char *sip_scan_quoted(const char *p, const char *end);

static inline sip_str sip_span(const char *p, const char *end)
{
	return sip_str_of(p, (size_t)(end - p));
}

/* Between the digits of a telephone number (RFC 3966 3). */
static inline bool sip_is_separator(char c)
{
	return c == '-' || c == '.' || c == '(' || c == ')';
}

/* Is `name`, of which the length is known to be right, this word in small letters?
 * Case is one bit; of what a token may hold, only letters differ in it alone. */
static inline bool sip_is_word(sip_str name, const char *word)
{
	for (size_t i = 0; i < name.len; i++) {
		if ((name.p[i] | 0x20) != word[i])
			return false;
	}
	return true;
}
