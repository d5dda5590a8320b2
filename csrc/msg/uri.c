#include "msg/uri.h"

#include "msg/scan.h"

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
		else if (!sip_is_separator(*p))
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
