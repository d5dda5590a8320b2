#include "base/records.h"

void sip_records_init(struct sip_records *records, struct sip_alloc *alloc,
                      const struct sip_hash_key *hash_key)
{
	records->alloc = alloc;
	records->hash_key = *hash_key;
	sip_map_init(&records->map, alloc);
	sip_timers_init(&records->timers, alloc);
}

static size_t size_of(const struct sip_record *record)
{
	return sizeof *record + record->key_len + record->value_len;
}

static struct sip_record *record_of(struct sip_node *node)
{
	return node ? SIP_CONTAINER(node, struct sip_record, node) : NULL;
}

void sip_records_remove(struct sip_records *records, struct sip_record *record)
{
	sip_timer_stop(&records->timers, &record->timer);
	sip_map_remove(&records->map, &record->node);
	sip_free(records->alloc, record, size_of(record));
}

void sip_records_fini(struct sip_records *records)
{
	struct sip_record *record;

	/* All are in the heap; the map would be gone through for each. */
	while ((record = sip_records_due(records, SIP_NEVER)))
		sip_records_remove(records, record);
	sip_map_fini(&records->map);
	sip_timers_fini(&records->timers);
}

static struct sip_record *find(const struct sip_records *records, uint64_t hash,
                               sip_str key)
{
	struct sip_node *node = sip_map_first(&records->map, hash);

	while (node && !sip_str_eq(sip_record_key(record_of(node)), key))
		node = sip_map_next(node);
	return record_of(node);
}

struct sip_record *sip_records_find(const struct sip_records *records, sip_str key)
{
	return find(records, sip_hash(&records->hash_key, key.p, key.len), key);
}

static void set_value(struct sip_record *record, sip_str value)
{
	record->value_len = (uint32_t)value.len;
	if (value.len > 0)
		memcpy(record->bytes + record->key_len, value.p, value.len);
}

/* A record of its own for this key, not yet in the map, and its timer armed. */
static struct sip_record *make(struct sip_records *records, sip_str key, sip_str value,
                               uint64_t due_ms)
{
	struct sip_record *record =
		sip_alloc(records->alloc, sizeof *record + key.len + value.len);

	if (!record)
		return NULL;
	memset(record, 0, sizeof *record);
	record->key_len = (uint32_t)key.len;
	if (key.len > 0)
		memcpy(record->bytes, key.p, key.len);
	set_value(record, value);
	if (sip_timer_arm(&records->timers, &record->timer, due_ms, 0) != SIP_OK) {
		sip_free(records->alloc, record, size_of(record));
		return NULL;
	}
	return record;
}

/* The old one goes when the new one is there: whatever fails, one of them stays. */
sip_err sip_records_put(struct sip_records *records, sip_str key, sip_str value,
                        uint64_t due_ms)
{
	const uint64_t hash = sip_hash(&records->hash_key, key.p, key.len);
	struct sip_record *old = find(records, hash, key);
	struct sip_record *record;

	if (key.len > UINT32_MAX || value.len > UINT32_MAX)
		return SIP_ELIMIT;
	if (old && old->value_len == value.len) {
		set_value(old, value);
		/* Cannot fail: the place in the heap is its own. */
		(void)sip_timer_arm(&records->timers, &old->timer, due_ms, 0);
		return SIP_OK;
	}
	record = make(records, key, value, due_ms);
	if (!record)
		return SIP_ENOMEM;
	if (sip_map_insert(&records->map, &record->node, hash) != SIP_OK) {
		sip_timer_stop(&records->timers, &record->timer);
		sip_free(records->alloc, record, size_of(record));
		return SIP_ENOMEM;
	}
	if (old)
		sip_records_remove(records, old);
	return SIP_OK;
}

struct sip_record *sip_records_due(const struct sip_records *records, uint64_t now_ms)
{
	struct sip_timer *timer = sip_timers_find(&records->timers, now_ms);

	return timer ? SIP_CONTAINER(timer, struct sip_record, timer) : NULL;
}

uint64_t sip_records_deadline(const struct sip_records *records)
{
	return sip_timers_deadline(&records->timers);
}
