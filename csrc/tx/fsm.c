#include "tx/fsm.h"

#include "base/must.h"

#include <assert.h>
#include <string.h>

/* What a 100 or an ACK has beside what it copies: a line or two, the marks of a Via,
 * and a blank in each header that came without. */
enum { OF_OURS = 1024 };

static bool reliable(const struct sip_tx *tx)
{
	return sip_transport_info((enum sip_transport)tx->path.transport)->reliable;
}

static uint32_t grown(const struct sip_tx *tx)
{
	const struct sip_timing *t = &tx->layer->timing;

	if (tx->interval_ms == 0)
		return t->t1_ms;
	/* Timer E stays at T2 once it has fired in Proceeding (17.1.2.2). */
	if (tx->kind == SIP_NICT && tx->state == ST_PROCEEDING)
		return t->t2_ms;
	if (tx->kind == SIP_ICT) /* timer A doubles without a cap (17.1.1.2) */
		return tx->interval_ms * 2;
	return tx->interval_ms * 2 < t->t2_ms ? tx->interval_ms * 2 : t->t2_ms;
}

/* When timer E of a client over UDP reaches T2 (RFC 4320 4.1). */
static uint32_t until_t2(const struct sip_timing *t)
{
	uint32_t sum = 0;

	for (uint32_t step = t->t1_ms; step < t->t2_ms && step > 0; step *= 2)
		sum += step;
	return sum;
}

/* Whoever is only asked who it is gets that once, so that nobody can have it sent
 * often to somebody else (26.3.2.4, against 17.2.1); a lost one comes again with the
 * request.  A client that has had a provisional repeats nothing, and would wait in
 * vain. */
static bool is_sent_once(const struct sip_tx *tx)
{
	return sip_tx_is_challenge(tx) && !tx->sent;
}

/* How long, or SIP_NEVER: not on this transport. */
static uint64_t delay_of(struct sip_tx *tx, enum sip_tx_timer timer)
{
	const struct sip_timing *t = &tx->layer->timing;
	const bool stream = reliable(tx);

	switch (timer) {
	case TIMER_A:
	case TIMER_E:
	case TIMER_G:
		if (stream || (timer == TIMER_G && is_sent_once(tx)))
			return SIP_NEVER;
		return tx->interval_ms = grown(tx);
	case TIMER_R:
		return tx->interval_ms = grown(tx);
	case TIMER_V:
		if (tx->kind == SIP_IST)
			return t->trying_ms;
		return until_t2(t);
	case TIMER_D: /* at least 32 s on UDP (17.1.1.2) */
		if (stream)
			return 0;
		return (uint64_t)64 * t->t1_ms > 32000 ? (uint64_t)64 * t->t1_ms
		                                       : 32000;
	case TIMER_I:
	case TIMER_K:
		return stream ? 0 : t->t4_ms;
	case TIMER_J:
		return stream ? 0 : (uint64_t)64 * t->t1_ms;
	case TIMER_B:
	case TIMER_F:
	case TIMER_H:
	case TIMER_L:
	case TIMER_M:
	case TIMER_P:
		return (uint64_t)64 * t->t1_ms;
	case TIMER_NONE:
	case TIMER_COUNT:
		break;
	}
	assert(0);
	return SIP_NEVER;
}

size_t sip_tx_timer_offset(unsigned timer)
{
	static const size_t offsets[TIMER_COUNT] = {
#define SIP_X(letter, slot) [TIMER_##letter] = offsetof(struct sip_tx, slot),
		SIP_TX_TIMER_MAP(SIP_X)
#undef SIP_X
	};

	assert(timer > TIMER_NONE && timer < TIMER_COUNT);
	return offsets[timer];
}

static struct sip_timer *slot_of(struct sip_tx *tx, enum sip_tx_timer timer)
{
	return (struct sip_timer *)(void *)((char *)tx + sip_tx_timer_offset(timer));
}

/* A timer that cannot be armed for want of memory would leave the transaction
 * waiting for ever: it ends instead, reported as a failure to send. */
static void arm(struct sip_tx *tx, enum sip_tx_timer timer)
{
	struct sip_timer *slot = slot_of(tx, timer);
	const uint64_t delay = delay_of(tx, timer);

	if (delay == SIP_NEVER)
		return;
	slot->kind = (uint8_t)timer;
	if (sip_timer_arm(&tx->layer->timers, slot, tx->layer->now_ms, delay) != SIP_OK)
		sip_tx_send_failed(tx, NULL);
}

static void stop(struct sip_tx *tx)
{
	sip_timer_stop(&tx->layer->timers, &tx->resend);
	sip_timer_stop(&tx->layer->timers, &tx->expire);
	tx->interval_ms = 0;
}

static void put(struct sip_tx *tx, sip_str bytes)
{
	struct sip_tx_host *host = tx->layer->host;

	if (host->send(host, tx, bytes) != SIP_OK)
		sip_tx_send_failed(tx, NULL);
}

static void keep_and_send(struct sip_tx *tx, struct sip_buf *bytes)
{
	struct sip_buf *old = tx->sent;

	tx->sent = sip_buf_ref(bytes);
	sip_buf_unref(old);
	put(tx, sip_buf_str(bytes));
}

/* A 100 is a courtesy: there is none when memory is short (17.2.1). */
static void send_100(struct sip_tx *tx)
{
	struct sip_alloc *alloc = tx->layer->alloc;
	const size_t size = tx->request->len + OF_OURS;
	char *scratch = sip_alloc(alloc, size);
	struct sip_buf *bytes = NULL;
	struct sip_out out;
	const struct sip_response_spec spec = { .status = 100 };

	if (!scratch)
		return;
	sip_out_init(&out, scratch, size);
	sip_tx_write_response(tx, &spec, &out);
	if (sip_out_end(&out) == SIP_OK)
		bytes = sip_buf_new(alloc, scratch, out.len);
	sip_free(alloc, scratch, size);
	if (!bytes)
		return;
	tx->last_status = 100;
	keep_and_send(tx, bytes);
	sip_buf_unref(bytes);
}

/* The ACK in `scratch`, sent; false when it could not be written. */
static bool put_ack(struct sip_tx *tx, struct sip_msg *invite, struct sip_msg *response,
                    char *scratch, size_t size)
{
	struct sip_out out;

	sip_out_init(&out, scratch, size);
	sip_write_ack(&out, invite, response);
	if (sip_out_end(&out) != SIP_OK)
		return false;
	put(tx, sip_str_of(scratch, out.len));
	return true;
}

/* The INVITE is parsed again from what was sent: an ACK to a failure is rare, and
 * a lingering transaction holds only bytes (17.1.1.3). */
static void send_ack(struct sip_tx *tx, struct sip_msg *response)
{
	struct sip_alloc *alloc = tx->layer->alloc;
	const struct sip_limits limits = SIP_LIMITS_OWN;
	const size_t size = tx->sent->len + response->len + OF_OURS;
	char *scratch = sip_alloc(alloc, size);
	struct sip_refusal refusal;
	struct sip_msg *invite = NULL;

	if (!scratch ||
	    sip_msg_parse(alloc, &limits, sip_buf_str(tx->sent), false, &invite,
	                  &refusal) != SIP_OK ||
	    !put_ack(tx, invite, response, scratch, size))
		sip_tx_send_failed(tx, NULL);
	sip_msg_unref(invite);
	sip_free(alloc, scratch, size);
}

static void report(struct sip_tx *tx, enum sip_tx_report what, struct sip_msg *msg)
{
	tx->layer->host->report(tx->layer->host, tx, what, msg);
}

static void act(struct sip_tx *tx, enum sip_tx_action action, struct sip_msg *msg,
                struct sip_buf *bytes)
{
	switch (action) {
	case SEND:
		if (tx->sent)
			put(tx, sip_buf_str(tx->sent));
		break;
	case RESPOND:
		keep_and_send(tx, bytes);
		break;
	case RESPOND_ONCE:
		put(tx, sip_buf_str(bytes));
		break;
	case SEND_100:
		send_100(tx);
		break;
	case SEND_ACK:
		send_ack(tx, msg);
		break;
	case PASS:
		report(tx, SIP_TX_PASS, msg);
		break;
	case FAIL_TIMEOUT:
		report(tx, SIP_TX_TIMEOUT, NULL);
		break;
	case FAIL_SEND:
		report(tx, SIP_TX_UNSENT, NULL);
		break;
	case FAIL_NO_ACK:
		if (tx->until_ack)
			report(tx, SIP_TX_NO_ACK, NULL);
		break;
	case STOP:
		stop(tx);
		break;
	case STOP_RESEND:
		sip_timer_stop(&tx->layer->timers, &tx->resend);
		tx->interval_ms = 0;
		break;
#define SIP_X(letter, slot)                                                            \
	case ARM_##letter:                                                             \
		arm(tx, TIMER_##letter);                                               \
		break;
		SIP_TX_TIMER_MAP(SIP_X)
#undef SIP_X
	case ACT_NONE:
	case ACT_COUNT:
		break;
	}
}

void sip_fsm_step(struct sip_tx *tx, enum sip_tx_event event, struct sip_msg *msg,
                  struct sip_buf *bytes)
{
	const struct sip_fsm_cell *cell = &tx->fsm->cells[tx->state][event];

	if (cell->next == ST_NONE)
		return;
	(void)sip_tx_ref(tx); /* an action may drop the last reference of the layer */
	tx->state = cell->next;
	for (unsigned i = 0; i < SIP_FSM_ACTIONS && cell->actions[i] != ACT_NONE; i++)
		act(tx, (enum sip_tx_action)cell->actions[i], msg, bytes);
	if (tx->state == ST_TERMINATED)
		sip_tx_terminate(tx);
	sip_tx_unref(tx);
}

const char *sip_fsm_state_name(unsigned state)
{
	static const char *const names[ST_COUNT] = { "none",
#define SIP_X(name, text) text,
		                                     SIP_TX_STATE_MAP(SIP_X)
#undef SIP_X
	};
	return state < ST_COUNT ? names[state] : "none";
}

const char *sip_fsm_event_name(unsigned event)
{
	static const char *const names[EV_COUNT] = {
#define SIP_X(name) #name,
		SIP_TX_EVENT_MAP(SIP_X)
#undef SIP_X
#define SIP_X(letter, slot) "TIMER_" #letter,
			SIP_TX_TIMER_MAP(SIP_X)
#undef SIP_X
	};
	return event < EV_COUNT ? names[event] : "none";
}

const char *sip_fsm_action_name(unsigned action)
{
	static const char *const names[ACT_COUNT] = { "NONE",
#define SIP_X(name) #name,
		                                      SIP_TX_ACTION_MAP(SIP_X)
#undef SIP_X
#define SIP_X(letter, slot) "ARM_" #letter,
		                                              SIP_TX_TIMER_MAP(SIP_X)
#undef SIP_X
	};
	return action < ACT_COUNT ? names[action] : "none";
}
