#include "tx/tx.h"

/* A running hash: what was, and what comes. */
struct mark {
	struct sip_hash_key key;
	uint64_t sum;
};

static void add(struct mark *mark, uint64_t value)
{
	const uint64_t both[2] = { mark->sum, value };

	mark->sum = sip_hash(&mark->key, both, sizeof both);
}

static void add_bytes(struct mark *mark, const void *bytes, size_t len)
{
	add(mark, len);
	if (len > 0)
		add(mark, sip_hash(&mark->key, bytes, len));
}

static void add_buf(struct mark *mark, const struct sip_buf *buf)
{
	add(mark, buf ? 1 : 0);
	if (buf)
		add_bytes(mark, buf->bytes, buf->len);
}

static void add_addr(struct mark *mark, const struct sip_addr *addr)
{
	char text[SIP_ADDR_TEXT_MAX];

	add_bytes(mark, text, addr->family ? sip_addr_write(addr, text) : 0);
}

static struct sip_tx *next_live(const struct sip_tx_layer *layer, uint64_t *serial)
{
	struct sip_tx *tx = NULL;

	while (!tx && ++*serial <= layer->serial)
		tx = sip_tx_find_serial((struct sip_tx_layer *)layer, *serial);
	return tx;
}

/* How many timers that are due at the same instant come before this one. */
static uint64_t rank(const struct sip_tx_layer *layer, const struct sip_timer *timer)
{
	uint64_t serial = 0, before = 0;
	struct sip_tx *tx;

	while ((tx = next_live(layer, &serial))) {
		const struct sip_timer *const two[] = { &tx->resend, &tx->expire };

		for (int i = 0; i < 2; i++)
			before += sip_timer_armed(two[i]) &&
			          two[i]->due_ms == timer->due_ms &&
			          two[i]->order < timer->order;
	}
	return before;
}

static void add_timer(struct mark *mark, const struct sip_tx_layer *layer,
                      const struct sip_timer *timer)
{
	add(mark, sip_timer_armed(timer));
	if (!sip_timer_armed(timer))
		return;
	add(mark, timer->kind);
	add(mark, timer->due_ms);
	add(mark, rank(layer, timer));
}

static void add_tx(struct mark *mark, const struct sip_tx_layer *layer,
                   const struct sip_tx *tx)
{
	const bool flags[] = { tx->coupled,     tx->final,       tx->until_ack,
		               tx->cancelled,   tx->cancel_sent, tx->merged,
		               tx->send_failed, tx->internal };

	add(mark, tx->serial);
	add(mark, tx->born_ms);
	add(mark, tx->kind);
	add(mark, tx->state);
	add_bytes(mark, flags, sizeof flags);
	add(mark, tx->interval_ms);
	add(mark, tx->last_status);
	add(mark, tx->via_count);
	add(mark, tx->via_at);
	add(mark, tx->merge_check);
	add(mark, tx->upstream ? tx->upstream->serial : 0);
	add_bytes(mark, tx->key, tx->key_len);
	add_buf(mark, tx->sent);
	add_buf(mark, tx->tag);
	add(mark, tx->path.transport);
	add_addr(mark, &tx->path.local);
	add_addr(mark, &tx->path.remote);
	add_addr(mark, &tx->reply);
	add(mark, tx->request ? 1 : 0);
	if (tx->request)
		add_bytes(mark, tx->request->bytes, tx->request->len);
	add_timer(mark, layer, &tx->resend);
	add_timer(mark, layer, &tx->expire);
}

uint64_t sip_tx_layer_fingerprint(const struct sip_tx_layer *layer)
{
	struct mark mark = { { { 1, 2 } }, layer->serial };
	uint64_t serial = 0;
	struct sip_tx *tx;

	while ((tx = next_live(layer, &serial)))
		add_tx(&mark, layer, tx);
	return mark.sum;
}
