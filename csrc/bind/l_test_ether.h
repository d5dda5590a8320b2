/* l_test_ether.h - real sockets under the names that specs use.
 *
 * A spec speaks of 192.0.2.1:5060.  Here every such network is one of loopback, and
 * the wires that hosts are given rename addresses on the way down and up; the bytes
 * pass as they are, and everything below is the wire of production, on a loop of its
 * own for each host.  Ports are shifted, out of the way of what else listens here.  Of
 * IPv6 loopback has one address: there the kernel chooses ports, which tell hosts
 * apart.
 *
 * It counts what is under way: each datagram and each byte of a stream that was sent
 * and has not come in, each connection of which one end has not heard.  So a spec
 * need not wait for the kernel by the clock: it polls until nothing is left.
 */
#pragma once

#include "base/list.h"
#include "net/net.h"
#include "sim/world.h"

enum { ETHER_NETS = 16, ETHER_ADDRESSES = 8, ETHER_LINKS = 16 };

/* How packets fare; an address of family 0 is any, and later rules win.  What is lost
 * or late is so before the kernel gets it. */
struct l_ether_link {
	struct sip_addr from, to;
	uint64_t delay_ms, reorder_ms;
	double loss, duplicate, reorder;
};

struct l_ether {
	struct net_clock clock;
	uint64_t now_ms;
	struct sip_alloc *alloc;
	struct net_loop *loop; /* of what no host has: the claim, holes, forgers */
	struct sip_wire *wire;
	struct sip_wire_sink sink;
	uint8_t prefix; /* 127.prefix.n.x is the n-th network, claimed */
	uint8_t nets[ETHER_NETS][3];
	unsigned net_count;
	struct sip_link hosts, places, conns;
	struct sip_link held; /* by their instants */
	size_t held_count;
	struct sip_random *random;
	struct l_ether_link links[ETHER_LINKS];
	unsigned link_count;
	const char *wanted; /* of a kernel, but it cannot: NULL when nothing was */
};

struct l_ether_host {
	struct l_ether *ether;
	struct sip_link link;
	struct net_loop *loop; /* NULL: it is none */
	struct sip_addr addrs[ETHER_ADDRESSES];
	unsigned addr_count;
	struct sip_link wires;
	bool down;    /* datagrams neither leave nor reach it */
	bool touched; /* something has come in */
};

sip_err l_ether_init(struct l_ether *ether, struct sip_alloc *alloc,
                     struct sip_random *random, const char **why);
void l_ether_fini(struct l_ether *ether); /* after its hosts; may have been done */
sip_err l_ether_link(struct l_ether *ether, const struct l_ether_link *link);
/* When the next of those that are late goes on; SIP_NEVER. */
uint64_t l_ether_deadline_ms(const struct l_ether *ether);
/* Send what the hosts have queued. */
void l_ether_flush(struct l_ether *ether);
/* Take in what the kernel has for any of them, without waiting. */
void l_ether_poll(struct l_ether *ether);
/* What is still under way, in words; NULL: nothing. */
const char *l_ether_underway(const struct l_ether *ether);
/* A datagram from an address that need not be anybody's. */
sip_err l_ether_datagram(struct l_ether *ether, const struct sip_addr *from,
                         const struct sip_addr *to, sip_str bytes);

sip_err l_ether_host_init(struct l_ether *ether, struct l_ether_host *host,
                          const char **why);
void l_ether_host_fini(struct l_ether_host *host); /* after its wires */
sip_err l_ether_host_address(struct l_ether_host *host, const struct sip_addr *addr);
size_t l_ether_host_sockets(const struct l_ether_host *host);
/* When its loop has something to do by itself; SIP_NEVER. */
uint64_t l_ether_host_deadline_ms(const struct l_ether_host *host);

/* It asks the simulated host for records. */
sip_err l_ether_wire_new(struct l_ether_host *host, struct sim_host *sim,
                         const struct sip_limits *limits, struct sip_wire_sink *sink,
                         struct sip_wire **wire);
void l_ether_wire_free(struct sip_wire *wire);
