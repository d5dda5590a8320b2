/* What arrives: parsed, checked, matched, and passed to a transaction or refused. */
#include "stack/admission.h"
#include "stack/waiting.h"

#include "tx/match.h"

/* A request is repeated at most eleven times (17.1.1.2, 17.1.2.2), and some are
 * doubled on the way: what comes oftener counts as a message like any other. */
enum { REPEATS_KNOWN = 16 };

/* Where responses to this request go (RFC 3261 18.2.2, RFC 3581 4).  On a stream it
 * is where a new connection would be opened when this one is gone. */
static struct sip_addr reply_address(struct sip_msg *request,
                                     const struct sip_path *path)
{
	const struct sip_via *via = sip_msg_via(request);
	const uint16_t standard = sip_transport_info(path->transport)->port;
	struct sip_addr reply = path->remote;
	struct sip_addr maddr;

	if (!via || (path->transport == SIP_UDP && via->has_rport))
		return reply;
	if (path->transport == SIP_UDP && via->maddr.len > 0 &&
	    sip_addr_parse(via->maddr, &maddr) && maddr.family == reply.family)
		reply = maddr;
	reply.port = via->port ? via->port : standard;
	return reply;
}

/* The same tag for the same request, so that a repeated one gets the same answer
 * (8.2.7). */
static size_t stateless_tag(const struct sip_stack *stack, struct sip_msg *request,
                            char tag[16])
{
	static const char letters[] = "0123456789abcdefghijklmnopqrstuv";
	const struct sip_via *via = sip_msg_via(request);
	const sip_str key =
		via && via->branch.len ? via->branch : sip_msg_call_id(request);
	uint64_t hash = sip_hash(&stack->tag_key, key.p, key.len);

	for (size_t i = 0; i < 13; i++, hash >>= 5)
		tag[i] = letters[hash & 31];
	return 13;
}

/* Whether an ACK is to an answer that was given without a transaction: it has the
 * branch, and so the tag (17.1.1.3). */
static bool is_stateless_ack(const struct sip_stack *stack, struct sip_msg *ack)
{
	const struct sip_name_addr *to = sip_msg_to(ack);
	char tag[16];

	return to && to->tag.len > 0 &&
	       sip_str_eq(to->tag, sip_str_of(tag, stateless_tag(stack, ack, tag)));
}

/* Answer without a transaction (8.2.7): for what is malformed or too much.  ACK, CANCEL
 * and a message without a Via to go back along are not answered. */
static void refuse(struct sip_stack *stack, struct sip_msg *request,
                   const struct sip_path *path, uint16_t status, const char *why)
{
	const bool has_via = sip_msg_header(request, SIP_H_VIA).p != NULL;
	const struct sip_field retry = { SIP_STR("Retry-After"), SIP_STR("5") };
	char tag[16], text[SIP_ADDR_TEXT_MAX];
	struct sip_response_spec spec = { .status = status };
	struct sip_path back = *path;
	struct sip_out out;

	if (request->method == SIP_M_ACK || request->method == SIP_M_CANCEL || !has_via)
		return;
	if (why)
		spec.reason = sip_str_of(why, strlen(why));
	if (status == 503) {
		spec.fields = &retry;
		spec.field_count = 1;
	}
	spec.to_tag = sip_str_of(tag, stateless_tag(stack, request, tag));
	spec.received =
		sip_str_of(text, sip_addr_write_host(&path->remote, text, false));
	spec.rport = path->remote.port;
	back.remote = reply_address(request, path);
	if (path->transport != SIP_UDP)
		back.remote = path->remote;
	sip_out_init(&out, stack->scratch, sizeof stack->scratch);
	sip_write_response(&out, request, &spec);
	if (sip_out_end(&out) == SIP_OK) /* a lost refusal is asked for again */
		(void)sip_stack_put(stack, &back, sip_str_of(stack->scratch, out.len),
		                    0);
}

/* RFC 3261 9.2: 200 or 481 to the CANCEL by the stack, the INVITE is the user's.
 * 481 is also the answer when the INVITE was refused without a transaction: nothing
 * tells it from one that never came, and this CANCEL has a transaction. */
static void receive_cancel(struct sip_stack *stack, const struct sip_tx_key *key,
                           const struct sip_addr *reply, struct sip_msg *cancel,
                           struct sip_tx *found)
{
	struct sip_tx *invite = found && found->kind == SIP_IST ? found : NULL;
	struct sip_response_spec spec = { .status = found ? 200 : 481 };
	const char *why;
	struct sip_event *event;
	struct sip_tx *tx;

	if (sip_tx_server(&stack->layer, key, reply, cancel, &tx) != SIP_OK)
		return; /* it will be repeated */
	tx->internal = true;
	/* The tag of the INVITE is for who was sent its answers, and for no other
	 * address: an ACK proves by it where it is from (26.3.2.4). */
	if (found && sip_addr_same_source(reply, &found->reply))
		spec.to_tag = sip_buf_str(found->tag);
	sip_tx_start(tx);
	(void)sip_stack_respond(stack, tx, &spec, false, &why); /* or repeated */
	if (!tx->final)
		sip_tx_terminate(tx);
	sip_tx_unref(tx);
	if (!invite || invite->final || invite->cancelled)
		return;
	invite->cancelled = true;
	event = sip_stack_push(stack, SIP_EVENT_CANCEL);
	event->tx = sip_tx_ref(invite);
	event->msg = sip_msg_ref(cancel);
}

/* Have scripts as much before them as they may? */
static bool is_full(const struct sip_stack *stack)
{
	return stack->queue.count >= stack->limits.events;
}

/* Does the Via of a request name another place than it came from (RFC 3263 5)? */
static bool is_elsewhere(struct sip_msg *request, const struct sip_path *path)
{
	const struct sip_via *via = sip_msg_via(request);
	struct sip_addr host;

	return via && !(sip_addr_parse(via->host, &host) &&
	                sip_addr_same_host(&host, &path->remote));
}

static void receive_new(struct sip_stack *stack, const struct sip_path *path,
                        struct sip_msg *request, const struct sip_tx_key *key)
{
	const struct sip_addr reply = reply_address(request, path);
	const bool full = stack->layer.count >= stack->limits.transactions ||
	                  stack->queue.count >= stack->limits.events;
	enum sip_admission admission;
	struct sip_event *event;
	struct sip_tx *tx;
	sip_err err;

	if (!full && sip_stack_relay_inside(stack, request, key, &reply)) {
		sip_stack_admit_known(stack);
		return;
	}
	if (request->method == SIP_M_ACK) { /* to a 2xx whose transaction is gone */
		if (is_stateless_ack(stack, request))
			return;
		if (is_full(stack)) {
			stack->stats.refused++; /* it comes again, with the 2xx */
			return;
		}
		event = sip_stack_push(stack, SIP_EVENT_ACK);
		event->msg = sip_msg_ref(request);
		event->path = *path;
		return;
	}
	/* One that ends something is worth its transaction when there are too many. */
	if (request->method == SIP_M_CANCEL) {
		tx = sip_tx_find_cancelled(&stack->layer, request);
		if (tx) {
			sip_stack_admit_known(stack);
			receive_cancel(stack, key, &reply, request, tx);
			return;
		}
	}
	admission = sip_stack_admit_new(stack, path, request);
	if (admission == SIP_REFUSED)
		refuse(stack, request, path, 503, NULL);
	if (admission != SIP_ADMITTED)
		return;
	if (request->method == SIP_M_CANCEL && !full && !stack->relay) {
		receive_cancel(stack, key, &reply, request, NULL);
		return;
	}
	if (full) {
		stack->stats.refused++;
		refuse(stack, request, path, 503, NULL);
		return;
	}
	err = sip_tx_server(&stack->layer, key, &reply, request, &tx);
	if (err != SIP_OK) {
		stack->stats.refused++;
		if (err == SIP_EINVAL)
			refuse(stack, request, path, 400,
			       "its Via or method is too long");
		else
			refuse(stack, request, path, 500, NULL);
		return;
	}
	tx->elsewhere = is_elsewhere(request, path);
	if (path->transport != SIP_UDP)
		sip_flow_serve(stack, tx);
	sip_tx_start(tx);
	sip_tx_unref(tx);
}

static void receive_request(struct sip_stack *stack, const struct sip_path *path,
                            struct sip_msg *request)
{
	struct sip_tx_key key;
	struct sip_tx *tx = sip_tx_find_server(&stack->layer, request, &key);
	const struct sip_via *via = sip_msg_via(request);

	if (via && path->transport == SIP_TLS)
		sip_flow_alias(stack, path, via);
	if (!tx) {
		receive_new(stack, path, request, &key);
		return;
	}
	if (tx->repeats < REPEATS_KNOWN) {
		tx->repeats++;
		sip_stack_admit_known(stack);
	}
	if (request->method == SIP_M_ACK && tx->last_status < 300 && is_full(stack))
		stack->stats.refused++;
	else
		sip_tx_receive_request(tx, request);
}

/* Only who was sent the request knows its branch. */
static void known_response(struct sip_stack *stack, const struct sip_tx *tx,
                           const struct sip_msg *response)
{
	sip_stack_admit_known(stack);
	if (stack->source && !stack->source->standing)
		sip_stack_stand(stack, &response->path.remote, &tx->path.remote);
}

static void receive_response(struct sip_stack *stack, struct sip_msg *response)
{
	struct sip_tx *tx = sip_tx_find_client(&stack->layer, response);
	const struct sip_cseq *cseq = sip_msg_cseq(response);

	if (tx)
		known_response(stack, tx, response);
	if (tx && tx->final && response->status / 100 == 2 && is_full(stack)) {
		stack->stats.refused++; /* a 2xx is repeated until it has its ACK */
		return;
	}
	if (tx) {
		sip_tx_receive_response(tx, response);
		return;
	}
	if (sip_stack_pass_response(stack, response)) {
		sip_stack_admit_known(stack);
		return;
	}
	stack->stats.stray++;
	sip_stack_note(stack, &response->path, "a response to nobody");
	/* It is acknowledged and ended (RFC 6026 7.2), at the address that it names
	 * itself: so only when it answers what we have sent. */
	if (response->status / 100 != 2 || !cseq || cseq->method != SIP_M_INVITE ||
	    sip_msg_via_count(response) != 1 || !sip_stack_is_answer(stack, response))
		return;
	if (is_full(stack))
		stack->stats.refused++;
	else if (sip_stack_admit_stray(stack, &response->path))
		sip_stack_push(stack, SIP_EVENT_STRAY)->msg = sip_msg_ref(response);
}

static void refuse_malformed(struct sip_stack *stack, struct sip_msg *msg,
                             const struct sip_path *path,
                             const struct sip_refusal *refusal)
{
	if (!sip_stack_admit_malformed(stack, path))
		return;
	if (msg && sip_msg_is_request(msg) && refusal->status >= 400)
		refuse(stack, msg, path, refusal->status, refusal->why);
	else
		sip_stack_note(stack, path, refusal->why ? refusal->why : "no memory");
}

void sip_stack_receive(struct sip_stack *stack, const struct sip_path *path,
                       sip_str bytes, bool datagram)
{
	struct sip_refusal refusal = { 0 };
	struct sip_msg *msg = NULL;
	sip_err err;

	stack->stats.received++;
	sip_stack_watch(stack, false, path, bytes);
	err = sip_msg_parse(stack->alloc, &stack->limits, bytes, datagram, &msg,
	                    &refusal);
	if (err == SIP_OK) {
		msg->path = *path;
		err = sip_msg_check(msg, &refusal);
	}
	if (err == SIP_ENOMEM) { /* as if it had been lost on the way */
		stack->stats.refused++;
		sip_stack_note(stack, path, "out of memory");
	} else if (err != SIP_OK) {
		stack->stats.malformed++;
		refuse_malformed(stack, msg, path, &refusal);
	} else if (sip_msg_is_request(msg)) {
		receive_request(stack, path, msg);
	} else {
		receive_response(stack, msg);
	}
	sip_msg_unref(msg);
}

void sip_stack_refuse_head(struct sip_stack *stack, const struct sip_path *path,
                           sip_str head, const struct sip_refusal *refusal)
{
	struct sip_refusal again = { 0 };
	struct sip_msg *msg = NULL;

	stack->stats.received++;
	stack->stats.malformed++;
	sip_stack_watch(stack, false, path, head);
	/* Read as a datagram, because the head stands without its body. */
	(void)sip_msg_parse(stack->alloc, &stack->limits, head, true, &msg, &again);
	refuse_malformed(stack, msg, path, refusal);
	sip_msg_unref(msg);
}
