#pragma once
/* What a stack has counted: one row for each reason to drop or refuse something. */
#include <stdint.h>

struct sip_stack;

/* clang-format off */
#define SIP_STACK_STAT_MAP(X)                                                 \
	X(received) X(sent)      /* messages */                                   \
	X(malformed)             /* not parsed; requests among them were answered */ \
	X(stray)                 /* responses to nobody */                        \
	X(passed)                /* requests and responses, without a transaction */ \
	X(refused)               /* by a limit */                                 \
	X(stun)                  /* requests that were answered */                \
	X(astray)                /* responses, to where their requests came from */ \
	X(unkept)                /* connections whose keep-alives have stopped */ \
	X(unsent)                                                                 \
	X(repeats_sent) X(repeats_received)                                       \
	/* By the rules of stack/source.h: */                                     \
	X(over_messages) X(over_invites) X(over_registers) X(over_others)         \
	X(over_refusals) X(over_repeats) X(over_malformed) X(over_failures)       \
	X(over_connections) X(over_half_open) X(over_unread)                      \
	X(slow) X(silent) X(scanners) X(over_strangers)                           \
	/* At this moment: */                                                     \
	X(transactions) X(connections) X(timers) X(events) X(sources) X(waiting)
/* clang-format on */

#define SIP_STACK_STAT_FIELD(name) uint64_t name;
struct sip_stack_stats {
	SIP_STACK_STAT_MAP(SIP_STACK_STAT_FIELD)
};
#undef SIP_STACK_STAT_FIELD
void sip_stack_stats(const struct sip_stack *stack, struct sip_stack_stats *stats);
/* Who was stopped most often by rules: SIP_OFFENDERS, those with a count of 0 are none.
 */
struct sip_offender;
const struct sip_offender *sip_stack_offenders(const struct sip_stack *stack);
