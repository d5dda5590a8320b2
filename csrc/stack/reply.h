#pragma once
/* Responses that could not be delivered where their request came from (RFC 3263 5):
 * SIP_EVENT_ASTRAY has one as a message, and in its token how many places by its Via
 * have been tried.
 */
#include "stack/stack.h"

/* Send such a response to a place; it is astray again, with this attempt, when no
 * connection to there can be had. */
sip_err sip_stack_return(struct sip_stack *stack, const struct sip_msg *response,
                         const struct sip_target *target, unsigned attempt,
                         const char **why);

/* ---- for this folder ---- */

void sip_stack_astray(struct sip_stack *stack, sip_str bytes, unsigned attempt);
/* The kernel says that nobody is there: was a response sent to there lately? */
void sip_stack_unanswered(struct sip_stack *stack, const struct sip_addr *to);
