#pragma once
/* What a stack is made of: shared by the files of this folder and nobody else. */
#include "msg/frame.h"
#include "stack/flow.h"
#include "stack/forward.h"
#include "stack/keepalive.h"
#include "stack/line.h"
#include "stack/reply.h"
#include "stack/source.h"

enum {
	SIP_STACK_LISTENERS = 32,
	SIP_STACK_ANSWERED =
		32, /* the last ones; an older one is not found elsewhere */
	SIP_STACK_SCRATCH = 65536 + 2048, /* one message, with the Via that is added */
	SIP_UDP_BYTES_MAX = 1300,         /* RFC 3261 18.1.1: more goes by a stream */
};

struct sip_listener {
	uint32_t id;
	enum sip_transport transport;
	struct sip_addr addr;
	/* What others are told: */
	struct sip_addr named; /* where that is an address; else its family is 0 */
	uint16_t name_port;
	size_t name_len; /* 0: the address that the other end sees */
	char name[SIP_STACK_HOST_MAX];
};

/* A connection: known by the wire's id, and by its far end for reuse. */
struct sip_flow {
	struct sip_node by_id, by_remote, by_alias;
	struct sip_path path;
	struct sip_buf *server_name; /* whom we wanted to reach, or NULL */
	struct sip_buf *names;       /* whom the peer has proven to be, or NULL */
	struct sip_buf *target, *origin, *cookie; /* as in sip_handshake, or NULL */
	bool ours;                                /* opened by us, not by the peer */
	bool open;                                /* else still connecting */
	bool closing;
	uint16_t alias_port; /* the peer listens there, too (RFC 5923); 0: no alias */
	struct sip_frame frame;
	char *unread; /* bytes of a message that is not complete */
	uint32_t unread_len, unread_cap;
	uint32_t wire_holds; /* the same below the wire */
	uint64_t last_ms;    /* of the last traffic */
	uint64_t heard_ms;   /* of the last that came */
	struct sip_timer timer;
	struct sip_link waiting; /* client transactions that go by it */
	struct sip_link serving; /* server transactions whose request came by it */
	struct sip_link held;    /* what goes by UDP if it cannot be opened */
	unsigned held_count;
	struct sip_link keeps; /* our keep-alives on it */
	uint32_t expect_ms; /* the peer has promised its own as often; 0: it has not */
	struct sip_source *source; /* of a peer that has connected; NULL: not counted */
	uint64_t opened_ms;
	bool fresh; /* it has connected, and no whole message has come */
	bool whole; /* something whole has come since the timer was armed */
};

/* How many there have been in this second. */
struct sip_quota {
	uint64_t since_ms;
	unsigned count;
};

/* A response that has gone out by UDP to who might be found elsewhere. */
struct sip_answered {
	struct sip_addr to;
	uint64_t serial; /* of its transaction; 0: none */
};

struct sip_event_queue {
	struct sip_event *ring; /* power of two */
	uint32_t cap, head, count;
};

struct sip_stack {
	struct sip_alloc *alloc;
	struct sip_wire *wire;
	struct sip_random *random;
	struct sip_limits limits;
	bool watched, relaying;
	bool aliases_asked; /* in our Via, for connections that we open (RFC 5923) */
	uint64_t now_ms;
	struct sip_tx_host host;
	struct sip_tx_layer layer;
	struct sip_timers timers; /* of flows */
	struct sip_map flows, remotes, aliases;
	struct sip_timers keep_timers; /* keepalive.c */
	struct sip_map keeps;
	struct sip_link keep_list;
	uint64_t last_keep;
	struct sip_answered answered[SIP_STACK_ANSWERED]; /* reply.c */
	unsigned answered_at;
	struct sip_event_queue queue;
	unsigned lookups; /* under way */
	struct sip_listener listeners[SIP_STACK_LISTENERS];
	unsigned listener_count;
	struct sip_hash_key tag_key; /* To tags of answers without a transaction */
	struct sip_hash_key seal_keys[2];
	bool relay, ending;
	char advertise[SIP_STACK_HOST_MAX];
	struct sip_stack_stats stats;
	struct sip_sources sources;
	struct sip_source *source; /* of what is being received, or NULL */
	struct sip_line line;
	uint32_t unread_bytes;        /* of all connections */
	struct sip_buf *scanners;     /* each in small letters, ended by a line feed */
	uint32_t scanner_begins[32];  /* with which two letters, a bit for each pair */
	struct sip_quota told, noted; /* lines for the log, notes for the trace */
	char scratch[SIP_STACK_SCRATCH];
};

/* stack.c */
enum { SIP_EVENTS_PER_INPUT = 8 }; /* at most */
bool sip_stack_reserve(struct sip_stack *stack, unsigned count);
/* Room was reserved.  Gives the event to fill in. */
struct sip_event *sip_stack_push(struct sip_stack *stack, enum sip_event_kind kind);
void sip_stack_watch(struct sip_stack *stack, bool sent, const struct sip_path *path,
                     sip_str bytes);
/* Put bytes on the wire, seen by whoever watches. */
sip_err sip_stack_put(struct sip_stack *stack, const struct sip_path *path,
                      sip_str bytes, uint64_t token);

/* receive.c */
void sip_stack_receive(struct sip_stack *stack, const struct sip_path *path,
                       sip_str bytes, bool datagram);
/* A stream lost its framing at this head: count it, and answer if it can be. */
void sip_stack_refuse_head(struct sip_stack *stack, const struct sip_path *path,
                           sip_str head, const struct sip_refusal *refusal);

/* draft.c: the path to a target, its connection opened if need be. */
sip_err sip_path_choose(struct sip_stack *stack, const struct sip_target *wanted,
                        struct sip_path *path, struct sip_flow **flow,
                        const char **why);
/* A request is drafted in the scratch, without its Via, and then sent. */
enum { SIP_TAIL_MAX = 64, SIP_BRANCH_MAX = 96 };

struct sip_draft {
	size_t len, via_at;
	uint16_t via_count; /* with the one that is added */
	sip_str method, branch;
	bool keep; /* its Via offers keep-alives */
	char branch_text[SIP_BRANCH_MAX];
};
/* The bytes with a Via for this path put in. */
struct sip_buf *sip_stack_with_via(struct sip_stack *stack, sip_str plain,
                                   size_t via_at, const struct sip_path *path,
                                   sip_str branch, bool keep);
void sip_draft_begin(struct sip_stack *stack, struct sip_out *out);
sip_err sip_draft_end(struct sip_stack *stack, struct sip_draft *draft,
                      const struct sip_out *out, const char **why);
/* A branch of its own, with ".tail" of at most SIP_TAIL_MAX bytes behind it. */
sip_str sip_draft_branch(struct sip_stack *stack, struct sip_draft *draft,
                         sip_str tail);
/* Is it too large for UDP, where it is meant to go (18.1.1)? */
bool sip_draft_is_large(struct sip_stack *stack, const struct sip_draft *draft,
                        const struct sip_target *target);

/* send.c */
sip_err sip_draft_start(struct sip_stack *stack, const struct sip_draft *draft,
                        const struct sip_target *target, struct sip_tx **tx,
                        const char **why);
sip_err sip_draft_send(struct sip_stack *stack, const struct sip_draft *draft,
                       const struct sip_target *target, struct sip_sent *sent,
                       const char **why);

/* forward.c */
/* A response to an INVITE that has been handed over. */
void sip_stack_relay_late(struct sip_stack *stack, struct sip_tx *client,
                          const struct sip_msg *response);
void sip_stack_seal_init(struct sip_stack *stack, sip_str secret);
/* What is behind the cookie of a branch that no transaction need remember: random, and
 * sealed; and whether a response has such a branch, with a sent-by of ours (18.1.2). */
enum {
	SIP_BRANCH_RANDOM = 13,
	SIP_BRANCH_TOKEN_LEN = SIP_BRANCH_RANDOM + SIP_SEAL_LEN
};
void sip_stack_branch_token(const struct sip_stack *stack, char *token);
bool sip_stack_is_answer(struct sip_stack *stack, struct sip_msg *response);
/* A response that belongs to no transaction: was its request passed on without one?
 * Then so is it (16.11). */
bool sip_stack_pass_response(struct sip_stack *stack, struct sip_msg *response);

/* Keyed by the secret: the seal of these bytes for a purpose, none like another's. */
enum sip_seal_purpose {
	SIP_SEAL_TEXT = 1,
	SIP_SEAL_BRANCH,
	SIP_SEAL_TOKEN,
	SIP_SEAL_REQUEST
};
void sip_stack_seal_for(const struct sip_stack *stack, sip_str text,
                        enum sip_seal_purpose purpose, char seal[SIP_SEAL_LEN]);

/* relay.c */
/* Whose mark this is: 0 when it was the sender of this request who began the call, 1
 * when it was the other; -1: it is not that of this call. */
int sip_stack_marked_end(struct sip_stack *stack, struct sip_msg *request,
                         sip_str mark);
/* A request that matched no transaction: is it passed on here, by our own mark? */
bool sip_stack_relay_inside(struct sip_stack *stack, struct sip_msg *request,
                            const struct sip_tx_key *key, const struct sip_addr *reply);
void sip_stack_relay_report(struct sip_stack *stack, struct sip_tx *client,
                            enum sip_tx_report report, const struct sip_msg *response);

/* listener.c: the first of this transport and family, that which a path is by, and that
 * by which a message to a target leaves, with everything of the path but a connection.
 * NULL when there is none; datagrams cannot leave then (SIP_EINVAL). */
const struct sip_listener *sip_stack_listener(const struct sip_stack *stack,
                                              enum sip_transport transport,
                                              unsigned family);
const struct sip_listener *sip_listener_of(const struct sip_stack *stack,
                                           const struct sip_path *path);
sip_err sip_local_towards(struct sip_stack *stack, const struct sip_target *target,
                          struct sip_path *path, const struct sip_listener **listener);
/* The path of a connection, which may not be open yet. */
sip_err sip_local_of_flow(struct sip_stack *stack, const struct sip_flow *flow,
                          struct sip_path *path);
/* Is this its address, or what others are told that it is? */
bool sip_listener_is_at(const struct sip_listener *listener,
                        const struct sip_addr *addr);
/* Is this what others are told that we, or one of the listeners, are called? */
bool sip_stack_is_called(const struct sip_stack *stack, sip_str host);
sip_err sip_stack_reply(struct sip_stack *stack, struct sip_tx *tx, sip_str bytes);
sip_err sip_stack_send_cancel(struct sip_stack *stack, struct sip_tx *invite);
