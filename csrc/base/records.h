#pragma once
/* Records: texts by key, each with the instant at which it falls due.
 *
 * For a great many of them, which the collector of a script has no business with: one
 * block each, a map that grows a little at a time, a heap of instants.  What a record
 * means is its owner's.
 */
#include "base/alloc.h"
#include "base/err.h"
#include "base/map.h"
#include "base/str.h"
#include "base/timer.h"

struct sip_record {
	struct sip_node node;
	struct sip_timer timer;
	uint32_t key_len, value_len;
	char bytes[]; /* key, then value */
};

struct sip_records {
	struct sip_alloc *alloc;
	struct sip_hash_key hash_key;
	struct sip_map map;
	struct sip_timers timers;
};

/* `hash_key` is chance: with it nobody can choose keys that collide. */
void sip_records_init(struct sip_records *records, struct sip_alloc *alloc,
                      const struct sip_hash_key *hash_key);
void sip_records_fini(struct sip_records *records);

struct sip_record *sip_records_find(const struct sip_records *records, sip_str key);

/* Make the record of this key, or replace it.  SIP_ELIMIT for texts of 4 GB,
 * SIP_ENOMEM; then all is as before. */
sip_err sip_records_put(struct sip_records *records, sip_str key, sip_str value,
                        uint64_t due_ms);
void sip_records_remove(struct sip_records *records, struct sip_record *record);

/* The one that falls due first, by now; NULL when none has. */
struct sip_record *sip_records_due(const struct sip_records *records, uint64_t now_ms);
uint64_t sip_records_deadline(const struct sip_records *records); /* SIP_NEVER: none */

static inline sip_str sip_record_key(const struct sip_record *record)
{
	return sip_str_of(record->bytes, record->key_len);
}

static inline sip_str sip_record_value(const struct sip_record *record)
{
	return sip_str_of(record->bytes + record->key_len, record->value_len);
}
