#pragma once
/* Flow tokens (RFC 5626 5.2): the way to one end of a call, for our Record-Route.  Only
 * we can make one or read it, and only for this call and this end.
 */
#include "stack/stack.h"

enum { SIP_TOKEN_MAX = 96 };

struct sip_way {
	struct sip_target target; /* its server_name is left out */
	bool sole;                /* no other way leads there */
	bool outbound;            /* its peer has asked for this (RFC 5626) */
};
/* For the call that this request begins; gives the length. */
size_t sip_stack_token(struct sip_stack *stack, struct sip_msg *request, bool caller,
                       const struct sip_way *way, char token[SIP_TOKEN_MAX]);
/* The way that our Record-Route with these parameters has for a request inside its
 * call: to the end that has not sent it.  False: none, or not one of ours. */
bool sip_stack_token_way(struct sip_stack *stack, struct sip_msg *request,
                         sip_str params, struct sip_way *way);
