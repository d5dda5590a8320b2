#include "base/map.h"

#include <assert.h>

enum { SLOTS_MIN = 16, MOVE_PER_INSERT = 4 };

static uint64_t rotl(uint64_t x, int b)
{
	return (x << b) | (x >> (64 - b));
}

static inline void sip_round(uint64_t v[4])
{
	v[0] += v[1];
	v[1] = rotl(v[1], 13) ^ v[0];
	v[0] = rotl(v[0], 32);
	v[2] += v[3];
	v[3] = rotl(v[3], 16) ^ v[2];
	v[0] += v[3];
	v[3] = rotl(v[3], 21) ^ v[0];
	v[2] += v[1];
	v[1] = rotl(v[1], 17) ^ v[2];
	v[2] = rotl(v[2], 32);
}

uint64_t sip_hash(const struct sip_hash_key *key, const void *bytes, size_t len)
{
	const unsigned char *p = bytes;
	const size_t whole = len & ~(size_t)7;
	uint64_t v[4] = { key->k[0] ^ 0x736f6d6570736575u,
		          key->k[1] ^ 0x646f72616e646f6du,
		          key->k[0] ^ 0x6c7967656e657261u,
		          key->k[1] ^ 0x7465646279746573u };
	uint64_t last = (uint64_t)len << 56;

	for (size_t i = 0; i < whole; i += 8) {
		uint64_t m;
		memcpy(&m, p + i, 8);
		v[3] ^= m;
		sip_round(v);
		v[0] ^= m;
	}
	for (size_t i = whole; i < len; i++)
		last |= (uint64_t)p[i] << (8 * (i - whole));
	v[3] ^= last;
	sip_round(v);
	v[0] ^= last;
	v[2] ^= 0xff;
	for (int i = 0; i < 3; i++)
		sip_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

void sip_map_init(struct sip_map *map, struct sip_alloc *alloc)
{
	memset(map, 0, sizeof *map);
	map->alloc = alloc;
}

void sip_map_fini(struct sip_map *map)
{
	sip_free(map->alloc, map->slots, map->slot_count * sizeof *map->slots);
	sip_free(map->alloc, map->old, map->old_count * sizeof *map->old);
	memset(map, 0, sizeof *map);
}

/* The slot where a node of this hash is or would be: still in the old table when
 * its old slot has not been moved. */
static struct sip_node **slot_of(const struct sip_map *map, uint64_t hash)
{
	if (map->old) {
		const size_t at = hash & (map->old_count - 1);
		if (at >= map->old_at)
			return &map->old[at];
	}
	return &map->slots[hash & (map->slot_count - 1)];
}

static void put(struct sip_map *map, struct sip_node *node)
{
	const size_t at = node->hash & (map->slot_count - 1);

	node->next = map->slots[at];
	map->slots[at] = node;
	map->first = at < map->first ? at : map->first;
}

static void drop_old(struct sip_map *map)
{
	sip_free(map->alloc, map->old, map->old_count * sizeof *map->old);
	map->old = NULL;
	map->old_count = map->old_at = 0;
}

static void move_some(struct sip_map *map)
{
	for (int n = 0; map->old && n < MOVE_PER_INSERT; n++) {
		struct sip_node *node = map->old[map->old_at];

		map->old[map->old_at++] = NULL;
		while (node) {
			struct sip_node *next = node->next;

			put(map, node);
			node = next;
		}
		if (map->old_at == map->old_count)
			drop_old(map);
	}
}

static sip_err grow(struct sip_map *map)
{
	const size_t count = map->slot_count ? map->slot_count * 2 : SLOTS_MIN;
	struct sip_node **slots = sip_alloc0(map->alloc, count * sizeof *slots);

	if (!slots)
		return map->slots ? SIP_OK
		                  : SIP_ENOMEM; /* longer chains, still right */
	if (map->slots) {
		map->old = map->slots;
		map->old_count = map->slot_count;
		map->old_at = 0;
	}
	map->slots = slots;
	map->slot_count = count;
	map->first = count;
	return SIP_OK;
}

sip_err sip_map_insert(struct sip_map *map, struct sip_node *node, uint64_t hash)
{
	struct sip_node **slot;

	if (map->count >= map->slot_count && !map->old && grow(map) != SIP_OK)
		return SIP_ENOMEM;
	move_some(map);
	node->hash = hash;
	slot = slot_of(map, hash);
	if (slot == &map->slots[hash & (map->slot_count - 1)]) {
		put(map, node);
	} else {
		node->next = *slot;
		*slot = node;
	}
	map->count++;
	return SIP_OK;
}

void sip_map_remove(struct sip_map *map, struct sip_node *node)
{
	struct sip_node **at = slot_of(map, node->hash);

	while (*at != node) {
		assert(*at);
		at = &(*at)->next;
	}
	*at = node->next;
	node->next = NULL;
	map->count--;
}

static struct sip_node *with_hash(struct sip_node *node, uint64_t hash)
{
	while (node && node->hash != hash)
		node = node->next;
	return node;
}

struct sip_node *sip_map_first(const struct sip_map *map, uint64_t hash)
{
	return map->slots ? with_hash(*slot_of(map, hash), hash) : NULL;
}

struct sip_node *sip_map_next(const struct sip_node *node)
{
	return with_hash(node->next, node->hash);
}

/* Whoever empties a map asks for one after the other: what has been seen empty is not
 * looked at again. */
struct sip_node *sip_map_any(struct sip_map *map)
{
	for (; map->old_at < map->old_count; map->old_at++) {
		if (map->old[map->old_at])
			return map->old[map->old_at];
	}
	if (map->old)
		drop_old(map);
	for (; map->count > 0 && map->first < map->slot_count; map->first++) {
		if (map->slots[map->first])
			return map->slots[map->first];
	}
	return NULL;
}
