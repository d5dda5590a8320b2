#pragma once
/* Passing on, as a proxy does (RFC 3261 16): requests with edits, responses, and what
 * our Record-Route carries so that the rest of a call comes by us, and by nobody's
 * leave but ours.
 */
#include "msg/forward.h"
#include "stack/stack.h"

/* Send a received request on, in a transaction of its own: as sip_stack_request, with
 * `tail` (of a token, at most 64 bytes) behind the branch. */
sip_err sip_stack_forward(struct sip_stack *stack, struct sip_msg *request,
                          const struct sip_forward_spec *spec, sip_str tail,
                          const struct sip_target *target, struct sip_tx **tx,
                          const char **why);
/* The same without a transaction, with this branch: an ACK to a 2xx, or stateless. */
sip_err sip_stack_pass(struct sip_stack *stack, struct sip_msg *request,
                       const struct sip_forward_spec *spec, sip_str branch,
                       const struct sip_target *target, const char **why);
/* Send a received response on through a server transaction: without its topmost Via,
 * with these edits.  Another 2xx after a 2xx too (RFC 6026 7.1). */
sip_err sip_stack_relay(struct sip_stack *stack, struct sip_tx *tx,
                        const struct sip_msg *response, const struct sip_edit *edits,
                        unsigned edit_count, const char **why);
/* The user is done with a forwarded INVITE: from here on the stack itself sends each
 * 2xx of this client transaction on through that server transaction, and nothing of
 * it goes up (RFC 6026 8.9). */
sip_err sip_stack_hand_over(struct sip_tx *client, struct sip_tx *server);
/* End a server transaction without a word: its request is passed on without one. */
sip_err sip_stack_drop(struct sip_stack *stack, struct sip_tx *tx);

/* What only who knows the secret can make of these bytes: 13 characters. */
enum { SIP_SEAL_LEN = 13 };
void sip_stack_seal(const struct sip_stack *stack, sip_str text,
                    char seal[SIP_SEAL_LEN]);
/* The mark of our Record-Route for the call that this request begins, and whether this
 * is that of the call that it belongs to: it knows the Call-ID and the tag of who
 * began it. */
void sip_stack_mark(struct sip_stack *stack, struct sip_msg *request,
                    char mark[SIP_SEAL_LEN]);
bool sip_stack_is_marked(struct sip_stack *stack, struct sip_msg *request,
                         sip_str mark);
/* Whether the stack itself passes on what comes inside dialogs along our Record-Route
 * (16.12), as far as that is simple: ACK and what is no INVITE, to addresses.  Without
 * this all of it goes up. */
void sip_stack_relaying(struct sip_stack *stack, bool on);
/* The branch of a request that is passed on without a transaction: the same for its
 * repetitions, its CANCEL and its ACK to a failure (16.11).  Responses that bring it
 * back are sent on by the stack.  False: the request has no Via that says where to. */
enum { SIP_STATELESS_BRANCH_LEN = 9 + SIP_SEAL_LEN };
bool sip_stack_stateless_branch(const struct sip_stack *stack, struct sip_msg *request,
                                char branch[SIP_STATELESS_BRANCH_LEN]);
