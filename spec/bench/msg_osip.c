/* msg_osip.c - what parsing, reading and writing a message costs with libosip2.  It
 * parses the headers it knows at once; writing prints the parsed structure. */
#include "msg_harness.h"

#include <osipparser2/osip_parser.h>

static const struct message *input;
static osip_message_t *parsed[MESSAGES];

static osip_message_t *parse(int i)
{
	osip_message_t *msg;

	must(osip_message_init(&msg) == 0 &&
	             osip_message_parse(msg, input[i].bytes, input[i].len) == 0,
	     "libosip2 refuses a message");
	return msg;
}

static size_t length(const char *text)
{
	return text ? strlen(text) : 0;
}

static size_t read_typed(osip_message_t *msg)
{
	osip_via_t *via = osip_list_get(&msg->vias, 0);
	osip_contact_t *contact = osip_list_get(&msg->contacts, 0);
	osip_route_t *route = osip_list_get(&msg->routes, 0);
	osip_record_route_t *record = osip_list_get(&msg->record_routes, 0);
	osip_generic_param_t *branch = NULL, *from_tag = NULL;
	osip_header_t *forwards = NULL;
	size_t n;

	osip_via_param_get_byname(via, "branch", &branch);
	osip_from_get_tag(msg->from, &from_tag);
	osip_message_header_get_byname(msg, "max-forwards", 0, &forwards);
	n = length(branch->gvalue) + length(from_tag->gvalue) +
	    length(msg->to->url->host) + length(msg->call_id->number) +
	    (size_t)atol(msg->cseq->number);
	if (msg->req_uri)
		n += length(msg->req_uri->host);
	if (contact)
		n += length(contact->url->host);
	if (forwards)
		n += (size_t)atol(forwards->hvalue);
	if (route)
		n += length(route->url->host);
	if (record)
		n += length(record->url->host);
	if (msg->content_type)
		n += length(msg->content_type->subtype);
	if (msg->content_length)
		n += (size_t)atol(msg->content_length->value);
	return n;
}

static size_t step_parse(int i)
{
	osip_message_t *msg = parse(i);
	const size_t n = length(msg->call_id->number);

	osip_message_free(msg);
	return n;
}

static size_t step_typed(int i)
{
	osip_message_t *msg = parse(i);
	const size_t n = read_typed(msg);

	osip_message_free(msg);
	return n;
}

static size_t step_write(int i)
{
	size_t len = 0;
	char *text = NULL;

	osip_message_force_update(parsed[i]);
	must(osip_message_to_str(parsed[i], &text, &len) == 0,
	     "libosip2 does not write a message");
	osip_free(text);
	return len;
}

static void init(const struct message *messages)
{
	parser_init();
	input = messages;
	for (int i = 0; i < MESSAGES; i++)
		parsed[i] = parse(i);
}

int main(int argc, char **argv)
{
	const struct subject osip = { init, step_parse, step_typed, step_write };

	return run_bench(&osip, argc, argv);
}
