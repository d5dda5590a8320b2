#include "stack/waiting.h"

#include "stack/admission.h"

/* Of a turn, then scripts see what has come, and the sockets are read again: few, for
 * what the kernel holds meanwhile is a fraction of a second of a flood. */
enum { STRANGERS_PER_TURN = 32 };

bool sip_stack_must_wait(struct sip_stack *stack, struct sip_source *source,
                         const struct sip_path *path, sip_str bytes)
{
	struct sip_line *line = &stack->line;
	uint32_t dropped = 0;
	bool waits;

	if (line->count_max == 0)
		return false;
	if (line->count == 0 && stack->line.served < STRANGERS_PER_TURN) {
		stack->line.served++;
		return false;
	}
	waits = sip_line_add(line, source, path, bytes, stack->now_ms, &dropped);
	if (dropped > 0 && waits)
		sip_stack_lost(stack, NULL, path, SIP_STR(""), dropped);
	else if (dropped > 0)
		sip_stack_lost(stack, source, path, bytes, dropped);
	return true;
}

static void serve(struct sip_stack *stack, const struct sip_waiting *waiting)
{
	const struct sip_path *path = &waiting->path;

	if (sip_stack_reserve(stack, 2 * SIP_EVENTS_PER_INPUT))
		sip_stack_datagram(
			stack,
			sip_source_get(&stack->sources, &path->remote, stack->now_ms),
			path, sip_str_of(waiting->bytes, waiting->len));
	else
		stack->stats.refused++;
}

void sip_stack_serve_strangers(struct sip_stack *stack)
{
	uint32_t late = 0;

	while (stack->line.count > 0 && stack->line.served < STRANGERS_PER_TURN) {
		struct sip_waiting *waiting =
			sip_line_take(&stack->line, stack->now_ms, &late);

		if (!waiting)
			break;
		stack->line.served++;
		serve(stack, waiting);
		sip_line_free(&stack->line, waiting);
	}
	stack->line.served = 0;
	if (late > 0)
		sip_stack_lost(stack, NULL, NULL, SIP_STR(""), late);
}

void sip_stack_catch_up(struct sip_stack *stack, const struct sip_addr *remote)
{
	struct sip_waiting *waiting = NULL;
	struct sip_source *source;
	uint32_t late = 0;

	do { /* what is handled may look for other sources */
		source = sip_source_get(&stack->sources, remote, stack->now_ms);
		waiting = source ? sip_line_take_of(&stack->line, source, stack->now_ms,
		                                    &late)
		                 : NULL;
		if (waiting) {
			serve(stack, waiting);
			sip_line_free(&stack->line, waiting);
		}
	} while (waiting);
	if (late > 0)
		sip_stack_lost(stack, NULL, NULL, SIP_STR(""), late);
}

void sip_stack_stand(struct sip_stack *stack, const struct sip_addr *from,
                     const struct sip_addr *to)
{
	struct sip_source *source;

	if (!sip_addr_same_source(from, to))
		return;
	source = sip_source_get(&stack->sources, from, stack->now_ms);
	if (source)
		sip_source_stand(&stack->sources, source, stack->now_ms);
}

void sip_stack_good_login(struct sip_stack *stack, const struct sip_addr *addr)
{
	sip_stack_stand(stack, addr, addr);
}

void sip_stack_acked(struct sip_stack *stack, struct sip_tx *tx,
                     const struct sip_msg *ack)
{
	/* An answer that went astray was heard where its request did not come from. */
	if (ack && !tx->astray)
		sip_stack_stand(stack, &ack->path.remote, &tx->reply);
	sip_tx_acked(tx);
}

uint64_t sip_stack_handled(const struct sip_stack *stack)
{
	return stack->line.handled;
}
