#include "msg/uri.h"

#include "msg/scan.h"

/* --- parsing ------------------------------------------------------------------- */

static sip_err fail(struct sip_fault *fault, const char *why, const char *where)
{
	*fault = (struct sip_fault){ why, where };
	return SIP_ESYNTAX;
}

static sip_err parse_userinfo(const char *p, const char *at, struct sip_uri *uri,
                              struct sip_fault *fault)
{
	const char *q = sip_scan_escaped(p, at, SIP_C_USER);

	if (q == p)
		return fail(fault, "the user part of an URI is empty", p);
	uri->has_user = true;
	uri->user = sip_span(p, q);
	if (q < at && *q == ':') {
		p = q + 1;
		q = sip_scan_escaped(p, at, SIP_C_PASSWORD);
		uri->has_password = true;
		uri->password = sip_span(p, q);
	}
	if (q < at)
		return fail(fault, "a character that the user part must escape", q);
	return SIP_OK;
}

/* Any order of hexadecimal digits, colons and dots is taken: RFC 5118 4.10 asks to
 * bear the extra colon that the grammar of RFC 3261 produced. */
static const char *scan_ipv6(const char *p, const char *end)
{
	const char *const start = p;
	bool colon = false;

	for (p++; p < end && (sip_is(*p, SIP_C_HEX) || *p == ':' || *p == '.'); p++)
		colon |= *p == ':';
	return p < end && *p == ']' && colon ? p + 1 : start;
}

/* "host" or "host:port" at *p; blanks are allowed around the colon in Via only. */
sip_err sip_hostport_parse(const char **at, const char *end, bool blanks, sip_str *host,
                           uint16_t *port, struct sip_fault *fault)
{
	const char *p = *at, *q;
	uint32_t number = 0;

	q = p < end && *p == '[' ? scan_ipv6(p, end) : sip_scan(p, end, SIP_C_HOST);
	if (q == p)
		return fail(fault, "a host name or address is missing or malformed", p);
	*host = sip_span(p, q);
	*port = 0;
	*at = q;
	if (blanks)
		q = sip_skip_blanks(q, end);
	if (q == end || *q != ':')
		return SIP_OK;
	p = blanks ? sip_skip_blanks(q + 1, end) : q + 1;
	for (q = p; q < end && sip_is(*q, SIP_C_DIGIT) && number <= UINT16_MAX; q++)
		number = number * 10 + (uint32_t)(*q - '0');
	if (q == p)
		return fail(fault, "a port is missing behind its colon", p);
	if (number == 0 || number > UINT16_MAX)
		return fail(fault, "a port is out of range", p);
	*port = (uint16_t)number;
	*at = q;
	return SIP_OK;
}

static sip_err parse_params(const char **at, const char *end, struct sip_uri *uri,
                            struct sip_fault *fault)
{
	const char *p = *at;
	const char *q;

	while (p < end && *p == ';') {
		q = sip_scan_escaped(p + 1, end, SIP_C_PARAM);
		if (q == p + 1)
			return fail(fault, "an URI parameter has no name", q);
		p = q;
		if (p < end && *p == '=') {
			do
				p = sip_scan_escaped(p + 1, end, SIP_C_PARAM);
			while (p < end && *p == '=');
		}
	}
	if (p > *at)
		uri->params = sip_span(*at + 1, p);
	*at = p;
	return SIP_OK;
}

static sip_err parse_headers(const char **at, const char *end, struct sip_uri *uri,
                             struct sip_fault *fault)
{
	const char *p = *at, *q;

	do {
		q = sip_scan_escaped(p + 1, end, SIP_C_HEADER);
		if (q == p + 1)
			return fail(fault, "an URI header has no name", q);
		if (q == end || *q != '=')
			return fail(fault, "an URI header has no value", q);
		p = sip_scan_escaped(q + 1, end, SIP_C_HEADER);
	} while (p < end && *p == '&');
	uri->headers = sip_span(*at + 1, p);
	*at = p;
	return SIP_OK;
}

static sip_err parse_sip(const char *p, const char *end, struct sip_uri *uri,
                         struct sip_fault *fault)
{
	const char *at = memchr(p, '@', (size_t)(end - p));
	sip_err err;

	if (at) {
		err = parse_userinfo(p, at, uri, fault);
		if (err)
			return err;
		p = at + 1;
	}
	err = sip_hostport_parse(&p, end, false, &uri->host, &uri->port, fault);
	if (!err && p < end && *p == ';')
		err = parse_params(&p, end, uri, fault);
	if (!err && p < end && *p == '?')
		err = parse_headers(&p, end, uri, fault);
	if (!err && p < end)
		return fail(fault, "a character that may not stand in an URI", p);
	return err;
}

static bool is_phone_digit(char c)
{
	return sip_is(c, SIP_C_HEX) || c == '*' || c == '#';
}

static bool is_separator(char c)
{
	return c == '-' || c == '.' || c == '(' || c == ')';
}

/* A local number without a phone-context is taken: phones send it (RFC 3966 5.1.5
 * asks for one). */
static sip_err parse_tel(const char *p, const char *end, struct sip_uri *uri,
                         struct sip_fault *fault)
{
	const char *const start = p;
	const bool global = p < end && *p == '+';
	bool digit = false;
	sip_err err;

	for (p += global; p < end; p++) {
		if (global ? sip_is(*p, SIP_C_DIGIT) : is_phone_digit(*p))
			digit = true;
		else if (!is_separator(*p))
			break;
	}
	if (!digit)
		return fail(fault, "a tel URI has no digits", p);
	uri->has_user = true;
	uri->user = sip_span(start, p);
	err = parse_params(&p, end, uri, fault);
	if (!err && p < end)
		return fail(fault, "a character that may not stand in a tel URI", p);
	return err;
}

static sip_err parse_opaque(const char *p, const char *end, struct sip_uri *uri,
                            struct sip_fault *fault)
{
	const char *q = sip_scan_escaped(p, end, SIP_C_URIC);

	if (q == p)
		return fail(fault, "an URI has nothing behind its scheme", p);
	if (q < end)
		return fail(fault, "a character that may not stand in an URI", q);
	uri->opaque = sip_span(p, end);
	return SIP_OK;
}

static enum sip_uri_scheme scheme_of(sip_str name)
{
	if (sip_str_ieq(name, SIP_STR("sip")))
		return SIP_URI_SIP;
	if (sip_str_ieq(name, SIP_STR("sips")))
		return SIP_URI_SIPS;
	if (sip_str_ieq(name, SIP_STR("tel")))
		return SIP_URI_TEL;
	return SIP_URI_OTHER;
}

static sip_err parse(sip_str text, struct sip_uri *uri, struct sip_fault *fault)
{
	const char *p = text.p, *end;

	if (text.len == 0)
		return fail(fault, "an URI is empty", p);
	end = p + text.len;
	if (text.len > 4 && memcmp(p, "sip:", 4) == 0) {
		uri->scheme = SIP_URI_SIP;
		uri->scheme_name = sip_str_of(p, 3);
		return parse_sip(p + 4, end, uri, fault);
	}
	if (sip_is(*p, SIP_C_ALPHA))
		p = sip_scan(p, end, SIP_C_SCHEME);
	if (p == end || p == text.p || *p != ':')
		return fail(fault, "an URI has no scheme", text.p);
	uri->scheme_name = sip_span(text.p, p);
	uri->scheme = scheme_of(uri->scheme_name);
	p++;
	switch (uri->scheme) {
	case SIP_URI_SIP:
	case SIP_URI_SIPS:
		return parse_sip(p, end, uri, fault);
	case SIP_URI_TEL:
		return parse_tel(p, end, uri, fault);
	case SIP_URI_OTHER:
		break;
	}
	return parse_opaque(p, end, uri, fault);
}

sip_err sip_uri_parse(sip_str text, struct sip_uri *uri, const char **why, size_t *at)
{
	struct sip_uri parsed = { .text = text };
	struct sip_fault fault;
	const sip_err err = parse(text, &parsed, &fault);

	if (err == SIP_OK) {
		*uri = parsed;
		return SIP_OK;
	}
	if (why)
		*why = fault.why;
	if (at)
		*at = (size_t)(fault.where - text.p);
	return err;
}

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
		while (i < a.len && is_separator(a.p[i]))
			i++;
		while (j < b.len && is_separator(b.p[j]))
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
