#include "media/dtmf_event.h"

enum {
	GAP_MIN_HZ = 25,      /* 40 ms */
	PATIENCE_US = 150000, /* three updates of 50 ms (RFC 4733 2.5.1.2, 2.5.2.2) */
	MEMORY_S = 16,        /* a report that is older belongs to another stream */
	BIT_END = 0x80,
	VOLUME_MASK = 0x3f,
};

static const char digits[RTP_DTMF_EVENTS + 1] = "0123456789*#ABCD";

int rtp_dtmf_event_of(char digit)
{
	const char upper = digit >= 'a' && digit <= 'd' ? (char)(digit - 32) : digit;

	for (int i = 0; i < RTP_DTMF_EVENTS; i++) {
		if (digits[i] == upper)
			return i;
	}
	return -1;
}

char rtp_dtmf_digit_of(unsigned event)
{
	return digits[event < RTP_DTMF_EVENTS ? event : 0];
}

static uint32_t range_of(sip_str item)
{
	const char *dash = memchr(item.p, '-', item.len);
	const size_t first_len = dash ? (size_t)(dash - item.p) : item.len;
	const sip_str first_text = sip_str_of(item.p, first_len);
	uint64_t first, last;
	uint32_t events = 0;

	if (!sip_str_to_u64(first_text, 255, &first))
		return 0;
	last = first;
	if (dash &&
	    !sip_str_to_u64(sip_str_of(dash + 1, item.len - first_len - 1), 255, &last))
		return 0;
	for (uint64_t i = first; i <= last && i < RTP_DTMF_EVENTS; i++)
		events |= 1u << i;
	return events;
}

uint32_t rtp_dtmf_events_of(sip_str text)
{
	uint32_t events = 0;

	if (text.len == 0)
		return RTP_DTMF_ALL;
	while (text.len > 0) {
		const char *comma = memchr(text.p, ',', text.len);
		const size_t len = comma ? (size_t)(comma - text.p) : text.len;
		const size_t used = comma ? len + 1 : len;

		/* No white space is allowed (RFC 4733 2.4); some write it. */
		if (len > 0)
			events |= range_of(sip_str_trim(sip_str_of(text.p, len)));
		text = sip_str_of(text.p + used, text.len - used);
	}
	return events;
}

sip_err rtp_dtmf_parse(const uint8_t *bytes, size_t len,
                       struct rtp_dtmf_payload *payload)
{
	if (len < RTP_DTMF_LEN)
		return SIP_ESYNTAX;
	payload->event = bytes[0];
	payload->end = (bytes[1] & BIT_END) != 0;
	payload->volume = bytes[1] & VOLUME_MASK;
	payload->duration = (uint16_t)(bytes[2] << 8 | bytes[3]);
	return SIP_OK;
}

void rtp_dtmf_write(uint8_t out[RTP_DTMF_LEN], const struct rtp_dtmf_payload *payload)
{
	out[0] = payload->event;
	out[1] = (uint8_t)((payload->end ? BIT_END : 0) |
	                   (payload->volume & VOLUME_MASK));
	out[2] = (uint8_t)(payload->duration >> 8);
	out[3] = (uint8_t)payload->duration;
}

/* ---- sending ---- */

void rtp_dtmf_tx_init(struct rtp_dtmf_tx *tx, uint32_t step, uint32_t rate,
                      uint32_t events)
{
	*tx = (struct rtp_dtmf_tx){
		.step = step,
		.gap_min = rate / GAP_MIN_HZ,
		.events = events,
	};
}

sip_err rtp_dtmf_tx_press(struct rtp_dtmf_tx *tx, unsigned event, uint32_t duration,
                          uint32_t gap)
{
	struct rtp_dtmf_press *press;

	if (event >= RTP_DTMF_EVENTS || !(tx->events & 1u << event) || duration == 0)
		return SIP_EINVAL;
	if (tx->count == RTP_DTMF_QUEUE)
		return SIP_ELIMIT;
	press = &tx->queue[(tx->first + tx->count) % RTP_DTMF_QUEUE];
	press->event = (uint8_t)event;
	press->duration = duration;
	press->gap = gap > tx->gap_min ? gap : tx->gap_min;
	tx->count++;
	return SIP_OK;
}

bool rtp_dtmf_tx_release(struct rtp_dtmf_tx *tx, uint32_t duration)
{
	for (unsigned i = 0; i < tx->count; i++) {
		struct rtp_dtmf_press *press =
			&tx->queue[(tx->first + i) % RTP_DTMF_QUEUE];
		const bool is_first = i == 0 && tx->active;

		if (press->duration != RTP_DTMF_HELD || (is_first && tx->released))
			continue;
		if (is_first && tx->sent >= duration)
			tx->released = true;
		else
			press->duration = duration > tx->step ? duration : tx->step;
		return true;
	}
	return false;
}

void rtp_dtmf_tx_clear(struct rtp_dtmf_tx *tx)
{
	tx->count = tx->active;
}

bool rtp_dtmf_tx_busy(const struct rtp_dtmf_tx *tx)
{
	return tx->count > 0;
}

/* A packet that reports `duration` of the segment that began at `start`. */
static void report(const struct rtp_dtmf_tx *tx, uint32_t start, uint32_t duration,
                   bool end, struct rtp_dtmf_out *out)
{
	const struct rtp_dtmf_payload payload = {
		.event = tx->queue[tx->first].event,
		.volume = RTP_DTMF_VOLUME,
		.end = end,
		.duration = (uint16_t)duration,
	};

	rtp_dtmf_write(out->payload, &payload);
	out->timestamp = start;
	out->marker = !tx->marked;
}

static void begin_press(struct rtp_dtmf_tx *tx, uint32_t timestamp)
{
	tx->active = true;
	tx->marked = false;
	tx->finals = 0;
	tx->start = timestamp;
	tx->sent = 0;
	tx->base = 0;
	tx->segment_copies = 0;
}

/* The end has been said often enough: the next digit, after the gap. */
static void end_press(struct rtp_dtmf_tx *tx)
{
	const struct rtp_dtmf_press *press = &tx->queue[tx->first];

	tx->active = false;
	tx->released = false;
	tx->waiting = true;
	tx->quiet_since = tx->start + (tx->sent - tx->base);
	tx->quiet_for = press->gap;
	tx->first = (uint8_t)((tx->first + 1) % RTP_DTMF_QUEUE);
	tx->count--;
}

/* How much the event lasts by the end of this interval; sets whether that is all. */
static void extend(struct rtp_dtmf_tx *tx, bool *end)
{
	const uint32_t duration = tx->queue[tx->first].duration;

	if (duration == RTP_DTMF_HELD) {
		*end = tx->released && tx->sent > 0;
		if (!*end && tx->sent <= UINT32_MAX / 2)
			tx->sent += tx->step;
		return;
	}
	tx->sent = duration - tx->sent <= tx->step ? duration : tx->sent + tx->step;
	*end = tx->sent == duration;
}

/* Updates while it lasts, then its end three times (RFC 4733 2.5.1.2 - 2.5.1.4).  A
 * duration that does not fit goes on in a new segment: the old one is said full, three
 * times as well, without the E bit, and the new one has no M bit. */
unsigned rtp_dtmf_tx_step(struct rtp_dtmf_tx *tx, uint32_t timestamp,
                          struct rtp_dtmf_out out[RTP_DTMF_OUT])
{
	unsigned count = 0;
	bool end = true;

	if (tx->waiting) {
		const uint32_t quiet = timestamp - tx->quiet_since;

		if (quiet < tx->quiet_for)
			return 0;
		tx->waiting = false;
	}
	if (tx->count == 0)
		return 0;
	if (!tx->active)
		begin_press(tx, timestamp);
	if (tx->finals == 0)
		extend(tx, &end);
	if (tx->sent - tx->base > RTP_DTMF_SEGMENT) {
		tx->start += RTP_DTMF_SEGMENT;
		tx->base += RTP_DTMF_SEGMENT;
		tx->segment_copies = RTP_DTMF_FINALS;
	}
	if (tx->segment_copies > 0) {
		tx->segment_copies--;
		report(tx, tx->start - RTP_DTMF_SEGMENT, RTP_DTMF_SEGMENT, false,
		       &out[count++]);
	}
	report(tx, tx->start, tx->sent - tx->base, end, &out[count++]);
	tx->marked = true;
	tx->finals = (uint8_t)(tx->finals + end);
	if (tx->finals == RTP_DTMF_FINALS)
		end_press(tx);
	return count;
}

/* ---- receiving ---- */

void rtp_dtmf_rx_init(struct rtp_dtmf_rx *rx, uint32_t rate, uint32_t events)
{
	*rx = (struct rtp_dtmf_rx){
		.events = events,
		.rate = rate,
		.patience_us = PATIENCE_US,
	};
}

static void finish(struct rtp_dtmf_rx *rx, bool complete, struct rtp_dtmf_report *out)
{
	rx->active = false;
	rx->complete = complete;
	out->what = RTP_DTMF_END;
	out->event = rx->event;
	out->duration = rx->before + rx->duration;
}

static void start(struct rtp_dtmf_rx *rx, const struct rtp_dtmf_payload *payload,
                  uint32_t timestamp, struct rtp_dtmf_report *out)
{
	rx->active = true;
	rx->known = true;
	rx->event = payload->event;
	rx->segment = timestamp;
	rx->before = 0;
	rx->duration = payload->duration;
	out->what = RTP_DTMF_BEGIN;
	out->event = payload->event;
	out->duration = payload->duration;
}

/* Does it go on where the last segment ended (RFC 4733 2.5.2.3)? */
static bool is_next_segment(const struct rtp_dtmf_rx *rx, uint32_t timestamp,
                            bool marker, const struct rtp_dtmf_payload *payload)
{
	return !marker && payload->event == rx->event && !rx->complete &&
	       timestamp == rx->segment + RTP_DTMF_SEGMENT;
}

/* Is it of an event that was reported already: the same timestamp or an older one?
 * Beyond some seconds it is another stream instead. */
static bool is_stale(const struct rtp_dtmf_rx *rx, uint32_t timestamp)
{
	const uint32_t behind = rx->segment - timestamp;

	return behind < rx->rate * MEMORY_S;
}

unsigned rtp_dtmf_rx_feed(struct rtp_dtmf_rx *rx, uint64_t now_us, uint32_t timestamp,
                          bool marker, const uint8_t *bytes, size_t len,
                          struct rtp_dtmf_report out[RTP_DTMF_REPORTS])
{
	struct rtp_dtmf_payload payload;
	unsigned count = 0;

	if (rtp_dtmf_parse(bytes, len, &payload) || payload.event >= RTP_DTMF_EVENTS ||
	    !(rx->events & 1u << payload.event) || payload.duration == 0)
		return 0;
	if (rx->known && is_next_segment(rx, timestamp, marker, &payload)) {
		rx->segment = timestamp;
		rx->before += RTP_DTMF_SEGMENT;
		rx->duration = payload.duration;
	} else if (rx->known && is_stale(rx, timestamp)) {
		if (timestamp != rx->segment || !rx->active ||
		    payload.event != rx->event)
			return 0;
		if (payload.duration > rx->duration)
			rx->duration = payload.duration;
	} else {
		if (rx->active)
			finish(rx, false, &out[count++]);
		start(rx, &payload, timestamp, &out[count++]);
		rx->complete = false;
	}
	rx->heard_us = now_us;
	if (payload.end && rx->active)
		finish(rx, true, &out[count++]);
	return count;
}

bool rtp_dtmf_rx_advance(struct rtp_dtmf_rx *rx, uint64_t now_us,
                         struct rtp_dtmf_report *out)
{
	if (!rx->active || now_us - rx->heard_us < rx->patience_us)
		return false;
	finish(rx, false, out);
	return true;
}

bool rtp_dtmf_rx_reset(struct rtp_dtmf_rx *rx, struct rtp_dtmf_report *out)
{
	const bool was_active = rx->active;

	if (was_active)
		finish(rx, false, out);
	rx->known = false;
	return was_active;
}
