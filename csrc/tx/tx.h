#pragma once
/* Transactions (RFC 3261 17, RFC 6026, RFC 4320).
 *
 * A layer owns all transactions of a stack: it matches, steps the four tables and
 * arms their timers.  It sends and reports through its host and never calls back
 * in reaction: a failed send is a step of its own, later.
 */
#include "base/buf.h"
#include "base/limits.h"
#include "base/map.h"
#include "base/random.h"
#include "base/timer.h"
#include "base/wire.h"
#include "msg/message.h"
#include "msg/write.h"

struct sip_tx_key;

enum sip_tx_kind { SIP_ICT, SIP_NICT, SIP_IST, SIP_NIST };

/* The RFC's base values (RFC 3261 table 4), settable per stack. */
struct sip_timing {
	uint32_t t1_ms;      /* 500: round-trip estimate */
	uint32_t t2_ms;      /* 4000: longest interval between retransmissions */
	uint32_t t4_ms;      /* 5000: how long a message stays in the network */
	uint32_t trying_ms;  /* 200: 100 to an INVITE that the user has not answered */
	uint32_t timer_c_ms; /* 181000: a proxy's wait for a final (16.6, 16.8) */
};
#define SIP_TIMING_DEFAULT ((struct sip_timing){ 500, 4000, 5000, 200, 181000 })

struct sip_tx_layer;
struct sip_fsm;

struct sip_tx {
	struct sip_tx_layer *layer; /* gone once `ended`; the allocator outlives it */
	struct sip_alloc *alloc;
	uint64_t serial; /* unique in its layer, never 0 */
	uint64_t born_ms;
	uint32_t refs;
	uint8_t kind;   /* enum sip_tx_kind */
	uint8_t state;  /* enum sip_tx_state */
	bool final;     /* a final response has been sent or received */
	bool until_ack; /* a 2xx is repeated until acknowledged */
	bool cancelled; /* CANCEL received, or asked for */
	bool cancel_sent;
	bool merged;      /* another request of the same is under way (8.2.2.2) */
	bool ended;       /* out of its layer */
	bool elsewhere;   /* server: its Via names another place than it came from; the
	                     stack's */
	bool astray;      /* a response of it could not be delivered; the stack's */
	bool send_failed; /* in the layer's list of failures to step */
	uint32_t interval_ms; /* of the next retransmission */
	uint32_t via_at;      /* client: where the top Via stands in `sent` */
	uint16_t last_status;
	uint16_t via_count; /* of the request: a response to it has as many */
	bool internal;      /* the stack's own: nothing of it goes up */
	uint8_t repeats;    /* server: of the request, or an ACK; the stack's */
	bool coupled;       /* client: all that becomes of it goes to `upstream` */
	const struct sip_fsm *fsm;
	struct sip_timer resend, expire;
	struct sip_node by_key, by_merge, by_serial;
	uint64_t merge_check; /* the second half of the 128-bit merge key */
	struct sip_link failed, on_flow;
	struct sip_link active;  /* client: in the layer's list until its final */
	struct sip_path path;    /* server: remote is where the request came from ... */
	struct sip_addr reply;   /* ... and this is where responses go (18.2.2) */
	struct sip_buf *sent;    /* the request, or the last response */
	struct sip_msg *request; /* server: until the final response */
	struct sip_buf *tag;     /* server: the To tag of our responses */
	struct sip_buf *why;     /* what the transport said of a failed send */
	struct sip_tx *upstream; /* client: where its 2xx go, once it is handed over */
	void *flow;              /* the stack's: the connection it waits for, or NULL */
	void *again;             /* the stack's: another way for its request, or NULL */
	uint32_t key_len;
	char key[];
};

/* What a transaction tells its user. */
enum sip_tx_report {
	SIP_TX_PASS,       /* msg: a request, an ACK to a 2xx, or a response */
	SIP_TX_TIMEOUT,    /* timer B, F or H, or 64*T1 after a CANCEL */
	SIP_TX_UNSENT,     /* a transport error */
	SIP_TX_NO_ACK,     /* a 2xx was repeated until timer L in vain */
	SIP_TX_TERMINATED, /* the last report */
};

struct sip_tx_host {
	/* Put the bytes on the transaction's path. */
	sip_err (*send)(struct sip_tx_host *host, struct sip_tx *tx, sip_str bytes);
	/* Report upward; `msg` is borrowed.  Never fails: room was asked for before. */
	void (*report)(struct sip_tx_host *host, struct sip_tx *tx,
	               enum sip_tx_report report, struct sip_msg *msg);
	/* Is there room for `count` more reports? */
	bool (*reserve)(struct sip_tx_host *host, unsigned count);
};

struct sip_tx_layer {
	struct sip_alloc *alloc;
	struct sip_random *random;
	struct sip_tx_host *host;
	struct sip_timing timing;
	struct sip_timers timers;
	struct sip_map clients, servers, merges, serials;
	struct sip_hash_key hash_key;
	struct sip_link failed, active;
	uint64_t serial;
	uint64_t now_ms;
	size_t count;
	bool repeating; /* what is sent is sent again, because time has passed */
	uint64_t repeats_sent, repeats_received, broken; /* counters */
};

void sip_tx_layer_init(struct sip_tx_layer *layer, struct sip_alloc *alloc,
                       struct sip_random *random, const struct sip_timing *timing,
                       struct sip_tx_host *host);
/* Terminates every transaction: that is the one report of it. */
void sip_tx_layer_fini(struct sip_tx_layer *layer);
uint64_t sip_tx_layer_deadline(const struct sip_tx_layer *layer);
/* All that the transactions will do is a function of this and of what comes: a hash,
 * equal for equal ones.  For the search of the simulator. */
uint64_t sip_tx_layer_fingerprint(const struct sip_tx_layer *layer);
void sip_tx_layer_advance(struct sip_tx_layer *layer, uint64_t now_ms);

/* A new client transaction: `request` is the bytes as they go out, with the top Via
 * at `via_at` and this branch in it.  Gives a reference; sip_tx_start sends. */
struct sip_client_spec {
	struct sip_path path;
	struct sip_buf *request;
	sip_str method, branch;
	size_t via_at;
	uint16_t via_count;
};
sip_err sip_tx_client(struct sip_tx_layer *layer, const struct sip_client_spec *spec,
                      struct sip_tx **tx);
/* The same transaction by other bytes on another path, before any response; its time
 * goes on. */
void sip_tx_restart(struct sip_tx *tx, const struct sip_client_spec *spec);
/* A new server transaction for a request that matched none by this key.  Gives a
 * reference; sip_tx_start reports the request.  SIP_EINVAL: it has no key. */
sip_err sip_tx_server(struct sip_tx_layer *layer, const struct sip_tx_key *key,
                      const struct sip_addr *reply, struct sip_msg *request,
                      struct sip_tx **tx);
void sip_tx_start(struct sip_tx *tx);

/* Matching (17.1.3, 17.2.3 with its RFC 2543 rules); NULL when there is none. */
struct sip_tx *sip_tx_find_client(struct sip_tx_layer *layer, struct sip_msg *response);
struct sip_tx *sip_tx_find_serial(struct sip_tx_layer *layer, uint64_t serial);
struct sip_tx *sip_tx_find_server(struct sip_tx_layer *layer, struct sip_msg *request,
                                  struct sip_tx_key *key); /* for sip_tx_server */
/* The transaction a CANCEL is for (9.2): an INVITE's, or one on which it has no effect.
 * Methods that we do not know are not looked for. */
struct sip_tx *sip_tx_find_cancelled(struct sip_tx_layer *layer,
                                     struct sip_msg *cancel);

/* What has been matched. */
void sip_tx_receive_request(struct sip_tx *tx, struct sip_msg *request);
void sip_tx_receive_response(struct sip_tx *tx, struct sip_msg *response);
/* The transport failed later than `send` could say; `why` is readable, may be NULL,
 * and is copied. */
void sip_tx_send_failed(struct sip_tx *tx, const char *why);

/* Write a response to the request of a server transaction that has not had its
 * final: as sip_write_response, with `received` and `rport` from where the request came
 * (18.2.1, RFC 3581 4), and with the transaction's own To tag when `spec` has none. */
void sip_tx_write_response(struct sip_tx *tx, const struct sip_response_spec *spec,
                           struct sip_out *out);

/* The same for another 2xx to an INVITE that has had one (RFC 6026 7.1): the request is
 * gone, what a response copies stands in the one that was sent, and so does its tag.
 * SIP_EINVAL: what was sent cannot be read; SIP_ENOMEM. */
sip_err sip_tx_write_another(struct sip_tx *tx, const struct sip_response_spec *spec,
                             struct sip_out *out);

/* Whether the user may send 2xx after its final. */
bool sip_tx_is_accepted(const struct sip_tx *tx);

/* Answer.  `until_ack`: repeat this 2xx until sip_tx_acked or timer L (13.3.1.4), in
 * the place of one that is being repeated.
 * Keeps `bytes`.  SIP_ESTATE after a final, but for another 2xx to an INVITE;
 * SIP_EINVAL for what RFC 4320 4.1 and 4.2 forbid to non-INVITE requests. */
sip_err sip_tx_respond(struct sip_tx *tx, unsigned status, struct sip_buf *bytes,
                       bool until_ack);
void sip_tx_acked(struct sip_tx *tx);
/* A CANCEL has been sent: give the final response 64*T1 to come (9.1). */
void sip_tx_cancel_sent(struct sip_tx *tx);
/* End it without a word: the stack is done with it. */
void sip_tx_terminate(struct sip_tx *tx);

struct sip_tx *sip_tx_ref(struct sip_tx *tx);
void sip_tx_unref(struct sip_tx *tx); /* NULL is fine */

static inline bool sip_tx_is_client(const struct sip_tx *tx)
{
	return tx->kind <= SIP_NICT;
}
/* Does its last response ask who it is? */
static inline bool sip_tx_is_challenge(const struct sip_tx *tx)
{
	return tx->last_status == 401 || tx->last_status == 407;
}
/* The branch of a client transaction. */
sip_str sip_tx_branch(const struct sip_tx *tx);
bool sip_tx_is_over(const struct sip_tx *tx);           /* terminated */
const char *sip_tx_state_name(const struct sip_tx *tx); /* "proceeding" */
