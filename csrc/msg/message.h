#pragma once
/* A message, immutable: its bytes and an index of its headers, in one allocation.
 *
 * Parsing looks at every byte once, copies them once and allocates once.  Values
 * are spans; typed headers are parsed when asked and remembered.  A message that
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
#include "msg/uri.h"

struct sip_refusal {
	uint32_t at;     /* offset into the bytes */
	const char *why; /* static text: "CSeq number is too large" */
	uint16_t status; /* 400, 413, 414, 416, 505, 513; for a response: 0 */
};

struct sip_header {
	uint32_t name_at, value_at, value_len;
	uint16_t name_len;
	uint8_t id; /* enum sip_header_id */
	bool folded; /* the value has CRLF + blank in it, each read as one SP */
};

struct sip_via {
	sip_str text;      /* this one value of the list */
	sip_str transport; /* "UDP" */
	enum sip_transport transport_id;
	sip_str host;      /* sent-by, with brackets for IPv6 */
	uint16_t port;     /* 0: not given */
	sip_str params;
	sip_str branch, received, maddr;
	bool has_rport;    /* RFC 3581: present, with or without a value */
	uint16_t rport;    /* 0: no value */
};

struct sip_name_addr {
	sip_str text;    /* this one value */
	sip_str display; /* without quotes, escapes kept; empty: none */
	sip_str uri;
	sip_str params;  /* the header's parameters, not the URI's */
	sip_str tag;     /* From, To; empty: none */
};

struct sip_cseq {
	uint32_t number;
	enum sip_method method;
	sip_str method_name;
};

struct sip_msg {
	struct sip_alloc *alloc;
	size_t size; /* of this allocation */
	uint32_t refs;
	uint32_t len; /* of `bytes` */
	const char *bytes;
	const struct sip_header *headers;
	uint16_t header_count;
	uint16_t status; /* 0: a request */
	enum sip_method method; /* of a request */
	sip_str method_name, uri; /* of a request */
	sip_str reason;  /* of a response */
	sip_str version; /* "SIP/2.0" as written */
	sip_str body;
	uint16_t first[SIP_H_COUNT]; /* index of the first of its kind + 1, 0: none */
	/* Remembered typed headers; a bit of `known` says that it was parsed. */
	uint32_t known, bad;
	struct sip_uri request_uri;
	struct sip_via via;
	struct sip_name_addr from, to, contact;
	struct sip_cseq cseq;
	uint32_t max_forwards, expires;
};

/* Parse one whole message.  `datagram`: the body may be shorter than what follows
 * (the rest is ignored) but not longer (RFC 3261 18.3); without it `bytes` is
 * exactly the message that framing has cut out.
 *
 * SIP_OK gives a reference.  SIP_ESYNTAX and SIP_ELIMIT fill `refusal`, and give
 * a reference when the index is usable for an answer, else NULL.  SIP_ENOMEM
 * gives NULL. */
sip_err sip_msg_parse(struct sip_alloc *alloc, const struct sip_limits *limits,
                      sip_str bytes, bool datagram, struct sip_msg **msg,
                      struct sip_refusal *refusal);

/* Is everything there that an element needs, and well formed: Request-URI, Via, From, To,
 * CSeq (and its method), Call-ID, Max-Forwards, Content-Length, Contact, Expires; no
 * second one of those that may stand once; SIP/2.0?  SIP_OK or SIP_ESYNTAX with
 * the refusal (RFC 3261 8.1.1, 8.2, 16.3; RFC 4475). */
sip_err sip_msg_check(struct sip_msg *msg, struct sip_refusal *refusal);

struct sip_msg *sip_msg_ref(struct sip_msg *msg);
void sip_msg_unref(struct sip_msg *msg); /* NULL is fine */

static inline bool sip_msg_is_request(const struct sip_msg *msg)
{
	return msg->status == 0;
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

/* The raw value of the first header of that kind; p is NULL when there is none. */
sip_str sip_msg_header(const struct sip_msg *msg, enum sip_header_id id);
/* By name, for those outside the map too. */
sip_str sip_msg_header_named(const struct sip_msg *msg, sip_str name);
/* How many Via values there are, over all lines. */
unsigned sip_msg_via_count(const struct sip_msg *msg);
/* Is `token` in this comma list (Supported, Require ...), without case? */
bool sip_msg_has_token(const struct sip_msg *msg, enum sip_header_id id, sip_str token);

/* Values of a LIST header in order over all its lines, split by the grammar
 * (quotes, escapes, angle brackets, comments); of a ONE or MANY header: its lines. */
struct sip_values {
	const struct sip_msg *msg;
	sip_str name, rest;
	enum sip_header_id id;
	unsigned at;
};
void sip_values_init(struct sip_values *values, const struct sip_msg *msg,
                     enum sip_header_id id);
bool sip_values_next(struct sip_values *values, sip_str *value);

sip_err sip_via_parse(sip_str value, struct sip_via *via);
sip_err sip_name_addr_parse(sip_str value, struct sip_name_addr *addr);
sip_err sip_cseq_parse(sip_str value, struct sip_cseq *cseq);
