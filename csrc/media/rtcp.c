#include "media/rtcp.h"

#include "base/out.h"

enum {
	HEADER_LEN = 4,
	SSRC_LEN = 4,
	SENDER_LEN = 20,
	BLOCK_LEN = 24,
	SDES_END = 0,
	SDES_CNAME = 1,
	BIT_PADDING = 0x20,
	COUNT_MASK = 31,
	LOST_MAX = 0x7fffff,
	UDP_IP_LEN = 28,
	PACKET_MAX = 1500,
	REASON_MAX = 255,
};

/* Seconds from 1900 to 1970: 70 years, 17 of them leap years. */
#define NTP_EPOCH 2208988800u

static uint32_t get32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static sip_err refuse(const char **why, const char *text)
{
	*why = text;
	return SIP_ESYNTAX;
}

/* ---- writing ---- */

static void put8(struct sip_out *out, uint32_t value)
{
	const uint8_t byte = (uint8_t)value;

	sip_out_bytes(out, &byte, 1);
}

static void put16(struct sip_out *out, uint32_t value)
{
	put8(out, value >> 8);
	put8(out, value);
}

static void put32(struct sip_out *out, uint32_t value)
{
	put16(out, value >> 16);
	put16(out, value);
}

/* `len` octets follow the header; lengths are counted in words less one (6.4.1). */
static void put_header(struct sip_out *out, unsigned count, enum rtp_control_type type,
                       size_t len)
{
	put8(out, RTP_VERSION << 6 | count);
	put8(out, (uint32_t)type);
	put16(out, (uint32_t)(len / 4));
}

static void put_text(struct sip_out *out, sip_str text)
{
	put8(out, (uint32_t)text.len);
	sip_out_str(out, text);
}

static void put_zeros(struct sip_out *out, size_t count)
{
	while (count-- > 0)
		put8(out, 0);
}

static size_t padding_to_word(size_t len)
{
	return (4 - len % 4) % 4;
}

static void put_block(struct sip_out *out, const struct rtp_control_block *block)
{
	int32_t lost = block->lost;

	if (lost > LOST_MAX)
		lost = LOST_MAX;
	if (lost < -LOST_MAX - 1)
		lost = -LOST_MAX - 1;
	put32(out, block->ssrc);
	put32(out, (uint32_t)block->fraction_lost << 24 | ((uint32_t)lost & 0xffffff));
	put32(out, block->seq);
	put32(out, block->jitter);
	put32(out, block->last_sr);
	put32(out, block->delay);
}

static void put_report(struct sip_out *out, const struct rtp_control_report *report)
{
	const size_t len = SSRC_LEN + (report->has_sender ? (size_t)SENDER_LEN : 0) +
	                   report->block_count * (size_t)BLOCK_LEN;

	put_header(out, report->block_count,
	           report->has_sender ? RTP_CONTROL_SR : RTP_CONTROL_RR, len);
	put32(out, report->ssrc);
	if (report->has_sender) {
		put32(out, (uint32_t)(report->sender.ntp >> 32));
		put32(out, (uint32_t)report->sender.ntp);
		put32(out, report->sender.timestamp);
		put32(out, report->sender.packets);
		put32(out, report->sender.octets);
	}
	for (unsigned i = 0; i < report->block_count; i++)
		put_block(out, &report->blocks[i]);
}

/* One chunk: SSRC, CNAME, and at least one zero up to a whole word (6.5). */
static void put_sdes(struct sip_out *out, const struct rtp_control_report *report)
{
	const size_t items = 2 + report->cname.len;
	const size_t zeros = 4 - items % 4;

	put_header(out, 1, RTP_CONTROL_SDES, SSRC_LEN + items + zeros);
	put32(out, report->ssrc);
	put8(out, SDES_CNAME);
	put_text(out, report->cname);
	put_zeros(out, zeros);
}

static void put_bye(struct sip_out *out, const struct rtp_control_report *report)
{
	const size_t len = report->reason.len > 0 ? 1 + report->reason.len : 0;
	const size_t zeros = padding_to_word(len);

	put_header(out, 1, RTP_CONTROL_BYE, SSRC_LEN + len + zeros);
	put32(out, report->ssrc);
	if (len > 0)
		put_text(out, report->reason);
	put_zeros(out, zeros);
}

sip_err rtp_control_write(uint8_t *bytes, size_t cap,
                          const struct rtp_control_report *report, size_t *len)
{
	struct sip_out out;
	sip_err err;

	if (report->block_count > RTP_CONTROL_BLOCKS ||
	    report->cname.len > RTP_CONTROL_CNAME_MAX ||
	    report->reason.len > REASON_MAX)
		return SIP_ELIMIT;
	sip_out_init(&out, bytes, cap);
	put_report(&out, report);
	put_sdes(&out, report);
	if (report->bye)
		put_bye(&out, report);
	err = sip_out_end(&out);
	if (err == SIP_OK)
		*len = out.len;
	return err;
}

void rtp_control_block_of(struct rtp_source *source, uint32_t last_sr,
                          uint64_t last_sr_us, uint64_t now_us,
                          struct rtp_control_block *block)
{
	const uint32_t expected = rtp_source_seq(source) - source->base_seq + 1;
	const uint32_t expected_now = expected - source->expected_prior;
	const uint32_t received_now = source->received - source->received_prior;
	const int32_t lost_now = (int32_t)(expected_now - received_now);

	source->expected_prior = expected;
	source->received_prior = source->received;
	*block = (struct rtp_control_block){
		.ssrc = source->ssrc,
		.lost = rtp_source_lost(source),
		.seq = rtp_source_seq(source),
		.jitter = rtp_source_jitter(source),
		.last_sr = last_sr,
	};
	if (expected_now > 0 && lost_now > 0) {
		const uint64_t fraction = ((uint64_t)lost_now << 8) / expected_now;

		block->fraction_lost = (uint8_t)(fraction < 255 ? fraction : 255);
	}
	if (last_sr_us != 0)
		block->delay = (uint32_t)(((now_us - last_sr_us) << 16) / 1000000);
}

/* ---- reading ---- */

/* Version, a report first, lengths that add up, padding in the last part alone
 * (RFC 3550 6.1, A.2). */
sip_err rtp_control_check(const uint8_t *bytes, size_t len, const char **why)
{
	size_t at = 0;

	if (len < HEADER_LEN + SSRC_LEN)
		return refuse(why, "shorter than a report");
	if (bytes[1] != RTP_CONTROL_SR && bytes[1] != RTP_CONTROL_RR)
		return refuse(why, "a compound packet that begins with no report");
	while (at < len) {
		const uint8_t *p = bytes + at;
		size_t part_len;

		if (len - at < HEADER_LEN)
			return refuse(why, "bytes after the last packet");
		if (p[0] >> 6 != RTP_VERSION)
			return refuse(why, "not version 2");
		part_len = ((size_t)p[2] << 8 | p[3]) * 4 + HEADER_LEN;
		if (part_len > len - at)
			return refuse(why, "a length beyond the packet");
		if (p[0] & BIT_PADDING) {
			const size_t padding = p[part_len - 1];

			if (at + part_len != len)
				return refuse(why, "padding before the last packet");
			if (padding == 0 || padding % 4 != 0 ||
			    padding > part_len - HEADER_LEN)
				return refuse(why, "padding of no such length");
		}
		at += part_len;
	}
	return SIP_OK;
}

bool rtp_control_next(struct rtp_control_part *part)
{
	const uint8_t *p = part->rest;
	size_t len, padding;

	if (part->rest_len < HEADER_LEN)
		return false;
	len = ((size_t)p[2] << 8 | p[3]) * 4 + HEADER_LEN;
	if (len > part->rest_len)
		return false;
	padding = p[0] & BIT_PADDING ? p[len - 1] : 0;
	part->type = p[1];
	part->count = p[0] & COUNT_MASK;
	part->body = p + HEADER_LEN;
	part->body_len = len - HEADER_LEN;
	if (padding <= part->body_len)
		part->body_len -= padding;
	part->ssrc = part->body_len >= SSRC_LEN ? get32(part->body) : 0;
	part->rest += len;
	part->rest_len -= len;
	return true;
}

bool rtp_control_sender_of(const struct rtp_control_part *part,
                           struct rtp_control_sender *sender)
{
	const uint8_t *p = part->body + SSRC_LEN;

	if (part->type != RTP_CONTROL_SR || part->body_len < SSRC_LEN + SENDER_LEN)
		return false;
	sender->ntp = (uint64_t)get32(p) << 32 | get32(p + 4);
	sender->timestamp = get32(p + 8);
	sender->packets = get32(p + 12);
	sender->octets = get32(p + 16);
	return true;
}

bool rtp_control_block_at(const struct rtp_control_part *part, unsigned i,
                          struct rtp_control_block *block)
{
	size_t at = SSRC_LEN + i * (size_t)BLOCK_LEN;
	const uint8_t *p;
	uint32_t lost;

	if (part->type == RTP_CONTROL_SR)
		at += SENDER_LEN;
	else if (part->type != RTP_CONTROL_RR)
		return false;
	if (i >= part->count || part->body_len < at + BLOCK_LEN)
		return false;
	p = part->body + at;
	lost = get32(p + 4) & 0xffffff;
	*block = (struct rtp_control_block){
		.ssrc = get32(p),
		.fraction_lost = p[4],
		.lost = (int32_t)(lost ^ 0x800000) - 0x800000,
		.seq = get32(p + 8),
		.jitter = get32(p + 12),
		.last_sr = get32(p + 16),
		.delay = get32(p + 20),
	};
	return true;
}

/* One chunk of an SDES, from `at` to after its zeros; false when it is cut off. */
static bool read_chunk(const struct rtp_control_part *part, size_t *at, uint32_t *ssrc,
                       sip_str *cname)
{
	const uint8_t *p = part->body;
	size_t here = *at;

	if (part->body_len - here < SSRC_LEN)
		return false;
	*ssrc = get32(p + here);
	*cname = sip_str_of(NULL, 0);
	here += SSRC_LEN;
	while (here < part->body_len && p[here] != SDES_END) {
		if (part->body_len - here < 2 ||
		    part->body_len - here - 2 < p[here + 1])
			return false;
		if (p[here] == SDES_CNAME)
			*cname = sip_str_of((const char *)p + here + 2, p[here + 1]);
		here += (size_t)p[here + 1] + 2;
	}
	here += 4 - here % 4; /* chunks begin at words, and so does the body */
	if (here > part->body_len)
		return false;
	*at = here;
	return true;
}

bool rtp_control_cname_at(const struct rtp_control_part *part, unsigned i,
                          uint32_t *ssrc, sip_str *cname)
{
	size_t at = 0;

	if (part->type != RTP_CONTROL_SDES || i >= part->count)
		return false;
	for (unsigned chunk = 0; chunk <= i; chunk++) {
		if (!read_chunk(part, &at, ssrc, cname))
			return false;
	}
	return true;
}

bool rtp_control_bye_at(const struct rtp_control_part *part, unsigned i, uint32_t *ssrc)
{
	if (part->type != RTP_CONTROL_BYE || i >= part->count ||
	    part->body_len < (i + 1) * (size_t)SSRC_LEN)
		return false;
	*ssrc = get32(part->body + i * (size_t)SSRC_LEN);
	return true;
}

/* ---- time ---- */

uint64_t rtp_control_ntp(uint64_t unix_us)
{
	const uint64_t seconds = unix_us / 1000000 + NTP_EPOCH;
	const uint64_t fraction = ((unix_us % 1000000) << 32) / 1000000;

	return seconds << 32 | fraction;
}

bool rtp_control_round_trip(const struct rtp_control_block *block, uint64_t now_ntp,
                            uint64_t *round_trip_us)
{
	const uint32_t now = rtp_control_ntp_middle(now_ntp);
	const int32_t round_trip = (int32_t)(now - block->last_sr - block->delay);

	if (block->last_sr == 0 || round_trip < 0)
		return false;
	*round_trip_us = (uint64_t)round_trip * 1000000 >> 16;
	return true;
}

void rtp_control_pace_init(struct rtp_control_pace *pace)
{
	*pace = (struct rtp_control_pace){
		.bandwidth = 2 * 10000 * 0.05, /* 80 kbit/s each way, with headers */
		.average_size = 100,
		.members = 2,
		.senders = 2,
		.we_sent = true,
		.initial = true,
	};
}

void rtp_control_pace_saw(struct rtp_control_pace *pace, size_t packet_len)
{
	const double size =
		(double)(packet_len < PACKET_MAX ? packet_len : PACKET_MAX) +
		UDP_IP_LEN;

	pace->average_size += (size - pace->average_size) / 16;
}

uint64_t rtp_control_interval_us(const struct rtp_control_pace *pace, double unit)
{
	double least = RTP_CONTROL_INTERVAL_US, share = pace->bandwidth, interval;
	unsigned sharers = pace->members;

	if (pace->initial)
		least /= 2;
	/* A quarter is for senders while they are few. */
	if (pace->senders * 4 <= pace->members) {
		share *= pace->we_sent ? 0.25 : 0.75;
		sharers = pace->we_sent ? pace->senders : pace->members - pace->senders;
	}
	interval = share > 0 ? 1e6 * pace->average_size * sharers / share : least;
	if (interval < least)
		interval = least;
	/* 6.3.1 divides by 1.21828 for its reconsideration, which is not done here. */
	return (uint64_t)(interval * (unit + 0.5));
}
