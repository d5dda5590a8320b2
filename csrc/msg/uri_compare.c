/* uri_compare.c - escapes undone, parameters found, and two URIs compared (RFC 3261
 * 19.1.4, RFC 3966 4, RFC 5954). */
#include "msg/header.h"
#include "msg/name_addr.h"
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

/* --- headers ---------------------------------------------------------------------- */

/* Longer values of From and To are compared as text. */
enum { ADDRESS_MAX = 512 };

static bool uri_eq(const struct sip_uri *a, const struct sip_uri *b, bool nested);

/* A header may be named by its compact form (7.3.3). */
static bool same_name(sip_str a, sip_str b)
{
	const enum sip_header_id id = sip_header_find(a);

	return (id != SIP_H_OTHER && id == sip_header_find(b)) || same_text(a, b, true);
}

/* What a header says is what stands there when its escapes are undone, whichever of its
 * characters were escaped. */
static bool same_value(sip_str a, sip_str b, bool ignore_case)
{
	const char *p = a.p, *q = b.p, *p_end, *q_end;

	if (a.len == 0 || b.len == 0)
		return a.len == b.len;
	p_end = p + a.len;
	q_end = q + b.len;
	while (p < p_end && q < q_end) {
		const unsigned x = next_char(&p, p_end) & 0xff;
		const unsigned y = next_char(&q, q_end) & 0xff;

		if (x != y && !(ignore_case && fold_case(x) == fold_case(y)))
			return false;
	}
	return p == p_end && q == q_end;
}

/* Values of tokens have no case (7.3.1), but for what stands in quotes.  Methods and
 * event packages have one; a text may be meant to. */
static bool is_caseless(enum sip_header_id id, sip_str value)
{
	switch (id) {
	case SIP_H_ACCEPT:
	case SIP_H_ACCEPT_ENCODING:
	case SIP_H_ACCEPT_LANGUAGE:
	case SIP_H_CONTENT_DISPOSITION:
	case SIP_H_CONTENT_ENCODING:
	case SIP_H_CONTENT_LANGUAGE:
	case SIP_H_CONTENT_TYPE:
	case SIP_H_PRIORITY:
	case SIP_H_PRIVACY:
	case SIP_H_PROXY_REQUIRE:
	case SIP_H_REQUEST_DISPOSITION:
	case SIP_H_REQUIRE:
	case SIP_H_SESSION_EXPIRES:
	case SIP_H_SUPPORTED:
		for (size_t i = 0; i < value.len; i++) {
			if (value.p[i] == '"' ||
			    (value.p[i] == '%' && i + 2 < value.len &&
			     memcmp(value.p + i, "%22", 3) == 0))
				return false;
		}
		return true;
	default:
		return false;
	}
}

/* Those that both have are the same; the tag is in both or in none. */
static bool address_params_match(const struct sip_name_addr *a,
                                 const struct sip_name_addr *b)
{
	sip_str name, value, other;

	if (!sip_str_eq(a->tag, b->tag) || piece_count(a->params, ';') > COMPARED_MAX ||
	    piece_count(b->params, ';') > COMPARED_MAX)
		return false;
	for (sip_str rest = a->params; next_piece(&rest, ';', &name, &value);) {
		if (!sip_uri_param_find(b->params, name, &other))
			continue;
		(void)sip_uri_param_find(a->params, name, &value); /* it is there */
		if (!sip_str_ieq(value, other))
			return false;
	}
	return true;
}

/* From and To are equal when their URIs and parameters match; the name shown does not
 * count (20.20, 20.39).  URIs in there may have headers again: those are text. */
static bool same_address(sip_str a, sip_str b)
{
	char first[ADDRESS_MAX], second[ADDRESS_MAX];
	struct sip_name_addr x, y;
	struct sip_uri u, v;

	if (same_value(a, b, false))
		return true;
	if (a.len > ADDRESS_MAX || b.len > ADDRESS_MAX)
		return false;
	return sip_name_addr_parse(sip_str_of(first, sip_uri_unescape(a, first)), &x,
	                           NULL) == SIP_OK &&
	       sip_name_addr_parse(sip_str_of(second, sip_uri_unescape(b, second)), &y,
	                           NULL) == SIP_OK &&
	       sip_uri_parse(x.uri, &u, NULL, NULL) == SIP_OK &&
	       sip_uri_parse(y.uri, &v, NULL, NULL) == SIP_OK && uri_eq(&u, &v, true) &&
	       address_params_match(&x, &y);
}

static bool is_address(sip_str name)
{
	const enum sip_header_id id = sip_header_find(name);

	return id == SIP_H_FROM || id == SIP_H_TO;
}

static unsigned count_header(sip_str headers, sip_str want, sip_str want_value,
                             bool addresses)
{
	sip_str name, value;
	unsigned count = 0;

	while (next_piece(&headers, '&', &name, &value)) {
		if (!same_name(name, want))
			continue;
		if (addresses && is_address(name))
			count += same_address(value, want_value);
		else
			count += same_value(value, want_value,
			                    is_caseless(sip_header_find(name), value));
	}
	return count;
}

static unsigned count_addresses(sip_str headers)
{
	sip_str name, value;
	unsigned count = 0;

	while (next_piece(&headers, '&', &name, &value))
		count += is_address(name);
	return count;
}

/* Is each of `a` as many times in `b`? */
static bool headers_in(sip_str a, sip_str b, bool addresses)
{
	sip_str name, value;

	for (sip_str rest = a; next_piece(&rest, '&', &name, &value);) {
		if (count_header(a, name, value, addresses) !=
		    count_header(b, name, value, addresses))
			return false;
	}
	return true;
}

/* Headers are never ignored; their order does not matter.  There is one From and one To
 * where they mean something, and only so many are read as addresses. */
static bool headers_match(sip_str a, sip_str b, bool nested)
{
	const unsigned count = piece_count(a, '&');
	bool addresses;

	if (count != piece_count(b, '&'))
		return false;
	if (count > COMPARED_MAX)
		return same_text(a, b, false);
	addresses = !nested && count_addresses(a) <= 2 && count_addresses(b) <= 2;
	return headers_in(a, b, addresses) && headers_in(b, a, addresses);
}

static bool sip_eq(const struct sip_uri *a, const struct sip_uri *b, bool nested)
{
	return a->has_user == b->has_user && a->has_password == b->has_password &&
	       a->port == b->port && same_text(a->user, b->user, false) &&
	       same_text(a->password, b->password, false) &&
	       same_host(a->host, b->host) && params_match(a->params, b->params) &&
	       headers_match(a->headers, b->headers, nested);
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

static bool uri_eq(const struct sip_uri *a, const struct sip_uri *b, bool nested)
{
	if (a->scheme != b->scheme)
		return false;
	switch (a->scheme) {
	case SIP_URI_SIP:
	case SIP_URI_SIPS:
		return sip_eq(a, b, nested);
	case SIP_URI_TEL:
		return tel_eq(a, b);
	case SIP_URI_OTHER:
		break;
	}
	return sip_str_ieq(a->scheme_name, b->scheme_name) &&
	       sip_str_eq(a->opaque, b->opaque);
}

bool sip_uri_eq(const struct sip_uri *a, const struct sip_uri *b)
{
	return uri_eq(a, b, false);
}
