#pragma once
/* The stack: joins messages, transactions and a wire.
 *
 * Four functions drive it: input, deadline, advance, next event.  Nothing is done in
 * reaction: a step queues events, and whoever drives takes them out afterwards.
 * One stack belongs to one thread.  It resolves no names and knows no calls: it
 * is told where to send, and answers what the RFC wants answered below the core
 * (RFC 3261 16.3/8.2 syntax, 17, 18; RFC 3581; RFC 6026; RFC 4320).
 */
#include "base/limits.h"
#include "base/map.h"
#include "base/random.h"
#include "base/timer.h"
#include "base/wire.h"
#include "msg/message.h"
#include "msg/write.h"
#include "tx/tx.h"

struct sip_stack;

enum sip_event_kind {
	SIP_EVENT_REQUEST,  /* tx: a server transaction, msg: its request */
	SIP_EVENT_CANCEL,   /* tx: the INVITE's; it has been answered 200 by the stack, the
	                       INVITE has not (RFC 3261 9.2) */
	SIP_EVENT_ACK,      /* msg: an ACK to a 2xx; tx: its INVITE's while it lives, else NULL */
	SIP_EVENT_RESPONSE, /* tx: a client transaction, msg: the response */
	SIP_EVENT_STRAY,    /* msg: a 2xx to an INVITE whose transaction is gone */
	SIP_EVENT_FAILED,   /* tx: timeout or transport error; err, why */
	SIP_EVENT_NO_ACK,   /* tx: a 2xx repeated for 64*T1 and never acknowledged */
	SIP_EVENT_ENDED,    /* tx: terminated; the last event it has */
	SIP_EVENT_RECORDS,  /* token, err, records */
	SIP_EVENT_CLOSED,   /* path: a connection ended */
};

struct sip_event {
	enum sip_event_kind kind;
	struct sip_tx *tx;   /* a reference, given to whoever takes the event */
	struct sip_msg *msg; /* likewise */
	struct sip_path path;
	uint64_t token;
	sip_err err;
	const char *why; /* static text or NULL */
	struct sip_record records[8];
	unsigned record_count;
};

/* What a watcher sees: every message that passes, as bytes (for traces). */
struct sip_watcher {
	void (*message)(struct sip_watcher *watcher, bool sent, const struct sip_path *path,
	                sip_str bytes);
};

struct sip_stack_opts {
	struct sip_alloc *alloc;
	struct sip_wire *wire;
	struct sip_random *random;
	struct sip_timing timing; /* tx/tx.h; zeros: the RFC's values */
	struct sip_limits limits;
	struct sip_watcher *watcher; /* may be NULL */
};

sip_err sip_stack_new(const struct sip_stack_opts *opts, uint64_t now_ms,
                      struct sip_stack **stack);
/* Ends everything at once, without sending: the polite end is the endpoint's. */
void sip_stack_free(struct sip_stack *stack);

void sip_stack_input(struct sip_stack *stack, uint64_t now_ms,
                     const struct sip_wire_event *event);
uint64_t sip_stack_deadline(const struct sip_stack *stack);
void sip_stack_advance(struct sip_stack *stack, uint64_t now_ms);
bool sip_stack_next_event(struct sip_stack *stack, struct sip_event *event);
