#pragma once
/* Another way for a request whose own is none: UDP after all where a stream is refused
 * (RFC 3261 18.1.1), and a new connection where one has ended.
 */
#include "stack/state.h"

/* This request, without its Via, would go to there by UDP. */
void sip_stack_keep_fallback(struct sip_stack *stack, struct sip_tx *tx, sip_str plain,
                             size_t via_at, const struct sip_target *target);
/* A client transaction's connection could not be had: by UDP instead, if that was
 * what it was meant for (18.1.1).  False: it has failed. */
bool sip_stack_fall_back(struct sip_stack *stack, struct sip_tx *tx);
/* The connection of a client transaction has ended in order: a response may come by
 * another one (18.2.2), and what belongs to its request, ACK and CANCEL, goes by a new
 * one to the same place (17.1.1.3, 9.1), if it was ours. */
void sip_stack_keep_place(struct sip_stack *stack, struct sip_tx *tx,
                          const struct sip_flow *flow);
/* Opens that connection, when it is wanted. */
sip_err sip_stack_rejoin(struct sip_stack *stack, struct sip_tx *tx);
void sip_stack_forget(struct sip_stack *stack, struct sip_tx *tx);
