#pragma once
/* Telephone events: DTMF digits as RTP payload (RFC 4733).
 *
 * Two machines without a clock: one is asked once per packet interval whether a packet
 * of an event takes the place of audio, the other is given what came and says when a
 * digit begins and ends.  Lengths are in timestamp units.
 */
#include "base/err.h"
#include "base/str.h"

enum {
	RTP_DTMF_LEN = 4, /* octets of payload */
	RTP_DTMF_EVENTS = 16,
	RTP_DTMF_SEGMENT = 0xffff, /* longest duration one packet can say (2.5.1.3) */
	RTP_DTMF_FINALS = 3,       /* the last packet is sent so often (2.5.1.4) */
	RTP_DTMF_QUEUE = 64,       /* digits waiting to be sent */
	RTP_DTMF_OUT = 2,          /* packets of one step */
	RTP_DTMF_VOLUME = 10,      /* -10 dBm0 */
};

#define RTP_DTMF_HELD UINT32_MAX /* a duration: until released */
#define RTP_DTMF_ALL 0xffffu     /* the set of events 0-15 */

/* "5" is 5, "*" 10, "#" 11, "A"-"D" 12-15; -1 for what is no digit. */
int rtp_dtmf_event_of(char digit);
char rtp_dtmf_digit_of(unsigned event); /* below RTP_DTMF_EVENTS */

/* The events 0-15 of an fmtp list, "0-15,66,70" (2.4.1); what is none adds none.
 * Without a list, `text` of length 0, all sixteen (2.5.1.1). */
uint32_t rtp_dtmf_events_of(sip_str text);

struct rtp_dtmf_payload {
	uint8_t event, volume;
	bool end;
	uint16_t duration;
};

/* SIP_ESYNTAX for fewer than four octets. */
sip_err rtp_dtmf_parse(const uint8_t *bytes, size_t len,
                       struct rtp_dtmf_payload *payload);
void rtp_dtmf_write(uint8_t out[RTP_DTMF_LEN], const struct rtp_dtmf_payload *payload);

/* ---- sending ---- */

struct rtp_dtmf_press {
	uint8_t event;
	uint32_t duration, gap; /* pause after it, the copies of its end included */
};

struct rtp_dtmf_out { /* one packet: its payload and what is special in its header */
	uint8_t payload[RTP_DTMF_LEN];
	bool marker;
	uint32_t timestamp;
};

struct rtp_dtmf_tx {
	uint32_t step; /* timestamp units per packet */
	uint32_t gap_min;
	uint32_t events; /* the set the peer takes */
	struct rtp_dtmf_press queue[RTP_DTMF_QUEUE];
	uint8_t first, count;
	bool active;            /* the first of the queue is being sent */
	bool released;          /* a held one is to end */
	bool marked;            /* its first packet has gone */
	uint8_t finals;         /* copies of its end that went */
	uint32_t start;         /* timestamp of this segment */
	uint32_t sent;          /* of the duration, segments before included */
	uint32_t base;          /* duration of the segments before */
	uint8_t segment_copies; /* of the end of the last segment, still to go */
	bool waiting;           /* for the gap to pass */
	uint32_t quiet_since, quiet_for;
};

/* `step`: timestamp units of one packet; `rate`: units of a second. */
void rtp_dtmf_tx_init(struct rtp_dtmf_tx *tx, uint32_t step, uint32_t rate,
                      uint32_t events);

/* Queue one digit.  A gap is 40 ms at least.  SIP_EINVAL: no event the peer takes,
 * or no duration; SIP_ELIMIT: too many wait. */
sip_err rtp_dtmf_tx_press(struct rtp_dtmf_tx *tx, unsigned event, uint32_t duration,
                          uint32_t gap);
/* The first of those that are held ends when it has lasted so long, or at once when it
 * has already.  False: none is. */
bool rtp_dtmf_tx_release(struct rtp_dtmf_tx *tx, uint32_t duration);
void rtp_dtmf_tx_clear(struct rtp_dtmf_tx *tx); /* forget what has not begun */
bool rtp_dtmf_tx_busy(const struct rtp_dtmf_tx *tx);

/* One packet interval, which begins at `timestamp` of the audio.  Gives the number of
 * packets to send instead of audio, in order; 0: send audio. */
unsigned rtp_dtmf_tx_step(struct rtp_dtmf_tx *tx, uint32_t timestamp,
                          struct rtp_dtmf_out out[RTP_DTMF_OUT]);

/* ---- receiving ---- */

enum rtp_dtmf_what { RTP_DTMF_BEGIN, RTP_DTMF_END };

struct rtp_dtmf_report {
	enum rtp_dtmf_what what;
	uint8_t event;
	uint32_t duration; /* so far, or of the whole digit */
};

enum { RTP_DTMF_REPORTS = 3 /* at most, of one packet: an end, a begin, its end */ };

struct rtp_dtmf_rx {
	uint32_t events; /* the set we offered */
	uint32_t rate;
	uint64_t patience_us; /* a digit ends when nothing is heard of it so long */
	bool active;
	bool known;    /* there was one: `event`, `segment` are of the last */
	bool complete; /* its end was seen */
	uint8_t event;
	uint32_t segment;  /* timestamp of its segment */
	uint32_t before;   /* duration of the segments before */
	uint32_t duration; /* of this segment */
	uint64_t heard_us;
};

void rtp_dtmf_rx_init(struct rtp_dtmf_rx *rx, uint32_t rate, uint32_t events);

/* A packet of the event type.  Copies, old ones and events that were not offered
 * report nothing.  Gives the number of reports. */
unsigned rtp_dtmf_rx_feed(struct rtp_dtmf_rx *rx, uint64_t now_us, uint32_t timestamp,
                          bool marker, const uint8_t *bytes, size_t len,
                          struct rtp_dtmf_report out[RTP_DTMF_REPORTS]);

/* Time passes: end a digit of which every last packet was lost.  True: `out` is set. */
bool rtp_dtmf_rx_advance(struct rtp_dtmf_rx *rx, uint64_t now_us,
                         struct rtp_dtmf_report *out);

/* The source changed: timestamps mean something else. */
bool rtp_dtmf_rx_reset(struct rtp_dtmf_rx *rx, struct rtp_dtmf_report *out);
