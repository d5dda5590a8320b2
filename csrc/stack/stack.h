#pragma once
/* The stack: joins messages, transactions and a wire.
 *
 * Four functions drive it: input, deadline, advance, next event.  Nothing is done in
 * reaction: a step queues events, and whoever drives takes them out afterwards.
 * One stack belongs to one thread.  It resolves no names and knows no calls: it
 * is told where to send, and answers what the RFC wants answered below the core
 * (RFC 3261 9.2, 16.3 and 8.2 as to syntax, 17, 18; RFC 3581; RFC 6026; RFC 4320).
 */
#include "base/limits.h"
#include "base/random.h"
#include "base/wire.h"
#include "stack/stats.h"
#include "tx/tx.h"

struct sip_network;

enum sip_event_kind {
	SIP_EVENT_REQUEST,  /* tx: a server transaction, msg: its request */
	SIP_EVENT_CANCEL,   /* tx: the INVITE's, msg: the CANCEL.  The CANCEL has been
	                       answered, the INVITE has not (RFC 3261 9.2) */
	SIP_EVENT_ACK,      /* msg: an ACK to a 2xx; tx: its INVITE's, or NULL */
	SIP_EVENT_RESPONSE, /* tx: a client transaction, msg: the response, never a 100
	                     */
	SIP_EVENT_STRAY,    /* msg: a 2xx to an INVITE whose transaction is gone */
	SIP_EVENT_FAILED,   /* tx: err is SIP_ETIME or SIP_EWIRE; bytes: why, or NULL */
	SIP_EVENT_NO_ACK,  /* tx: a 2xx was repeated for 64*T1 and never acknowledged */
	SIP_EVENT_ENDED,   /* tx: terminated; the last event it has */
	SIP_EVENT_RECORDS, /* token, err, records */
	SIP_EVENT_CLOSED,  /* path: a connection ended; err, why */
	SIP_EVENT_MESSAGE, /* path, bytes, sent: what passed, when it is watched */
	SIP_EVENT_NOTICE,  /* path, bytes: a line for the log */
	SIP_EVENT_DROPPED, /* path, bytes: why the last message is not answered, when it
	                      is watched */
	SIP_EVENT_KEPT,    /* token, err, bytes: see keepalive.h */
	SIP_EVENT_ASTRAY,  /* msg, token: see reply.h */
};

struct sip_event {
	enum sip_event_kind kind;
	bool sent;
	sip_err err;
	struct sip_tx *tx;     /* a reference, given to whoever takes the event */
	struct sip_msg *msg;   /* likewise */
	struct sip_buf *bytes; /* likewise: a message, or an array of sip_record */
	struct sip_path path;
	uint64_t token;
	uint32_t ttl_s; /* of no records */
};
/* Lets go of what an event gives. */
void sip_event_fini(struct sip_event *event);

struct sip_stack_opts {
	struct sip_alloc *alloc;
	struct sip_wire *wire;
	struct sip_random *random;
	struct sip_timing timing;
	struct sip_limits limits;
	bool watched;      /* SIP_EVENT_MESSAGE for everything that passes */
	bool relay;        /* a CANCEL of nothing we know goes up like any request */
	sip_str advertise; /* the host that Via and Contact name, unless a listener has
	                      one of its own; empty: the address */
	sip_str secret;    /* what seals are made with; empty: random */
	const struct sip_network *exempt; /* no rule for sources is for these */
	unsigned exempt_count;
	sip_str scanners; /* of User-Agents that are not answered: what stands in them,
	                     in small letters, each ended by a line feed */
};

sip_err sip_stack_new(const struct sip_stack_opts *opts, uint64_t now_ms,
                      struct sip_stack **stack);
/* Ends everything at once, without sending: the polite end is the endpoint's. */
void sip_stack_free(struct sip_stack *stack);

void sip_stack_input(struct sip_stack *stack, uint64_t now_ms,
                     const struct sip_wire_event *event);
uint64_t sip_stack_deadline(const struct sip_stack *stack); /* SIP_NEVER: none */
void sip_stack_advance(struct sip_stack *stack, uint64_t now_ms);
bool sip_stack_next_event(struct sip_stack *stack, struct sip_event *event);
/* The instant of what is asked of the stack from here on, and of its transactions:
 * input and advance say it too, but a script may send between two of them. */
void sip_stack_at(struct sip_stack *stack, uint64_t now_ms);

/* What others are told of a listener: its address, unless it has another name for them,
 * that of a NAT in front of it, say. */
struct sip_advertised {
	sip_str host;  /* empty: that of the stack */
	uint16_t port; /* 0: the listener's */
};
/* Listen at `at` (port 0: any; comes back as bound).  `as` may be NULL.  `why` as in
 * base/wire.h. */
sip_err sip_stack_listen(struct sip_stack *stack, enum sip_transport transport,
                         struct sip_addr *at, const struct sip_advertised *as,
                         const char **why);

struct sip_target {
	enum sip_transport transport;
	struct sip_addr remote;
	struct sip_addr local; /* ours that it leaves by, if we listen there; family 0:
	                          the one that leads there */
	uint32_t flow; /* the connection that it must be, and no other: it is SIP_EGONE
	                  when it is gone, or is to somebody else; for UDP the socket to
	                  send from, if it is there.  0: whichever leads there */
	sip_str server_name; /* for TLS and WebSocket: the host that led there (RFC 5922
	                        7.3), empty when that was the address itself;
	                        borrowed */
};

/* An address of ours, and what Via and Contact call it: what is advertised, the
 * listener's address, or for a wildcard the kernel's route. */
enum { SIP_STACK_HOST_MAX = 256 };
struct sip_local {
	char host[SIP_STACK_HOST_MAX]; /* not ended by NUL */
	size_t host_len;
	uint16_t port; /* 0: nobody listens there */
	struct sip_addr addr;
	unsigned listener; /* in the order of sip_stack_listen, from 1; 0: none */
};
sip_err sip_stack_local(struct sip_stack *stack, const struct sip_target *target,
                        struct sip_local *local);
/* The same for the path a request came by. */
void sip_stack_local_of(const struct sip_stack *stack, const struct sip_path *path,
                        struct sip_local *local);
/* Whether this is an address of this machine, or one that it has for others, and a port
 * that we listen on. */
bool sip_stack_is_own(struct sip_stack *stack, const struct sip_addr *addr);

/* Whether the way that a target is bound to is still there: its connection, or a socket
 * for datagrams of that family. */
bool sip_stack_is_there(struct sip_stack *stack, const struct sip_target *target);

/* Send a request in a transaction of its own.  More than 1300 bytes meant for UDP go
 * by TCP when we listen there, and by UDP after all when that is refused (18.1.1).
 * Gives a reference.  SIP_EINVAL: a value that breaks lines, or no listener of the
 * family; `why` says. */
sip_err sip_stack_request(struct sip_stack *stack, const struct sip_request_spec *spec,
                          const struct sip_target *target, struct sip_tx **tx,
                          const char **why);

/* Send a request without a transaction: the ACK to a 2xx (13.2.2.4). */
struct sip_sent {
	struct sip_target target;
	struct sip_buf *server_name; /* of the target, or NULL */
	struct sip_path path, udp_path;
	struct sip_buf *bytes;
	struct sip_buf *by_udp; /* the same for UDP, when only its size forbids that */
};
sip_err sip_stack_send(struct sip_stack *stack, const struct sip_request_spec *spec,
                       const struct sip_target *target, struct sip_sent *sent,
                       const char **why);
sip_err sip_stack_send_again(struct sip_stack *stack, struct sip_sent *sent);
void sip_sent_fini(struct sip_sent *sent);

/* Answer (see sip_tx_respond).  `why` says what was refused. */
sip_err sip_stack_respond(struct sip_stack *stack, struct sip_tx *tx,
                          const struct sip_response_spec *spec, bool until_ack,
                          const char **why);

/* CANCEL an INVITE: at once, or with its first provisional response (9.1).  SIP_ESTATE
 * when it has had its final. */
sip_err sip_stack_cancel(struct sip_stack *stack, struct sip_tx *invite);

/* For the wire, see base/wire.h. */
uint32_t sip_stack_half_open_max(struct sip_stack *stack,
                                 const struct sip_addr *remote);
bool sip_stack_wire_holds(struct sip_stack *stack, uint32_t id, uint32_t bytes);
/* Somebody at this address has not known a password; false: once too often. */
bool sip_stack_failed_login(struct sip_stack *stack, const struct sip_addr *addr);
/* Somebody at this address knows one, and was asked there. */
void sip_stack_good_login(struct sip_stack *stack, const struct sip_addr *addr);
/* The ACK to a repeated 2xx has come, or, without one, is no more needed. */
void sip_stack_acked(struct sip_stack *stack, struct sip_tx *tx,
                     const struct sip_msg *ack);
/* How many datagrams there were that no stranger has to wait with: a wire need not read
 * more of them in a turn than it will. */
uint64_t sip_stack_handled(const struct sip_stack *stack);

/* The verified identities of whoever is at the other end of this connection, as in
 * base/wire.h; empty: none, or it is gone. */
sip_str sip_stack_peer_names(struct sip_stack *stack, const struct sip_path *path);
/* What the peer has said that opened this WebSocket, borrowed, as in base/wire.h. */
struct sip_handshake sip_stack_handshake(struct sip_stack *stack,
                                         const struct sip_path *path);

/* Ask for records of a name; SIP_EVENT_RECORDS follows. */
sip_err sip_stack_lookup(struct sip_stack *stack, sip_str name,
                         enum sip_record_type type, uint64_t token);

/* Its state as a hash: two stacks of one make with the same mark do the same from here
 * on, as long as no source has used up what it may.  False while events wait, or a
 * connection or a lookup is there: those are not in it. */
bool sip_stack_fingerprint(const struct sip_stack *stack, uint64_t *mark);
