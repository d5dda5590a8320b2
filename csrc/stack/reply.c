/* Where responses go: back by their connection, else to where the request came from,
 * and when that fails to what its Via names (RFC 3261 18.2.2, RFC 3263 5).  Names are
 * looked up above: the response goes up, and comes back with an address. */
#include "stack/reply.h"

#include "stack/state.h"

/* Give a response up that could not be delivered; the next attempt is its user's. */
void sip_stack_astray(struct sip_stack *stack, sip_str bytes, unsigned attempt)
{
	const struct sip_limits limits = SIP_LIMITS_OWN;
	struct sip_refusal refusal;
	struct sip_msg *msg = NULL;
	struct sip_event *event;

	if (stack->ending ||
	    sip_msg_parse(stack->alloc, &limits, bytes, false, &msg, &refusal) !=
	            SIP_OK ||
	    !sip_msg_via(msg) || !sip_stack_reserve(stack, 1)) {
		sip_msg_unref(msg);
		return; /* its client repeats the request, or times out */
	}
	stack->stats.astray++;
	event = sip_stack_push(stack, SIP_EVENT_ASTRAY);
	event->msg = msg;
	event->token = attempt;
}

/* Once for each transaction: what is repeated does not go there again, and nobody can
 * have us send much to a third party. */
static bool may_stray(struct sip_tx *tx)
{
	if (!tx->elsewhere || tx->astray)
		return false;
	tx->astray = true;
	return true;
}

/* Datagrams of ours that nobody has received are told of by their address alone. */
static void remember(struct sip_stack *stack, const struct sip_tx *tx)
{
	struct sip_answered *slot = &stack->answered[stack->answered_at];

	if (!tx->elsewhere || tx->astray)
		return;
	slot->to = tx->reply;
	slot->serial = tx->serial;
	stack->answered_at = (stack->answered_at + 1) % SIP_STACK_ANSWERED;
}

void sip_stack_unanswered(struct sip_stack *stack, const struct sip_addr *to)
{
	for (unsigned i = 0; i < SIP_STACK_ANSWERED; i++) {
		struct sip_answered *slot = &stack->answered[i];
		struct sip_tx *tx;

		if (slot->serial == 0 || !sip_addr_eq(&slot->to, to))
			continue;
		tx = sip_tx_find_serial(&stack->layer, slot->serial);
		slot->serial = 0;
		/* A nonce says to which address it was given, and over UDP only who
		 * gets it proves that: it goes nowhere else (26.3.2.4, against RFC 3263
		 * 5).
		 */
		if (tx && tx->sent && !sip_tx_is_challenge(tx) && may_stray(tx))
			sip_stack_astray(stack, sip_buf_str(tx->sent), 0);
	}
}

/* By a new connection to where the request came from. */
static sip_err reply_anew(struct sip_stack *stack, struct sip_tx *tx,
                          struct sip_path *path, sip_str bytes)
{
	const struct sip_target target = { .transport = tx->path.transport,
		                           .remote = tx->reply };
	struct sip_flow *flow = sip_flow_back(stack, &target);

	if (!flow && sip_flow_open(stack, &target, &flow) != SIP_OK) {
		if (may_stray(tx))
			sip_stack_astray(stack, bytes, 0);
		return SIP_EWIRE;
	}
	if (!flow->open && may_stray(tx))
		sip_flow_hold_answer(stack, flow, bytes, 0);
	/* Told when it cannot be opened (RFC 6026 8.8). */
	sip_list_remove(&tx->on_flow);
	sip_list_insert(&flow->waiting, &tx->on_flow);
	tx->path.id = path->id = flow->path.id;
	path->remote = tx->reply;
	return SIP_OK;
}

sip_err sip_stack_reply(struct sip_stack *stack, struct sip_tx *tx, sip_str bytes)
{
	struct sip_path path = tx->path;
	const struct sip_flow *flow = sip_flow_find(stack, path.id);
	sip_err err;

	if (path.transport == SIP_UDP) {
		path.remote = tx->reply;
		remember(stack, tx);
	} else if ((!flow || flow->closing) && sip_transport_is_web(path.transport)) {
		return SIP_EGONE; /* RFC 7118 5.3 */
	} else if (!flow || flow->closing) {
		err = reply_anew(stack, tx, &path, bytes);
		if (err != SIP_OK)
			return err;
	}
	return sip_stack_put(stack, &path, bytes, tx->serial);
}

sip_err sip_stack_return(struct sip_stack *stack, const struct sip_msg *response,
                         const struct sip_target *target, unsigned attempt,
                         const char **why)
{
	const sip_str bytes = sip_str_of(response->bytes, response->len);
	struct sip_flow *flow = NULL;
	struct sip_path path = { 0 };
	sip_err err;

	if (target->transport != SIP_UDP)
		flow = sip_flow_back(stack, target);
	*why = "no route to this address";
	err = flow ? sip_local_of_flow(stack, flow, &path)
	           : sip_path_choose(stack, target, &path, &flow, why);
	if (err != SIP_OK)
		return err;
	if (flow && !flow->open)
		sip_flow_hold_answer(stack, flow, bytes, attempt);
	*why = "not sent";
	return sip_stack_put(stack, &path, bytes, 0);
}
