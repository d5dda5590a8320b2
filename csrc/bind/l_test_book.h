/* l_test_book.h - what the files of the ether share: sockets by their two names, and
 * the book of what is under way. */
#pragma once

#include "bind/l_test_ether.h"

/* A socket that others may send to: a host's, or a hole where nobody is. */
struct place {
	struct sip_link link;
	struct ether_wire *wire; /* NULL: a hole */
	struct l_ether_host *host;
	enum sip_transport transport;
	uint32_t id;
	bool any; /* at every address of its host */
	struct sip_addr virt, real;
	size_t queued, expected; /* datagrams: before the flush, and since */
};

/* One end of a connection. */
struct conn {
	struct sip_link link;
	struct ether_wire *wire;
	uint32_t id;
	bool open, closing;
	struct sip_addr local, remote; /* real */
	uint64_t written, read;
};

struct ether_wire {
	struct sip_wire wire;
	struct sip_wire_sink sink; /* of the wire below */
	struct sip_wire *below;
	struct sip_wire_sink *above;
	struct l_ether_host *host;
	struct sip_link link;
	struct sip_wire *names;       /* only asked for records */
	struct sip_wire_sink records; /* of that one */
	char why[200];
	size_t queued, refusals; /* datagrams that the kernel will refuse */
};

/* Sent, and not with the kernel yet: on a link with a delay. */
struct held {
	struct sip_link link;
	uint64_t due_ms;
	struct ether_wire *wire; /* NULL: it has been freed */
	struct sip_path path;    /* in names of specs */
	uint64_t token;
	bool close; /* not bytes, but the end of the connection */
	size_t len;
	char bytes[];
};

bool l_host_has(const struct l_ether_host *host, const struct sip_addr *virt);
struct l_ether_host *l_host_at(const struct l_ether *ether,
                               const struct sip_addr *virt);

struct place *l_place_new(struct l_ether *ether, const struct sip_addr *virt);
void l_place_free(struct l_ether *ether, struct place *place);
/* NULL: nobody listens there. */
struct place *l_place_at(const struct l_ether *ether, enum sip_transport transport,
                         const struct sip_addr *virt);

/* False: it has no name on loopback. */
bool l_to_real(struct l_ether *ether, enum sip_transport transport,
               const struct sip_addr *virt, struct sip_addr *real);
/* What is not of this ether keeps its name: so a wrong source is seen. */
struct sip_addr l_to_virt(const struct l_ether *ether, enum sip_transport transport,
                          const struct sip_addr *real);

/* At an address that nobody has, datagrams vanish, as they do on a network. */
void l_dig_hole(struct l_ether *ether, const struct sip_addr *virt);
/* A datagram has been sent: it comes in, or the kernel refuses it. */
void l_expect(struct l_ether *ether, struct ether_wire *from,
              const struct sip_addr *to);
void l_take_one(size_t *expected, size_t *queued);

struct conn *l_conn_find(const struct ether_wire *wire, uint32_t id);
struct conn *l_conn_new(struct ether_wire *wire, uint32_t id);
void l_conn_free(struct conn *conn);

/* Send now, whatever the links are like. */
sip_err l_wire_send(struct ether_wire *wire, const struct sip_path *path, sip_str bytes,
                    uint64_t token);
void l_wire_close(struct ether_wire *wire, uint32_t id);

/* How a packet fares from one address to another; false: it is lost. */
bool l_link_draw(struct l_ether *ether, const struct sip_addr *from,
                 const struct sip_addr *to, uint64_t *delay_ms, bool *again);
/* Keep it for so long; SIP_ENOMEM. */
sip_err l_hold(struct ether_wire *wire, const struct held *held, uint64_t delay_ms,
               sip_str bytes);
/* The wire ends: nobody is told what becomes of what it has sent. */
void l_held_forget(struct ether_wire *wire);
