/* What comes to an RTP port: the packets of one stream of bytes, each with a length
 * before it, through everything that reads them. */
#include "media/dtmf_event.h"
#include "media/jitter.h"
#include "media/rtcp.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { PACKET_MAX = 400, FRAME = 160 };

struct peer {
	struct rtp_source source;
	bool heard;
	struct rtp_jitter jitter;
	struct rtp_dtmf_rx dtmf;
	bool pressed;
	struct rtp_conflicts conflicts;
	uint64_t now_us;
	volatile uint32_t checksum; /* of what else nobody would read */
};

static void must(bool cond)
{
	if (!cond)
		abort();
}

static void read_control(struct peer *peer, const uint8_t *bytes, size_t len)
{
	struct rtp_control_part part = { .rest = bytes, .rest_len = len };
	const char *why = NULL;

	if (rtp_control_check(bytes, len, &why)) {
		must(why != NULL);
		return;
	}
	while (rtp_control_next(&part)) {
		struct rtp_control_sender sender;
		struct rtp_control_block block;
		uint32_t ssrc, sum = 0;
		sip_str cname;

		must(part.body >= bytes && part.body + part.body_len <= bytes + len);
		(void)rtp_control_sender_of(&part,
		                            &sender); /* whether or not it is one */
		for (unsigned i = 0; i < 33; i++) {
			if (rtp_control_block_at(&part, i, &block))
				must(block.lost >= -0x800000 && block.lost <= 0x7fffff);
			if (rtp_control_cname_at(&part, i, &ssrc, &cname)) {
				for (size_t k = 0; k < cname.len; k++)
					sum += (uint8_t)cname.p[k];
			}
			if (rtp_control_bye_at(&part, i, &ssrc))
				sum += ssrc;
		}
		peer->checksum += sum;
	}
	must(part.rest_len == 0);
}

static void report(struct peer *peer, const struct rtp_dtmf_report *reports,
                   unsigned count)
{
	for (unsigned i = 0; i < count; i++) { /* begin and end take turns */
		must(reports[i].event < RTP_DTMF_EVENTS);
		must(peer->pressed == (reports[i].what == RTP_DTMF_END));
		peer->pressed = !peer->pressed;
	}
}

static void read_packet(struct peer *peer, const uint8_t *bytes, size_t len)
{
	struct rtp_packet packet;
	struct rtp_dtmf_report reports[RTP_DTMF_REPORTS];
	const struct sip_addr from = { .family = 4, .port = (uint16_t)(len & 7) };
	struct rtp_control_block block;
	int16_t samples[PACKET_MAX];
	const char *why = NULL;
	uint8_t header[RTP_HEADER_LEN];

	if (rtp_packet_parse(bytes, len, &packet, &why)) {
		must(why != NULL);
		return;
	}
	must(packet.payload + packet.payload_len <= bytes + len);
	for (unsigned i = 0; i < packet.csrc_count; i++)
		(void)rtp_packet_csrc(&packet, i);      /* for the sanitizer */
	(void)rtp_packet_write_header(header, &packet); /* its length is constant */
	must(memcmp(header + 1, bytes + 1, RTP_HEADER_LEN - 1) == 0);
	(void)rtp_conflicts_check(&peer->conflicts, 1, packet.ssrc & 3, &from, false,
	                          peer->now_us, 50000000); /* any verdict is one */
	if (!peer->heard || peer->source.ssrc != packet.ssrc)
		rtp_source_init(&peer->source, packet.ssrc, packet.seq, 2);
	peer->heard = true;
	(void)rtp_source_check(&peer->source, packet.seq); /* all go on, to see more */
	rtp_source_arrive(&peer->source, packet.timestamp,
	                  (uint32_t)peer->now_us / 125);
	rtp_control_block_of(&peer->source, 0, 0, peer->now_us, &block);
	if (packet.payload_type & 1) {
		report(peer, reports,
		       rtp_dtmf_rx_feed(&peer->dtmf, peer->now_us, packet.timestamp,
		                        packet.marker, packet.payload,
		                        packet.payload_len, reports));
		return;
	}
	for (size_t i = 0; i < packet.payload_len; i++)
		samples[i] = (int16_t)(packet.payload[i] * 257 - 32768);
	(void)rtp_jitter_put(&peer->jitter, packet.ssrc, packet.timestamp,
	                     packet.marker, samples,
	                     packet.payload_len); /* any verdict is one */
}

static void beat(struct peer *peer)
{
	struct rtp_dtmf_report ended;
	int16_t frame[FRAME];

	peer->now_us += 20000;
	if (rtp_jitter_get(&peer->jitter, frame, FRAME) == RTP_JITTER_SILENCE) {
		for (unsigned i = 0; i < FRAME; i++)
			must(frame[i] == 0);
	}
	must(rtp_jitter_delay(&peer->jitter) <= RTP_JITTER_RING + 1600);
	if (rtp_dtmf_rx_advance(&peer->dtmf, peer->now_us, &ended))
		report(peer, &ended, 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct peer peer = { 0 };
	size_t at = 0;

	rtp_jitter_init(&peer.jitter, 8000);
	rtp_dtmf_rx_init(&peer.dtmf, 8000, RTP_DTMF_ALL);
	while (at < size) {
		size_t len = data[at++];

		if (len == 255) { /* time */
			beat(&peer);
			continue;
		}
		if (len > size - at)
			len = size - at;
		if (rtp_packet_is_control(data + at, len))
			read_control(&peer, data + at, len);
		else
			read_packet(&peer, data + at, len);
		at += len;
	}
	return 0;
}
