#include "stack/again.h"

struct again {
	struct sip_buf *plain; /* by UDP: everything but its top Via; else NULL */
	struct sip_addr remote, local;
	size_t via_at;
	struct sip_buf *server_name; /* by a new connection: whom it is for, or NULL */
};

void sip_stack_keep_fallback(struct sip_stack *stack, struct sip_tx *tx, sip_str plain,
                             size_t via_at, const struct sip_target *target)
{
	struct again *again = sip_alloc0(stack->alloc, sizeof *again);

	if (!again)
		return; /* then the failure of the stream is final */
	again->remote = target->remote;
	again->local = target->local;
	again->via_at = via_at;
	again->plain = sip_buf_new(stack->alloc, plain.p, plain.len);
	if (!again->plain) {
		sip_free(stack->alloc, again, sizeof *again);
		return;
	}
	tx->again = again;
}

void sip_stack_forget(struct sip_stack *stack, struct sip_tx *tx)
{
	struct again *again = tx->again;

	sip_list_remove(&tx->on_flow);
	tx->flow = NULL;
	if (!again)
		return;
	tx->again = NULL;
	sip_buf_unref(again->plain);
	sip_buf_unref(again->server_name);
	sip_free(stack->alloc, again, sizeof *again);
}

bool sip_stack_fall_back(struct sip_stack *stack, struct sip_tx *tx)
{
	struct again *again = tx->again;
	struct sip_client_spec spec = { .branch = SIP_STR("") };
	struct sip_target target = { .transport = SIP_UDP };
	const struct sip_listener *listener;

	if (!again || !again->plain || tx->last_status != 0)
		return false;
	target.remote = again->remote;
	target.local = again->local;
	if (sip_local_towards(stack, &target, &spec.path, &listener) != SIP_OK)
		return false;
	spec.request =
		sip_stack_with_via(stack, sip_buf_str(again->plain), again->via_at,
	                           &spec.path, sip_tx_branch(tx), false);
	if (!spec.request)
		return false;
	spec.via_at = again->via_at;
	sip_stack_forget(stack, tx);
	sip_tx_restart(tx, &spec);
	sip_buf_unref(spec.request);
	return true;
}

void sip_stack_keep_place(struct sip_stack *stack, struct sip_tx *tx,
                          const struct sip_flow *flow)
{
	struct again *again;

	if (!flow->ours)
		return;
	sip_stack_forget(stack, tx);
	again = sip_alloc0(stack->alloc, sizeof *again);
	if (!again)
		return; /* as if it could not be opened */
	if (flow->server_name)
		again->server_name = sip_buf_ref(flow->server_name);
	tx->again = again;
}

sip_err sip_stack_rejoin(struct sip_stack *stack, struct sip_tx *tx)
{
	const struct again *again = tx->again;
	struct sip_target target = { .transport = tx->path.transport,
		                     .remote = tx->path.remote };
	struct sip_path path = { 0 };
	struct sip_flow *flow;
	const char *why;
	sip_err err;

	if (!again || again->plain || sip_flow_find(stack, tx->path.id))
		return SIP_OK;
	if (tx->path.local.port != 0)
		target.local = tx->path.local;
	if (again->server_name)
		target.server_name = sip_buf_str(again->server_name);
	err = sip_path_choose(stack, &target, &path, &flow, &why);
	if (err != SIP_OK)
		return err;
	tx->path.id = path.id;
	tx->flow = flow;
	sip_list_insert(&flow->waiting, &tx->on_flow);
	return SIP_OK;
}
