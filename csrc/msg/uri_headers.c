/* uri_headers.c - headers of URIs compared by the rules of each (RFC
 * 3261 19.1.4, 7.3.1, 20.20, 20.39). */
#include "msg/header.h"
#include "msg/name_addr.h"
#include "msg/uri.h"
#include "msg/uri_text.h"

/* Longer values of From and To are compared as text. */
enum { ADDRESS_MAX = 512 };

/* A header may be named by its compact form (7.3.3). */
static bool same_name(sip_str a, sip_str b)
{
	const enum sip_header_id id = sip_header_find(a);

	return (id != SIP_H_OTHER && id == sip_header_find(b)) ||
	       sip_uri_same_text(a, b, true);
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

	if (!sip_str_eq(a->tag, b->tag) ||
	    sip_uri_piece_count(a->params, ';') > SIP_URI_COMPARED_MAX ||
	    sip_uri_piece_count(b->params, ';') > SIP_URI_COMPARED_MAX)
		return false;
	for (sip_str rest = a->params; sip_uri_next_piece(&rest, ';', &name, &value);) {
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

	if (sip_uri_same_value(a, b, false))
		return true;
	if (a.len > ADDRESS_MAX || b.len > ADDRESS_MAX)
		return false;
	return sip_name_addr_parse(sip_str_of(first, sip_uri_unescape(a, first)), &x,
	                           NULL) == SIP_OK &&
	       sip_name_addr_parse(sip_str_of(second, sip_uri_unescape(b, second)), &y,
	                           NULL) == SIP_OK &&
	       sip_uri_parse(x.uri, &u, NULL, NULL) == SIP_OK &&
	       sip_uri_parse(y.uri, &v, NULL, NULL) == SIP_OK &&
	       sip_uri_eq_in(&u, &v, true) && address_params_match(&x, &y);
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

	while (sip_uri_next_piece(&headers, '&', &name, &value)) {
		if (!same_name(name, want))
			continue;
		if (addresses && is_address(name))
			count += same_address(value, want_value);
		else
			count += sip_uri_same_value(
				value, want_value,
				is_caseless(sip_header_find(name), value));
	}
	return count;
}

static unsigned count_addresses(sip_str headers)
{
	sip_str name, value;
	unsigned count = 0;

	while (sip_uri_next_piece(&headers, '&', &name, &value))
		count += is_address(name);
	return count;
}

/* Is each of `a` as many times in `b`? */
static bool headers_in(sip_str a, sip_str b, bool addresses)
{
	sip_str name, value;

	for (sip_str rest = a; sip_uri_next_piece(&rest, '&', &name, &value);) {
		if (count_header(a, name, value, addresses) !=
		    count_header(b, name, value, addresses))
			return false;
	}
	return true;
}

/* Headers are never ignored; their order does not matter.  There is one From and one To
 * where they mean something, and only so many are read as addresses. */
bool sip_uri_headers_match(sip_str a, sip_str b, bool nested)
{
	const unsigned count = sip_uri_piece_count(a, '&');
	bool addresses;

	if (count != sip_uri_piece_count(b, '&'))
		return false;
	if (count > SIP_URI_COMPARED_MAX)
		return sip_uri_same_text(a, b, false);
	addresses = !nested && count_addresses(a) <= 2 && count_addresses(b) <= 2;
	return headers_in(a, b, addresses) && headers_in(b, a, addresses);
}
