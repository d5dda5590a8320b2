/* uri_compare.c - escapes undone, parameters found, and two URIs compared (RFC 3261
 * 19.1.4, RFC 3966 4, RFC 5954). */
#include "msg/scan.h"
#include "msg/uri.h"

/* --- escapes ------------------------------------------------------------------- */

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

static unsigned fold_case(unsigned c)
{
	const unsigned plain = c & 0xff;

	return plain >= 'A' && plain <= 'Z' ? c | 0x20 : c;
}

static bool same_text(sip_str a, sip_str b, bool ignore_case)
{
	const char *p = a.p, *q = b.p, *p_end, *q_end;

	if (a.len == 0 || b.len == 0)
		return a.len == b.len;
	p_end = p + a.len;
	q_end = q + b.len;
	while (p < p_end && q < q_end) {
		const unsigned x = next_char(&p, p_end), y = next_char(&q, q_end);
		if (x != y && !(ignore_case && fold_case(x) == fold_case(y)))
			return false;
	}
	return p == p_end && q == q_end;
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

		if (same_text(sip_span(p, eq ? eq : stop), name, true)) {
			*value = eq ? sip_span(eq + 1, stop) : sip_str_of(stop, 0);
			return true;
		}
		p = next ? next + 1 : end;
	}
	return false;
}

/* --- comparison ---------------------------------------------------------------- */

/* Each parameter and header of one URI is looked for in the other: whoever is to be
 * kept from having us do so for long may not write many. */
enum { COMPARED_MAX = 32 };

/* Cut the first piece of a list from its front. */
static bool next_piece(sip_str *list, char between, sip_str *name, sip_str *value)
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

/* RFC 5954 3: addresses are compared by value.  One that only looks like an
 * address is compared as text. */
static bool same_host(sip_str a, sip_str b)
{
	struct sip_addr x, y;

	if (sip_addr_parse(a, &x) && sip_addr_parse(b, &y))
		return x.family == y.family && sip_addr_same_host(&x, &y);
	return sip_str_ieq(a, b);
}

/* Parameters that may not stand in one of two equal URIs alone. */
static bool always_matters(sip_str name)
{
	static const sip_str names[] = { { "user", 4 },
		                         { "ttl", 3 },
		                         { "method", 6 },
		                         { "maddr", 5 },
		                         { "transport", 9 } };

	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		if (same_text(name, names[i], true))
			return true;
	}
	return false;
}

static unsigned piece_count(sip_str list, char between)
{
	sip_str name, value;
	unsigned count = 0;

	while (next_piece(&list, between, &name, &value))
		count++;
	return count;
}

/* Of a parameter that stands twice, which none may, the first one counts. */
static bool params_match(sip_str a, sip_str b)
{
	sip_str name, value, other;

	if (piece_count(a, ';') > COMPARED_MAX || piece_count(b, ';') > COMPARED_MAX)
		return same_text(a, b, true);
	for (sip_str rest = a; next_piece(&rest, ';', &name, &value);) {
		if (sip_uri_param_find(b, name, &other)) {
			(void)sip_uri_param_find(a, name, &value); /* it is there */
			if (!same_text(value, other, true))
				return false;
		} else if (always_matters(name)) {
			return false;
		}
	}
	for (sip_str rest = b; next_piece(&rest, ';', &name, &value);) {
		if (always_matters(name) && !sip_uri_param_find(a, name, &other))
			return false;
	}
	return true;
}

static unsigned count_header(sip_str headers, sip_str want, sip_str want_value)
{
	sip_str name, value;
	unsigned count = 0;

	while (next_piece(&headers, '&', &name, &value)) {
		if (same_text(name, want, true) && same_text(value, want_value, false))
			count++;
	}
	return count;
}

/* Headers are never ignored; their order does not matter. */
static bool headers_match(sip_str a, sip_str b)
{
	const unsigned count = piece_count(a, '&');
	sip_str name, value;

	if (count != piece_count(b, '&'))
		return false;
	if (count > COMPARED_MAX)
		return same_text(a, b, false);
	for (sip_str rest = a; next_piece(&rest, '&', &name, &value);) {
		if (count_header(a, name, value) != count_header(b, name, value))
			return false;
	}
	return true;
}

static bool sip_eq(const struct sip_uri *a, const struct sip_uri *b)
{
	return a->has_user == b->has_user && a->has_password == b->has_password &&
	       a->port == b->port && same_text(a->user, b->user, false) &&
	       same_text(a->password, b->password, false) &&
	       same_host(a->host, b->host) && params_match(a->params, b->params) &&
	       headers_match(a->headers, b->headers);
}

/* Digit by digit, without visual separators (RFC 3966 4). */
static bool same_number(sip_str a, sip_str b)
{
	size_t i = 0, j = 0;

	for (;;) {
		while (i < a.len && sip_is_separator(a.p[i]))
			i++;
		while (j < b.len && sip_is_separator(b.p[j]))
			j++;
		if (i == a.len || j == b.len)
			return i == a.len && j == b.len;
		if (fold_case((unsigned char)a.p[i++]) !=
		    fold_case((unsigned char)b.p[j++]))
			return false;
	}
}

static bool same_tel_param(sip_str name, sip_str a, sip_str b)
{
	const bool number = same_text(name, SIP_STR("ext"), true) ||
	                    (same_text(name, SIP_STR("phone-context"), true) &&
	                     a.len > 0 && a.p[0] == '+');

	return number ? same_number(a, b) : same_text(a, b, true);
}

/* Is every parameter of `a` in `b`, with the same value? */
static bool tel_params_in(sip_str a, sip_str b)
{
	sip_str name, value, other;

	for (sip_str rest = a; next_piece(&rest, ';', &name, &value);) {
		if (!sip_uri_param_find(b, name, &other))
			return false;
		(void)sip_uri_param_find(a, name, &value); /* it is there */
		if (!same_tel_param(name, value, other))
			return false;
	}
	return true;
}

static bool tel_eq(const struct sip_uri *a, const struct sip_uri *b)
{
	if (!same_number(a->user, b->user))
		return false;
	if (piece_count(a->params, ';') > COMPARED_MAX ||
	    piece_count(b->params, ';') > COMPARED_MAX)
		return same_text(a->params, b->params, true);
	return tel_params_in(a->params, b->params) &&
	       tel_params_in(b->params, a->params);
}

bool sip_uri_eq(const struct sip_uri *a, const struct sip_uri *b)
{
	if (a->scheme != b->scheme)
		return false;
	switch (a->scheme) {
	case SIP_URI_SIP:
	case SIP_URI_SIPS:
		return sip_eq(a, b);
	case SIP_URI_TEL:
		return tel_eq(a, b);
	case SIP_URI_OTHER:
		break;
	}
	return sip_str_ieq(a->scheme_name, b->scheme_name) &&
	       sip_str_eq(a->opaque, b->opaque);
}
