#include "media/rtp.h"

enum {
	BIT_PADDING = 0x20,
	BIT_EXTENSION = 0x10,
	CSRC_LEN = 4,
	EXTENSION_HEADER_LEN = 4,
	/* Types of RTCP as the second octet of a packet sees them (RFC 5761 4). */
	CONTROL_FIRST = 192,
	CONTROL_LAST = 223,
};

static uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static uint32_t get32(const uint8_t *p)
{
	return (uint32_t)get16(p) << 16 | get16(p + 2);
}

static sip_err refuse(const char **why, const char *text)
{
	*why = text;
	return SIP_ESYNTAX;
}

/* What follows the fixed header: CSRC list, extension; `at` moves to the payload. */
static sip_err parse_variable(const uint8_t *bytes, size_t len, size_t *at,
                              struct rtp_packet *packet, const char **why)
{
	packet->csrc_count = bytes[0] & 15;
	packet->csrc = bytes + *at;
	if (len - *at < packet->csrc_count * (size_t)CSRC_LEN)
		return refuse(why, "a CSRC list longer than the packet");
	*at += packet->csrc_count * (size_t)CSRC_LEN;
	packet->has_extension = (bytes[0] & BIT_EXTENSION) != 0;
	if (!packet->has_extension)
		return SIP_OK;
	if (len - *at < EXTENSION_HEADER_LEN)
		return refuse(why, "an extension longer than the packet");
	packet->extension_profile = get16(bytes + *at);
	packet->extension_len = get16(bytes + *at + 2) * (size_t)4;
	*at += EXTENSION_HEADER_LEN;
	packet->extension = bytes + *at;
	if (len - *at < packet->extension_len)
		return refuse(why, "an extension longer than the packet");
	*at += packet->extension_len;
	return SIP_OK;
}

sip_err rtp_packet_parse(const uint8_t *bytes, size_t len, struct rtp_packet *packet,
                         const char **why)
{
	struct rtp_packet parsed = { 0 };
	size_t at = RTP_HEADER_LEN, padding = 0;
	sip_err err;

	if (len < RTP_HEADER_LEN)
		return refuse(why, "shorter than a header");
	if (bytes[0] >> 6 != RTP_VERSION)
		return refuse(why, "not version 2");
	if (rtp_packet_is_control(bytes, len))
		return refuse(why, "a payload type that is RTCP");
	parsed.marker = (bytes[1] & 0x80) != 0;
	parsed.payload_type = bytes[1] & 0x7f;
	parsed.seq = get16(bytes + 2);
	parsed.timestamp = get32(bytes + 4);
	parsed.ssrc = get32(bytes + 8);
	err = parse_variable(bytes, len, &at, &parsed, why);
	if (err)
		return err;
	if (bytes[0] & BIT_PADDING) {
		padding = len > at ? bytes[len - 1] : 0;
		if (padding == 0 || padding > len - at)
			return refuse(why, "padding longer than the packet, or none");
	}
	parsed.payload = bytes + at;
	parsed.payload_len = len - at - padding;
	*packet = parsed;
	return SIP_OK;
}

uint32_t rtp_packet_csrc(const struct rtp_packet *packet, unsigned i)
{
	return get32(packet->csrc + i * (size_t)CSRC_LEN);
}

bool rtp_packet_is_control(const uint8_t *bytes, size_t len)
{
	return len >= 2 && bytes[0] >> 6 == RTP_VERSION && bytes[1] >= CONTROL_FIRST &&
	       bytes[1] <= CONTROL_LAST;
}

static void put16(uint8_t *p, uint32_t value)
{
	p[0] = (uint8_t)(value >> 8);
	p[1] = (uint8_t)value;
}

static void put32(uint8_t *p, uint32_t value)
{
	put16(p, value >> 16);
	put16(p + 2, value & 0xffff);
}

size_t rtp_packet_write_header(uint8_t out[RTP_HEADER_LEN],
                               const struct rtp_packet *packet)
{
	out[0] = RTP_VERSION << 6;
	out[1] = (uint8_t)(packet->marker << 7 | (packet->payload_type & 0x7f));
	put16(out + 2, packet->seq);
	put32(out + 4, packet->timestamp);
	put32(out + 8, packet->ssrc);
	return RTP_HEADER_LEN;
}

/* ---- a source that is heard ---- */

static void begin(struct rtp_source *source, uint16_t seq)
{
	source->base_seq = seq;
	source->seq_max = seq;
	source->has_bad_seq = false;
	source->cycles = 0;
	source->received = 0;
	source->received_prior = 0;
	source->expected_prior = 0;
	source->has_transit = false;
	source->jitter = 0;
}

void rtp_source_init(struct rtp_source *source, uint32_t ssrc, uint16_t seq,
                     uint8_t probation)
{
	*source = (struct rtp_source){ .ssrc = ssrc,
		                       .probation = probation,
		                       .sequential = probation };
	begin(source, seq);
	source->seq_max = (uint16_t)(seq - 1);
}

/* One packet of a source that is not valid yet (RFC 3550 A.1). */
static enum rtp_verdict check_probation(struct rtp_source *source, uint16_t seq)
{
	if (seq != (uint16_t)(source->seq_max + 1)) {
		source->probation = source->sequential; /* it may be the first of one */
	}
	source->seq_max = seq;
	source->probation--;
	if (source->probation > 0)
		return RTP_PROBATION;
	begin(source, seq);
	source->received = 1;
	return RTP_TAKE;
}

/* Is this packet of the stream (RFC 3550 A.1)?  A number far off is believed when the
 * one after it comes next: then the sender began again, and the statistics with it. */
enum rtp_verdict rtp_source_check(struct rtp_source *source, uint16_t seq)
{
	const uint16_t ahead = (uint16_t)(seq - source->seq_max);

	if (source->probation > 0)
		return check_probation(source, seq);
	if (ahead < RTP_DROPOUT_MAX) {
		if (seq < source->seq_max)
			source->cycles += 0x10000;
		source->seq_max = seq;
	} else if (ahead <= 0x10000 - RTP_MISORDER_MAX) {
		if (!source->has_bad_seq || seq != source->bad_seq) {
			source->has_bad_seq = true;
			source->bad_seq = (uint16_t)(seq + 1);
			return RTP_JUMP;
		}
		begin(source, seq);
		source->received = 1;
		return RTP_RESTART;
	}
	source->received++;
	return RTP_TAKE;
}

/* The mean deviation of the spacing between arrivals from the spacing between
 * timestamps, smoothed by 16 in whole numbers (RFC 3550 A.8). */
void rtp_source_arrive(struct rtp_source *source, uint32_t timestamp, uint32_t arrival)
{
	const uint32_t transit = arrival - timestamp;
	const int32_t change = rtp_timestamp_diff(transit, source->transit);
	const uint32_t size = change < 0 ? 0u - (uint32_t)change : (uint32_t)change;

	source->transit = transit;
	if (source->has_transit)
		source->jitter += size - ((source->jitter + 8) >> 4);
	source->has_transit = true;
}

uint32_t rtp_source_seq(const struct rtp_source *source)
{
	return source->cycles + source->seq_max;
}

int32_t rtp_source_lost(const struct rtp_source *source)
{
	const uint32_t expected = rtp_source_seq(source) - source->base_seq + 1;

	return source->probation > 0 ? 0 : (int32_t)(expected - source->received);
}

uint32_t rtp_source_jitter(const struct rtp_source *source)
{
	return source->jitter >> 4;
}

/* ---- collisions and loops ---- */

enum rtp_conflict rtp_conflicts_check(struct rtp_conflicts *conflicts, uint32_t ours,
                                      uint32_t ssrc, const struct sip_addr *from,
                                      bool rtcp, uint64_t now_us, uint64_t forget_us)
{
	unsigned slot = 0;

	if (ssrc != ours)
		return RTP_CONFLICT_NONE;
	for (unsigned i = 0; i < conflicts->count; i++) {
		const uint64_t age = now_us - conflicts->known[i].last_us;

		if (conflicts->known[i].rtcp != rtcp ||
		    !sip_addr_eq(&conflicts->known[i].from, from))
			continue;
		conflicts->known[i].last_us = now_us;
		return age < forget_us ? RTP_CONFLICT_LOOP : RTP_CONFLICT_NEW;
	}
	/* The one that has been quiet longest makes room. */
	if (conflicts->count < RTP_CONFLICTS_MAX) {
		slot = conflicts->count++;
	} else {
		for (unsigned i = 1; i < RTP_CONFLICTS_MAX; i++) {
			if (conflicts->known[i].last_us <
			    conflicts->known[slot].last_us)
				slot = i;
		}
	}
	conflicts->known[slot].from = *from;
	conflicts->known[slot].rtcp = rtcp;
	conflicts->known[slot].last_us = now_us;
	return RTP_CONFLICT_NEW;
}
