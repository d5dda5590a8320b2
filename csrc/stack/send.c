/* Requests that go out, in a transaction or without one (RFC 3261 8.1.2, 9.1, 18.1.1).
 */
#include "stack/again.h"

/* ---- requests ---- */

static sip_err write_draft(struct sip_stack *stack, struct sip_draft *draft,
                           const struct sip_request_spec *spec, const char **why)
{
	struct sip_out out;

	*draft = (struct sip_draft){ .method = spec->method,
		                     .via_count = 1,
		                     .keep = spec->keep };
	sip_draft_begin(stack, &out);
	sip_write_request(&out, spec, &draft->via_at);
	draft->branch = sip_draft_branch(stack, draft, SIP_STR(""));
	return sip_draft_end(stack, draft, &out, why);
}

sip_err sip_draft_start(struct sip_stack *stack, const struct sip_draft *draft,
                        const struct sip_target *target, struct sip_tx **out,
                        const char **why)
{
	const sip_str plain = sip_str_of(stack->scratch, draft->len);
	struct sip_client_spec client = { .method = draft->method,
		                          .branch = draft->branch,
		                          .via_at = draft->via_at,
		                          .via_count = draft->via_count };
	struct sip_target by = *target;
	struct sip_flow *flow;
	struct sip_tx *tx;
	sip_err err;

	if (sip_draft_is_large(stack, draft, target))
		by.transport = SIP_TCP;
	err = sip_path_choose(stack, &by, &client.path, &flow, why);
	if (err != SIP_OK)
		return err;
	client.request = sip_stack_with_via(stack, plain, draft->via_at, &client.path,
	                                    client.branch, draft->keep);
	*why = "out of memory";
	if (!client.request)
		return SIP_ENOMEM;
	err = sip_tx_client(&stack->layer, &client, &tx);
	sip_buf_unref(client.request);
	if (err != SIP_OK)
		return err;
	if (flow) {
		tx->flow = flow;
		sip_list_insert(&flow->waiting, &tx->on_flow);
	}
	if (by.transport != target->transport)
		sip_stack_keep_fallback(stack, tx, plain, draft->via_at, target);
	sip_tx_start(tx);
	*out = tx;
	return SIP_OK;
}

sip_err sip_stack_request(struct sip_stack *stack, const struct sip_request_spec *spec,
                          const struct sip_target *target, struct sip_tx **out,
                          const char **why)
{
	struct sip_draft draft;
	const sip_err err = write_draft(stack, &draft, spec, why);

	return err == SIP_OK ? sip_draft_start(stack, &draft, target, out, why) : err;
}

/* ---- requests without a transaction ---- */

/* Bytes for a stream that may yet be refused are kept as they would go by UDP, and go
 * there then (18.1.1). */
static void put_first(struct sip_stack *stack, struct sip_sent *sent)
{
	struct sip_flow *flow =
		sent->by_udp ? sip_flow_find(stack, sent->path.id) : NULL;

	if (flow && !flow->open)
		sip_flow_hold(stack, flow, &sent->udp_path, sent->by_udp);
}

sip_err sip_draft_send(struct sip_stack *stack, const struct sip_draft *draft,
                       const struct sip_target *target, struct sip_sent *sent,
                       const char **why)
{
	const sip_str plain = sip_str_of(stack->scratch, draft->len);
	const struct sip_listener *listener;
	struct sip_flow *flow;
	sip_err err;

	sent->target = *target;
	sent->target.server_name = SIP_STR("");
	if (target->server_name.len > 0) {
		sent->server_name = sip_buf_new(stack->alloc, target->server_name.p,
		                                target->server_name.len);
		*why = "out of memory";
		if (!sent->server_name)
			return SIP_ENOMEM;
		sent->target.server_name = sip_buf_str(sent->server_name);
	}
	if (sip_draft_is_large(stack, draft, target))
		sent->target.transport = SIP_TCP;
	err = sip_path_choose(stack, &sent->target, &sent->path, &flow, why);
	if (err != SIP_OK)
		return err;
	*why = "out of memory";
	sent->bytes = sip_stack_with_via(stack, plain, draft->via_at, &sent->path,
	                                 draft->branch, false);
	if (!sent->bytes)
		return SIP_ENOMEM;
	if (sent->target.transport != target->transport &&
	    sip_local_towards(stack, target, &sent->udp_path, &listener) == SIP_OK)
		sent->by_udp =
			sip_stack_with_via(stack, plain, draft->via_at, &sent->udp_path,
		                           draft->branch, false);
	put_first(stack, sent);
	/* Lost or not: the user sends again when it must (13.3.1.4, 16.11). */
	(void)sip_stack_put(stack, &sent->path, sip_buf_str(sent->bytes), 0);
	return SIP_OK;
}

sip_err sip_stack_send(struct sip_stack *stack, const struct sip_request_spec *spec,
                       const struct sip_target *target, struct sip_sent *sent,
                       const char **why)
{
	struct sip_draft draft;
	const sip_err err = write_draft(stack, &draft, spec, why);

	return err == SIP_OK ? sip_draft_send(stack, &draft, target, sent, why) : err;
}

sip_err sip_stack_send_again(struct sip_stack *stack, struct sip_sent *sent)
{
	struct sip_path path = sent->path;
	struct sip_flow *flow;
	const char *why;

	if (path.transport != SIP_UDP) { /* its connection may have been replaced */
		const sip_err err =
			sip_path_choose(stack, &sent->target, &path, &flow, &why);
		if (err != SIP_OK)
			return err;
		sent->path.id = path.id;
	}
	put_first(stack, sent);
	return sip_stack_put(stack, &sent->path, sip_buf_str(sent->bytes), 0);
}

void sip_sent_fini(struct sip_sent *sent)
{
	sip_buf_unref(sent->server_name);
	sip_buf_unref(sent->bytes);
	sip_buf_unref(sent->by_udp);
	memset(sent, 0, sizeof *sent);
}

/* ---- CANCEL ---- */

sip_err sip_stack_send_cancel(struct sip_stack *stack, struct sip_tx *invite)
{
	const struct sip_limits limits = SIP_LIMITS_OWN;
	const sip_str bytes = sip_buf_str(invite->sent);
	struct sip_client_spec spec = { .method = sip_method_name(SIP_M_CANCEL) };
	struct sip_refusal refusal;
	struct sip_msg *msg = NULL;
	struct sip_out out;
	struct sip_tx *tx;
	sip_err err =
		sip_msg_parse(stack->alloc, &limits, bytes, false, &msg, &refusal);

	/* From here on 64*T1, whatever comes (9.1). */
	if (!sip_timer_armed(&invite->expire))
		sip_tx_cancel_sent(invite);
	if (err != SIP_OK) {
		sip_msg_unref(msg);
		return err;
	}
	sip_out_init(&out, stack->scratch, sizeof stack->scratch);
	sip_write_cancel(&out, msg);
	sip_msg_unref(msg);
	err = sip_out_end(&out);
	if (err == SIP_OK)
		err = sip_stack_rejoin(stack, invite);
	if (err != SIP_OK)
		return err;
	spec.path = invite->path;
	spec.request = sip_buf_new(stack->alloc, stack->scratch, out.len);
	if (!spec.request)
		return SIP_ENOMEM;
	spec.branch = sip_tx_branch(invite);
	spec.via_count = 1;           /* its own, whatever the INVITE came by */
	spec.via_at = invite->via_at; /* both method names have six letters */
	err = sip_tx_client(&stack->layer, &spec, &tx);
	sip_buf_unref(spec.request);
	if (err != SIP_OK)
		return err;
	invite->cancel_sent = true;
	tx->internal = true;
	sip_tx_start(tx);
	sip_tx_unref(tx);
	return SIP_OK;
}

sip_err sip_stack_cancel(struct sip_stack *stack, struct sip_tx *invite)
{
	if (invite->kind != SIP_ICT)
		return SIP_EINVAL;
	if (invite->final || sip_tx_is_over(invite))
		return SIP_ESTATE;
	if (invite->cancelled)
		return SIP_OK;
	invite->cancelled = true;
	return invite->last_status ? sip_stack_send_cancel(stack, invite) : SIP_OK;
}
