#include "msg/name_addr.h"

#include "msg/scan.h"

static sip_err fail(struct sip_fault *fault, const char *why, const char *where)
{
	*fault = (struct sip_fault){ why, where };
	return SIP_ESYNTAX;
}

static sip_err parse_params(const char *p, const char *end, struct sip_name_addr *addr,
                            struct sip_fault *fault)
{
	const char *const start = p + 1;
	sip_str name, value;

	while (p < end) {
		sip_err err;

		if (*p != ';')
			return fail(fault, "only parameters may follow an address", p);
		p++;
		err = sip_param_parse(&p, end, &name, &value, fault);
		if (err)
			return err;
		if (name.len == 3 && sip_is_word(name, "tag")) {
			if (value.len == 0)
				return fail(fault, "a tag is empty", name.p);
			if (addr->tag.len > 0) /* RFC 3261 7.3.1 */
				return fail(fault, "a tag stands twice", name.p);
			addr->tag = value;
		}
	}
	addr->params = sip_span(start, end);
	return SIP_OK;
}

/* `p` stands at "<". */
static sip_err parse_bracketed(const char *p, const char *end,
                               struct sip_name_addr *addr, struct sip_fault *fault)
{
	const char *close = memchr(p, '>', (size_t)(end - p));

	if (!close)
		return fail(fault, "an address has no closing bracket", p);
	if (close == p + 1)
		return fail(fault, "an address is empty", p);
	addr->uri = sip_span(p + 1, close);
	p = sip_skip_blanks(close + 1, end);
	return p < end ? parse_params(p, end, addr, fault) : SIP_OK;
}

/* Without brackets, what follows the first ";" belongs to the header, and the URI
 * may hold no "?" and no "," (RFC 3261 20). */
static sip_err parse_bare(const char *p, const char *end, struct sip_name_addr *addr,
                          struct sip_fault *fault)
{
	const char *q = p;

	while (q < end && *q != ';' && *q != '?' && *q != ',' &&
	       !sip_is(*q, SIP_C_BLANK))
		q++;
	if (q < end && (*q == '?' || *q == ','))
		return fail(fault, "an URI with this character needs angle brackets",
		            q);
	if (q == p)
		return fail(fault, "an address is empty", p);
	addr->uri = sip_span(p, q);
	q = sip_skip_blanks(q, end);
	return q < end ? parse_params(q, end, addr, fault) : SIP_OK;
}

/* A quoted display name, `p` at its quote. */
static sip_err parse_quoted(const char *p, const char *end, struct sip_name_addr *addr,
                            struct sip_fault *fault)
{
	const char *close = sip_scan_quoted(p, end);

	if (!close)
		return fail(fault, "a quoted string is not closed", p);
	addr->display = sip_span(p + 1, close - 1);
	p = sip_skip_blanks(close, end);
	if (p == end || *p != '<')
		return fail(fault, "a display name has no address behind it", p);
	return parse_bracketed(p, end, addr, fault);
}

static sip_err parse(const char *p, const char *end, struct sip_name_addr *addr,
                     struct sip_fault *fault)
{
	const char *q;

	if (p < end && *p == '"')
		return parse_quoted(p, end, addr, fault);
	if (p < end && *p == '<')
		return parse_bracketed(p, end, addr, fault);
	/* Tokens and more: names in UTF-8 without quotes are common. */
	for (q = p;
	     q < end && (sip_is(*q, SIP_C_DISPLAY) || (unsigned char)*q >= 0x80);)
		q++;
	if (q == end || *q != '<')
		return parse_bare(p, end, addr, fault);
	addr->display = sip_str_trim(sip_span(p, q));
	return parse_bracketed(q, end, addr, fault);
}

sip_err sip_name_addr_parse(sip_str value, struct sip_name_addr *addr,
                            struct sip_fault *fault)
{
	struct sip_name_addr parsed = { .text = value };
	struct sip_fault unused;
	sip_err err;

	if (!fault)
		fault = &unused;
	if (value.len == 0)
		return fail(fault, "an address is empty", value.p);
	err = parse(value.p, value.p + value.len, &parsed, fault);
	if (err == SIP_OK)
		*addr = parsed;
	return err;
}

sip_err sip_cseq_parse(sip_str value, struct sip_cseq *cseq, struct sip_fault *fault)
{
	struct sip_fault unused;
	const char *p, *q, *end;
	uint64_t number;

	if (!fault)
		fault = &unused;
	if (value.len == 0)
		return fail(fault, "CSeq is empty", value.p);
	end = value.p + value.len;
	p = sip_scan(value.p, end, SIP_C_DIGIT);
	if (p == value.p)
		return fail(fault, "CSeq has no number", p);
	if (!sip_str_to_u64(sip_span(value.p, p), UINT32_MAX, &number))
		return fail(fault, "the CSeq number is larger than 2**32-1", value.p);
	q = sip_skip_blanks(p, end);
	if (q == p || q == end)
		return fail(fault, "CSeq has no method", q);
	p = sip_scan(q, end, SIP_C_TOKEN);
	if (p < end)
		return fail(fault, "the CSeq method is not a token", p);
	cseq->number = (uint32_t)number;
	cseq->method_name = sip_span(q, end);
	cseq->method = sip_method_find(cseq->method_name);
	return SIP_OK;
}
