/* What comes inside a dialog along our own Record-Route: passed on here, without
 * anybody above (RFC 3261 16.12).  Only what is simple: no INVITE, whose timer C and
 * CANCEL somebody has to look after, nothing that wants a Record-Route, no strict
 * routers, no names, nothing that has to be refused.  The rest goes up and is done
 * there in the same way. */
#include "stack/state.h"
#include "stack/token.h"

static void make_mark(struct sip_stack *stack, sip_str call_id, sip_str tag,
                      char mark[SIP_SEAL_LEN])
{
	struct sip_out out;

	sip_out_init(&out, stack->scratch, sizeof stack->scratch);
	sip_out_str(&out, call_id);
	sip_out_lit(&out, "\n");
	sip_out_str(&out, tag);
	/* What is longer than any message that could be passed on counts up to here. */
	sip_stack_seal(
		stack,
		sip_str_of(stack->scratch, out.len < out.cap ? out.len : out.cap),
		mark);
}

void sip_stack_mark(struct sip_stack *stack, struct sip_msg *request,
                    char mark[SIP_SEAL_LEN])
{
	const struct sip_name_addr *from = sip_msg_from(request);

	make_mark(stack, sip_msg_call_id(request), from ? from->tag : SIP_STR(""),
	          mark);
}

int sip_stack_marked_end(struct sip_stack *stack, struct sip_msg *request, sip_str mark)
{
	const struct sip_name_addr *ends[] = { sip_msg_from(request),
		                               sip_msg_to(request) };
	char wanted[SIP_SEAL_LEN];

	for (int i = 0; i < 2; i++) {
		if (!ends[i])
			continue;
		make_mark(stack, sip_msg_call_id(request), ends[i]->tag, wanted);
		if (sip_str_eq(mark, sip_str_of(wanted, sizeof wanted)))
			return i;
	}
	return -1;
}

bool sip_stack_is_marked(struct sip_stack *stack, struct sip_msg *request, sip_str mark)
{
	return sip_stack_marked_end(stack, request, mark) >= 0;
}

static bool has_mark(struct sip_stack *stack, struct sip_msg *request,
                     const struct sip_uri *uri)
{
	sip_str mark;

	return sip_uri_param_find(uri->params, SIP_STR("mark"), &mark) &&
	       sip_stack_is_marked(stack, request, mark);
}

static bool is_own(const struct sip_stack *stack, const struct sip_target *target)
{
	for (unsigned i = 0; i < stack->listener_count; i++) {
		const struct sip_listener *listener = &stack->listeners[i];

		if (sip_listener_is_at(listener, &target->remote) ||
		    (listener->addr.port == target->remote.port &&
		     sip_addr_is_any(&listener->addr)))
			return true;
	}
	return false;
}

/* Where this URI leads, if it says so itself. */
static bool aim_at(const struct sip_stack *stack, const struct sip_uri *uri,
                   struct sip_target *target)
{
	sip_str value;

	*target = (struct sip_target){ .transport = SIP_UDP };
	if (uri->scheme != SIP_URI_SIP ||
	    sip_uri_param_find(uri->params, SIP_STR("maddr"), &value))
		return false;
	if (sip_uri_param_find(uri->params, SIP_STR("transport"), &value))
		target->transport = sip_transport_find(value);
	if ((target->transport != SIP_UDP && target->transport != SIP_TCP) ||
	    !sip_addr_parse(uri->host, &target->remote))
		return false;
	target->remote.port =
		uri->port ? uri->port : sip_transport_info(target->transport)->port;
	/* What would come back to ourselves is for who knows all our names; and by
	 * which transport else, when we have no UDP, as well. */
	return sip_stack_listener(stack, target->transport, target->remote.family) &&
	       !is_own(stack, target);
}

/* Whether a second mark is that of a double Record-Route (RFC 5658), or of the next
 * proxy, whose secret is the same.  Who listens everywhere cannot tell. */
static bool is_second(const struct sip_stack *stack, const struct sip_uri *uri)
{
	struct sip_addr at = { 0 };

	if (!sip_addr_parse(uri->host, &at))
		return false;
	at.port = uri->port;
	for (unsigned i = 0; i < stack->listener_count; i++) {
		if (sip_listener_is_at(&stack->listeners[i], &at))
			return true;
	}
	return false;
}

/* Methods that this is for: what refreshes a dialog or makes one takes our Record-Route
 * along (16.6 step 4; RFC 6665 4.3). */
static bool is_simple(enum sip_method method)
{
	return method != SIP_M_INVITE && method != SIP_M_CANCEL &&
	       method != SIP_M_UPDATE && method != SIP_M_SUBSCRIBE &&
	       method != SIP_M_NOTIFY && method != SIP_M_REFER;
}

struct way {
	struct sip_target target;
	char rest[2048]; /* the Route values that are left */
	size_t rest_len;
};

/* Take our own part out of the route; false: this is not for us, or not simple. */
static bool find_way(struct sip_stack *stack, struct sip_msg *request, struct way *way)
{
	const struct sip_uri *target;
	struct sip_values values;
	struct sip_name_addr addr;
	struct sip_uri uri;
	struct sip_out rest;
	sip_str value, flag;
	bool ours = false, others = false, token = false;
	struct sip_way by_token;

	sip_out_init(&rest, way->rest, sizeof way->rest);
	sip_values_init(&values, request, SIP_H_ROUTE);
	while (sip_values_next(&values, &value)) {
		if (!others) {
			if (sip_name_addr_parse(value, &addr, NULL) != SIP_OK ||
			    sip_uri_parse(addr.uri, &uri, NULL, NULL) != SIP_OK)
				return false;
			if (has_mark(stack, request, &uri)) {
				if (ours && !is_second(stack, &uri))
					return false;
				ours = true;
				token = token ||
				        sip_stack_token_way(stack, request, uri.params,
				                            &by_token);
				continue;
			}
			if (!ours ||
			    !sip_uri_param_find(uri.params, SIP_STR("lr"), &flag) ||
			    !aim_at(stack, &uri, &way->target))
				return false;
		} else {
			sip_out_lit(&rest, ", ");
		}
		others = true;
		sip_out_str(&rest, value);
	}
	way->rest_len = rest.len;
	if (!ours || sip_out_end(&rest) != SIP_OK)
		return false;
	/* A strict router writes our own URI there, and sips asks for TLS. */
	target = sip_msg_uri(request);
	if (!target || target->scheme == SIP_URI_SIPS ||
	    has_mark(stack, request, target))
		return false;
	if (!others && token) {
		way->target = by_token.target;
		/* Who has to be told that it is not is told above. */
		return sip_stack_is_there(stack, &way->target);
	}
	return others || aim_at(stack, target, &way->target);
}

static void pass_ack(struct sip_stack *stack, struct sip_msg *ack,
                     const struct sip_forward_spec *spec,
                     const struct sip_target *target)
{
	static const char cookie[] = "z9hG4bK";
	enum { COOKIE_LEN = sizeof cookie - 1 };
	char branch[SIP_STATELESS_BRANCH_LEN];
	const char *why;

	/* One that is sent again is the same to who comes next (16.11).  Without a Via
	 * there would be no transaction of it, and no answer: any branch will do. */
	if (!sip_stack_stateless_branch(stack, ack, branch)) {
		memcpy(branch, cookie, COOKIE_LEN);
		sip_random_token(stack->random, branch + COOKIE_LEN,
		                 sizeof branch - COOKIE_LEN);
	}
	/* Lost, it comes again with the 2xx. */
	(void)sip_stack_pass(stack, ack, spec, sip_str_of(branch, sizeof branch),
	                     target, &why);
}

/* The server transaction is internal: whatever becomes of the client's is its answer.
 */
static bool couple(struct sip_stack *stack, struct sip_msg *request,
                   const struct sip_tx_key *key, const struct sip_addr *reply,
                   const struct sip_forward_spec *spec, const struct sip_target *target)
{
	const struct sip_response_spec sorry = { .status = 500 };
	struct sip_tx *server, *client;
	const char *why;

	if (sip_tx_server(&stack->layer, key, reply, request, &server) != SIP_OK)
		return false;
	server->internal = true;
	sip_tx_start(server);
	if (sip_stack_forward(stack, request, spec, SIP_STR(""), target, &client,
	                      &why) == SIP_OK) {
		client->upstream = sip_tx_ref(server);
		client->coupled = true;
		sip_tx_unref(client);
	} else {
		(void)sip_stack_respond(stack, server, &sorry, false, &why);
		if (!server->final)
			sip_tx_terminate(server);
	}
	sip_tx_unref(server);
	return true;
}

void sip_stack_relaying(struct sip_stack *stack, bool on)
{
	stack->relaying = on;
}

bool sip_stack_relay_inside(struct sip_stack *stack, struct sip_msg *request,
                            const struct sip_tx_key *key, const struct sip_addr *reply)
{
	struct sip_edit edits[2] = { { .op = SIP_EDIT_REMOVE,
		                       .name = SIP_STR("Route") } };
	struct sip_forward_spec spec = { .max_forwards = -1,
		                         .edits = edits,
		                         .edit_count = 1 };
	const struct sip_name_addr *to;
	sip_str breadth;
	struct way way;

	if (!stack->relaying || !is_simple((enum sip_method)request->method))
		return false;
	to = sip_msg_to(request);
	breadth = sip_msg_header_named(request, SIP_STR("Max-Breadth"));
	if (!to || to->tag.len == 0 || !sip_msg_from(request) ||
	    sip_msg_max_forwards(request) == 0 ||
	    sip_msg_header_named(request, SIP_STR("Proxy-Require")).p ||
	    (breadth.len > 0 && breadth.p[0] == '0') || !find_way(stack, request, &way))
		return false;
	if (way.rest_len > 0) {
		edits[0].op = SIP_EDIT_SET;
		edits[0].value = sip_str_of(way.rest, way.rest_len);
	}
	if (request->method == SIP_M_ACK) {
		pass_ack(stack, request, &spec, &way.target);
		return true;
	}
	if (!breadth.p) {
		edits[1] = (struct sip_edit){ SIP_EDIT_SET, SIP_STR("Max-Breadth"),
			                      SIP_STR("60") };
		spec.edit_count = 2;
	}
	return couple(stack, request, key, reply, &spec, &way.target);
}

void sip_stack_relay_report(struct sip_stack *stack, struct sip_tx *client,
                            enum sip_tx_report report, const struct sip_msg *response)
{
	const struct sip_response_spec sorry = { .status = 500 };
	struct sip_tx *server = client->upstream;
	const char *why;

	if (report == SIP_TX_PASS && response->status > 100)
		(void)sip_stack_relay(stack, server, response, NULL, 0, &why);
	else if (report == SIP_TX_UNSENT) /* a 503 of ours, which goes back as 500 */
		(void)sip_stack_respond(stack, server, &sorry, false, &why);
	/* Without an answer there is none to give: a 408 would come too late, and one
	 * that came is not passed on (RFC 4320 4.2). */
	if (report == SIP_TX_TERMINATED && !server->final && !sip_tx_is_over(server))
		sip_tx_terminate(server);
}
