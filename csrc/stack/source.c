#include "stack/source.h"

#include "base/str.h"

#include <assert.h>

enum { SECOND_CHANCES = 4 };

/* Of the table, at most: a half and a quarter; the rest is for the quiet. */
static const uint32_t shares[SIP_PLACES] = { [SIP_HELD] = 4, [SIP_STANDING] = 2 };

/* ---- rules in words ---- */

struct words {
	const char *name, *before, *after;
	uint32_t per_ms;
	size_t limit_at; /* in struct sip_limits */
};

static const struct words rules[SIP_RULE_COUNT] = {
#define SIP_X(name, limit, per_ms, before, after)                                      \
	[SIP_RULE_##name] = { #name, before, after, per_ms,                            \
		              offsetof(struct sip_limits, limit) },
	SIP_RULE_MAP(SIP_X)
#undef SIP_X
};

static uint32_t limit_of(enum sip_rule rule, const struct sip_limits *limits)
{
	uint32_t value;

	memcpy(&value, (const char *)limits + rules[rule].limit_at, sizeof value);
	return value;
}

const char *sip_rule_name(enum sip_rule rule)
{
	return rules[rule].name;
}

size_t sip_rule_write(enum sip_rule rule, const struct sip_limits *limits, char *out)
{
	const struct words *words = &rules[rule];
	size_t len = strlen(words->before);

	memcpy(out, words->before, len);
	if (words->after) {
		const size_t after_len = strlen(words->after);

		len += sip_u64_write(out + len, limit_of(rule, limits));
		memcpy(out + len, words->after, after_len);
		len += after_len;
	}
	assert(len <= SIP_RULE_TEXT_MAX);
	return len;
}

/* ---- addresses ---- */

struct sip_network sip_network_make(sip_str ip, unsigned bits)
{
	struct sip_network network = { .family = ip.len == 4 ? 4 : 6 };
	uint8_t bytes[16] = { 0 }, mask[16] = { 0 };

	assert(ip.len == 4 || ip.len == 16);
	assert(bits <= ip.len * 8);
	for (size_t i = 0; i < bits; i++)
		mask[i / 8] |= (uint8_t)(0x80 >> i % 8);
	for (size_t i = 0; i < ip.len; i++)
		bytes[i] = (uint8_t)ip.p[i] & mask[i];
	memcpy(network.ip, bytes, sizeof bytes);
	memcpy(network.mask, mask, sizeof mask);
	return network;
}

bool sip_sources_exempt(const struct sip_sources *sources, const struct sip_addr *addr)
{
	uint64_t ip[2] = { 0 };

	if (sources->limit == 0)
		return true;

	memcpy(ip, addr->ip, addr->family == 4 ? 4 : 16);
	for (unsigned i = 0; i < sources->exempt_count; i++) {
		const struct sip_network *network = &sources->exempt[i];

		if (network->family == addr->family &&
		    (ip[0] & network->mask[0]) == network->ip[0] &&
		    (ip[1] & network->mask[1]) == network->ip[1])
			return true;
	}
	return false;
}

/* An IPv4 address, or a /64: who has one of its addresses has all of them. */
static uint64_t prefix_of(const struct sip_addr *addr)
{
	uint64_t prefix = 0;

	memcpy(&prefix, addr->ip, addr->family == 4 ? 4 : 8);
	return prefix;
}

static bool is_of(const struct sip_source *source, uint64_t prefix, uint8_t family)
{
	return source->prefix == prefix && source->family == family;
}

static uint64_t hash_of(const struct sip_sources *sources, uint64_t prefix,
                        uint8_t family)
{
	const uint64_t both[2] = { prefix, family };

	return sip_hash(&sources->hash_key, both, sizeof both);
}

/* ---- the table ---- */

sip_err sip_sources_init(struct sip_sources *sources, struct sip_alloc *alloc,
                         const struct sip_limits *limits,
                         const struct sip_hash_key *hash_key,
                         const struct sip_network *exempt, unsigned exempt_count)
{
	memset(sources, 0, sizeof *sources);
	sources->alloc = alloc;
	sources->hash_key = *hash_key;
	sources->limit = limits->sources;
	sip_map_init(&sources->map, alloc);
	for (unsigned i = 0; i < SIP_PLACES; i++)
		sip_list_init(&sources->places[i].list);
	for (unsigned rule = 0; rule < SIP_BUCKETS; rule++) {
		const uint32_t limit = limit_of((enum sip_rule)rule, limits);
		const uint64_t per_ns = rules[rule].per_ms * UINT64_C(1000000);

		if (limit == 0)
			continue; /* costs nothing: never over */
		sources->cost_ns[rule] = per_ns / limit;
		sources->depth_ns[rule] = sources->cost_ns[rule] * limit;
		if (rules[rule].per_ms == 1000)
			sources->depth_ns[rule] *= SIP_BURST_S;
	}
	if (exempt_count == 0)
		return SIP_OK;
	sources->exempt = sip_alloc(alloc, exempt_count * sizeof *exempt);
	if (!sources->exempt)
		return SIP_ENOMEM;
	memcpy(sources->exempt, exempt, exempt_count * sizeof *exempt);
	sources->exempt_count = exempt_count;
	return SIP_OK;
}

static void leave_list(struct sip_sources *sources, struct sip_source *source)
{
	if (!sip_link_in_list(&source->link))
		return;
	sip_list_remove(&source->link);
	sources->loose_count--;
	sources->places[source->place].count--;
}

static void enter_list(struct sip_sources *sources, struct sip_source *source,
                       enum sip_source_place place, uint64_t now_ms)
{
	sip_list_insert(&sources->places[place].list, &source->link);
	source->place = (uint8_t)place;
	source->queued_ms = now_ms;
	sources->loose_count++;
	sources->places[place].count++;
}

static void move(struct sip_sources *sources, struct sip_source *source,
                 enum sip_source_place place, uint64_t now_ms)
{
	leave_list(sources, source);
	enter_list(sources, source, place, now_ms);
}

static bool is_in_debt(const struct sip_source *source, uint64_t now_ms)
{
	for (unsigned i = 0; i < SIP_BUCKETS; i++) {
		if (source->full_ns[i] / 1000000 > now_ms)
			return true;
	}
	return false;
}

static struct sip_source *first_of(struct sip_sources *sources,
                                   enum sip_source_place place)
{
	struct sip_link *list = &sources->places[place].list;

	return sip_list_empty(list)
	               ? NULL
	               : SIP_CONTAINER(list->next, struct sip_source, link);
}

/* Whoever was heard least lately of a list.  Hearing of a source does not move it
 * there, which would touch three of them for each message; whoever was heard since it
 * was put there gets a second chance instead. */
static struct sip_source *least_lately(struct sip_sources *sources,
                                       enum sip_source_place place, uint64_t now_ms)
{
	struct sip_source *source = first_of(sources, place);

	for (unsigned i = 0; i < SECOND_CHANCES; i++) {
		if (!source || source->seen_ms <= source->queued_ms)
			break;
		move(sources, source, place, now_ms);
		source = first_of(sources, place);
	}
	return source;
}

/* Whom to forget: nobody with standing, for those are never all. */
static struct sip_source *pick(struct sip_sources *sources, uint64_t now_ms)
{
	struct sip_source *source = first_of(sources, SIP_HELD);

	if (source && !is_in_debt(source, now_ms))
		return source;
	source = least_lately(sources, SIP_QUIET, now_ms);
	return source ? source : first_of(sources, SIP_HELD);
}

static bool has_room(const struct sip_sources *sources, enum sip_source_place place)
{
	return sources->places[place].count < sources->limit / shares[place];
}

/* The oldest of those in debt goes to the quiet when they are too many. */
static void enter_held(struct sip_sources *sources, struct sip_source *source,
                       uint64_t now_ms)
{
	struct sip_source *oldest = first_of(sources, SIP_HELD);

	if (oldest && !has_room(sources, SIP_HELD))
		move(sources, oldest, SIP_QUIET, now_ms);
	enter_list(sources, source, SIP_HELD, now_ms);
}

static void enter_others(struct sip_sources *sources, struct sip_source *source,
                         uint64_t now_ms)
{
	source->standing = false;
	if (is_in_debt(source, now_ms))
		enter_held(sources, source, now_ms);
	else
		enter_list(sources, source, SIP_QUIET, now_ms);
}

static void enter_standing(struct sip_sources *sources, struct sip_source *source,
                           uint64_t now_ms)
{
	struct sip_source *oldest = least_lately(sources, SIP_STANDING, now_ms);

	if (has_room(sources, SIP_STANDING)) {
		enter_list(sources, source, SIP_STANDING, now_ms);
	} else if (oldest) {
		leave_list(sources, oldest);
		enter_others(sources, oldest, now_ms);
		enter_list(sources, source, SIP_STANDING, now_ms);
	} else { /* a table of one */
		enter_others(sources, source, now_ms);
	}
}

static void take_out(struct sip_sources *sources, struct sip_source *source)
{
	leave_list(sources, source);
	sip_map_remove(&sources->map, &source->node);
	if (sources->last == source)
		sources->last = NULL;
}

static void forget(struct sip_sources *sources, struct sip_source *source)
{
	take_out(sources, source);
	sip_free(sources->alloc, source, sizeof *source);
}

void sip_sources_fini(struct sip_sources *sources)
{
	struct sip_node *node;

	while ((node = sip_map_any(&sources->map)))
		forget(sources, SIP_CONTAINER(node, struct sip_source, node));
	sip_map_fini(&sources->map);
	sip_free(sources->alloc, sources->exempt,
	         sources->exempt_count * sizeof *sources->exempt);
	sources->exempt = NULL;
	sources->exempt_count = 0;
	sources->last = NULL;
}

static struct sip_source *make(struct sip_sources *sources, uint64_t now_ms)
{
	struct sip_source *source =
		sources->loose_count >= sources->limit ? pick(sources, now_ms) : NULL;

	if (!source)
		return sip_alloc0(sources->alloc, sizeof *source);
	take_out(sources, source);
	memset(source, 0, sizeof *source);
	return source;
}

struct sip_source *sip_source_get(struct sip_sources *sources,
                                  const struct sip_addr *addr, uint64_t now_ms)
{
	const uint64_t prefix = prefix_of(addr);
	const uint8_t family = addr->family;
	struct sip_source *source = sources->last;
	struct sip_node *node;
	uint64_t hash;

	if (sip_sources_exempt(sources, addr))
		return NULL;
	if (source && is_of(source, prefix, family)) {
		source->seen_ms = now_ms;
		return source;
	}
	hash = hash_of(sources, prefix, family);
	for (node = sip_map_first(&sources->map, hash); node;
	     node = sip_map_next(node)) {
		source = SIP_CONTAINER(node, struct sip_source, node);
		if (is_of(source, prefix, family)) {
			source->seen_ms = now_ms;
			sources->last = source;
			return source;
		}
	}
	source = make(sources, now_ms);
	if (!source)
		return NULL;
	source->prefix = prefix;
	source->family = family;
	source->seen_ms = now_ms;
	if (sip_map_insert(&sources->map, &source->node, hash) != SIP_OK) {
		sip_free(sources->alloc, source, sizeof *source);
		return NULL;
	}
	enter_list(sources, source, SIP_QUIET, now_ms);
	sources->last = source;
	return source;
}

void sip_source_pin(struct sip_sources *sources, struct sip_source *source)
{
	source->flows++;
	leave_list(sources, source);
}

void sip_source_unpin(struct sip_sources *sources, struct sip_source *source,
                      uint64_t now_ms)
{
	assert(source->flows > 0);
	if (--source->flows > 0)
		return;
	if (source->standing)
		enter_standing(sources, source, now_ms);
	else
		enter_others(sources, source, now_ms);
	if (sources->loose_count > sources->limit)
		forget(sources, pick(sources, now_ms));
}

void sip_source_hold(struct sip_sources *sources, struct sip_source *source,
                     uint64_t now_ms)
{
	if (source->place != SIP_QUIET || !sip_link_in_list(&source->link))
		return;
	leave_list(sources, source);
	enter_held(sources, source, now_ms);
}

void sip_source_stand(struct sip_sources *sources, struct sip_source *source,
                      uint64_t now_ms)
{
	if (source->standing)
		return;
	source->standing = true;
	if (!sip_link_in_list(&source->link))
		return; /* it is kept for its connections */
	leave_list(sources, source);
	enter_standing(sources, source, now_ms);
}

/* ---- buckets ---- */

static uint64_t debt_ns(const struct sip_source *source, enum sip_rule rule,
                        uint64_t now_ns)
{
	return source->full_ns[rule] > now_ns ? source->full_ns[rule] - now_ns : 0;
}

bool sip_source_is_over(const struct sip_sources *sources,
                        const struct sip_source *source, enum sip_rule rule,
                        uint64_t now_ms)
{
	return debt_ns(source, rule, now_ms * 1000000) + sources->cost_ns[rule] >
	       sources->depth_ns[rule];
}

bool sip_source_take(const struct sip_sources *sources, struct sip_source *source,
                     enum sip_rule rule, uint64_t now_ms)
{
	const uint64_t now_ns = now_ms * 1000000;
	const uint64_t debt = debt_ns(source, rule, now_ns) + sources->cost_ns[rule];

	if (debt > sources->depth_ns[rule])
		return false;
	source->full_ns[rule] = now_ns + debt;
	return true;
}

void sip_source_give(const struct sip_sources *sources, struct sip_source *source,
                     enum sip_rule rule)
{
	if (source->full_ns[rule] >= sources->cost_ns[rule])
		source->full_ns[rule] -= sources->cost_ns[rule];
}

/* ---- who it was ---- */

/* One that is not among them takes the place of the least, once it has more. */
static void note_offender(struct sip_sources *sources, const struct sip_source *source,
                          const struct sip_addr *addr, enum sip_rule rule,
                          uint64_t now_ms)
{
	struct sip_offender *least = &sources->offenders[0], *found = NULL;

	for (unsigned i = 0; i < SIP_OFFENDERS && !found; i++) {
		struct sip_offender *one = &sources->offenders[i];

		if (one->count > 0 && one->prefix == source->prefix &&
		    one->addr.family == source->family)
			found = one;
		else if (one->count < least->count)
			least = one;
	}
	if (!found && least->count >= source->hits)
		return;
	if (!found) {
		found = least;
		found->count = source->hits - 1;
		found->prefix = source->prefix;
	}
	found->count++;
	found->addr = *addr;
	found->rule = rule;
	found->last_ms = now_ms;
}

void sip_source_hit(struct sip_sources *sources, struct sip_source *source,
                    const struct sip_addr *addr, enum sip_rule rule, uint64_t now_ms)
{
	sources->counts[rule]++;
	if (source->hits < UINT32_MAX)
		source->hits++;
	if ((unsigned)rule < SIP_BUCKETS)
		sip_source_hold(sources, source, now_ms);
	note_offender(sources, source, addr, rule, now_ms);
}
