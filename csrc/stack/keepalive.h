#pragma once
/* Keep-alives of ours (RFC 5626 4.4, RFC 6223): CRLFCRLF on a stream, STUN or two CRLFs
 * over UDP, at intervals by chance.  SIP_EVENT_KEPT tells of the first answer, with
 * SIP_OK, and of the end: SIP_ETIME when no answer came, SIP_EWIRE when the connection
 * or the way has gone or our address seen from outside is another.  After that, or
 * after `sip_stack_keep_end`, nothing more comes.
 */
#include "stack/stack.h"

struct sip_keep_spec {
	struct sip_target target; /* with its flow */
	uint32_t low_ms, high_ms; /* the next one after this at least, at most */
	bool answered; /* the peer has said that it answers: silence is its failure, and
	                  over UDP STUN is what it is asked by.  A stream that has
	                  answered once is expected to go on, anyway */
};

/* Gives its id.  SIP_EGONE: the connection is. */
sip_err sip_stack_keep(struct sip_stack *stack, const struct sip_keep_spec *spec,
                       uint64_t *id, const char **why);
void sip_stack_keep_end(struct sip_stack *stack, uint64_t id); /* may be over */

/* ---- for this folder ---- */

struct sip_flow;

void sip_keep_advance(struct sip_stack *stack);
/* One CRLF has come.  False: nobody has asked for it. */
bool sip_keep_pong(struct sip_stack *stack, struct sip_flow *flow);
void sip_keep_closed(struct sip_stack *stack, struct sip_flow *flow, const char *why);
/* The kernel says that nobody is there. */
void sip_keep_unreachable(struct sip_stack *stack, const struct sip_path *path,
                          const char *why);
void sip_keep_free_all(struct sip_stack *stack);
/* A datagram that is STUN: answered, or an answer to a keep-alive. */
void sip_stack_stun(struct sip_stack *stack, const struct sip_path *path,
                    sip_str datagram);
