/* msg_luasip.c - what parsing, reading and writing a message costs with luasip. */
#include "msg_harness.h"

#include "msg/write.h"

enum { FIELDS_MAX = 40 };

/* What is written: each of the messages again, byte for byte.  A request from its
 * fields; the response from the request it answers and the fields it adds. */
static struct {
	struct sip_msg *answered;
	struct sip_field fields[FIELDS_MAX];
	struct sip_request_spec request;
	struct sip_response_spec response;
} drafts[MESSAGES];

static const struct message *input;
static struct sip_alloc heap;
static struct sip_limits limits;

static struct sip_msg *parse(sip_str bytes)
{
	struct sip_refusal refusal;
	struct sip_msg *msg = NULL;

	must(sip_msg_parse(&heap, &limits, bytes, true, &msg, &refusal) == SIP_OK,
	     "a message is refused");
	return msg;
}

static struct sip_msg *parse_input(int i)
{
	return parse(sip_str_of(input[i].bytes, input[i].len));
}

static size_t read_address(const struct sip_msg *msg, enum sip_header_id id)
{
	sip_str list = sip_msg_header(msg, id), value;
	struct sip_name_addr addr;
	struct sip_uri uri;

	if (!sip_value_next(&list, &value) ||
	    sip_name_addr_parse(value, &addr, NULL) != SIP_OK ||
	    sip_uri_parse(addr.uri, &uri, NULL, NULL) != SIP_OK)
		return 0;
	return uri.host.len;
}

static size_t read_typed(struct sip_msg *msg)
{
	size_t n = sip_msg_call_id(msg).len + sip_msg_via(msg)->branch.len +
	           sip_msg_from(msg)->tag.len + sip_msg_to(msg)->uri.len +
	           sip_msg_cseq(msg)->number + (size_t)sip_msg_max_forwards(msg) +
	           sip_msg_header(msg, SIP_H_CONTENT_TYPE).len + msg->body.len;

	if (sip_msg_is_request(msg))
		n += sip_msg_uri(msg)->host.len;
	if (sip_msg_contact(msg))
		n += sip_msg_contact(msg)->uri.len;
	return n + read_address(msg, SIP_H_ROUTE) +
	       read_address(msg, SIP_H_RECORD_ROUTE);
}

static size_t step_parse(int i)
{
	struct sip_msg *msg = parse_input(i);
	const size_t n = msg->header_count;

	sip_msg_unref(msg);
	return n;
}

static size_t step_typed(int i)
{
	struct sip_msg *msg = parse_input(i);
	const size_t n = read_typed(msg);

	sip_msg_unref(msg);
	return n;
}

static struct sip_out write_draft(int i, char *text, size_t size)
{
	struct sip_out out;
	size_t via_at;

	sip_out_init(&out, text, size);
	if (drafts[i].answered)
		sip_write_response(&out, drafts[i].answered, &drafts[i].response);
	else
		sip_write_request(&out, &drafts[i].request, &via_at);
	return out;
}

static size_t step_write(int i)
{
	char text[MESSAGE_MAX];
	const struct sip_out out = write_draft(i, text, sizeof text);

	return (size_t)text[out.len / 2];
}

static struct sip_field field_of(const struct sip_msg *msg, unsigned at)
{
	const struct sip_header *header = &msg->headers[at];

	return (struct sip_field){
		sip_str_of(msg->bytes + header->name_at, header->name_len),
		sip_header_value(msg, header),
	};
}

static void draft_request(int i, const struct sip_msg *msg)
{
	unsigned count = 0;

	for (unsigned k = 0; k < msg->header_count; k++)
		drafts[i].fields[count++] = field_of(msg, k);
	drafts[i].request = (struct sip_request_spec){ .method = msg->method_name,
		                                       .uri = msg->uri,
		                                       .fields = drafts[i].fields,
		                                       .field_count = count,
		                                       .body = msg->body };
}

/* The INVITE that was answered holds the lines up to CSeq, without the tag of To. */
static void draft_response(int i, struct sip_msg *msg)
{
	const sip_str tag = sip_msg_to(msg)->tag;
	char text[MESSAGE_MAX];
	struct sip_out out;
	unsigned k = 0, count = 0;

	sip_out_init(&out, text, sizeof text);
	sip_out_lit(&out, "INVITE sip:bench@192.0.2.1 SIP/2.0\r\n");
	do {
		struct sip_field field = field_of(msg, k);
		if (msg->headers[k].id == SIP_H_TO)
			field.value.len -= strlen(";tag=") + tag.len;
		sip_out_str(&out, field.name);
		sip_out_lit(&out, ": ");
		sip_out_str(&out, field.value);
		sip_out_lit(&out, "\r\n");
	} while (msg->headers[k++].id != SIP_H_CSEQ);
	sip_out_lit(&out, "Max-Forwards: 70\r\nContent-Length: 0\r\n\r\n");
	drafts[i].answered = parse(sip_str_of(text, out.len));
	for (; msg->headers[k].id != SIP_H_CONTENT_LENGTH; k++)
		drafts[i].fields[count++] = field_of(msg, k);
	drafts[i].response = (struct sip_response_spec){ .status = msg->status,
		                                         .to_tag = tag,
		                                         .record_route = true,
		                                         .fields = drafts[i].fields,
		                                         .field_count = count,
		                                         .body = msg->body };
}

static void init(const struct message *messages)
{
	sip_alloc_init(&heap);
	limits = SIP_LIMITS_DEFAULT;
	input = messages;
	for (int i = 0; i < MESSAGES; i++) {
		struct sip_msg *msg = parse_input(i);
		char text[MESSAGE_MAX];
		struct sip_out out;

		if (sip_msg_is_request(msg))
			draft_request(i, msg);
		else
			draft_response(i, msg);
		out = write_draft(i, text, sizeof text);
		must(sip_out_end(&out) == SIP_OK && out.len == input[i].len &&
		             memcmp(text, input[i].bytes, out.len) == 0,
		     "what is written is not the message");
	}
}

int main(int argc, char **argv)
{
	const struct subject luasip = { init, step_parse, step_typed, step_write };

	return run_bench(&luasip, argc, argv);
}
