#include "msg/via.h"

#include "msg/scan.h"
#include "msg/uri.h"

static sip_err fail(struct sip_fault *fault, const char *why, const char *where)
{
	*fault = (struct sip_fault){ why, where };
	return SIP_ESYNTAX;
}

/* "SIP / 2.0 / UDP", blanks behind it included; gives where it ends, or NULL. */
static const char *parse_protocol(const char *p, const char *end, struct sip_via *via)
{
	const char *q;

	if (end - p > 8 && memcmp(p, "SIP/2.0/", 8) == 0) {
		p += 8;
	} else {
		for (int i = 0; i < 2; i++) {
			q = sip_scan(p, end, SIP_C_TOKEN);
			if (q == p)
				return NULL;
			q = sip_skip_blanks(q, end);
			if (q == end || *q != '/')
				return NULL;
			p = sip_skip_blanks(q + 1, end);
		}
	}
	q = sip_scan(p, end, SIP_C_TOKEN);
	if (q == p || q == end || !sip_is(*q, SIP_C_BLANK))
		return NULL;
	via->transport = sip_span(p, q);
	via->transport_id = q - p == 3 && memcmp(p, "UDP", 3) == 0
	                            ? SIP_UDP
	                            : sip_transport_find(via->transport);
	return sip_skip_blanks(q, end);
}

/* Others may read the other of two (RFC 3261 7.3.1). */
static sip_err take_branch(struct sip_via *via, sip_str value, struct sip_fault *fault)
{
	if (via->branch.p)
		return fail(fault, "a branch stands twice", value.p);
	via->branch = value;
	return SIP_OK;
}

static sip_err take_rport(struct sip_via *via, sip_str value, struct sip_fault *fault)
{
	uint64_t port = 0;

	if (value.len > 0 && !sip_str_to_u64(value, UINT16_MAX, &port))
		return fail(fault, "rport is not a port", value.p);
	via->has_rport = true;
	via->rport = (uint16_t)port;
	return SIP_OK;
}

static sip_err parse_params(const char *p, const char *end, struct sip_via *via,
                            struct sip_fault *fault)
{
	const char *const start = p + 1;
	sip_str name, value;

	while (p < end) {
		sip_err err;

		if (*p != ';')
			return fail(fault, "a character that may not stand in Via", p);
		p++;
		err = sip_param_parse(&p, end, &name, &value, fault);
		if (err)
			return err;
		if (name.len == 6 && sip_is_word(name, "branch"))
			err = take_branch(via, value, fault);
		else if (name.len == 5 && sip_is_word(name, "rport"))
			err = take_rport(via, value, fault);
		else if (name.len == 8 && sip_is_word(name, "received"))
			via->received = value;
		else if (name.len == 5 && sip_is_word(name, "maddr"))
			via->maddr = value;
		if (err)
			return err;
	}
	via->params = sip_span(start, end);
	return SIP_OK;
}

sip_err sip_via_parse(sip_str value, struct sip_via *via, struct sip_fault *fault)
{
	struct sip_via parsed = { .text = value };
	struct sip_fault unused;
	const char *end, *p;
	sip_err err;

	if (!fault)
		fault = &unused;
	if (value.len == 0)
		return fail(fault, "Via is empty", value.p);
	end = value.p + value.len;
	p = parse_protocol(value.p, end, &parsed);
	if (!p)
		return fail(fault, "Via has no protocol, version and transport",
		            value.p);
	err = sip_hostport_parse(&p, end, true, &parsed.host, &parsed.port, fault);
	if (err)
		return err;
	p = sip_skip_blanks(p, end);
	if (p < end)
		err = parse_params(p, end, &parsed, fault);
	if (err == SIP_OK)
		*via = parsed;
	return err;
}
