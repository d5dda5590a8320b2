#include "media/session.h"

#include "media/engine.h"
#include "media/mix.h"

#include <assert.h>
#include <string.h>

/* ---- making and ending ---- */

void rtp_session_new_ssrc(struct rtp_session *session)
{
	session->ssrc = (uint32_t)sip_random_u64(session->shared->random);
	session->seq = (uint16_t)sip_random_u64(session->shared->random);
}

sip_err rtp_session_init(struct rtp_session *session, const struct rtp_shared *shared,
                         uint32_t slot, uint32_t port, uint64_t now_us,
                         struct media_gauges *gauges)
{
	memset(session, 0, sizeof *session);
	session->open = true;
	session->slot = slot;
	session->port = port;
	session->shared = shared;
	session->bridged = MEDIA_SLOT_NONE;
	session->gauges = gauges;
	session->marker = true;
	session->timestamp = (uint32_t)sip_random_u64(shared->random);
	sip_random_token(shared->random, session->cname, sizeof session->cname);
	rtp_session_new_ssrc(session);
	rtp_jitter_init(&session->jitter, MEDIA_RATE);
	rtp_dtmf_tx_init(&session->dtmf_tx, MEDIA_FRAME, MEDIA_RATE, RTP_DTMF_ALL);
	rtp_dtmf_rx_init(&session->dtmf_rx, MEDIA_RATE, RTP_DTMF_ALL);
	rtp_session_control_init(session, now_us);
	return SIP_OK;
}

void rtp_session_fini(struct rtp_session *session)
{
	session->open = false;
}

void rtp_session_close(struct rtp_session *session, uint64_t now_us)
{
	rtp_session_control_bye(session, now_us);
	session->closing = true;
	for (unsigned i = 0; i < MEDIA_PLAYS; i++)
		if (session->players[i].strip)
			media_player_stop(&session->players[i], MEDIA_END_CLOSED);
	if (session->taper.tape)
		media_taper_stop(&session->taper, MEDIA_END_CLOSED);
}

/* ---- sending ---- */

static bool may_send(const struct rtp_session *session)
{
	return session->connected && (session->remote.direction & MEDIA_SENDONLY) != 0;
}

/* RTCP goes to the port above (RFC 3550 11) unless the SDP said where (RFC 3605), and
 * like RTP to where the peer's comes from. */
static struct sip_addr destination(const struct rtp_session *session, bool rtcp)
{
	const struct media_remote *remote = &session->remote;
	struct sip_addr to = session->latched ? session->peer.from : remote->rtp;

	if (!rtcp)
		return to;
	if (session->rtcp_from.family != 0)
		return session->rtcp_from;
	if (remote->rtcp.family != 0 && sip_addr_same_host(&remote->rtp, &to))
		return remote->rtcp;
	to.port++;
	return to;
}

void rtp_session_send(struct rtp_session *session, bool rtcp, const void *bytes,
                      size_t len)
{
	const struct sip_addr to = destination(session, rtcp);

	if (to.family == 0 || to.port == 0 || sip_addr_is_any(&to))
		return;
	session->shared->wire->ops->send(session->shared->wire, session->port, rtcp,
	                                 &to, bytes, len);
}

static void send_packet(struct rtp_session *session, uint8_t payload_type, bool marker,
                        uint32_t timestamp, const uint8_t *payload, size_t len)
{
	uint8_t bytes[RTP_HEADER_LEN + RTP_PAYLOAD_MAX];
	const struct rtp_packet packet = { .seq = session->seq++,
		                           .payload_type = payload_type,
		                           .marker = marker,
		                           .timestamp = timestamp,
		                           .ssrc = session->ssrc };

	assert(len <= RTP_PAYLOAD_MAX);
	memcpy(bytes + rtp_packet_write_header(bytes, &packet), payload, len);
	rtp_session_send(session, false, bytes, RTP_HEADER_LEN + len);
	session->count[MEDIA_GAUGE_sent]++;
	session->count[MEDIA_GAUGE_sent_octets] += len;
}

/* Packets have the length the peer asked for (RFC 3551 4.2), whatever a beat is. */
static void send_audio(struct rtp_session *session, const int16_t frame[MEDIA_FRAME])
{
	const uint32_t len = session->remote.ptime_ms * (MEDIA_RATE / 1000u);
	uint32_t at = 0;

	if (session->queued == 0)
		session->queue_timestamp = session->timestamp;
	assert(session->queued + MEDIA_FRAME <= RTP_PAYLOAD_MAX);
	media_g711_encode(session->remote.codec == MEDIA_PCMA ? MEDIA_ALAW : MEDIA_ULAW,
	                  frame, session->queue + session->queued, MEDIA_FRAME);
	session->queued += MEDIA_FRAME;
	for (; session->queued - at >= len; at += len) {
		send_packet(session, session->remote.payload_type, session->marker,
		            session->queue_timestamp, session->queue + at, len);
		session->marker = false;
		session->queue_timestamp += len;
	}
	session->queued -= at;
	memmove(session->queue, session->queue + at, session->queued);
}

/* An event takes the place of audio (RFC 4733 2.5.1.2). */
static bool send_digits(struct rtp_session *session)
{
	struct rtp_dtmf_out out[RTP_DTMF_OUT];
	unsigned count;

	if (session->remote.dtmf_payload_type == MEDIA_PT_NONE)
		return false;
	count = rtp_dtmf_tx_step(&session->dtmf_tx, session->timestamp, out);
	for (unsigned i = 0; i < count; i++)
		send_packet(session, session->remote.dtmf_payload_type, out[i].marker,
		            out[i].timestamp, out[i].payload, RTP_DTMF_LEN);
	if (count > 0) {
		session->queued = 0;
		session->marker = true;
	}
	return count > 0;
}

static void mix_players(struct rtp_session *session, int16_t frame[MEDIA_FRAME])
{
	for (unsigned i = 0; i < MEDIA_PLAYS; i++) {
		struct media_player *player = &session->players[i];
		uint32_t got;

		if (!player->strip || player->over)
			continue;
		got = media_player_mix(player, frame);
		if (media_player_starved(player, got))
			session->count[MEDIA_GAUGE_underruns]++;
	}
}

static void press_inband(struct rtp_session *session, sip_str digits, uint32_t on,
                         uint32_t off)
{
	const char *why;

	session->inband = media_tone_dtmf(&session->inband_tone, digits, MEDIA_RATE, on,
	                                  off, &why) == SIP_OK;
	session->count[MEDIA_GAUGE_pressed] += digits.len;
}

static void mix_inband(struct rtp_session *session, int16_t frame[MEDIA_FRAME])
{
	int16_t tone[MEDIA_FRAME];
	size_t count;

	if (!session->inband)
		return;
	count = media_tone_fill(&session->inband_tone, tone, MEDIA_FRAME);
	media_mix_add(frame, tone, count);
	session->inband = count == MEDIA_FRAME;
}

/* What the bridged session's peer presses goes on from its first packet, and ends when
 * it ends; for a peer without telephone-event it becomes a tone of the same length. */
static void relay_digits(struct rtp_session *session, const struct rtp_session *other)
{
	const bool events = session->remote.dtmf_payload_type != MEDIA_PT_NONE;

	for (uint32_t i = 0; i < other->relay_len; i++) {
		const struct rtp_dtmf_report *report = &other->relay[i];

		if (events && report->what == RTP_DTMF_BEGIN) {
			(void)rtp_dtmf_tx_press(&session->dtmf_tx, report->event,
			                        RTP_DTMF_HELD,
			                        0); /* or it is not told */
		} else if (!events && report->what == RTP_DTMF_END) {
			const char digit = rtp_dtmf_digit_of(report->event);

			press_inband(session, sip_str_of(&digit, 1), report->duration,
			             0);
		}
	}
}

/* After this beat's packet has gone: a digit lasts as long as it came, though all of it
 * may have come in one beat, with the next one behind it, when we were kept waiting. */
static void relay_ends(struct rtp_session *session, struct rtp_session *other)
{
	if (!other) {
		while (rtp_dtmf_tx_release(&session->dtmf_tx, 0))
			;
		session->relay_len = 0;
		return;
	}
	for (uint32_t i = 0; i < other->relay_len; i++) {
		if (other->relay[i].what == RTP_DTMF_END)
			(void)rtp_dtmf_tx_release(
				&session->dtmf_tx,
				other->relay[i].duration); /* if begun */
	}
	other->relay_len = 0;
}

static void publish(struct rtp_session *session)
{
	for (unsigned i = 0; i < MEDIA_GAUGES; i++)
		atomic_store_explicit(&session->gauges->value[i], session->count[i],
		                      memory_order_relaxed);
}

void rtp_session_speak(struct rtp_session *session, uint64_t at_us,
                       struct rtp_session *other)
{
	int16_t frame[MEDIA_FRAME] = { 0 };

	if (session->closing)
		return;
	if (other)
		relay_digits(session, other);
	mix_players(session, frame);
	mix_inband(session, frame);
	if (other && other->has_heard)
		media_mix_add(frame, other->heard, MEDIA_FRAME);
	if (!may_send(session)) {
		session->queued = 0;
		session->marker = true;
	} else if (!send_digits(session)) {
		send_audio(session, frame);
	}
	relay_ends(session, other);
	session->timestamp += MEDIA_FRAME;
	rtp_session_control_beat(session, at_us);
	publish(session);
}

void rtp_session_skip(struct rtp_session *session, uint32_t beats)
{
	session->timestamp += beats * MEDIA_FRAME;
	session->queued = 0;
	session->marker = true;
}

/* ---- commands ---- */

/* A re-INVITE that names another address starts the search for the peer again; one
 * that names the same keeps what was learnt. */
static void take_remote(struct rtp_session *session, const struct media_remote *remote)
{
	if (!session->connected || !sip_addr_eq(&session->remote.rtp, &remote->rtp)) {
		session->latched = session->has_candidate = false;
		session->rtcp_from = (struct sip_addr){ 0 };
	}
	if (!session->connected || session->remote.codec != remote->codec ||
	    session->remote.ptime_ms != remote->ptime_ms)
		session->queued = 0;
	session->remote = *remote;
	session->connected = true;
}

static struct media_player *free_player(struct rtp_session *session)
{
	for (unsigned i = 0; i < MEDIA_PLAYS; i++)
		if (!session->players[i].strip)
			return &session->players[i];
	return NULL;
}

static void stop(struct rtp_session *session, uint32_t id)
{
	for (unsigned i = 0; i < MEDIA_PLAYS; i++)
		if (session->players[i].strip && session->players[i].id == id)
			media_player_stop(&session->players[i], MEDIA_END_STOPPED);
	if (session->taper.tape && session->taper.id == id)
		media_taper_stop(&session->taper, MEDIA_END_STOPPED);
}

/* Without telephone-event the digits are heard as tones. */
static void press(struct rtp_session *session, const struct media_press *press)
{
	const uint32_t on = press->duration_ms * (MEDIA_RATE / 1000u);
	const uint32_t off = press->gap_ms * (MEDIA_RATE / 1000u);

	if (session->connected && session->remote.dtmf_payload_type == MEDIA_PT_NONE) {
		press_inband(session, sip_str_of(press->digits, press->count), on, off);
		return;
	}
	for (unsigned i = 0; i < press->count; i++) {
		const int event = rtp_dtmf_event_of(press->digits[i]);

		if (event >= 0 && rtp_dtmf_tx_press(&session->dtmf_tx, (unsigned)event,
		                                    on, off) == SIP_OK)
			session->count[MEDIA_GAUGE_pressed]++;
	}
}

void rtp_session_command(struct rtp_session *session, uint64_t now_us,
                         const struct media_command *command)
{
	struct media_player *player;

	(void)now_us;
	switch (command->kind) {
	case MEDIA_REMOTE:
		take_remote(session, &command->remote);
		break;
	case MEDIA_PLAY:
		player = free_player(session);
		assert(player); /* the desk counts them */
		media_player_start(player, command->id, command->strip);
		break;
	case MEDIA_RECORD:
		assert(!session->taper.tape);
		media_taper_start(&session->taper, command->id, command->record.tape,
		                  command->record.max_samples,
		                  command->record.silence_samples);
		break;
	case MEDIA_STOP:
		stop(session, command->id);
		break;
	case MEDIA_PRESS:
		press(session, &command->press);
		break;
	case MEDIA_OPEN:
	case MEDIA_BRIDGE:
	case MEDIA_CLOSE: /* the engine's */
		break;
	}
}

/* ---- reports ---- */

static bool push(const struct rtp_session *session, struct media_queue *reports,
                 struct media_report report)
{
	report.slot = session->slot;
	return media_queue_push(reports, &report);
}

static bool report_digits(struct rtp_session *session, struct media_queue *reports)
{
	for (; session->digits_len > 0; session->digits_len--) {
		const struct rtp_digit *digit = &session->digits[session->digits_at];

		if (!push(session, reports,
		          (struct media_report){ .kind = MEDIA_REPORT_DIGIT,
		                                 .digit = digit->digit,
		                                 .duration_ms = digit->duration_ms }))
			return false;
		session->digits_at = (session->digits_at + 1) % MEDIA_DIGITS_PENDING;
	}
	return true;
}

static bool report_player(struct rtp_session *session, struct media_player *player,
                          struct media_queue *reports)
{
	if (player->read_segment) {
		if (!push(session, reports,
		          (struct media_report){ .kind = MEDIA_REPORT_STRIP,
		                                 .id = player->id }))
			return false;
		player->read_segment = false;
	}
	if (!player->over)
		return true;
	if (!push(session, reports,
	          (struct media_report){ .kind = MEDIA_REPORT_PLAYED,
	                                 .id = player->id,
	                                 .end = player->end }))
		return false;
	player->strip = NULL;
	return true;
}

static bool report_taper(struct rtp_session *session, struct media_queue *reports)
{
	struct media_taper *taper = &session->taper;

	if (taper->wrote_chunk) {
		if (!push(session, reports,
		          (struct media_report){ .kind = MEDIA_REPORT_TAPE,
		                                 .id = taper->id }))
			return false;
		taper->wrote_chunk = false;
	}
	if (!taper->over)
		return true;
	if (!push(session, reports,
	          (struct media_report){ .kind = MEDIA_REPORT_RECORDED,
	                                 .id = taper->id,
	                                 .end = taper->end,
	                                 .lost = taper->lost }))
		return false;
	taper->tape = NULL;
	return true;
}

bool rtp_session_report(struct rtp_session *session, struct media_queue *reports)
{
	if (!report_digits(session, reports))
		return false;
	for (unsigned i = 0; i < MEDIA_PLAYS; i++)
		if (session->players[i].strip &&
		    !report_player(session, &session->players[i], reports))
			return false;
	if (session->taper.tape && !report_taper(session, reports))
		return false;
	if (!session->closing)
		return true;
	publish(session);
	return push(session, reports,
	            (struct media_report){ .kind = MEDIA_REPORT_CLOSED });
}
