/* uri_text.c - escapes of URIs undone, texts with escapes compared, and lists of
 * parameters and headers cut into pieces (RFC 3261 19.1.2, 19.1.4). */
#include "msg/uri_text.h"

#include "msg/scan.h"
#include "msg/uri.h"

static unsigned hex_digit(char c)
{
	return sip_is(c, SIP_C_DIGIT) ? (unsigned)(c - '0')
	                              : (unsigned)((c | 0x20) - 'a' + 10);
}

static bool is_escape(const char *p, const char *end)
{
	return end - p >= 3 && *p == '%' && sip_is(p[1], SIP_C_HEX) &&
	       sip_is(p[2], SIP_C_HEX);
}

size_t sip_uri_unescape(sip_str text, char *out)
{
	const char *p = text.p, *end;
	size_t n = 0;

	if (text.len == 0)
		return 0;
	end = p + text.len;
	while (p < end) {
		if (is_escape(p, end)) {
			out[n++] = (char)(hex_digit(p[1]) << 4 | hex_digit(p[2]));
			p += 3;
		} else {
			out[n++] = *p++;
		}
	}
	return n;
}

/* One character of an escaped text as a number.  An escaped character of the
 * "reserved" set is not the same as that character (RFC 3261 19.1.4, RFC 2396 2.2). */
static unsigned next_char(const char **p, const char *end)
{
	unsigned c;

	if (!is_escape(*p, end))
		return (unsigned char)*(*p)++;
	c = hex_digit((*p)[1]) << 4 | hex_digit((*p)[2]);
	*p += 3;
	return c != 0 && strchr(";/?:@&=+$,", (int)c) ? c | 0x100 : c;
}

unsigned sip_uri_fold_case(unsigned c)
{
	const unsigned plain = c & 0xff;

	return plain >= 'A' && plain <= 'Z' ? c | 0x20 : c;
}

/* `bits`: those of a character that count. */
static bool is_same(sip_str a, sip_str b, bool ignore_case, unsigned bits)
{
	const char *p = a.p, *q = b.p, *p_end, *q_end;

	if (a.len == 0 || b.len == 0)
		return a.len == b.len;
	p_end = p + a.len;
	q_end = q + b.len;
	while (p < p_end && q < q_end) {
		const unsigned x = next_char(&p, p_end) & bits;
		const unsigned y = next_char(&q, q_end) & bits;

		if (x != y &&
		    !(ignore_case && sip_uri_fold_case(x) == sip_uri_fold_case(y)))
			return false;
	}
	return p == p_end && q == q_end;
}

bool sip_uri_same_text(sip_str a, sip_str b, bool ignore_case)
{
	return is_same(a, b, ignore_case, ~0U);
}

bool sip_uri_same_value(sip_str a, sip_str b, bool ignore_case)
{
	return is_same(a, b, ignore_case, 0xff);
}

bool sip_uri_param_find(sip_str params, sip_str name, sip_str *value)
{
	const char *p = params.p, *end;

	if (params.len == 0)
		return false;
	end = p + params.len;
	while (p < end) {
		const char *next = memchr(p, ';', (size_t)(end - p));
		const char *const stop = next ? next : end;
		const char *eq = memchr(p, '=', (size_t)(stop - p));

		if (sip_uri_same_text(sip_span(p, eq ? eq : stop), name, true)) {
			*value = eq ? sip_span(eq + 1, stop) : sip_str_of(stop, 0);
			return true;
		}
		p = next ? next + 1 : end;
	}
	return false;
}

/* Cut the first piece of a list from its front. */
bool sip_uri_next_piece(sip_str *list, char between, sip_str *name, sip_str *value)
{
	const char *end, *eq;

	if (list->len == 0)
		return false;
	end = memchr(list->p, between, list->len);
	if (!end)
		end = list->p + list->len;
	eq = memchr(list->p, '=', (size_t)(end - list->p));
	*name = sip_span(list->p, eq ? eq : end);
	*value = eq ? sip_span(eq + 1, end) : sip_str_of(end, 0);
	*list = end < list->p + list->len ? sip_span(end + 1, list->p + list->len)
	                                  : sip_str_of(end, 0);
	return true;
}

unsigned sip_uri_piece_count(sip_str list, char between)
{
	sip_str name, value;
	unsigned count = 0;

	while (sip_uri_next_piece(&list, between, &name, &value))
		count++;
	return count;
}
