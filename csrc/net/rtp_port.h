#pragma once
/* Pairs of RTP and RTCP sockets (RFC 3550 11), shared by two threads.
 *
 * The signalling thread binds a pair and gives it away; from then on the sockets are
 * the media thread's, until it has closed them.  An id is used again only after that.
 */
#include "base/wire.h"
#include "media/desk.h"

#include <stdatomic.h>
#include <uv.h>

struct rtp_ports;

enum {
	RTP_PACKETS = 8, /* taken from one socket at a time */
	RTP_PACKET_MAX =
		2048 /* what is longer than a frame of Ethernet is cut: garbage */
};

struct rtp_packet {
	struct sip_addr from;
	size_t len;
	char bytes[RTP_PACKET_MAX];
};

struct rtp_port {
	struct rtp_ports *ports;
	atomic_bool used; /* set by the signalling thread, cleared by the other */
	uint32_t id;
	int fd[2]; /* RTP, RTCP */
	uv_poll_t poll[2];
	unsigned handles; /* of poll: not yet closed */
};

struct rtp_ports {
	struct media_ports seam;
	struct sip_alloc *alloc;
	struct rtp_port *table;
	uint32_t count, next;
	uint16_t first, last, next_port;
	struct media_queue changes; /* to the media thread */
	char why[160];
};

/* The signalling thread's side.  `first` and `last` bound the port numbers. */
sip_err rtp_ports_init(struct rtp_ports *ports, struct sip_alloc *alloc, uint32_t count,
                       uint16_t first, uint16_t last);
void rtp_ports_fini(struct rtp_ports *ports); /* after the media thread has ended */
sip_err rtp_ports_open(struct rtp_ports *ports, const struct sip_addr *host,
                       uint32_t *id, struct sip_addr *bound, const char **why);
void rtp_ports_close(struct rtp_ports *ports, uint32_t id);

/* The media thread's side: take what was opened and closed since. */
void rtp_ports_take(struct rtp_ports *ports, uv_loop_t *uv, uv_poll_cb on_packets);
void rtp_ports_end(struct rtp_ports *ports); /* close all that is left */
void rtp_port_watch(struct rtp_port *port, bool rtcp, uv_poll_cb on_packets);
/* Gives how many came, at most RTP_PACKETS. */
int rtp_port_receive(struct rtp_port *port, bool rtcp, struct rtp_packet *packets);
void rtp_port_send(struct rtp_port *port, bool rtcp, const struct sip_addr *to,
                   sip_str bytes);
