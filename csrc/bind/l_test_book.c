/* l_test_book.c - addresses by their two names, and what is under way. */
#include "bind/l_test_book.h"

#include <string.h>

enum {
	PORT_SHIFT = 12000, /* of ports below 10000 */
	PORT_SHIFTED_MAX = 10000
};

/* --- names for addresses --------------------------------------------------------- */

bool l_host_has(const struct l_ether_host *host, const struct sip_addr *virt)
{
	for (unsigned i = 0; i < host->addr_count; i++) {
		if (sip_addr_same_host(&host->addrs[i], virt))
			return true;
	}
	return false;
}

struct l_ether_host *l_host_at(const struct l_ether *ether, const struct sip_addr *virt)
{
	for (struct sip_link *l = ether->hosts.next; l != &ether->hosts; l = l->next) {
		struct l_ether_host *host = SIP_CONTAINER(l, struct l_ether_host, link);

		if (l_host_has(host, virt))
			return host;
	}
	return NULL;
}

static bool is_datagram(enum sip_transport transport)
{
	return transport == SIP_UDP;
}

struct place *l_place_at(const struct l_ether *ether, enum sip_transport transport,
                         const struct sip_addr *virt)
{
	for (struct sip_link *l = ether->places.next; l != &ether->places;
	     l = l->next) {
		struct place *place = SIP_CONTAINER(l, struct place, link);

		if (is_datagram(place->transport) == is_datagram(transport) &&
		    place->virt.port == virt->port &&
		    (place->any ? l_host_has(place->host, virt)
		                : sip_addr_same_host(&place->virt, virt)))
			return place;
	}
	return NULL;
}

static bool find_net(struct l_ether *ether, const uint8_t *ip, unsigned *n)
{
	for (*n = 0; *n < ether->net_count; ++*n) {
		if (memcmp(ether->nets[*n], ip, 3) == 0)
			return true;
	}
	if (*n == ETHER_NETS)
		return false;
	memcpy(ether->nets[ether->net_count++], ip, 3);
	return true;
}

/* False: it has no name on loopback. */
bool l_to_real(struct l_ether *ether, enum sip_transport transport,
               const struct sip_addr *virt, struct sip_addr *real)
{
	const struct place *place = l_place_at(ether, transport, virt);
	unsigned n;

	*real = *virt;
	if (virt->family == 0)
		return true;
	if (virt->family == 6) { /* one address for all: its ports tell them apart */
		memset(real->ip, 0, sizeof real->ip);
		real->ip[15] = 1;
		real->scope = 0;
		real->port = place ? place->real.port : virt->port;
		return true;
	}
	if (!find_net(ether, virt->ip, &n))
		return false;
	real->ip[0] = 127;
	real->ip[1] = ether->prefix;
	real->ip[2] = (uint8_t)(n + 1);
	if (place)
		real->port = place->real.port;
	else if (virt->port > 0 && virt->port < PORT_SHIFTED_MAX)
		real->port = (uint16_t)(virt->port + PORT_SHIFT);
	return true;
}

static const struct sip_addr *address_of(const struct l_ether_host *host,
                                         unsigned family)
{
	for (unsigned i = 0; i < host->addr_count; i++) {
		if (host->addrs[i].family == family)
			return &host->addrs[i];
	}
	return NULL;
}

/* Whose [::1]:port this is: a socket's, or that of a connection of ours. */
static struct sip_addr to_virt6(const struct l_ether *ether,
                                enum sip_transport transport,
                                const struct sip_addr *real)
{
	const struct sip_addr *own = NULL;
	struct sip_addr virt = *real;
	struct sip_link *l;

	for (l = ether->places.next; l != &ether->places; l = l->next) {
		const struct place *place = SIP_CONTAINER(l, struct place, link);

		if (place->real.family == 6 && place->real.port == real->port &&
		    is_datagram(place->transport) == is_datagram(transport)) {
			own = place->any ? address_of(place->host, 6) : &place->virt;
			virt.port = place->virt.port;
		}
	}
	for (l = ether->conns.next; !own && l != &ether->conns; l = l->next) {
		const struct conn *conn = SIP_CONTAINER(l, struct conn, link);

		if (!is_datagram(transport) && sip_addr_eq(&conn->local, real))
			own = address_of(conn->wire->host, 6);
	}
	if (own)
		memcpy(virt.ip, own->ip, sizeof virt.ip);
	return virt;
}

/* What is not of this ether keeps its name: so a wrong source is seen. */
struct sip_addr l_to_virt(const struct l_ether *ether, enum sip_transport transport,
                          const struct sip_addr *real)
{
	struct sip_addr virt = *real;

	if (real->family == 6)
		return to_virt6(ether, transport, real);
	if (real->family != 4 || real->ip[0] != 127 || real->ip[1] != ether->prefix ||
	    real->ip[2] == 0 || real->ip[2] > ether->net_count)
		return virt;
	memcpy(virt.ip, ether->nets[real->ip[2] - 1], 3);
	if (real->port >= PORT_SHIFT && real->port < PORT_SHIFT + PORT_SHIFTED_MAX)
		virt.port = (uint16_t)(real->port - PORT_SHIFT);
	for (struct sip_link *l = ether->places.next; l != &ether->places;
	     l = l->next) {
		const struct place *place = SIP_CONTAINER(l, struct place, link);

		if (place->any && place->real.port == real->port &&
		    is_datagram(place->transport) == is_datagram(transport) &&
		    l_host_has(place->host, &virt))
			virt.port = place->virt.port;
	}
	return virt;
}

/* --- what is under way ----------------------------------------------------------- */

struct place *l_place_new(struct l_ether *ether, const struct sip_addr *virt)
{
	struct place *place = sip_alloc0(ether->alloc, sizeof *place);

	if (!place)
		return NULL;
	place->virt = *virt;
	sip_list_insert(&ether->places, &place->link);
	return place;
}

void l_place_free(struct l_ether *ether, struct place *place)
{
	sip_list_remove(&place->link);
	sip_free(ether->alloc, place, sizeof *place);
}

/* At an address that nobody has, datagrams vanish, as they do on a network. */
void l_dig_hole(struct l_ether *ether, const struct sip_addr *virt)
{
	struct sip_addr real;
	struct place *place;
	const char *why;
	uint32_t id;

	if (!l_to_real(ether, SIP_UDP, virt, &real) ||
	    ether->wire->ops->listen(ether->wire, SIP_UDP, &real, &id, &why) != SIP_OK)
		return;
	place = l_place_new(ether, virt);
	if (!place)
		return;
	place->transport = SIP_UDP;
	place->id = id;
	place->real = real;
}

void l_expect(struct l_ether *ether, struct ether_wire *from, const struct sip_addr *to)
{
	struct place *place = l_place_at(ether, SIP_UDP, to);

	if (place && place->wire)
		place->queued++;
	else if (!place && from && l_host_at(ether, to))
		from->queued++;
}

void l_take_one(size_t *expected, size_t *queued)
{
	if (*expected > 0)
		--*expected;
	else if (*queued > 0) /* a full batch goes out before the flush */
		--*queued;
}

struct conn *l_conn_find(const struct ether_wire *wire, uint32_t id)
{
	const struct l_ether *ether = wire->host->ether;

	for (struct sip_link *l = ether->conns.next; l != &ether->conns; l = l->next) {
		struct conn *conn = SIP_CONTAINER(l, struct conn, link);

		if (conn->wire == wire && conn->id == id)
			return conn;
	}
	return NULL;
}

struct conn *l_conn_new(struct ether_wire *wire, uint32_t id)
{
	struct l_ether *ether = wire->host->ether;
	struct conn *conn = sip_alloc0(ether->alloc, sizeof *conn);

	if (!conn)
		return NULL;
	conn->wire = wire;
	conn->id = id;
	sip_list_insert(&ether->conns, &conn->link);
	return conn;
}

void l_conn_free(struct conn *conn)
{
	sip_list_remove(&conn->link);
	sip_free(conn->wire->host->ether->alloc, conn, sizeof *conn);
}

static const struct conn *other_end(const struct l_ether *ether,
                                    const struct conn *conn)
{
	for (struct sip_link *l = ether->conns.next; l != &ether->conns; l = l->next) {
		const struct conn *other = SIP_CONTAINER(l, struct conn, link);

		if (other->open && sip_addr_eq(&other->local, &conn->remote) &&
		    sip_addr_eq(&other->remote, &conn->local))
			return other;
	}
	return NULL;
}

static const char *conn_underway(const struct l_ether *ether, const struct conn *conn)
{
	const struct conn *other;

	if (!conn->open)
		return "a connection has not been opened or refused";
	other = other_end(ether, conn);
	if (!other)
		return "a connection has one end only";
	if (conn->closing)
		return "a connection has not been closed";
	if (conn->written != other->read && !other->closing)
		return "bytes of a stream have not come in";
	return NULL;
}

static const char *host_underway(const struct l_ether_host *host)
{
	if (net_loop_wait_ms(host->loop) == 0)
		return "a loop has more to do";
	for (struct sip_link *l = host->wires.next; l != &host->wires; l = l->next) {
		if (SIP_CONTAINER(l, struct ether_wire, link)->refusals > 0)
			return "a datagram has not been refused";
	}
	return NULL;
}

const char *l_ether_underway(const struct l_ether *ether)
{
	const char *what = NULL;
	struct sip_link *l;

	for (l = ether->places.next; !what && l != &ether->places; l = l->next) {
		if (SIP_CONTAINER(l, struct place, link)->expected > 0)
			what = "a datagram has not come in";
	}
	for (l = ether->conns.next; !what && l != &ether->conns; l = l->next)
		what = conn_underway(ether, SIP_CONTAINER(l, struct conn, link));
	for (l = ether->hosts.next; !what && l != &ether->hosts; l = l->next)
		what = host_underway(SIP_CONTAINER(l, struct l_ether_host, link));
	return what;
}
