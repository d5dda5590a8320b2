#pragma once
/* Who sends: what each source may use, and what it has used up.
 *
 * A source is an IPv4 address or an IPv6 /64, which is what one customer has.  Each has
 * token buckets, kept as the instant at which they are full again, so that one that is
 * not heard of needs no time.  The table is bounded.  To be forgotten means to have
 * full buckets, so it costs nobody who behaves; those who are in debt are kept apart,
 * and so are those with standing, who have proved that they are there and wanted: a
 * flood of made-up addresses cannot wash them out.  (RFC 3261 26.3.2.4.)
 */
#include "base/addr.h"
#include "base/limits.h"
#include "base/list.h"
#include "base/map.h"

/*	rule         its limit            per ms  in words, around the limit */
/* clang-format off */
#define SIP_RULE_MAP(X)                                                                \
	X(messages,    source_messages,    1000,  "more than ", " messages a second")      \
	X(invites,     source_invites,     1000,  "more than ",                            \
	  " INVITEs a second outside of calls")                                            \
	X(registers,   source_registers,   1000,  "more than ", " REGISTERs a second")     \
	X(others,      source_others,      1000,  "more than ",                            \
	  " requests a second outside of calls")                                           \
	X(refusals,    source_refusals,    1000,  "more than ", " refusals a second")      \
	X(repeats,     source_repeats,     1000,  "more than ",                            \
	  " repeated responses a second")                                                  \
	X(malformed,   source_malformed,   1000,  "more than ",                            \
	  " malformed messages a second")                                                  \
	X(failures,    source_failures,    60000, "more than ", " wrong passwords a minute") \
	/* Not buckets: */                                                                 \
	X(connections, source_connections, 0, "more than ", " connections")                \
	X(half_open,   source_half_open,   0, "more than ",                                \
	  " connections without a message")                                                \
	X(unread,      source_unread_bytes, 0, "more than ",                               \
	  " bytes of unfinished messages")                                                 \
	X(slow,        stream_head_ms,     0, "a message took longer than ", " ms")        \
	X(silent,      stream_first_ms,    0, "no message in the first ", " ms")           \
	X(scanners,    sources,            0, "the User-Agent of a scanner", NULL)         \
	/* Of all sources together: */                                                     \
	X(strangers,   strangers,          0,                                              \
	  "more strangers send than can be answered", NULL)
/* clang-format on */

#define SIP_RULE_ENUM(name, limit, per_ms, before, after) SIP_RULE_##name,
enum sip_rule { SIP_RULE_MAP(SIP_RULE_ENUM) SIP_RULE_COUNT };
#undef SIP_RULE_ENUM

enum { SIP_BUCKETS = SIP_RULE_connections, SIP_OFFENDERS = 16 };
/* So many seconds' worth of a rate may be used at once. */
enum { SIP_BURST_S = 4 };

/* "invites". */
const char *sip_rule_name(enum sip_rule rule);
/* "more than 50 INVITEs a second outside of calls"; gives the length, at most
 * SIP_RULE_TEXT_MAX. */
enum { SIP_RULE_TEXT_MAX = 80 };
size_t sip_rule_write(enum sip_rule rule, const struct sip_limits *limits, char *out);

struct sip_source {
	struct sip_node node;
	struct sip_link link; /* of its place; in no list while it has connections */
	uint64_t prefix;
	uint8_t family;
	bool standing;               /* has proved itself */
	uint8_t place;               /* while it is in a list */
	uint32_t flows, fresh_flows; /* its connections; those without a message yet */
	uint32_t unread_bytes;
	uint32_t hits;                 /* by all rules */
	uint32_t told;                 /* the rules that a log was told of lately ... */
	uint64_t told_ms;              /* ... since then */
	uint64_t seen_ms, queued_ms;   /* heard; put at the end of its list */
	uint64_t full_ns[SIP_BUCKETS]; /* when each bucket is full again */
};

/* Who was stopped most often: kept when its source is forgotten. */
struct sip_offender {
	struct sip_addr addr;
	uint64_t prefix;
	uint64_t last_ms;
	uint32_t count;     /* 0: none */
	enum sip_rule rule; /* the last one */
};

struct sip_network {
	uint8_t family;
	uint64_t ip[2], mask[2]; /* in the order of the bytes */
};
/* The first `bits` of these bytes: 4 of them, or 16. */
struct sip_network sip_network_make(sip_str ip, unsigned bits);

enum sip_source_place { SIP_QUIET, SIP_HELD, SIP_STANDING, SIP_PLACES };

struct sip_sources {
	struct sip_alloc *alloc;
	struct sip_hash_key hash_key;
	struct sip_map map;
	struct sip_place {
		struct sip_link list; /* whoever was heard least lately is first */
		uint32_t count;
	} places[SIP_PLACES];
	struct sip_source *last; /* that was looked for; most come in rows */
	struct sip_network *exempt;
	unsigned exempt_count;
	uint32_t limit, loose_count; /* loose: in one of the lists */
	uint64_t cost_ns[SIP_BUCKETS], depth_ns[SIP_BUCKETS];
	uint64_t counts[SIP_RULE_COUNT];
	struct sip_offender offenders[SIP_OFFENDERS];
};

/* Copies the networks, which no rule is for. */
sip_err sip_sources_init(struct sip_sources *sources, struct sip_alloc *alloc,
                         const struct sip_limits *limits,
                         const struct sip_hash_key *hash_key,
                         const struct sip_network *exempt, unsigned exempt_count);
void sip_sources_fini(struct sip_sources *sources);

/* Is no rule for this address? */
bool sip_sources_exempt(const struct sip_sources *sources, const struct sip_addr *addr);
/* The source of an address, made if need be; NULL: no rule is for it, or there is no
 * memory to count with.  Good until the next one is asked for, or while it is pinned.
 */
struct sip_source *sip_source_get(struct sip_sources *sources,
                                  const struct sip_addr *addr, uint64_t now_ms);
void sip_source_pin(struct sip_sources *sources, struct sip_source *source);
void sip_source_unpin(struct sip_sources *sources, struct sip_source *source,
                      uint64_t now_ms);

/* Use one token of a bucket; false: there is none. */
bool sip_source_take(const struct sip_sources *sources, struct sip_source *source,
                     enum sip_rule rule, uint64_t now_ms);
bool sip_source_is_over(const struct sip_sources *sources,
                        const struct sip_source *source, enum sip_rule rule,
                        uint64_t now_ms);
/* Put it back: what it was used for is known. */
void sip_source_give(const struct sip_sources *sources, struct sip_source *source,
                     enum sip_rule rule);
/* Not to be forgotten for others. */
void sip_source_hold(struct sip_sources *sources, struct sip_source *source,
                     uint64_t now_ms);
/* It has proved that it is there and wanted: not to be forgotten but for others who
 * have. */
void sip_source_stand(struct sip_sources *sources, struct sip_source *source,
                      uint64_t now_ms);
/* A rule has stopped something of it. */
void sip_source_hit(struct sip_sources *sources, struct sip_source *source,
                    const struct sip_addr *addr, enum sip_rule rule, uint64_t now_ms);
