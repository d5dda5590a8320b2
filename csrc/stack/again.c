/* Another way for a request whose own is none: UDP after all where a stream is refused
 * (RFC 3261 18.1.1). */
#include "stack/state.h"

/* A request as it would go by UDP after all: everything but its top Via. */
struct fallback {
	struct sip_addr remote, local;
	struct sip_buf *plain;
	size_t via_at;
};

void sip_stack_keep_fallback(struct sip_stack *stack, struct sip_tx *tx, sip_str plain,
                             size_t via_at, const struct sip_target *target)
{
	struct fallback *fallback = sip_alloc0(stack->alloc, sizeof *fallback);

	if (!fallback)
		return; /* then the failure of the stream is final */
	fallback->remote = target->remote;
	fallback->local = target->local;
	fallback->via_at = via_at;
	fallback->plain = sip_buf_new(stack->alloc, plain.p, plain.len);
	if (!fallback->plain) {
		sip_free(stack->alloc, fallback, sizeof *fallback);
		return;
	}
	tx->fallback = fallback;
}

void sip_stack_forget(struct sip_stack *stack, struct sip_tx *tx)
{
	struct fallback *fallback = tx->fallback;

	sip_list_remove(&tx->on_flow);
	tx->flow = NULL;
	if (!fallback)
		return;
	tx->fallback = NULL;
	sip_buf_unref(fallback->plain);
	sip_free(stack->alloc, fallback, sizeof *fallback);
}

bool sip_stack_fall_back(struct sip_stack *stack, struct sip_tx *tx)
{
	struct fallback *fallback = tx->fallback;
	struct sip_client_spec spec = { .branch = SIP_STR("") };
	struct sip_target target = { .transport = SIP_UDP };
	const struct sip_listener *listener;

	if (!fallback || tx->last_status != 0)
		return false;
	target.remote = fallback->remote;
	target.local = fallback->local;
	if (sip_local_towards(stack, &target, &spec.path, &listener) != SIP_OK)
		return false;
	spec.request = sip_stack_with_via(stack, sip_buf_str(fallback->plain),
	                                  fallback->via_at, &spec.path,
	                                  sip_tx_branch(tx), false);
	if (!spec.request)
		return false;
	spec.via_at = fallback->via_at;
	sip_stack_forget(stack, tx);
	sip_tx_restart(tx, &spec);
	sip_buf_unref(spec.request);
	return true;
}
