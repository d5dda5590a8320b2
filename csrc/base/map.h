#pragma once
/* Intrusive hash map: nodes live in their objects, the map owns only its slots.
 *
 * The caller hashes with sip_hash and a secret key, so that nobody outside can
 * choose keys that collide, and compares the full key itself: a hash is never an
 * identity.  Growing is spread over insertions (one old slot at a time): no
 * single insertion pays for the whole table, so the loop does not stall at a
 * million entries.
 */
#include "base/alloc.h"
#include "base/err.h"
#include "base/str.h"

struct sip_hash_key {
	uint64_t k[2];
};

/* SipHash-1-3 of the bytes. */
uint64_t sip_hash(const struct sip_hash_key *key, const void *bytes, size_t len);

struct sip_node {
	struct sip_node *next;
	uint64_t hash;
};

struct sip_map {
	struct sip_alloc *alloc;
	struct sip_node **slots; /* power of two */
	struct sip_node **old;   /* being emptied into `slots`, or NULL */
	size_t slot_count, old_count, old_at;
	size_t first; /* no slot before it holds anything */
	size_t count;
};

void sip_map_init(struct sip_map *map, struct sip_alloc *alloc);
void sip_map_fini(struct sip_map *map); /* frees the slots, not the nodes */

/* SIP_ENOMEM only when the first slots cannot be had; else growing waits. */
sip_err sip_map_insert(struct sip_map *map, struct sip_node *node, uint64_t hash);
void sip_map_remove(struct sip_map *map, struct sip_node *node);

/* The first node with this hash, and the next one after `node`: the caller
 * compares keys.  NULL when there is none. */
struct sip_node *sip_map_first(const struct sip_map *map, uint64_t hash);
struct sip_node *sip_map_next(const struct sip_node *node);

/* Any node, for emptying; NULL when the map is empty. */
struct sip_node *sip_map_any(struct sip_map *map);
