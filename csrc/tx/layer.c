/* layer.c - the transactions of a stack: made, stepped by what comes and by their
 * timers, and ended. */
#include "tx/fsm.h"
#include "tx/match.h"

#include <assert.h>

enum { REPORTS_PER_STEP = 4, TAG_LEN = 13 };

void sip_tx_layer_init(struct sip_tx_layer *layer, struct sip_alloc *alloc,
                       struct sip_random *random, const struct sip_timing *timing,
                       struct sip_tx_host *host)
{
	const struct sip_timing *t = timing;

	memset(layer, 0, sizeof *layer);
	layer->alloc = alloc;
	layer->random = random;
	layer->host = host;
	layer->timing = *timing;
	sip_timers_init(&layer->timers, alloc);
	/* The durations that most transactions have, O(1) each. */
	sip_timers_name(&layer->timers, (uint64_t)64 * t->t1_ms);
	sip_timers_name(&layer->timers, t->t1_ms);
	sip_timers_name(&layer->timers, t->t2_ms);
	sip_timers_name(&layer->timers, t->t4_ms);
	sip_timers_name(&layer->timers, t->trying_ms);
	sip_timers_name(&layer->timers, (uint64_t)2 * t->t1_ms);
	sip_timers_name(&layer->timers, 32000); /* timer D, however short T1 is */
	sip_timers_name(&layer->timers, 0);
	sip_map_init(&layer->clients, alloc);
	sip_map_init(&layer->servers, alloc);
	sip_map_init(&layer->merges, alloc);
	sip_map_init(&layer->serials, alloc);
	sip_list_init(&layer->active);
	sip_list_init(&layer->failed);
	random->fill(random, &layer->hash_key, sizeof layer->hash_key);
}

static struct sip_tx *tx_of(struct sip_node *node)
{
	return node ? SIP_CONTAINER(node, struct sip_tx, by_key) : NULL;
}

void sip_tx_layer_fini(struct sip_tx_layer *layer)
{
	struct sip_tx *tx;

	while ((tx = tx_of(sip_map_any(&layer->clients))))
		sip_tx_terminate(tx);
	while ((tx = tx_of(sip_map_any(&layer->servers))))
		sip_tx_terminate(tx);
	sip_map_fini(&layer->clients);
	sip_map_fini(&layer->servers);
	sip_map_fini(&layer->merges);
	sip_map_fini(&layer->serials);
	sip_timers_fini(&layer->timers);
}

struct sip_tx *sip_tx_ref(struct sip_tx *tx)
{
	assert(tx->refs > 0);
	tx->refs++;
	return tx;
}

void sip_tx_unref(struct sip_tx *tx)
{
	if (!tx)
		return;
	assert(tx->refs > 0);
	if (--tx->refs > 0)
		return;
	assert(tx->state == ST_TERMINATED);
	sip_buf_unref(tx->sent);
	sip_buf_unref(tx->tag);
	sip_buf_unref(tx->why);
	sip_msg_unref(tx->request);
	sip_tx_unref(tx->upstream);
	sip_free(tx->alloc, tx, sizeof *tx + tx->key_len);
}

static uint64_t serial_hash(uint64_t serial)
{
	return serial * 0x9e3779b97f4a7c15u >> 8; /* ours alone: nobody chooses it */
}

static sip_err new_tx(struct sip_tx_layer *layer, enum sip_tx_kind kind,
                      const struct sip_tx_key *key, const struct sip_path *path,
                      struct sip_tx **out)
{
	static const struct sip_fsm *const machines[] = { &sip_ict, &sip_nict, &sip_ist,
		                                          &sip_nist };
	static const uint8_t first[] = { ST_CALLING, ST_TRYING, ST_PROCEEDING,
		                         ST_TRYING };
	struct sip_map *map = kind <= SIP_NICT ? &layer->clients : &layer->servers;
	struct sip_tx *tx = sip_alloc0(layer->alloc, sizeof *tx + key->len);

	if (!tx)
		return SIP_ENOMEM;
	tx->key_len = (uint32_t)key->len;
	memcpy(tx->key, key->bytes, key->len);
	tx->serial = ++layer->serial;
	if (sip_map_insert(&layer->serials, &tx->by_serial, serial_hash(tx->serial)) !=
	    SIP_OK)
		goto free_tx;
	if (sip_map_insert(map, &tx->by_key, key->hash) != SIP_OK)
		goto unmap;
	tx->layer = layer;
	tx->alloc = layer->alloc;
	tx->born_ms = layer->now_ms;
	tx->refs = 2; /* the layer's and the caller's */
	tx->kind = (uint8_t)kind;
	tx->state = first[kind];
	tx->fsm = machines[kind];
	tx->path = *path;
	layer->count++;
	*out = tx;
	return SIP_OK;
unmap:
	sip_map_remove(&layer->serials, &tx->by_serial);
free_tx:
	sip_free(layer->alloc, tx, sizeof *tx + key->len);
	return SIP_ENOMEM;
}

sip_err sip_tx_client(struct sip_tx_layer *layer, const struct sip_client_spec *spec,
                      struct sip_tx **out)
{
	const bool invite = sip_str_eq(spec->method, sip_method_name(SIP_M_INVITE));
	struct sip_tx_key key;
	struct sip_tx *tx;
	sip_err err;

	if (!sip_tx_client_key(&key, spec->branch, spec->method))
		return SIP_EINVAL;
	key.hash = sip_hash(&layer->hash_key, key.bytes, key.len);
	err = new_tx(layer, invite ? SIP_ICT : SIP_NICT, &key, &spec->path, &tx);
	if (err != SIP_OK)
		return err;
	tx->via_count = spec->via_count;
	tx->via_at = (uint32_t)spec->via_at;
	tx->sent = sip_buf_ref(spec->request);
	sip_list_insert(&layer->active, &tx->active);
	*out = tx;
	return SIP_OK;
}

void sip_tx_restart(struct sip_tx *tx, const struct sip_client_spec *spec)
{
	struct sip_buf *old = tx->sent;

	tx->sent = sip_buf_ref(spec->request);
	sip_buf_unref(old);
	tx->path = spec->path;
	tx->via_at = (uint32_t)spec->via_at;
	sip_fsm_step(tx, EV_RESTART, NULL, NULL);
}

/* Is the same request under way on another branch (8.2.2.2)?  Identity is 128 bits
 * of a keyed hash nobody outside can aim at; keeping the fields would cost every
 * lingering transaction its size again. */
static void note_merge(struct sip_tx *tx, struct sip_msg *request)
{
	struct sip_tx_layer *layer = tx->layer;
	const struct sip_hash_key other = { { layer->hash_key.k[1],
		                              ~layer->hash_key.k[0] } };
	char scratch[2048];
	const size_t len = sip_tx_merge_key(request, scratch, sizeof scratch);
	struct sip_node *node;
	uint64_t hash;

	if (len == 0)
		return;
	hash = sip_hash(&layer->hash_key, scratch, len);
	tx->merge_check = sip_hash(&other, scratch, len) | 1;
	for (node = sip_map_first(&layer->merges, hash); node;
	     node = sip_map_next(node)) {
		const struct sip_tx *seen =
			SIP_CONTAINER(node, struct sip_tx, by_merge);
		if (seen->merge_check == tx->merge_check)
			tx->merged = true;
	}
	if (sip_map_insert(&layer->merges, &tx->by_merge, hash) != SIP_OK)
		tx->merge_check = 0; /* not in the map */
}

sip_err sip_tx_server(struct sip_tx_layer *layer, const struct sip_tx_key *key,
                      const struct sip_addr *reply, struct sip_msg *request,
                      struct sip_tx **out)
{
	struct sip_tx *tx;
	char tag[TAG_LEN];
	sip_err err;

	if (key->len == 0)
		return SIP_EINVAL;
	err = new_tx(layer, request->method == SIP_M_INVITE ? SIP_IST : SIP_NIST, key,
	             &request->path, &tx);
	if (err != SIP_OK)
		return err;
	sip_random_token(layer->random, tag, sizeof tag);
	tx->tag = sip_buf_new(layer->alloc, tag, sizeof tag);
	if (!tx->tag) {
		sip_tx_terminate(tx);
		sip_tx_unref(tx);
		return SIP_ENOMEM;
	}
	tx->reply = *reply;
	tx->request = sip_msg_ref(request);
	note_merge(tx, request);
	*out = tx;
	return SIP_OK;
}

void sip_tx_start(struct sip_tx *tx)
{
	sip_fsm_step(tx, EV_START, tx->request, NULL);
}

struct sip_tx *sip_tx_find_serial(struct sip_tx_layer *layer, uint64_t serial)
{
	struct sip_node *node = sip_map_first(&layer->serials, serial_hash(serial));

	for (; node; node = sip_map_next(node)) {
		struct sip_tx *tx = SIP_CONTAINER(node, struct sip_tx, by_serial);
		if (tx->serial == serial)
			return tx;
	}
	return NULL;
}

void sip_tx_receive_request(struct sip_tx *tx, struct sip_msg *request)
{
	assert(!sip_tx_is_client(tx));
	if (request->method == SIP_M_ACK) {
		sip_fsm_step(tx, EV_ACK, request, NULL);
		return;
	}
	tx->layer->repeats_received++;
	sip_fsm_step(tx, EV_REQUEST, request, NULL);
}

void sip_tx_receive_response(struct sip_tx *tx, struct sip_msg *response)
{
	assert(sip_tx_is_client(tx));
	if (response->status >= 200) {
		tx->final = true;
		sip_list_remove(&tx->active);
	}
	tx->last_status = response->status;
	sip_fsm_step(tx,
	             response->status < 200   ? EV_1XX
	             : response->status < 300 ? EV_2XX
	                                      : EV_300_699,
	             response, NULL);
}

void sip_tx_send_failed(struct sip_tx *tx, const char *why)
{
	if (tx->send_failed || tx->state == ST_TERMINATED)
		return;
	tx->send_failed = true;
	if (why && !tx->why) /* without memory it fails all the same */
		tx->why = sip_buf_new(tx->alloc, why, strlen(why));
	sip_list_insert(&tx->layer->failed, &tx->failed);
}

void sip_tx_cancel_sent(struct sip_tx *tx)
{
	sip_fsm_step(tx, EV_CANCEL_SENT, NULL, NULL);
}

void sip_tx_terminate(struct sip_tx *tx)
{
	struct sip_tx_layer *layer = tx->layer;

	if (tx->ended)
		return;
	tx->ended = true;
	tx->state = ST_TERMINATED;
	sip_timer_stop(&layer->timers, &tx->resend);
	sip_timer_stop(&layer->timers, &tx->expire);
	sip_list_remove(&tx->failed);
	sip_list_remove(&tx->active);
	sip_map_remove(&layer->serials, &tx->by_serial);
	sip_map_remove(sip_tx_is_client(tx) ? &layer->clients : &layer->servers,
	               &tx->by_key);
	if (tx->merge_check)
		sip_map_remove(&layer->merges, &tx->by_merge);
	layer->count--;
	layer->host->report(layer->host, tx, SIP_TX_TERMINATED, NULL);
	sip_tx_unref(tx);
}

sip_str sip_tx_branch(const struct sip_tx *tx)
{
	const char *bar = memchr(tx->key, '|', tx->key_len); /* in no token */

	assert(sip_tx_is_client(tx) && bar);
	return sip_str_of(tx->key, (size_t)(bar - tx->key));
}

bool sip_tx_is_over(const struct sip_tx *tx)
{
	return tx->state == ST_TERMINATED;
}

const char *sip_tx_state_name(const struct sip_tx *tx)
{
	return sip_fsm_state_name(tx->state);
}

uint64_t sip_tx_layer_deadline(const struct sip_tx_layer *layer)
{
	if (!sip_list_empty(&layer->failed))
		return layer->now_ms;
	return sip_timers_deadline(&layer->timers);
}

static enum sip_tx_event timer_event(const struct sip_timer *timer)
{
	return (enum sip_tx_event)(EV_TIMER_A + (timer->kind - TIMER_A));
}

static struct sip_tx *owner_of(struct sip_timer *timer)
{
	const size_t offset = sip_tx_timer_offset(timer->kind);

	return (struct sip_tx *)(void *)((char *)timer - offset);
}

static bool is_repeat(const struct sip_timer *timer)
{
	return timer->kind == TIMER_A || timer->kind == TIMER_E ||
	       timer->kind == TIMER_G || timer->kind == TIMER_R;
}

void sip_tx_layer_advance(struct sip_tx_layer *layer, uint64_t now_ms)
{
	struct sip_tx_host *host = layer->host;
	struct sip_timer *timer;

	layer->now_ms = now_ms;
	while (!sip_list_empty(&layer->failed) &&
	       host->reserve(host, REPORTS_PER_STEP)) {
		struct sip_tx *tx =
			SIP_CONTAINER(layer->failed.next, struct sip_tx, failed);

		sip_list_remove(&tx->failed);
		tx->send_failed = false;
		sip_fsm_step(tx, EV_SEND_FAILED, NULL, NULL);
	}
	while (host->reserve(host, REPORTS_PER_STEP) &&
	       (timer = sip_timers_pop(&layer->timers, now_ms))) {
		layer->repeating = is_repeat(timer);
		layer->repeats_sent += layer->repeating;
		sip_fsm_step(owner_of(timer), timer_event(timer), NULL, NULL);
		layer->repeating = false;
	}
}
