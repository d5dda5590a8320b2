/* A message: parsed, judged, every header read in every way, answered, acknowledged,
 * cancelled; what was written parses again.  And the same bytes as a fragment. */
#include <assert.h>
#include <stdlib.h>

#include "msg/write.h"

static volatile size_t sink;

static void touch(sip_str s)
{
	for (size_t i = 0; i < s.len; i++)
		sink += (unsigned char)s.p[i];
}

static void touch_params(sip_str params)
{
	char out[65536];
	sip_str name, value;

	touch(params);
	while (sip_param_next(&params, &name, &value)) {
		touch(name);
		touch(value);
		if (value.len <= sizeof out)
			touch(sip_str_of(out, sip_unquote(value, out)));
	}
}

static void touch_address(const struct sip_name_addr *addr)
{
	struct sip_uri uri;

	if (!addr)
		return;
	touch(addr->display);
	touch(addr->tag);
	touch_params(addr->params);
	if (sip_uri_parse(addr->uri, &uri, NULL, NULL) == SIP_OK)
		touch(uri.user);
}

static void touch_values(const struct sip_msg *msg)
{
	struct sip_values values;
	struct sip_name_addr addr;
	struct sip_via via;
	sip_str value;

	for (enum sip_header_id id = SIP_H_OTHER + 1; id < SIP_H_COUNT; id++) {
		sip_values_init(&values, msg, id);
		while (sip_values_next(&values, &value)) {
			touch(value);
			if (sip_name_addr_parse(value, &addr, NULL) == SIP_OK)
				touch_address(&addr);
			if (sip_via_parse(value, &via, NULL) == SIP_OK)
				touch_params(via.params);
		}
	}
}

static void touch_lines(const struct sip_msg *msg)
{
	char out[65536];

	for (unsigned i = 0; i < msg->header_count; i++) {
		const sip_str value = sip_header_value(msg, &msg->headers[i]);

		if (memchr(value.p, '\r', value.len) ||
		    memchr(value.p, '\n', value.len))
			abort();
		if (value.len <= sizeof out)
			touch(sip_str_of(out, sip_unfold(value, out)));
	}
}

static void touch_typed(struct sip_msg *msg)
{
	const struct sip_uri *uri = sip_msg_uri(msg);
	const struct sip_via *via = sip_msg_via(msg);
	const struct sip_cseq *cseq = sip_msg_cseq(msg);

	if (uri) {
		if (!sip_uri_eq(uri, uri))
			abort();
		touch(uri->host);
	}
	if (via)
		touch(via->branch);
	if (cseq)
		touch(cseq->method_name);
	touch_address(sip_msg_from(msg));
	touch_address(sip_msg_to(msg));
	touch_address(sip_msg_contact(msg));
	touch(sip_msg_call_id(msg));
	sink += (size_t)sip_msg_max_forwards(msg) + (size_t)sip_msg_expires(msg) +
	        sip_msg_via_count(msg);
}

/* A message that we have written is one that we read. */
static void read_back(struct sip_alloc *alloc, const struct sip_out *out)
{
	const struct sip_limits limits = SIP_LIMITS_DEFAULT;
	struct sip_refusal refusal;
	struct sip_msg *msg;

	if (sip_out_end(out) != SIP_OK)
		return;
	if (sip_msg_parse(alloc, &limits, sip_str_of(out->p, out->len), false, &msg,
	                  &refusal) == SIP_ESYNTAX)
		abort();
	sip_msg_unref(msg);
}

static void write_all(struct sip_alloc *alloc, struct sip_msg *msg)
{
	const struct sip_field fields[] = { { SIP_STR("Server"), SIP_STR("fuzz") } };
	const struct sip_response_spec spec = { .status = 180,
		                                .to_tag = SIP_STR("t4g"),
		                                .received = SIP_STR("192.0.2.1"),
		                                .rport = 5060,
		                                .record_route = true,
		                                .fields = fields,
		                                .field_count = 1,
		                                .body = SIP_STR("body") };
	char text[65536 + 512];
	struct sip_out out;

	if (!sip_msg_is_request(msg))
		return;
	sip_out_init(&out, text, sizeof text);
	sip_write_response(&out, msg, &spec);
	read_back(alloc, &out);
	sip_out_init(&out, text, sizeof text);
	sip_write_cancel(&out, msg);
	read_back(alloc, &out);
	sip_out_init(&out, text, sizeof text);
	sip_write_ack(&out, msg, msg);
	read_back(alloc, &out);
}

/* A fragment is written as one that reads the same, unless a value holds a NUL. */
static void write_fragment(struct sip_alloc *alloc, const struct sip_msg *msg)
{
	const struct sip_limits limits = SIP_LIMITS_DEFAULT;
	static struct sip_field fields[512];
	static char text[2 * 65536];
	struct sip_fragment_spec spec = { .method = msg->method_name,
		                          .uri = msg->uri,
		                          .status = msg->status,
		                          .reason = msg->reason,
		                          .fields = fields,
		                          .body = msg->body };
	struct sip_refusal refusal;
	struct sip_msg *again;
	struct sip_out out;

	for (unsigned i = 0; i < msg->header_count; i++) {
		const struct sip_header *header = &msg->headers[i];
		if (header->id == SIP_H_CONTENT_LENGTH)
			continue;
		fields[spec.field_count++] =
			(struct sip_field){ sip_str_of(msg->bytes + header->name_at,
			                               header->name_len),
			                    sip_header_value(msg, header) };
	}
	sip_out_init(&out, text, sizeof text);
	sip_write_fragment(&out, &spec);
	if (sip_out_end(&out) != SIP_OK)
		return;
	if (sip_msg_parse_fragment(alloc, &limits, sip_str_of(text, out.len), &again,
	                           &refusal) == SIP_OK) {
		if (again->status != msg->status ||
		    !sip_str_eq(again->method_name, msg->method_name) ||
		    !sip_str_eq(again->uri, msg->uri) ||
		    !sip_str_eq(again->body, msg->body))
			abort();
	} else if (out.len <= limits.header_bytes) {
		abort();
	}
	sip_msg_unref(again);
}

static void read_fragment(struct sip_alloc *alloc, sip_str bytes)
{
	const struct sip_limits limits = SIP_LIMITS_DEFAULT;
	struct sip_refusal refusal = { 0 };
	struct sip_msg *msg;
	sip_err err;

	err = sip_msg_parse_fragment(alloc, &limits, bytes, &msg, &refusal);
	if (err && (msg || !refusal.why || refusal.at > bytes.len || refusal.status))
		abort();
	if (!msg)
		return;
	touch_typed(msg);
	touch_lines(msg);
	touch_values(msg);
	write_fragment(alloc, msg);
	sip_msg_unref(msg);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct sip_limits limits = SIP_LIMITS_DEFAULT;
	struct sip_refusal refusal = { 0 };
	struct sip_alloc alloc;
	struct sip_msg *msg;
	sip_err err;

	sip_alloc_init(&alloc);
	err = sip_msg_parse(&alloc, &limits, sip_str_of((const char *)data, size), true,
	                    &msg, &refusal);
	if (err && (!refusal.why || refusal.at > size))
		abort();
	if (msg) {
		if (sip_msg_check(msg, &refusal) && refusal.at > size)
			abort();
		touch_typed(msg);
		touch_lines(msg);
		touch_values(msg);
		write_all(&alloc, msg);
	}
	sip_msg_unref(msg);
	read_fragment(&alloc, sip_str_of((const char *)data, size));
	if (alloc.count != 0)
		abort();
	return 0;
}
