#pragma once
/* One RTP session in the engine: what a call hears and says.
 *
 * Each beat it first hears (a frame out of the playout buffer, into the recording) and
 * then speaks (plays, the bridged session's frame and pressed digits, mixed, encoded,
 * sent).  It speaks whenever it may, silence too: many peers take a stream that stops
 * for a dead one.
 *
 * Where it sends is symmetric (RFC 4961): to the address the peer's packets come
 * from, see receive.c.
 */
#include "base/random.h"
#include "media/dtmf_event.h"
#include "media/g711.h"
#include "media/jitter.h"
#include "media/link.h"
#include "media/player.h"
#include "media/rtcp.h"
#include "media/rtp.h"
#include "media/tone.h"

struct rtp_wire;

enum {
	RTP_PTIME_MAX = 120,
	RTP_PAYLOAD_MAX = (RTP_PTIME_MAX + 20) * MEDIA_RATE / 1000,
	RTP_BEAT_PACKETS = 64,        /* more in one beat is a flood */
	RTP_PEER_SILENT_US = 2000000, /* then another source may take its place */
	RTP_CONFLICT_US = 25000000,   /* five report intervals (RFC 3550 8.2) */
	RTP_CNAME_LEN = 16,
	RTP_PT_CN = 13,
};

/* What all sessions of an engine use. */
struct rtp_shared {
	struct sip_alloc *alloc;
	struct sip_random *random;
	struct rtp_wire *wire;
	uint64_t wall_offset_us;
};

/* A source of packets: how well its address fits what the SDP said. */
enum rtp_fit { RTP_FIT_OTHER, RTP_FIT_HOST, RTP_FIT_EXACT };

struct rtp_peer {
	struct sip_addr from;
	enum rtp_fit fit;
	uint64_t heard_us;
	bool left; /* it has said BYE */
	struct rtp_source source;
};

/* Reports (control.c). */
struct rtp_control {
	struct rtp_control_pace pace;
	uint64_t due_us;
	uint64_t sent[2]; /* packets, at the last report and the one before */
	uint64_t packets_before, octets_before; /* sent under another SSRC */
	uint32_t last_sr;                       /* of the peer */
	uint64_t last_sr_us;
};

struct rtp_digit {
	char digit;
	uint32_t duration_ms;
};

enum { RTP_RELAY_MAX = 8 };

struct rtp_session {
	bool open;
	bool closing; /* nothing more goes in or out; reports are still owed */
	uint32_t slot, port;
	uint32_t active_at; /* the engine's */
	uint32_t bridged;   /* the engine's: a slot */
	const struct rtp_shared *shared;
	bool connected; /* `remote` is set */
	struct media_remote remote;

	/* out */
	uint32_t ssrc, timestamp; /* of the next beat */
	uint16_t seq;
	bool marker;     /* on the next packet of audio */
	uint32_t queued; /* octets of `queue`, which began at queue_timestamp */
	uint32_t queue_timestamp;
	uint8_t queue[RTP_PAYLOAD_MAX];
	struct rtp_dtmf_tx dtmf_tx;
	bool inband; /* digits for a peer without telephone-event */
	struct media_tone inband_tone;
	struct media_player players[MEDIA_PLAYS];

	/* in */
	bool latched;
	bool has_candidate;
	struct rtp_peer peer, candidate;
	struct sip_addr rtcp_from; /* family 0: nothing has come */
	struct rtp_conflicts conflicts;
	uint32_t beat_packets;
	struct rtp_jitter jitter;
	struct rtp_dtmf_rx dtmf_rx;
	bool has_heard; /* `heard` is no mere silence */
	int16_t heard[MEDIA_FRAME];
	struct media_taper taper;

	struct rtp_dtmf_report relay[RTP_RELAY_MAX]; /* for the bridged session */
	uint32_t relay_len;

	struct rtp_control control;
	char cname[RTP_CNAME_LEN];

	/* for the desk */
	struct rtp_digit digits[MEDIA_DIGITS_PENDING];
	uint32_t digits_at, digits_len;
	uint64_t count[MEDIA_GAUGES];
	struct media_gauges *gauges;
};

sip_err rtp_session_init(struct rtp_session *session, const struct rtp_shared *shared,
                         uint32_t slot, uint32_t port, uint64_t now_us,
                         struct media_gauges *gauges);
void rtp_session_fini(struct rtp_session *session);

void rtp_session_command(struct rtp_session *session, uint64_t now_us,
                         const struct media_command *command);
/* Says BYE, ends what plays and records.  CLOSED is reported last. */
void rtp_session_close(struct rtp_session *session, uint64_t now_us);

/* Packets of the RTP and of the RTCP port. */
void rtp_session_input(struct rtp_session *session, uint64_t now_us,
                       const struct sip_addr *from, const void *bytes, size_t len);
void rtp_session_control(struct rtp_session *session, uint64_t now_us,
                         const struct sip_addr *from, const void *bytes, size_t len);

/* The two halves of a beat. */
void rtp_session_hear(struct rtp_session *session, uint64_t at_us);
void rtp_session_speak(struct rtp_session *session, uint64_t at_us,
                       struct rtp_session *other);
/* Time has passed that nobody heard: its clock goes on. */
void rtp_session_skip(struct rtp_session *session, uint32_t beats);

/* Push what is to be reported; false when the queue is full: call again. */
bool rtp_session_report(struct rtp_session *session, struct media_queue *reports);

/* ---- between session.c, receive.c and control.c ---- */

void rtp_session_send(struct rtp_session *session, bool rtcp, const void *bytes,
                      size_t len);
void rtp_session_new_ssrc(struct rtp_session *session);
void rtp_session_digit(struct rtp_session *session,
                       const struct rtp_dtmf_report *report);
/* A packet has our SSRC, or not (RFC 3550 8.2).  True: it is to be dropped. */
bool rtp_session_conflict(struct rtp_session *session, uint64_t now_us,
                          const struct sip_addr *from, uint32_t ssrc, bool rtcp);

void rtp_session_control_init(struct rtp_session *session, uint64_t now_us);
void rtp_session_control_beat(struct rtp_session *session, uint64_t at_us);
void rtp_session_control_bye(struct rtp_session *session, uint64_t now_us);
