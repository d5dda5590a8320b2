#pragma once
/* The media engine: all RTP sessions of one process, advanced by time.
 *
 * A plain object.  Packets, instants and commands come in; packets and reports go
 * out.  It touches no file, socket or clock and never waits, so that a thread
 * (net) and a simulation (sim) drive the same code:
 *
 *	rtp_engine_input     for each packet, as it comes;
 *	rtp_engine_advance   when the deadline has come, and when a command was sent;
 *	rtp_engine_deadline  when to be called next.
 *
 * One beat is 20 ms of audio for every session.  Beats stand on a grid of absolute
 * instants: being called late moves nothing, so the stream does not drift.
 */
#include "base/alloc.h"
#include "base/random.h"
#include "media/link.h"

struct rtp_engine;

/* The way out, on the media thread.  A port is a pair of sockets, RTP and RTCP,
 * opened by the desk's media_ports and known to both sides by its id. */
struct rtp_wire;

struct rtp_wire_ops {
	/* Copies the bytes.  May put them off until `notify` to send many at once; a
	 * failure is the network's loss of a packet and is not told. */
	void (*send)(struct rtp_wire *wire, uint32_t port, bool rtcp,
	             const struct sip_addr *to, const void *bytes, size_t len);
	/* The end of a beat, or of an advance that did something: send what was put
	 * off; with `reports`, wake the signalling thread (media_desk_next). */
	void (*notify)(struct rtp_wire *wire, bool reports);
};

struct rtp_wire {
	const struct rtp_wire_ops *ops;
};

struct rtp_engine_config {
	struct sip_alloc *alloc;   /* the media thread's own */
	struct sip_random *random; /* the media thread's own */
	struct rtp_wire *wire;
	struct media_link *link;
	uint64_t wall_offset_us; /* wall clock (Unix) minus now_us; 0: not known */
	uint32_t sessions_max;   /* the desk's limit */
	uint32_t ports_max;      /* port ids are below it */
};

struct rtp_engine *rtp_engine_new(const struct rtp_engine_config *config); /* or NULL */
void rtp_engine_free(struct rtp_engine *engine); /* ends silently what is left */

/* One packet that came to a port.  Borrows the bytes. */
void rtp_engine_input(struct rtp_engine *engine, uint64_t now_us, uint32_t port,
                      bool rtcp, const struct sip_addr *from, const void *bytes,
                      size_t len);

/* Take the commands that wait, then every beat that is due. */
void rtp_engine_advance(struct rtp_engine *engine, uint64_t now_us);

/* When the next beat is due; UINT64_MAX while there is no session. */
uint64_t rtp_engine_deadline(const struct rtp_engine *engine);

uint32_t rtp_engine_sessions(const struct rtp_engine *engine);
