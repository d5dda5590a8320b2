/* uri_compare.c - two URIs compared (RFC 3261 19.1.4, RFC 3966 4, RFC 5954). */
#include "msg/scan.h"
#include "msg/uri.h"
#include "msg/uri_text.h"

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
		if (sip_uri_same_text(name, names[i], true))
			return true;
	}
	return false;
}

/* Of a parameter that stands twice, which none may, the first one counts. */
static bool params_match(sip_str a, sip_str b)
{
	sip_str name, value, other;

	if (sip_uri_piece_count(a, ';') > SIP_URI_COMPARED_MAX ||
	    sip_uri_piece_count(b, ';') > SIP_URI_COMPARED_MAX)
		return sip_uri_same_text(a, b, true);
	for (sip_str rest = a; sip_uri_next_piece(&rest, ';', &name, &value);) {
		if (sip_uri_param_find(b, name, &other)) {
			(void)sip_uri_param_find(a, name, &value); /* it is there */
			if (!sip_uri_same_text(value, other, true))
				return false;
		} else if (always_matters(name)) {
			return false;
		}
	}
	for (sip_str rest = b; sip_uri_next_piece(&rest, ';', &name, &value);) {
		if (always_matters(name) && !sip_uri_param_find(a, name, &other))
			return false;
	}
	return true;
}

static bool sip_eq(const struct sip_uri *a, const struct sip_uri *b, bool nested)
{
	return a->has_user == b->has_user && a->has_password == b->has_password &&
	       a->port == b->port && sip_uri_same_text(a->user, b->user, false) &&
	       sip_uri_same_text(a->password, b->password, false) &&
	       same_host(a->host, b->host) && params_match(a->params, b->params) &&
	       sip_uri_headers_match(a->headers, b->headers, nested);
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
		if (sip_uri_fold_case((unsigned char)a.p[i++]) !=
		    sip_uri_fold_case((unsigned char)b.p[j++]))
			return false;
	}
}

static bool same_tel_param(sip_str name, sip_str a, sip_str b)
{
	const bool number = sip_uri_same_text(name, SIP_STR("ext"), true) ||
	                    (sip_uri_same_text(name, SIP_STR("phone-context"), true) &&
	                     a.len > 0 && a.p[0] == '+');

	return number ? same_number(a, b) : sip_uri_same_text(a, b, true);
}

/* Is every parameter of `a` in `b`, with the same value? */
static bool tel_params_in(sip_str a, sip_str b)
{
	sip_str name, value, other;

	for (sip_str rest = a; sip_uri_next_piece(&rest, ';', &name, &value);) {
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
	if (sip_uri_piece_count(a->params, ';') > SIP_URI_COMPARED_MAX ||
	    sip_uri_piece_count(b->params, ';') > SIP_URI_COMPARED_MAX)
		return sip_uri_same_text(a->params, b->params, true);
	return tel_params_in(a->params, b->params) &&
	       tel_params_in(b->params, a->params);
}

bool sip_uri_eq_in(const struct sip_uri *a, const struct sip_uri *b, bool nested)
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
	return sip_uri_eq_in(a, b, false);
}
