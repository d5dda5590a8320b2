#pragma once
/* A message, immutable: its bytes and an index of its headers, in one allocation.
 *
 * Parsing looks at every byte once, copies them once and allocates once.  Values
 * are spans; typed headers are parsed when asked and remembered.  In the copy, the
 * CRLF of a folded line is two blanks (which mean the same, RFC 3261 25.1), so that no
 * value ever holds a CR or LF.  A message that
 * is malformed may still be given, when its index is good enough to answer it
 * with the refusal's status (RFC 3261 8.2, 16.3).
 *
 * RFC 3261 7, 18.3, 20, 25.
 */
#include "base/alloc.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/wire.h"
#include "msg/header.h"
#include "msg/method.h"
#include "msg/name_addr.h"
#include "msg/uri.h"
#include "msg/via.h"

struct sip_refusal {
	uint32_t at;     /* offset into the bytes that came */
	const char *why; /* static text: "CSeq number is too large" */
	uint16_t status; /* 400, 413, 414, 416, 505, 513; for a response: 0 */
};

struct sip_header {
	uint32_t name_at, value_at, value_len;
	uint16_t name_len;
	uint8_t id;  /* enum sip_header_id */
	bool folded; /* several lines: sip_unfold makes each run of blanks one SP */
};

struct sip_msg {
	struct sip_alloc *alloc;
	size_t size; /* of this allocation */
	uint32_t refs;
	uint32_t len; /* of `bytes` */
	const char *bytes;
	const struct sip_header *headers;
	uint16_t header_count;
	uint16_t status;          /* 0: a request */
	enum sip_method method;   /* of a request */
	sip_str method_name, uri; /* of a request */
	sip_str reason;           /* of a response */
	sip_str version;          /* "SIP/2.0" as written */
	sip_str body;
	uint16_t first[SIP_H_COUNT]; /* index of the first of its kind + 1, 0: none */
	uint16_t repeated; /* index of a second one of kind ONE + 1, 0: none */
	uint16_t skipped;  /* bytes of leading CRLFs that were left out */
	uint16_t known,
		bad;   /* typed headers that are remembered below, a bit for each */
	bool refused;  /* it came with a refusal: good for an answer, no more */
	bool fragment; /* message/sipfrag: anything may be missing */
	uint16_t parts_max, depth_max; /* bounds of a multipart body */
	struct sip_path path; /* how it came, set by the stack; no transport: unknown */
	struct sip_uri request_uri;
	struct sip_via via;
	struct sip_name_addr from, to, contact;
	struct sip_cseq cseq;
	uint32_t max_forwards, expires;
};

/* Parse one whole message.  `datagram`: the body may be shorter than what follows
 * (the rest is ignored) but not longer (RFC 3261 18.3); without it `bytes` is
 * exactly the message that framing has cut out, with its Content-Length.
 *
 * SIP_OK gives a reference.  SIP_ESYNTAX and SIP_ELIMIT fill `refusal`, and give
 * a reference when the index is usable for an answer, else NULL.  SIP_ENOMEM
 * gives NULL. */
sip_err sip_msg_parse(struct sip_alloc *alloc, const struct sip_limits *limits,
                      sip_str bytes, bool datagram, struct sip_msg **msg,
                      struct sip_refusal *refusal);

/* Parse a message/sipfrag: a start line, headers and a body, each of which may be
 * missing, and check what is there (RFC 3420 2).  The line ends that it lacks at its
 * end are put there: it is often one status line and no more.  As above, but a
 * refusal comes without a message. */
sip_err sip_msg_parse_fragment(struct sip_alloc *alloc, const struct sip_limits *limits,
                               sip_str bytes, struct sip_msg **msg,
                               struct sip_refusal *refusal);

/* Is everything there that an element needs, and well formed: Request-URI, Via, From,
 * To, CSeq (and its method), Call-ID, Max-Forwards, Content-Length, Contact, Expires;
 * no second one of those that may stand once; SIP/2.0?  SIP_OK or SIP_ESYNTAX with the
 * refusal (RFC 3261 8.1.1, 8.2, 16.3; RFC 4475). */
sip_err sip_msg_check(struct sip_msg *msg, struct sip_refusal *refusal);

struct sip_msg *sip_msg_ref(struct sip_msg *msg);
void sip_msg_unref(struct sip_msg *msg); /* NULL is fine */

static inline bool sip_msg_is_request(const struct sip_msg *msg)
{
	return msg->method_name.len > 0;
}

/* Typed headers: NULL when absent or malformed. */
const struct sip_uri *sip_msg_uri(struct sip_msg *msg);
const struct sip_via *sip_msg_via(struct sip_msg *msg); /* the topmost */
const struct sip_name_addr *sip_msg_from(struct sip_msg *msg);
const struct sip_name_addr *sip_msg_to(struct sip_msg *msg);
const struct sip_name_addr *sip_msg_contact(struct sip_msg *msg); /* the first */
const struct sip_cseq *sip_msg_cseq(struct sip_msg *msg);
sip_str sip_msg_call_id(const struct sip_msg *msg); /* empty: none */
/* Numbers: -1 when absent or malformed. */
int64_t sip_msg_max_forwards(struct sip_msg *msg);
int64_t sip_msg_expires(struct sip_msg *msg);

static inline sip_str sip_header_value(const struct sip_msg *msg,
                                       const struct sip_header *header)
{
	return sip_str_of(msg->bytes + header->value_at, header->value_len);
}

/* The raw value of the first header of that kind; p is NULL when there is none. */
sip_str sip_msg_header(const struct sip_msg *msg, enum sip_header_id id);
/* By name, for those outside the map too. */
sip_str sip_msg_header_named(const struct sip_msg *msg, sip_str name);
/* The next header of that kind from index `from` on (of that name, when it is
 * SIP_H_OTHER); header_count when there is none. */
unsigned sip_msg_find(const struct sip_msg *msg, enum sip_header_id id, sip_str name,
                      unsigned from);

/* A folded value as it is read: each run of three or more blanks, which a fold has
 * become, is one SP.  Writes at most value.len bytes, gives the length. */
size_t sip_unfold(sip_str value, char *out);
/* How many Via values there are, over all lines. */
unsigned sip_msg_via_count(const struct sip_msg *msg);
/* Is `token` in this comma list (Supported, Require ...), without case? */
bool sip_msg_has_token(const struct sip_msg *msg, enum sip_header_id id, sip_str token);

/* Values of a LIST header in order over all its lines, split by the grammar
 * (quotes, escapes, angle brackets; parentheses mean nothing there, RFC 3261 25.1),
 * empty ones left out; of a ONE or MANY header: its lines. */
struct sip_values {
	const struct sip_msg *msg;
	sip_str name, rest;
	enum sip_header_id id;
	unsigned at;
};
void sip_values_init(struct sip_values *values, const struct sip_msg *msg,
                     enum sip_header_id id);
/* By name, for those outside the map too: their lines. */
void sip_values_init_named(struct sip_values *values, const struct sip_msg *msg,
                           sip_str name);
bool sip_values_next(struct sip_values *values, sip_str *value);

/* Cut the first value of a comma list from its front; false when there is none. */
bool sip_value_next(sip_str *list, sip_str *value);
