/* control.c - RTCP of a session (RFC 3550 6): reports at random intervals, what the
 * peer says about us, and the BYE. */
#include "media/session.h"

#include "media/engine.h"

#include <string.h>

enum { REPORT_MAX = 256 };

static uint64_t interval(struct rtp_session *session)
{
	return rtp_control_interval_us(&session->control.pace,
	                               sip_random_unit(session->shared->random));
}

void rtp_session_control_init(struct rtp_session *session, uint64_t now_us)
{
	struct rtp_control *control = &session->control;

	*control = (struct rtp_control){
		.packets_before = session->count[MEDIA_GAUGE_sent],
		.octets_before = session->count[MEDIA_GAUGE_sent_octets],
	};
	control->sent[0] = control->sent[1] = control->packets_before;
	rtp_control_pace_init(&control->pace);
	control->due_us = now_us + interval(session);
}

/* ---- sending ---- */

static void report_send(struct rtp_session *session, uint64_t now_us, bool bye)
{
	struct rtp_control *control = &session->control;
	const uint64_t unix_us = now_us + session->shared->wall_offset_us;
	struct rtp_control_block block;
	uint8_t bytes[REPORT_MAX];
	size_t len;
	struct rtp_control_report report = {
		.ssrc = session->ssrc,
		.has_sender = control->pace.we_sent,
		.sender = {
			.ntp = rtp_control_ntp(unix_us),
			.timestamp = session->timestamp - MEDIA_FRAME,
			.packets = (uint32_t)(session->count[MEDIA_GAUGE_sent] -
			                      control->packets_before),
			.octets = (uint32_t)(session->count[MEDIA_GAUGE_sent_octets] -
			                     control->octets_before),
		},
		.cname = sip_str_of(session->cname, sizeof session->cname),
		.bye = bye,
	};

	if (session->latched) {
		rtp_control_block_of(&session->peer.source, control->last_sr,
		                     control->last_sr_us, now_us, &block);
		report.blocks = &block;
		report.block_count = 1;
	}
	if (rtp_control_write(bytes, sizeof bytes, &report, &len))
		return;
	rtp_session_send(session, true, bytes, len);
	rtp_control_pace_saw(&control->pace, len);
	session->count[MEDIA_GAUGE_rtcp_sent]++;
}

/* We are a sender as long as we have sent since the report before the last
 * (RFC 3550 6.3.8). */
void rtp_session_control_beat(struct rtp_session *session, uint64_t at_us)
{
	struct rtp_control *control = &session->control;

	if (at_us < control->due_us)
		return;
	if (session->connected) {
		control->pace.we_sent =
			session->count[MEDIA_GAUGE_sent] > control->sent[1];
		control->pace.senders = control->pace.we_sent + session->latched;
		report_send(session, at_us, false);
		control->pace.initial = false;
		control->sent[1] = control->sent[0];
		control->sent[0] = session->count[MEDIA_GAUGE_sent];
	}
	control->due_us = at_us + interval(session);
}

/* Who has never sent anything does not say BYE (RFC 3550 6.3.7). */
void rtp_session_control_bye(struct rtp_session *session, uint64_t now_us)
{
	const struct rtp_control *control = &session->control;

	if (session->connected &&
	    session->count[MEDIA_GAUGE_sent] > control->packets_before)
		report_send(session, now_us, true);
}

/* ---- receiving ---- */

static void take_block(struct rtp_session *session, uint64_t now_us,
                       const struct rtp_control_block *block)
{
	const uint64_t ntp = rtp_control_ntp(now_us + session->shared->wall_offset_us);
	uint64_t round_trip_us;

	if (block->ssrc != session->ssrc)
		return;
	session->count[MEDIA_GAUGE_remote_lost] =
		block->lost > 0 ? (uint64_t)block->lost : 0;
	session->count[MEDIA_GAUGE_remote_jitter_us] =
		(uint64_t)block->jitter * 1000000u / MEDIA_RATE;
	if (rtp_control_round_trip(block, ntp, &round_trip_us))
		session->count[MEDIA_GAUGE_rtt_us] = round_trip_us;
}

static bool is_peer(const struct rtp_session *session, uint32_t ssrc)
{
	return session->latched && session->peer.source.ssrc == ssrc;
}

static void take_part(struct rtp_session *session, uint64_t now_us,
                      const struct rtp_control_part *part)
{
	struct rtp_control *control = &session->control;
	struct rtp_control_sender sender;
	struct rtp_control_block block;
	uint32_t ssrc;

	if (is_peer(session, part->ssrc) && rtp_control_sender_of(part, &sender)) {
		control->last_sr = rtp_control_ntp_middle(sender.ntp);
		control->last_sr_us = now_us;
	}
	for (unsigned i = 0; rtp_control_block_at(part, i, &block); i++)
		take_block(session, now_us, &block);
	/* Who has said BYE may be followed by anybody at once. */
	for (unsigned i = 0; rtp_control_bye_at(part, i, &ssrc); i++)
		if (is_peer(session, ssrc))
			session->peer.left = true;
}

/* Reports are believed when they come from where RTP comes from. */
static bool is_known(const struct rtp_session *session, const struct sip_addr *from)
{
	const struct media_remote *remote = &session->remote;

	return (session->latched && sip_addr_same_host(from, &session->peer.from)) ||
	       sip_addr_same_host(from, &remote->rtp) ||
	       (remote->rtcp.family != 0 && sip_addr_eq(from, &remote->rtcp));
}

static bool conflict(struct rtp_session *session, uint64_t now_us,
                     const struct sip_addr *from, uint32_t ssrc)
{
	if (ssrc == 0 || ssrc != session->ssrc)
		return false;
	rtp_session_conflict(session, now_us, from, ssrc, true);
	return true;
}

void rtp_session_control(struct rtp_session *session, uint64_t now_us,
                         const struct sip_addr *from, const void *bytes, size_t len)
{
	struct rtp_control_part part = { .rest = bytes, .rest_len = len };
	const char *why;

	if (++session->beat_packets > RTP_BEAT_PACKETS) {
		session->count[MEDIA_GAUGE_flood]++;
		return;
	}
	if (rtp_control_check(bytes, len, &why)) {
		session->count[MEDIA_GAUGE_garbage]++;
		return;
	}
	if (!session->connected || !is_known(session, from)) {
		session->count[session->connected ? MEDIA_GAUGE_strangers
		                                  : MEDIA_GAUGE_unwanted]++;
		return;
	}
	rtp_control_pace_saw(&session->control.pace, len);
	session->count[MEDIA_GAUGE_rtcp_received]++;
	while (rtp_control_next(&part)) {
		if (conflict(session, now_us, from, part.ssrc))
			return;
		take_part(session, now_us, &part);
	}
	session->rtcp_from = *from;
}
