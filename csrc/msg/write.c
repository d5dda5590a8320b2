#include "msg/write.h"

#include "msg/reason.h"
#include "msg/scan.h"

/* --- pieces ---------------------------------------------------------------------- */

static void refuse(struct sip_out *out, const char *why)
{
	if (!out->why)
		out->why = why;
}

static bool is_token(sip_str s)
{
	return s.len > 0 && sip_scan(s.p, s.p + s.len, SIP_C_TOKEN) == s.p + s.len;
}

void sip_write_field(struct sip_out *out, const struct sip_field *field)
{
	if (!is_token(field->name))
		refuse(out, "a header name is not a token");
	sip_out_str(out, field->name);
	sip_out_lit(out, ": ");
	sip_out_value(out, field->value, "a header value with CR, LF or NUL");
	sip_out_lit(out, "\r\n");
}

/* Is there a field of this kind?  The last one goes to `value`. */
static bool find_field(const struct sip_field *fields, unsigned count,
                       enum sip_header_id id, sip_str *value)
{
	bool found = false;

	for (unsigned i = 0; i < count; i++) {
		if (sip_header_find(fields[i].name) == id) {
			*value = fields[i].value;
			found = true;
		}
	}
	return found;
}

/* Content-Length, the empty line and the body.  A Content-Length that the caller has
 * written stays, when it is true. */
static void write_body(struct sip_out *out, bool has_length, sip_str length,
                       sip_str body)
{
	uint64_t number;

	if (!has_length) {
		sip_out_lit(out, "Content-Length: ");
		sip_out_u64(out, body.len);
		sip_out_lit(out, "\r\n\r\n");
	} else {
		if (!sip_str_to_u64(length, UINT32_MAX, &number) || number != body.len)
			refuse(out, "Content-Length is not the length of the body");
		sip_out_lit(out, "\r\n");
	}
	sip_out_str(out, body);
}

/* A header as it came, without the blanks around its colon.  What was parsed holds no
 * CR or LF. */
static void copy_header(struct sip_out *out, const struct sip_msg *msg,
                        const struct sip_header *header)
{
	const char *name = msg->bytes + header->name_at;

	if (header->value_at == header->name_at + header->name_len + 2) {
		sip_out_bytes(out, name, header->name_len + 2u + header->value_len);
	} else {
		sip_out_bytes(out, name, header->name_len);
		sip_out_lit(out, ": ");
		sip_out_str(out, sip_header_value(msg, header));
	}
	sip_out_lit(out, "\r\n");
}

static void copy_first(struct sip_out *out, const struct sip_msg *msg,
                       enum sip_header_id id)
{
	if (msg->first[id])
		copy_header(out, msg, &msg->headers[msg->first[id] - 1]);
}

static void copy_all(struct sip_out *out, const struct sip_msg *msg,
                     enum sip_header_id id)
{
	if (!msg->first[id])
		return;
	for (unsigned i = msg->first[id] - 1u; i < msg->header_count; i++) {
		if (msg->headers[i].id == id)
			copy_header(out, msg, &msg->headers[i]);
	}
}

/* --- responses ---------------------------------------------------------------------
 */

static void write_vias(struct sip_out *out, struct sip_msg *req,
                       const struct sip_response_spec *spec)
{
	const struct sip_via *via = sip_msg_via(req);
	const uint16_t rport = via && via->has_rport ? spec->rport : 0;

	if (!via || (!rport && spec->received.len == 0 && !spec->keep_s)) {
		copy_all(out, req, SIP_H_VIA);
		return;
	}
	sip_write_marked_via(out, req, via, spec->received, rport, spec->keep_s);
	for (unsigned i = req->first[SIP_H_VIA]; i < req->header_count; i++) {
		if (req->headers[i].id == SIP_H_VIA)
			copy_header(out, req, &req->headers[i]);
	}
}

static void write_to(struct sip_out *out, struct sip_msg *req, sip_str tag)
{
	const struct sip_name_addr *to = sip_msg_to(req);

	if (!to || to->tag.len > 0 || tag.len == 0) {
		copy_first(out, req, SIP_H_TO);
		return;
	}
	if (!is_token(tag))
		refuse(out, "a tag is not a token");
	sip_out_lit(out, "To: ");
	sip_out_str(out, sip_msg_header(req, SIP_H_TO));
	sip_out_lit(out, ";tag=");
	sip_out_str(out, tag);
	sip_out_lit(out, "\r\n");
}

/* The request's, with how long its answer took: seconds with three digits, none when
 * the request has a delay already or there was none (8.2.6.1). */
static void write_timestamp(struct sip_out *out, struct sip_msg *req, uint32_t delay_ms)
{
	const sip_str text = sip_msg_header(req, SIP_H_TIMESTAMP);
	char digits[4];

	if (delay_ms == 0 || text.len == 0 || memchr(text.p, ' ', text.len) ||
	    memchr(text.p, '\r', text.len)) {
		copy_first(out, req, SIP_H_TIMESTAMP);
		return;
	}
	sip_out_lit(out, "Timestamp: ");
	sip_out_str(out, text);
	sip_out_lit(out, " ");
	sip_out_u64(out, delay_ms / 1000);
	for (size_t i = 0, unit = 100; i < 3; i++, unit /= 10)
		digits[i + 1] = (char)('0' + delay_ms / unit % 10);
	digits[0] = '.';
	sip_out_bytes(out, digits, sizeof digits);
	sip_out_lit(out, "\r\n");
}

static void write_status_line(struct sip_out *out, unsigned status, sip_str reason)
{
	if (status < 100 || status > 699)
		refuse(out, "a status is one of 100 to 699");
	sip_out_lit(out, "SIP/2.0 ");
	sip_out_u64(out, status);
	sip_out_lit(out, " ");
	sip_out_value(out, reason.len ? reason : sip_reason_phrase(status),
	              "a reason phrase with CR, LF or NUL");
	sip_out_lit(out, "\r\n");
}

void sip_write_response(struct sip_out *out, struct sip_msg *req,
                        const struct sip_response_spec *spec)
{
	sip_str length = { 0 };
	const bool has_length = find_field(spec->fields, spec->field_count,
	                                   SIP_H_CONTENT_LENGTH, &length);

	write_status_line(out, spec->status, spec->reason);
	write_vias(out, req, spec);
	if (spec->record_route && spec->status > 100 && spec->status < 300)
		copy_all(out, req, SIP_H_RECORD_ROUTE);
	copy_first(out, req, SIP_H_FROM);
	write_to(out, req, spec->to_tag);
	copy_first(out, req, SIP_H_CALL_ID);
	copy_first(out, req, SIP_H_CSEQ);
	if (spec->status == 100)
		write_timestamp(out, req, spec->delay_ms);
	for (unsigned i = 0; i < spec->field_count; i++)
		sip_write_field(out, &spec->fields[i]);
	write_body(out, has_length, length, spec->body);
}

/* --- requests ------------------------------------------------------------------------
 */

void sip_write_request_line(struct sip_out *out, sip_str method, sip_str uri)
{
	if (!is_token(method))
		refuse(out, "a method is not a token");
	if (uri.len == 0 || memchr(uri.p, ' ', uri.len) || memchr(uri.p, '\t', uri.len))
		refuse(out, "a Request-URI is empty or holds a blank");
	sip_out_str(out, method);
	sip_out_lit(out, " ");
	sip_out_value(out, uri, "a Request-URI with CR, LF or NUL");
	sip_out_lit(out, " SIP/2.0\r\n");
}

/* Is there a line of this kind among the raw ones?  Its value goes to `value`. */
static bool find_raw(sip_str raw, enum sip_header_id id, sip_str *value)
{
	const char *p = raw.p, *end, *eol, *colon;
	bool found = false;

	if (raw.len == 0)
		return false;
	for (end = p + raw.len; p < end; p = eol + 1) {
		eol = memchr(p, '\n', (size_t)(end - p));
		if (!eol)
			break;
		colon = memchr(p, ':', (size_t)(eol - p));
		if (!colon || sip_header_find(sip_str_trim(sip_span(p, colon))) != id)
			continue;
		*value = sip_str_trim(sip_span(colon + 1, eol));
		found = true;
	}
	return found;
}

void sip_write_request(struct sip_out *out, const struct sip_request_spec *spec,
                       size_t *via_at)
{
	const struct sip_field *fields = spec->fields;
	const unsigned count = spec->field_count;
	sip_str value = { 0 };
	bool has_length;

	sip_write_request_line(out, spec->method, spec->uri);
	*via_at = out->len;
	if (!find_field(fields, count, SIP_H_MAX_FORWARDS, &value) &&
	    !find_raw(spec->raw, SIP_H_MAX_FORWARDS, &value))
		sip_out_lit(out, "Max-Forwards: 70\r\n");
	if (spec->raw.len > 0 && spec->raw.p[spec->raw.len - 1] != '\n')
		refuse(out, "raw header lines do not end in CRLF");
	sip_out_str(out, spec->raw);
	for (unsigned i = 0; i < count; i++)
		sip_write_field(out, &fields[i]);
	has_length = find_field(fields, count, SIP_H_CONTENT_LENGTH, &value) ||
	             find_raw(spec->raw, SIP_H_CONTENT_LENGTH, &value);
	write_body(out, has_length, value, spec->body);
}

void sip_write_fragment(struct sip_out *out, const struct sip_fragment_spec *spec)
{
	const struct sip_field *fields = spec->fields;
	const unsigned count = spec->field_count;
	sip_str value = { 0 };

	if (spec->method.len > 0 && spec->status)
		refuse(out, "a fragment is of a request or of a response");
	if (spec->method.len > 0)
		sip_write_request_line(out, spec->method, spec->uri);
	else if (spec->status)
		write_status_line(out, spec->status, spec->reason);
	for (unsigned i = 0; i < count; i++)
		sip_write_field(out, &fields[i]);
	if (spec->body.len == 0)
		return;
	if (!find_field(fields, count, SIP_H_CONTENT_TYPE, &value))
		refuse(out, "a body wants a Content-Type");
	value = (sip_str){ 0 };
	write_body(out, find_field(fields, count, SIP_H_CONTENT_LENGTH, &value), value,
	           spec->body);
}

/* What ACK to a 300-699 and CANCEL share (RFC 3261 9.1, 17.1.1.3): the Request-URI,
 * the topmost Via alone, the route, From, Call-ID and the number of CSeq. */
static void write_follower(struct sip_out *out, struct sip_msg *invite,
                           struct sip_msg *to_of, sip_str method)
{
	const struct sip_via *via = sip_msg_via(invite);
	const struct sip_cseq *cseq = sip_msg_cseq(invite);

	sip_write_request_line(out, method, invite->uri);
	if (!via || !cseq) {
		refuse(out, "the INVITE has no Via or CSeq");
		return;
	}
	sip_out_lit(out, "Via: ");
	sip_out_str(out, via->text);
	sip_out_lit(out, "\r\nMax-Forwards: 70\r\n");
	copy_all(out, invite, SIP_H_ROUTE);
	copy_first(out, invite, SIP_H_FROM);
	copy_first(out, to_of, SIP_H_TO);
	copy_first(out, invite, SIP_H_CALL_ID);
	sip_out_lit(out, "CSeq: ");
	sip_out_u64(out, cseq->number);
	sip_out_lit(out, " ");
	sip_out_str(out, method);
	sip_out_lit(out, "\r\n");
}

/* Credentials are repeated: a proxy that challenged the INVITE may want them with the
 * ACK (22.1). */
void sip_write_ack(struct sip_out *out, struct sip_msg *invite,
                   struct sip_msg *response)
{
	write_follower(out, invite, response, SIP_STR("ACK"));
	copy_all(out, invite, SIP_H_AUTHORIZATION);
	copy_all(out, invite, SIP_H_PROXY_AUTHORIZATION);
	sip_out_lit(out, "Content-Length: 0\r\n\r\n");
}

void sip_write_cancel(struct sip_out *out, struct sip_msg *invite)
{
	write_follower(out, invite, invite, SIP_STR("CANCEL"));
	sip_out_lit(out, "Content-Length: 0\r\n\r\n");
}
