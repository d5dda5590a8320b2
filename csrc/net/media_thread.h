#pragma once
/* The media thread: one engine (media/engine.h) on real sockets, in real time.
 *
 * The thread has a libuv loop of its own; it reads the RTP and RTCP sockets, sends
 * at once, and advances the engine at absolute instants, so that nothing the
 * signalling thread does is heard.  The two sides share the link of the engine, a
 * queue of opened and closed ports, and a wake-up for each direction.
 */
#include "media/desk.h"
#include "net/net.h"

struct net_media;

struct net_media_config {
	uint16_t port_first, port_last; /* RTP on even ports; zeros: the default */
	uint32_t sessions_max;          /* 0: the default */
	size_t cache_bytes;             /* of prompts; 0: the desk's default */
};

/* Starts the thread.  `why` is readable when it fails. */
sip_err net_media_new(struct net_loop *loop, const struct net_media_config *config,
                      struct net_media **media, const char **why);
/* The desk; what happened is to be asked of it after each net_loop_poll. */
struct media_desk *net_media_desk(struct net_media *media);
/* Closes every session, writes recordings out, and ends the thread.  Polls the loop
 * meanwhile: the wires whose events nobody wants any more are freed before. */
void net_media_free(struct net_media *media);
