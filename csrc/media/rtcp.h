#pragma once
/* RTCP: sender and receiver reports, SDES CNAME and BYE in compound packets, and when
 * to send them (RFC 3550 6, A.3, A.7).
 */
#include "media/rtp.h"

enum rtp_control_type {
	RTP_CONTROL_SR = 200,
	RTP_CONTROL_RR = 201,
	RTP_CONTROL_SDES = 202,
	RTP_CONTROL_BYE = 203,
	RTP_CONTROL_APP = 204,
};

enum {
	RTP_CONTROL_BLOCKS = 31, /* in one report */
	RTP_CONTROL_CNAME_MAX = 255,
	RTP_CONTROL_INTERVAL_US = 5000000, /* the least, RFC 3550 6.2 */
};

struct rtp_control_sender {
	uint64_t ntp; /* 32.32 fixed point, since 1900 */
	uint32_t timestamp;
	uint32_t packets, octets;
};

struct rtp_control_block {
	uint32_t ssrc; /* whose packets it is about */
	uint8_t fraction_lost;
	int32_t lost; /* 24 bits on the wire */
	uint32_t seq;
	uint32_t jitter;
	uint32_t last_sr, delay; /* in 1/65536 s */
};

/* ---- writing ---- */

struct rtp_control_report {
	uint32_t ssrc;
	bool has_sender; /* SR, else RR */
	struct rtp_control_sender sender;
	const struct rtp_control_block *blocks;
	unsigned block_count;
	sip_str cname;
	bool bye;
	sip_str reason; /* of the BYE; may be empty */
};

/* One compound packet; gives its length.  SIP_ELIMIT: no room. */
sip_err rtp_control_write(uint8_t *out, size_t cap,
                          const struct rtp_control_report *report, size_t *len);

/* Our view of a source since the last block: it moves on (RFC 3550 6.4.1, A.3).
 * `last_sr_us`: when its last SR came, with `last_sr` of it; 0 of both: none came. */
void rtp_control_block_of(struct rtp_source *source, uint32_t last_sr,
                          uint64_t last_sr_us, uint64_t now_us,
                          struct rtp_control_block *block);

/* ---- reading ---- */

/* Is it a compound packet that may be believed (RFC 3550 A.2)? */
sip_err rtp_control_check(const uint8_t *bytes, size_t len, const char **why);

/* One part of a compound packet that was checked: at first all zero but `rest` and
 * `rest_len`. */
struct rtp_control_part {
	uint8_t type, count;
	uint32_t ssrc;       /* 0 when the part has none */
	const uint8_t *body; /* after the header of four octets, without padding */
	size_t body_len;
	const uint8_t *rest;
	size_t rest_len;
};

bool rtp_control_next(struct rtp_control_part *part); /* false: there was no more */
bool rtp_control_sender_of(const struct rtp_control_part *part,
                           struct rtp_control_sender *sender);
bool rtp_control_block_at(const struct rtp_control_part *part, unsigned i,
                          struct rtp_control_block *block);
/* The CNAME of the i-th chunk of an SDES; empty when it has none. */
bool rtp_control_cname_at(const struct rtp_control_part *part, unsigned i,
                          uint32_t *ssrc, sip_str *cname);
bool rtp_control_bye_at(const struct rtp_control_part *part, unsigned i,
                        uint32_t *ssrc);

/* ---- time ---- */

/* Microseconds since 1970 as NTP; its middle 32 bits, as blocks have it. */
uint64_t rtp_control_ntp(uint64_t unix_us);
static inline uint32_t rtp_control_ntp_middle(uint64_t ntp)
{
	return (uint32_t)(ntp >> 16);
}

/* The way to the peer and back, from a block about us that came now; false when it
 * says nothing of it. */
bool rtp_control_round_trip(const struct rtp_control_block *block, uint64_t now_ntp,
                            uint64_t *round_trip_us);

struct rtp_control_pace {
	double bandwidth;    /* for RTCP, octets per second */
	double average_size; /* of compound packets with their UDP and IP headers */
	unsigned members, senders;
	bool we_sent;
	bool initial; /* none was sent yet */
};

/* A session of two over UDP and IPv4 at 64 kbit/s: 5 % of it are for RTCP. */
void rtp_control_pace_init(struct rtp_control_pace *pace);
void rtp_control_pace_saw(struct rtp_control_pace *pace, size_t packet_len);

/* How long until the next report; `unit` is chance, 0 <= unit < 1 (RFC 3550 6.3.1).
 * Without the reconsideration of 6.3.3 and 6.3.6, as two parties may (6.3). */
uint64_t rtp_control_interval_us(const struct rtp_control_pace *pace, double unit);
