#pragma once
/* RTP packets and what is kept about a source of them (RFC 3550 5.1, 8.2, A.1, A.3,
 * A.8).
 *
 * A parsed packet borrows the datagram.  Sequence numbers and timestamps are compared
 * by the difference alone, so that they may wrap at any time.
 */
#include "base/addr.h"
#include "base/err.h"

enum {
	RTP_HEADER_LEN = 12,
	RTP_VERSION = 2,
	RTP_DROPOUT_MAX = 3000, /* how far ahead a sequence number may jump */
	RTP_MISORDER_MAX = 100, /* how far behind one may come */
	RTP_CONFLICTS_MAX = 4,  /* addresses known to loop our packets back */
};

/* How far b is behind a: positive when a is newer. */
static inline int rtp_seq_diff(uint16_t a, uint16_t b)
{
	return (int16_t)(uint16_t)(a - b);
}

static inline int32_t rtp_timestamp_diff(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b);
}

/* ---- packets ---- */

struct rtp_packet {
	uint16_t seq;
	uint8_t payload_type;
	bool marker;
	uint32_t timestamp, ssrc;
	uint8_t csrc_count;
	const uint8_t *csrc; /* of four octets each, network order */
	bool has_extension;
	uint16_t extension_profile;
	const uint8_t *extension;
	size_t extension_len;
	const uint8_t *payload; /* without padding */
	size_t payload_len;
};

/* SIP_ESYNTAX when it is no RTP packet: `why` names the field. */
sip_err rtp_packet_parse(const uint8_t *bytes, size_t len, struct rtp_packet *packet,
                         const char **why);

uint32_t rtp_packet_csrc(const struct rtp_packet *packet, unsigned i);

/* Is it RTCP that came to an RTP port?  Told by the type (RFC 5761 4). */
bool rtp_packet_is_control(const uint8_t *bytes, size_t len);

/* Write the fixed header: seq, payload_type, marker, timestamp and ssrc are used.
 * Gives RTP_HEADER_LEN. */
size_t rtp_packet_write_header(uint8_t out[RTP_HEADER_LEN],
                               const struct rtp_packet *packet);

/* ---- a source that is heard ---- */

struct rtp_source {
	uint32_t ssrc;
	uint16_t seq_max; /* highest seen */
	uint16_t bad_seq; /* after a jump: the next one that would confirm it */
	bool has_bad_seq;
	uint8_t probation;  /* packets in sequence until it is valid; 0: it is */
	uint8_t sequential; /* packets in sequence that were asked for */
	uint32_t cycles;    /* 65536 for each wrap of seq */
	uint32_t base_seq;
	uint32_t received;
	uint32_t expected_prior, received_prior; /* at the last report */
	/* jitter */
	bool has_transit;
	uint32_t transit;
	uint32_t jitter; /* timestamp units, times 16 */
};

enum rtp_verdict {
	RTP_TAKE,      /* belongs to the stream; may be old or a copy */
	RTP_PROBATION, /* the source is not valid yet */
	RTP_JUMP,      /* far from what was expected: dropped unless the next follows */
	RTP_RESTART,   /* the next followed: the source began again; take it */
};

/* The first packet of a source; `probation` in sequence make it valid (RFC 3550: 2;
 * 1: this one does). Call rtp_source_check for the first packet, too. */
void rtp_source_init(struct rtp_source *source, uint32_t ssrc, uint16_t seq,
                     uint8_t probation);
enum rtp_verdict rtp_source_check(struct rtp_source *source, uint16_t seq);

/* Count the arrival of a packet into the jitter; `arrival` in timestamp units. */
void rtp_source_arrive(struct rtp_source *source, uint32_t timestamp, uint32_t arrival);

/* Highest sequence number with its cycles; packets expected and not seen (negative
 * with copies); jitter in timestamp units. */
uint32_t rtp_source_seq(const struct rtp_source *source);
int32_t rtp_source_lost(const struct rtp_source *source);
uint32_t rtp_source_jitter(const struct rtp_source *source);

/* ---- collisions and loops ---- */

enum rtp_conflict {
	RTP_CONFLICT_NONE,
	RTP_CONFLICT_NEW,  /* another has our SSRC: say BYE, take a new one, drop it */
	RTP_CONFLICT_LOOP, /* our own packets come back: drop it, and no more than that
	                    */
};

struct rtp_conflicts {
	struct {
		struct sip_addr from;
		bool rtcp;
		uint64_t last_us;
	} known[RTP_CONFLICTS_MAX];
	uint8_t count;
};

/* Compare the SSRC of a packet (or one of its CSRCs) with ours.  An address that
 * conflicted is remembered until nothing came from it for `forget_us`, so a loop
 * makes us change but once. */
enum rtp_conflict rtp_conflicts_check(struct rtp_conflicts *conflicts, uint32_t ours,
                                      uint32_t ssrc, const struct sip_addr *from,
                                      bool rtcp, uint64_t now_us, uint64_t forget_us);
