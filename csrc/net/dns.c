/* dns.c - A and AAAA records by c-ares, driven by the loop.
 *
 * Order, weights, the cache and failover (RFC 3263) live above the wire.  Two things
 * of c-ares to know: its timer has to be set again after every question and every
 * answer, or a question to a black hole never ends; and the channel must not be
 * destroyed inside one of its callbacks, so only the end of the loop does it.
 */
#include "net/internal.h"

#include <ares.h>
#include <assert.h>
#include <netdb.h>

enum {
	QUESTION_MS = 1500, /* then the next try, which waits longer */
	QUESTION_TRIES = 3,
	NAME_MAX_LEN = 253, /* RFC 1035 2.3.4, as text */
	RECORDS_MAX = 16,
	PENDING_MAX = 4096
};

struct net_dns {
	struct net_loop *loop;
	ares_channel channel;
	uv_timer_t timer;
	struct sip_link sockets;
	struct sip_link lookups;
	size_t lookup_count;
};

struct dns_socket {
	struct sip_link link;
	struct net_dns *dns;
	uv_poll_t poll;
	ares_socket_t fd;
};

struct lookup {
	struct net_later later; /* told when it is answered */
	struct sip_link link;
	struct net_dns *dns;
	enum sip_record_type type;
	struct sip_record records[RECORDS_MAX];
};

/* --- c-ares on libuv ------------------------------------------------------------ */

static void on_timer(uv_timer_t *timer);

static void arm_timer(struct net_dns *dns)
{
	struct timeval left, *tv = ares_timeout(dns->channel, NULL, &left);

	dns->loop->fresh = true;
	if (!tv) {
		(void)uv_timer_stop(&dns->timer); /* may be idle */
		return;
	}
	uv_update_time(&dns->loop->uv);
	(void)uv_timer_start(
		&dns->timer, on_timer, /* cannot fail */
		(uint64_t)tv->tv_sec * 1000 + (uint64_t)tv->tv_usec / 1000 + 1, 0);
}

static void on_timer(uv_timer_t *timer)
{
	struct net_dns *dns = timer->data;

	ares_process_fd(dns->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
	arm_timer(dns);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
	const struct dns_socket *socket = poll->data;
	struct net_dns *dns = socket->dns;
	const ares_socket_t fd = socket->fd;
	const bool in = status < 0 || events & UV_READABLE;
	const bool out = status < 0 || events & UV_WRITABLE;

	ares_process_fd(dns->channel, in ? fd : ARES_SOCKET_BAD,
	                out ? fd : ARES_SOCKET_BAD);
	arm_timer(dns);
}

static void on_socket_closed(uv_handle_t *handle)
{
	struct dns_socket *socket = handle->data;

	sip_free(socket->dns->loop->alloc, socket, sizeof *socket);
}

static struct dns_socket *socket_find(struct net_dns *dns, ares_socket_t fd)
{
	for (struct sip_link *l = dns->sockets.next; l != &dns->sockets; l = l->next) {
		struct dns_socket *socket = SIP_CONTAINER(l, struct dns_socket, link);

		if (socket->fd == fd)
			return socket;
	}
	return NULL;
}

static struct dns_socket *socket_new(struct net_dns *dns, ares_socket_t fd)
{
	struct dns_socket *socket = sip_alloc0(dns->loop->alloc, sizeof *socket);

	if (!socket)
		return NULL;
	if (uv_poll_init(&dns->loop->uv, &socket->poll, fd) != 0) {
		sip_free(dns->loop->alloc, socket, sizeof *socket);
		return NULL;
	}
	socket->dns = dns;
	socket->fd = fd;
	socket->poll.data = socket;
	sip_list_insert(&dns->sockets, &socket->link);
	return socket;
}

static void on_socket_state(void *data, ares_socket_t fd, int readable, int writable)
{
	struct net_dns *dns = data;
	struct dns_socket *socket = socket_find(dns, fd);
	const int events = (readable ? UV_READABLE : 0) | (writable ? UV_WRITABLE : 0);

	dns->loop->fresh = true;
	if (events == 0) {
		if (!socket)
			return;
		sip_list_remove(&socket->link);
		(void)uv_poll_stop(
			&socket->poll); /* c-ares closes the descriptor next */
		uv_close((uv_handle_t *)&socket->poll, on_socket_closed);
		return;
	}
	if (!socket)
		socket = socket_new(dns, fd);
	/* Without memory nobody watches it: the question times out. */
	if (socket)
		(void)uv_poll_start(&socket->poll, events, on_poll); /* not closing */
}

static sip_err dns_get(struct net_loop *loop, struct net_dns **out)
{
	struct ares_options options = { .timeout = QUESTION_MS,
		                        .tries = QUESTION_TRIES };
	struct net_dns *dns = loop->dns;

	*out = dns;
	if (dns)
		return SIP_OK;
	dns = sip_alloc0(loop->alloc, sizeof *dns);
	if (!dns)
		return SIP_ENOMEM;
	dns->loop = loop;
	sip_list_init(&dns->sockets);
	sip_list_init(&dns->lookups);
	options.sock_state_cb = on_socket_state;
	options.sock_state_cb_data = dns;
	if (ares_library_init(ARES_LIB_INIT_ALL) != ARES_SUCCESS ||
	    ares_init_options(&dns->channel, &options,
	                      ARES_OPT_SOCK_STATE_CB | ARES_OPT_TIMEOUTMS |
	                              ARES_OPT_TRIES) != ARES_SUCCESS) {
		sip_free(loop->alloc, dns, sizeof *dns);
		return SIP_EWIRE;
	}
	(void)uv_timer_init(&loop->uv, &dns->timer); /* cannot fail */
	dns->timer.data = dns;
	*out = loop->dns = dns;
	return SIP_OK;
}

/* --- questions ------------------------------------------------------------------ */

static void lookup_release(struct net_loop *loop, struct net_later *later)
{
	struct lookup *lookup = (struct lookup *)(void *)later;

	sip_list_remove(&lookup->link);
	lookup->dns->lookup_count--;
	sip_free(loop->alloc, lookup, sizeof *lookup);
}

static void take_records(struct lookup *lookup, const struct ares_addrinfo *result)
{
	struct sip_wire_event *event = &lookup->later.event;

	for (const struct ares_addrinfo_node *node = result->nodes;
	     node && event->record_count < RECORDS_MAX; node = node->ai_next) {
		struct sip_record *record = &lookup->records[event->record_count];

		record->addr = net_sockaddr_get(node->ai_addr);
		record->addr.port = 0;
		record->type = lookup->type;
		record->ttl_s = node->ai_ttl > 0 ? (uint32_t)node->ai_ttl : 0;
		event->record_count += record->addr.family != 0;
	}
	event->records = lookup->records;
}

static void on_answer(void *arg, int status, int timeouts, struct ares_addrinfo *result)
{
	struct lookup *lookup = arg;
	struct sip_wire_event *event = &lookup->later.event;

	(void)timeouts;
	if (result) {
		take_records(lookup, result);
		ares_freeaddrinfo(result);
	}
	if (status == ARES_ENOTFOUND || status == ARES_ENODATA) {
		event->why = "the name has no such address"; /* an answer, though */
	} else if (status != ARES_SUCCESS) {
		event->err = status == ARES_ENOMEM ? SIP_ENOMEM : SIP_EWIRE;
		event->why = ares_strerror(status); /* static text */
	}
	net_owe(lookup->dns->loop, &lookup->later);
}

/* RFC 6761 6.3: never asked on the network. */
static bool is_localhost(sip_str name)
{
	static const sip_str tail = { ".localhost", 10 };

	if (name.len > 0 && name.p[name.len - 1] == '.')
		name.len--;
	if (sip_str_ieq(name, SIP_STR("localhost")))
		return true;
	return name.len > tail.len &&
	       sip_str_ieq(sip_str_of(name.p + name.len - tail.len, tail.len), tail);
}

static void answer_localhost(struct lookup *lookup)
{
	struct sip_record *record = &lookup->records[0];

	record->type = lookup->type;
	record->ttl_s = 3600;
	(void)sip_addr_parse(lookup->type == SIP_RECORD_A ? SIP_STR("127.0.0.1")
	                                                  : SIP_STR("::1"),
	                     &record->addr); /* both are addresses */
	lookup->later.event.records = lookup->records;
	lookup->later.event.record_count = 1;
	net_owe(lookup->dns->loop, &lookup->later);
}

sip_err net_dns_lookup(struct net_wire *wire, sip_str name, enum sip_record_type type,
                       uint64_t token)
{
	struct ares_addrinfo_hints hints = { .ai_flags = ARES_AI_NOSORT };
	char z[NAME_MAX_LEN + 2];
	struct net_dns *dns;
	struct lookup *lookup;
	sip_err err;

	if (name.len == 0 || name.len > NAME_MAX_LEN + 1 ||
	    sip_str_breaks_lines(name) ||
	    (type != SIP_RECORD_A && type != SIP_RECORD_AAAA))
		return SIP_EINVAL;
	err = dns_get(wire->loop, &dns);
	if (err != SIP_OK)
		return err;
	if (dns->lookup_count >= PENDING_MAX)
		return SIP_ELIMIT;
	lookup = sip_alloc0(wire->loop->alloc, sizeof *lookup);
	if (!lookup)
		return SIP_ENOMEM;
	dns->lookup_count++;
	sip_list_insert(&dns->lookups, &lookup->link);
	lookup->dns = dns;
	lookup->type = type;
	lookup->later.wire = wire;
	lookup->later.release = lookup_release;
	lookup->later.event.kind = SIP_WIRE_RECORDS;
	lookup->later.event.token = token;
	if (is_localhost(name)) {
		answer_localhost(lookup);
		return SIP_OK;
	}
	memcpy(z, name.p, name.len);
	z[name.len] = '\0';
	hints.ai_family = type == SIP_RECORD_A ? AF_INET : AF_INET6;
	ares_getaddrinfo(dns->channel, z, NULL, &hints, on_answer, lookup);
	arm_timer(dns);
	return SIP_OK;
}

sip_err net_dns_servers(struct net_loop *loop, const char *list)
{
	struct net_dns *dns;
	const sip_err err = dns_get(loop, &dns);

	if (err != SIP_OK)
		return err;
	switch (ares_set_servers_ports_csv(dns->channel, list)) {
	case ARES_SUCCESS:
		return SIP_OK;
	case ARES_ENOMEM:
		return SIP_ENOMEM;
	case ARES_ENOTIMP:
		return SIP_ESTATE;
	default:
		return SIP_EINVAL;
	}
}

void net_dns_forget(struct net_wire *wire)
{
	struct net_dns *dns = wire->loop->dns;

	if (!dns)
		return;
	for (struct sip_link *l = dns->lookups.next; l != &dns->lookups; l = l->next) {
		struct lookup *lookup = SIP_CONTAINER(l, struct lookup, link);

		if (lookup->later.wire == wire)
			lookup->later.wire = NULL;
	}
}

/* Everything that is out is answered (as destroyed), and told to nobody. */
void net_dns_close(struct net_loop *loop)
{
	struct net_dns *dns = loop->dns;

	if (!dns)
		return;
	ares_destroy(dns->channel); /* closes its sockets through on_socket_state */
	ares_library_cleanup();
	while (!sip_list_empty(&dns->lookups)) {
		struct lookup *lookup =
			SIP_CONTAINER(dns->lookups.next, struct lookup, link);

		sip_list_remove(&lookup->later.link);
		lookup_release(loop, &lookup->later);
	}
	uv_close((uv_handle_t *)&dns->timer, NULL);
}

/* When its handles have closed. */
void net_dns_fini(struct net_loop *loop)
{
	sip_free(loop->alloc, loop->dns, loop->dns ? sizeof *loop->dns : 0);
	loop->dns = NULL;
}
