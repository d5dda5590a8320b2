#pragma once
/* Connections: found, opened, framed, timed and closed (RFC 3261 18, RFC 5923).  One
 * that a target is bound to is the only one for it (RFC 5626 7).
 */
#include "stack/stack.h"

struct sip_flow;

/* Ask for connection reuse (RFC 5923) on TLS connections that we open: when those whom
 * they lead to are verified, and we have a certificate to show. */
void sip_stack_ask_aliases(struct sip_stack *stack, bool on);

/* ---- for this folder ---- */

struct sip_flow *sip_flow_find(struct sip_stack *stack, uint32_t id);
sip_err sip_flow_open(struct sip_stack *stack, const struct sip_target *target,
                      struct sip_flow **flow);
void sip_flow_opened(struct sip_stack *stack, const struct sip_wire_event *event);
void sip_flow_closed(struct sip_stack *stack, const struct sip_wire_event *event);
void sip_flow_bytes(struct sip_stack *stack, const struct sip_wire_event *event);
void sip_flow_close(struct sip_stack *stack, struct sip_flow *flow);
/* What it waits for, and no longer than it may: the rest of a message, anything at all,
 * the first message. */
enum sip_flow_wait { SIP_FLOW_HEAD = 1, SIP_FLOW_IDLE, SIP_FLOW_FIRST };
void sip_flow_arm(struct sip_stack *stack, struct sip_flow *flow, uint8_t wait);
/* For one of the latter two. */
void sip_flow_arm_quiet(struct sip_stack *stack, struct sip_flow *flow);
/* Something goes out by it: it is not idle. */
void sip_flow_touch(struct sip_stack *stack, const struct sip_path *path);
/* It has failed, though it may not know: who waits for it is told, and it is closed. */
void sip_flow_fail(struct sip_stack *stack, struct sip_flow *flow, const char *why);
/* A request has come by it whose answer is to go back: it is not idle until then. */
void sip_flow_serve(struct sip_stack *stack, struct sip_tx *server);
/* From here on its peer is expected to send something as often as this; 0: it is not.
 */
void sip_flow_expect(struct sip_stack *stack, struct sip_flow *flow, uint32_t ms);
void sip_flow_advance(struct sip_stack *stack);
void sip_flow_free_all(struct sip_stack *stack);

/* Keeps `bytes`, to be put on `path` when the connection cannot be opened. */
void sip_flow_hold(struct sip_stack *stack, struct sip_flow *flow,
                   const struct sip_path *path, struct sip_buf *bytes);
/* The same for a response, which is astray then. */
void sip_flow_hold_answer(struct sip_stack *stack, struct sip_flow *flow, sip_str bytes,
                          unsigned attempt);
/* What is held is sent, or not. */
void sip_flow_let_go(struct sip_stack *stack, struct sip_flow *flow, bool put);

/* reuse.c */
/* The connection that a new request goes by, when there is one: ours, or one that its
 * peer has opened and may be used so (RFC 3261 18.1.1, RFC 5923 8). */
struct sip_flow *sip_flow_towards(struct sip_stack *stack,
                                  const struct sip_target *target);
/* Any connection to there, for a response (18.2.2). */
struct sip_flow *sip_flow_back(struct sip_stack *stack,
                               const struct sip_target *target);
/* A request with this Via has come by a connection: an alias of it, if it asks for one
 * and has proven who it is (RFC 5923 8.2). */
void sip_flow_alias(struct sip_stack *stack, const struct sip_path *path,
                    const struct sip_via *via);
/* The open connection that a target is bound to; NULL: it is gone. */
struct sip_flow *sip_flow_bound(struct sip_stack *stack,
                                const struct sip_target *target);
/* Have it found by its far end, or not any more. */
sip_err sip_flow_list(struct sip_stack *stack, struct sip_flow *flow);
void sip_flow_unlist(struct sip_stack *stack, struct sip_flow *flow);
