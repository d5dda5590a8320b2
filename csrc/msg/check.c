/* check.c - is a message one that an element may act on?
 *
 * RFC 3261 8.1.1, 8.2, 16.3, and the verdicts of RFC 4475 and RFC 5118.  Missing
 * branch, tags, Max-Forwards and Content-Length pass: elements of RFC 2543 send none.
 */
#include <assert.h>

#include "msg/message.h"
#include "msg/scan.h"

static sip_err refuse(const struct sip_msg *msg, struct sip_refusal *refusal,
                      const char *where, const char *why)
{
	const size_t at = where >= msg->bytes && where <= msg->bytes + msg->len
	                          ? (size_t)(where - msg->bytes)
	                          : 0;

	refusal->at = (uint32_t)(at + msg->skipped);
	refusal->why = why;
	refusal->status = sip_msg_is_request(msg) ? 400 : 0;
	return SIP_ESYNTAX;
}

static sip_err refuse_fault(const struct sip_msg *msg, struct sip_refusal *refusal,
                            const struct sip_fault *fault)
{
	return refuse(msg, refusal, fault->where, fault->why);
}

/* A fragment has some of the headers of a message (RFC 3420 2). */
static bool may_lack(const struct sip_msg *msg, enum sip_header_id id)
{
	return msg->fragment && msg->first[id] == 0;
}

static sip_err check_uri(const struct sip_msg *msg, sip_str text,
                         struct sip_refusal *refusal)
{
	struct sip_uri uri;
	const char *why;
	size_t at;

	if (sip_uri_parse(text, &uri, &why, &at) == SIP_OK)
		return SIP_OK;
	return refuse(msg, refusal, text.p + at, why);
}

static sip_err check_start_line(struct sip_msg *msg, struct sip_refusal *refusal)
{
	const struct sip_uri *uri;
	sip_err err;

	if (msg->fragment && msg->version.len == 0)
		return SIP_OK;
	if (!sip_str_ieq(msg->version, SIP_STR("SIP/2.0"))) {
		err = refuse(msg, refusal, msg->version.p,
		             "the version of SIP is not 2.0");
		if (refusal->status)
			refusal->status = 505;
		return err;
	}
	if (!sip_msg_is_request(msg))
		return SIP_OK;
	uri = sip_msg_uri(msg);
	if (!uri)
		return check_uri(msg, msg->uri, refusal);
	if (uri->headers.len > 0)
		return refuse(msg, refusal, uri->headers.p,
		              "the Request-URI has headers in it");
	return SIP_OK;
}

static sip_err check_via(struct sip_msg *msg, struct sip_refusal *refusal)
{
	sip_str list = sip_msg_header(msg, SIP_H_VIA), value;
	struct sip_fault fault;
	struct sip_via via;

	if (sip_msg_via(msg) || may_lack(msg, SIP_H_VIA))
		return SIP_OK;
	if (!sip_value_next(&list, &value))
		return refuse(msg, refusal, msg->bytes, "there is no Via");
	if (sip_via_parse(value, &via, &fault) == SIP_OK)
		return SIP_OK;
	return refuse_fault(msg, refusal, &fault);
}

/* Parsed again only to learn what was wrong. */
static sip_err check_address(struct sip_msg *msg, enum sip_header_id id,
                             const struct sip_name_addr *addr, const char *missing,
                             struct sip_refusal *refusal)
{
	struct sip_name_addr again;
	struct sip_fault fault;

	if (may_lack(msg, id))
		return SIP_OK;
	if (addr)
		return check_uri(msg, addr->uri, refusal);
	if (msg->first[id] == 0)
		return refuse(msg, refusal, msg->bytes, missing);
	if (sip_name_addr_parse(sip_msg_header(msg, id), &again, &fault) == SIP_OK)
		return SIP_OK;
	return refuse_fault(msg, refusal, &fault);
}

static sip_err check_cseq(struct sip_msg *msg, struct sip_refusal *refusal)
{
	const struct sip_cseq *cseq = sip_msg_cseq(msg);
	struct sip_fault fault;
	struct sip_cseq again;

	if (may_lack(msg, SIP_H_CSEQ))
		return SIP_OK;
	if (msg->first[SIP_H_CSEQ] == 0)
		return refuse(msg, refusal, msg->bytes, "there is no CSeq");
	if (!cseq) {
		if (sip_cseq_parse(sip_msg_header(msg, SIP_H_CSEQ), &again, &fault) ==
		    SIP_OK)
			return SIP_OK;
		return refuse_fault(msg, refusal, &fault);
	}
	if (sip_msg_is_request(msg) && !sip_str_eq(cseq->method_name, msg->method_name))
		return refuse(msg, refusal, cseq->method_name.p,
		              "the method of CSeq is not that of the request");
	return SIP_OK;
}

static sip_err check_call_id(struct sip_msg *msg, struct sip_refusal *refusal)
{
	const sip_str id = sip_msg_call_id(msg);
	const char *p;

	if (may_lack(msg, SIP_H_CALL_ID))
		return SIP_OK;
	if (id.len == 0)
		return refuse(msg, refusal, id.p ? id.p : msg->bytes,
		              "there is no Call-ID");
	p = sip_scan(id.p, id.p + id.len, SIP_C_WORD);
	if (p < id.p + id.len)
		return refuse(msg, refusal, p,
		              "a character that may not stand in Call-ID");
	return SIP_OK;
}

static sip_err check_numbers(struct sip_msg *msg, struct sip_refusal *refusal)
{
	if (msg->first[SIP_H_MAX_FORWARDS] && sip_msg_max_forwards(msg) < 0)
		return refuse(msg, refusal, sip_msg_header(msg, SIP_H_MAX_FORWARDS).p,
		              "Max-Forwards is not one of 0 to 255");
	if (msg->first[SIP_H_EXPIRES] && sip_msg_expires(msg) < 0)
		return refuse(msg, refusal, sip_msg_header(msg, SIP_H_EXPIRES).p,
		              "Expires is not a number");
	return SIP_OK;
}

static sip_err check_contacts(struct sip_msg *msg, struct sip_refusal *refusal)
{
	struct sip_values values;
	struct sip_name_addr addr;
	struct sip_fault fault;
	sip_err err = SIP_OK;
	sip_str value;

	sip_values_init(&values, msg, SIP_H_CONTACT);
	while (!err && sip_values_next(&values, &value)) {
		if (value.len == 1 && *value.p == '*' &&
		    (msg->method == SIP_M_REGISTER || msg->fragment))
			continue;
		if (sip_name_addr_parse(value, &addr, &fault) == SIP_OK)
			err = check_uri(msg, addr.uri, refusal);
		else
			err = refuse_fault(msg, refusal, &fault);
	}
	return err;
}

/* All Vias of a fragment, and what describes its body (RFC 3420 2, RFC 3261 7.4.1). */
static sip_err check_fragment(const struct sip_msg *msg, struct sip_refusal *refusal)
{
	struct sip_values values;
	struct sip_fault fault;
	struct sip_via via;
	sip_str value;

	sip_values_init(&values, msg, SIP_H_VIA);
	while (sip_values_next(&values, &value)) {
		if (sip_via_parse(value, &via, &fault) != SIP_OK)
			return refuse_fault(msg, refusal, &fault);
	}
	if (msg->body.len > 0 && msg->first[SIP_H_CONTENT_TYPE] == 0)
		return refuse(msg, refusal, msg->body.p,
		              "a body without a Content-Type");
	return SIP_OK;
}

/* A response is dropped for what it cannot be matched without, and for no more. */
static sip_err check_repeated(const struct sip_msg *msg, struct sip_refusal *refusal)
{
	const struct sip_header *header;

	if (!msg->repeated)
		return SIP_OK;
	header = &msg->headers[msg->repeated - 1];
	if (!sip_msg_is_request(msg) && !msg->fragment && header->id > SIP_H_CSEQ)
		return SIP_OK;
	return refuse(msg, refusal, msg->bytes + header->name_at,
	              "a header that may stand once stands twice");
}

sip_err sip_msg_check(struct sip_msg *msg, struct sip_refusal *refusal)
{
	sip_err err = check_start_line(msg, refusal);

	if (!err)
		err = check_via(msg, refusal);
	if (!err)
		err = check_repeated(msg, refusal);
	if (!err)
		err = check_address(msg, SIP_H_FROM, sip_msg_from(msg),
		                    "there is no From", refusal);
	if (!err)
		err = check_address(msg, SIP_H_TO, sip_msg_to(msg), "there is no To",
		                    refusal);
	if (!err)
		err = check_call_id(msg, refusal);
	if (!err)
		err = check_cseq(msg, refusal);
	if (!err && (sip_msg_is_request(msg) || msg->fragment))
		err = check_numbers(msg, refusal);
	if (!err && (sip_msg_is_request(msg) || msg->fragment))
		err = check_contacts(msg, refusal);
	if (!err && msg->fragment)
		err = check_fragment(msg, refusal);
	return err;
}
