/* receive.c - RTP that comes to a session.
 *
 * Symmetric RTP (RFC 4961): we send to where the peer's packets come from.  Anybody may
 * send us packets, so a source becomes the peer only so:
 *
 *   - nobody is the peer: one that comes from the very address of the SDP is taken at
 *     once, any other after two packets in sequence (RFC 3550 A.1);
 *   - one that fits the SDP better than the peer may replace it;
 *   - the same SSRC going on in sequence from another address is the peer behind a NAT
 *     that has rebound;
 *   - another SSRC from the peer's own address is the peer that has started again;
 *   - anybody else waits until the peer has been silent for RTP_PEER_SILENT_US.
 */
#include "media/session.h"

#include <string.h>

enum { AUDIO_MAX = 1600 }; /* samples of one packet: 200 ms */

static enum rtp_fit fit_of(const struct rtp_session *session,
                           const struct sip_addr *from)
{
	if (sip_addr_eq(from, &session->remote.rtp))
		return RTP_FIT_EXACT;
	return sip_addr_same_host(from, &session->remote.rtp) ? RTP_FIT_HOST
	                                                      : RTP_FIT_OTHER;
}

/* A source has become the peer, or began again.  The playout buffer sees that by
 * itself. */
static void source_changed(struct rtp_session *session)
{
	struct rtp_dtmf_report report;

	if (rtp_dtmf_rx_reset(&session->dtmf_rx, &report))
		rtp_session_digit(session, &report);
}

static void latch(struct rtp_session *session, const struct rtp_peer *peer)
{
	if (session->latched) {
		session->count[MEDIA_GAUGE_source_changes]++;
		source_changed(session);
	}
	session->peer = *peer;
	session->latched = true;
	session->has_candidate = false;
}

static bool may_replace(const struct rtp_session *session, const struct sip_addr *from,
                        uint64_t now_us)
{
	const struct rtp_peer *peer = &session->peer;

	return !session->latched || sip_addr_eq(from, &peer->from) || peer->left ||
	       fit_of(session, from) > peer->fit ||
	       now_us - peer->heard_us >= RTP_PEER_SILENT_US;
}

/* A packet from a source that is not the peer.  True: it is now. */
static bool court(struct rtp_session *session, uint64_t now_us,
                  const struct sip_addr *from, const struct rtp_packet *packet)
{
	struct rtp_peer *candidate = &session->candidate;

	if (!may_replace(session, from, now_us)) {
		session->count[MEDIA_GAUGE_strangers]++;
		return false;
	}
	if (!session->has_candidate || candidate->source.ssrc != packet->ssrc ||
	    !sip_addr_eq(&candidate->from, from)) {
		const enum rtp_fit fit = fit_of(session, from);

		session->has_candidate = true;
		*candidate = (struct rtp_peer){ .from = *from, .fit = fit };
		rtp_source_init(&candidate->source, packet->ssrc, packet->seq,
		                fit == RTP_FIT_EXACT ? 1 : 2);
	}
	candidate->heard_us = now_us;
	if (rtp_source_check(&candidate->source, packet->seq) != RTP_TAKE)
		return false;
	latch(session, candidate);
	return true;
}

static bool follows(const struct rtp_source *source, uint16_t seq)
{
	const int ahead = rtp_seq_diff(seq, source->seq_max);

	return ahead > 0 && ahead < RTP_MISORDER_MAX;
}

/* Is this a packet of the peer's stream? */
static bool take_from(struct rtp_session *session, uint64_t now_us,
                      const struct sip_addr *from, const struct rtp_packet *packet)
{
	struct rtp_peer *peer = &session->peer;

	if (!session->latched || packet->ssrc != peer->source.ssrc)
		return court(session, now_us, from, packet);
	if (!sip_addr_eq(from, &peer->from)) {
		if (!follows(&peer->source, packet->seq)) {
			session->count[MEDIA_GAUGE_strangers]++;
			return false;
		}
		peer->from = *from;
		peer->fit = fit_of(session, from);
		session->rtcp_from = (struct sip_addr){ 0 };
		session->count[MEDIA_GAUGE_source_changes]++;
	}
	switch (rtp_source_check(&peer->source, packet->seq)) {
	case RTP_RESTART:
		source_changed(session);
		break;
	case RTP_TAKE:
		break;
	case RTP_PROBATION:
	case RTP_JUMP:
		return false;
	}
	peer->heard_us = now_us;
	return true;
}

/* ---- payload ---- */

enum payload { PAYLOAD_UNKNOWN, PAYLOAD_ULAW, PAYLOAD_ALAW, PAYLOAD_DTMF, PAYLOAD_CN };

/* The types of our own SDP, and the static ones (RFC 3551 6), which mean the same to
 * everybody: some peers change between the two laws without a word. */
static enum payload payload_of(const struct rtp_session *session, uint8_t type)
{
	const struct media_remote *remote = &session->remote;

	if (type == remote->receive_dtmf_payload_type)
		return PAYLOAD_DTMF;
	if (type == remote->receive_payload_type)
		return remote->codec == MEDIA_PCMA ? PAYLOAD_ALAW : PAYLOAD_ULAW;
	if (type == 0)
		return PAYLOAD_ULAW;
	if (type == 8)
		return PAYLOAD_ALAW;
	return type == RTP_PT_CN ? PAYLOAD_CN : PAYLOAD_UNKNOWN;
}

/* Digits are told when they end, with their length; a bridged session sends them on
 * from their beginning (see the engine's beat). */
void rtp_session_digit(struct rtp_session *session,
                       const struct rtp_dtmf_report *report)
{
	const uint32_t at =
		(session->digits_at + session->digits_len) % MEDIA_DIGITS_PENDING;

	if (session->relay_len < RTP_RELAY_MAX)
		session->relay[session->relay_len++] = *report;
	if (report->what != RTP_DTMF_END)
		return;
	session->count[MEDIA_GAUGE_digits]++;
	if (session->digits_len == MEDIA_DIGITS_PENDING) {
		session->count[MEDIA_GAUGE_digits_lost]++;
		return;
	}
	session->digits[at] = (struct rtp_digit){
		.digit = rtp_dtmf_digit_of(report->event),
		.duration_ms = report->duration / (MEDIA_RATE / 1000u),
	};
	session->digits_len++;
}

static void take_digit(struct rtp_session *session, uint64_t now_us,
                       const struct rtp_packet *packet)
{
	struct rtp_dtmf_report reports[RTP_DTMF_REPORTS];
	const unsigned count = rtp_dtmf_rx_feed(
		&session->dtmf_rx, now_us, packet->timestamp, packet->marker,
		packet->payload, packet->payload_len, reports);

	for (unsigned i = 0; i < count; i++)
		rtp_session_digit(session, &reports[i]);
}

static void take_audio(struct rtp_session *session, const struct rtp_packet *packet,
                       enum media_law law)
{
	int16_t samples[AUDIO_MAX];

	if (packet->payload_len > AUDIO_MAX) {
		session->count[MEDIA_GAUGE_garbage]++;
		return;
	}
	media_g711_decode(law, packet->payload, samples, packet->payload_len);
	switch (rtp_jitter_put(&session->jitter, packet->ssrc, packet->timestamp,
	                       packet->marker, samples, packet->payload_len)) {
	case RTP_JITTER_LATE:
		session->count[MEDIA_GAUGE_late]++;
		break;
	case RTP_JITTER_DUPLICATE:
		session->count[MEDIA_GAUGE_duplicates]++;
		break;
	case RTP_JITTER_TAKEN:
	case RTP_JITTER_JUMP:
		break;
	}
}

static void take_packet(struct rtp_session *session, uint64_t now_us,
                        const struct rtp_packet *packet, enum payload payload)
{
	session->count[MEDIA_GAUGE_received]++;
	session->count[MEDIA_GAUGE_received_octets] += packet->payload_len;
	if (payload == PAYLOAD_DTMF) {
		take_digit(session, now_us, packet);
		return;
	}
	if (payload == PAYLOAD_CN)
		return;
	rtp_source_arrive(&session->peer.source, packet->timestamp,
	                  (uint32_t)(now_us * MEDIA_RATE / 1000000u));
	take_audio(session, packet, payload == PAYLOAD_ALAW ? MEDIA_ALAW : MEDIA_ULAW);
}

static bool is_peer(const struct rtp_session *session, const struct sip_addr *from)
{
	return fit_of(session, from) == RTP_FIT_EXACT ||
	       (session->latched && sip_addr_eq(from, &session->peer.from));
}

/* Another has our SSRC, and we take a new one; or our own packets come back, and that
 * happens but once (RFC 3550 8.2).  What the peer itself sends back from there on is
 * an echo that somebody wants to hear: reflectors keep the SSRC, and a call of two
 * has no loops to be protected from, so its media is not discarded. */
bool rtp_session_conflict(struct rtp_session *session, uint64_t now_us,
                          const struct sip_addr *from, uint32_t ssrc, bool rtcp)
{
	const enum rtp_conflict conflict =
		rtp_conflicts_check(&session->conflicts, session->ssrc, ssrc, from,
	                            rtcp, now_us, RTP_CONFLICT_US);

	if (conflict == RTP_CONFLICT_NONE)
		return false;
	session->count[MEDIA_GAUGE_collisions]++;
	if (conflict == RTP_CONFLICT_LOOP)
		return rtcp || !is_peer(session, from);
	rtp_session_control_bye(session, now_us);
	rtp_session_new_ssrc(session);
	rtp_session_control_init(session, now_us);
	return true;
}

void rtp_session_input(struct rtp_session *session, uint64_t now_us,
                       const struct sip_addr *from, const void *bytes, size_t len)
{
	struct rtp_packet packet;
	enum payload payload;
	const char *why;

	if (++session->beat_packets > RTP_BEAT_PACKETS) {
		session->count[MEDIA_GAUGE_flood]++;
		return;
	}
	if (rtp_packet_parse(bytes, len, &packet, &why)) {
		session->count[MEDIA_GAUGE_garbage]++;
		return;
	}
	if (!session->connected || !(session->remote.direction & MEDIA_RECVONLY)) {
		session->count[MEDIA_GAUGE_unwanted]++;
		return;
	}
	payload = payload_of(session, packet.payload_type);
	if (payload == PAYLOAD_UNKNOWN) {
		session->count[MEDIA_GAUGE_unknown_payload]++;
		return;
	}
	if (!rtp_session_conflict(session, now_us, from, packet.ssrc, false) &&
	    take_from(session, now_us, from, &packet))
		take_packet(session, now_us, &packet, payload);
}

/* ---- a beat ---- */

/* While a digit is being received its peer sends no audio, and what would be filled
 * in is no speech. */
static void hear_frame(struct rtp_session *session)
{
	const enum rtp_jitter_get got =
		rtp_jitter_get(&session->jitter, session->heard, MEDIA_FRAME);

	if (got == RTP_JITTER_CONCEALED && !session->dtmf_rx.active)
		session->count[MEDIA_GAUGE_concealed]++;
	session->has_heard = got != RTP_JITTER_SILENCE && !session->dtmf_rx.active;
	if (!session->has_heard)
		memset(session->heard, 0, sizeof session->heard);
	session->count[MEDIA_GAUGE_delay_us] =
		(uint64_t)rtp_jitter_delay(&session->jitter) * 1000000u / MEDIA_RATE;
	if (session->latched) {
		const int32_t lost = rtp_source_lost(&session->peer.source);

		session->count[MEDIA_GAUGE_lost] = lost > 0 ? (uint64_t)lost : 0;
		session->count[MEDIA_GAUGE_jitter_us] =
			(uint64_t)rtp_source_jitter(&session->peer.source) * 1000000u /
			MEDIA_RATE;
	}
}

void rtp_session_hear(struct rtp_session *session, uint64_t at_us)
{
	struct rtp_dtmf_report report;

	session->beat_packets = 0;
	session->has_heard = false;
	if (session->closing)
		return;
	if (rtp_dtmf_rx_advance(&session->dtmf_rx, at_us, &report))
		rtp_session_digit(session, &report);
	hear_frame(session);
	if (session->taper.tape && !session->taper.over)
		session->count[MEDIA_GAUGE_record_lost] +=
			media_taper_write(&session->taper, session->heard);
}
