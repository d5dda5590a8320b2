/* msg_sofia.c - what parsing, reading and writing a message costs with sofia-sip.  It
 * parses the headers it knows at once; writing prints each of the parsed headers. */
#include "msg_harness.h"

#include <sofia-sip/su.h>

#include <sofia-sip/msg.h>
#include <sofia-sip/msg_addr.h>
#include <sofia-sip/msg_header.h>
#include <sofia-sip/sip.h>
#include <sofia-sip/sip_header.h>
#include <sofia-sip/sip_parser.h>

static const struct message *input;
static msg_t *parsed[MESSAGES];

static msg_t *parse(int i)
{
	msg_t *msg = msg_make(sip_default_mclass(), 0, input[i].bytes,
	                      (ssize_t)input[i].len);
	const sip_t *sip = msg ? sip_object(msg) : NULL;

	must(sip && !(sip->sip_flags & MSG_FLG_ERROR) && sip->sip_via,
	     "sofia-sip refuses a message");
	return msg;
}

static size_t length(const char *text)
{
	return text ? strlen(text) : 0;
}

static size_t read_typed(const sip_t *sip)
{
	size_t n = length(sip->sip_via->v_branch) + length(sip->sip_from->a_tag) +
	           length(sip->sip_to->a_url->url_host) +
	           length(sip->sip_call_id->i_id) + sip->sip_cseq->cs_seq;

	if (sip->sip_request)
		n += length(sip->sip_request->rq_url->url_host);
	if (sip->sip_contact)
		n += length(sip->sip_contact->m_url->url_host);
	if (sip->sip_max_forwards)
		n += sip->sip_max_forwards->mf_count;
	if (sip->sip_route)
		n += length(sip->sip_route->r_url->url_host);
	if (sip->sip_record_route)
		n += length(sip->sip_record_route->r_url->url_host);
	if (sip->sip_content_type)
		n += length(sip->sip_content_type->c_type);
	if (sip->sip_content_length)
		n += sip->sip_content_length->l_length;
	return n;
}

static size_t step_parse(int i)
{
	msg_t *msg = parse(i);
	const size_t n = length(sip_object(msg)->sip_call_id->i_id);

	msg_destroy(msg);
	return n;
}

static size_t step_typed(int i)
{
	msg_t *msg = parse(i);
	const size_t n = read_typed(sip_object(msg));

	msg_destroy(msg);
	return n;
}

static size_t step_write(int i)
{
	const sip_t *sip = sip_object(parsed[i]);
	char text[MESSAGE_MAX];
	size_t len = 0;
	msg_header_t *header = (msg_header_t *)sip->sip_request;

	if (!header)
		header = (msg_header_t *)sip->sip_status;
	for (; header; header = header->sh_succ) {
		const issize_t more = msg_header_e(
			text + len, (isize_t)(sizeof text - len), header, 0);
		must(more > 0, "sofia-sip does not write a header");
		len += (size_t)more;
	}
	return len + (size_t)text[len / 2];
}

static void init(const struct message *messages)
{
	su_init();
	input = messages;
	for (int i = 0; i < MESSAGES; i++)
		parsed[i] = parse(i);
}

int main(int argc, char **argv)
{
	const struct subject sofia = { init, step_parse, step_typed, step_write };

	return run_bench(&sofia, argc, argv);
}
