#pragma once
/* Connections as a user of the stack has to do with them: flow tokens (RFC 5626 5.2)
 * and connection reuse (RFC 5923).  Which one a target is bound to stands in the
 * target.
 */
#include "stack/stack.h"

/* A flow token (RFC 5626 5.2): the way to one end of the call that this request begins,
 * for our Record-Route.  Only we can make it or read it, and only for this call and
 * this end.  `target` has what is wanted of it; its server_name is left out. */
enum { SIP_TOKEN_MAX = 64 };
struct sip_way {
	struct sip_target target;
	bool sole;     /* no other way leads there */
	bool outbound; /* its peer has asked for this (RFC 5626) */
};
size_t sip_stack_token(struct sip_stack *stack, struct sip_msg *request, bool caller,
                       const struct sip_way *way, char token[SIP_TOKEN_MAX]);
/* The way that our Record-Route with these parameters has for a request inside its
 * call: to the end that has not sent it.  False: none, or not one of ours. */
bool sip_stack_token_way(struct sip_stack *stack, struct sip_msg *request,
                         sip_str params, struct sip_way *way);
/* Ask for connection reuse (RFC 5923) on TLS connections that we open: when those whom
 * they lead to are verified, and we have a certificate to show. */
void sip_stack_ask_aliases(struct sip_stack *stack, bool on);
