/* dns.c - records by c-ares, driven by the loop.
 *
 * The file of hosts comes before any server, and what is in it has nothing but its
 * addresses there.
 *
 * Order, weights, the cache and failover (RFC 3263) live above the wire.  Two things
 * of c-ares to know: its timer has to be set again after every question and every
 * answer, or a question to a black hole never ends; and the channel must not be
 * destroyed inside one of its callbacks, so only the end of the loop does it.
 */
#include "net/dns_reply.h"
#include "net/internal.h"

#include <ares.h>
#include <assert.h>
#include <netdb.h>

enum {
	QUESTION_MS = 1500, /* then the next try, which waits longer */
	QUESTION_TRIES = 3,
	CLASS_IN = 1,
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
	struct sip_record *records; /* SIP_RECORDS_MAX, once there is an answer */
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
	uv_stop(timer->loop); /* an answer may be owed: see on_alarm() */
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
	sip_free(loop->alloc, lookup->records,
	         lookup->records ? SIP_RECORDS_MAX * sizeof *lookup->records : 0);
	sip_free(loop->alloc, lookup, sizeof *lookup);
}

/* Somewhere to put the answer; without it, that is the answer. */
static bool make_room(struct lookup *lookup)
{
	struct sip_wire_event *event = &lookup->later.event;

	lookup->records = sip_alloc0(lookup->dns->loop->alloc,
	                             SIP_RECORDS_MAX * sizeof *lookup->records);
	event->records = lookup->records;
	if (!lookup->records) {
		event->err = SIP_ENOMEM;
		event->why = "out of memory";
	}
	return lookup->records != NULL;
}

static void answer(struct lookup *lookup)
{
	struct sip_wire_event *event = &lookup->later.event;

	if (event->err == SIP_OK && event->record_count == 0)
		event->why = "the name has no such address"; /* an answer, though */
	net_owe(lookup->dns->loop, &lookup->later);
}

static void on_answer(void *arg, int status, int timeouts, unsigned char *bytes,
                      int len)
{
	struct lookup *lookup = arg;
	struct sip_wire_event *event = &lookup->later.event;
	const bool none = status == ARES_ENOTFOUND || status == ARES_ENODATA;

	(void)timeouts;
	if (status != ARES_SUCCESS && !none) {
		event->err = status == ARES_ENOMEM ? SIP_ENOMEM : SIP_EWIRE;
		event->why = ares_strerror(status); /* static text */
	} else if (bytes && make_room(lookup) &&
	           !net_dns_reply(sip_str_of((const char *)bytes, (size_t)len),
	                          lookup->type, lookup->records, &event->record_count,
	                          &event->ttl_s)) {
		event->err = SIP_EWIRE;
		event->why = "a malformed answer";
	}
	answer(lookup);
}

/* --- what is known without asking ----------------------------------------------- */

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

static bool is_address(const struct lookup *lookup)
{
	return lookup->type == SIP_RECORD_A || lookup->type == SIP_RECORD_AAAA;
}

static void answer_localhost(struct lookup *lookup)
{
	struct sip_wire_event *event = &lookup->later.event;

	event->ttl_s = 3600;
	if (is_address(lookup) && make_room(lookup)) {
		struct sip_record *record = &lookup->records[0];

		record->type = lookup->type;
		record->ttl_s = 3600;
		(void)sip_addr_parse(lookup->type == SIP_RECORD_A ? SIP_STR("127.0.0.1")
		                                                  : SIP_STR("::1"),
		                     &record->addr); /* both are addresses */
		event->record_count = 1;
	}
	answer(lookup);
}

static void take_hosts(struct lookup *lookup, const struct hostent *host, int family)
{
	struct sip_wire_event *event = &lookup->later.event;

	for (char **p = host->h_addr_list;
	     *p && host->h_addrtype == family && event->record_count < SIP_RECORDS_MAX;
	     p++) {
		struct sip_record *record = &lookup->records[event->record_count++];

		record->type = lookup->type;
		record->addr.family = family == AF_INET ? 4 : 6;
		memcpy(record->addr.ip, *p, family == AF_INET ? 4 : 16);
	}
}

/* The name without the labels that only SRV has. */
static const char *host_of(const char *name)
{
	while (name[0] == '_' && strchr(name, '.'))
		name = strchr(name, '.') + 1;
	return name;
}

static bool answer_from_file(struct lookup *lookup, const char *name)
{
	static const int families[] = { AF_INET, AF_INET6 };
	bool known = false;

	for (int i = 0; i < 2; i++) {
		const enum sip_record_type type =
			i == 0 ? SIP_RECORD_A : SIP_RECORD_AAAA;
		struct hostent *host = NULL;

		if (ares_gethostbyname_file(lookup->dns->channel, host_of(name),
		                            families[i], &host) != ARES_SUCCESS)
			continue;
		if (type == lookup->type && (lookup->records || make_room(lookup)))
			take_hosts(lookup, host, families[i]);
		ares_free_hostent(host);
		known = true;
	}
	if (known)
		answer(lookup);
	return known;
}

/* --- questions ------------------------------------------------------------------- */

static sip_err lookup_new(struct net_wire *wire, enum sip_record_type type,
                          uint64_t token, struct lookup **out)
{
	struct net_dns *dns;
	struct lookup *lookup;
	const sip_err err = dns_get(wire->loop, &dns);

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
	*out = lookup;
	return SIP_OK;
}

sip_err net_dns_lookup(struct net_wire *wire, sip_str name, enum sip_record_type type,
                       uint64_t token)
{
	char z[SIP_NAME_MAX + 2];
	struct lookup *lookup;
	sip_err err;

	if (name.len == 0 || name.len > SIP_NAME_MAX + 1 || sip_str_breaks_lines(name))
		return SIP_EINVAL;
	err = lookup_new(wire, type, token, &lookup);
	if (err != SIP_OK)
		return err;
	memcpy(z, name.p, name.len);
	z[name.len] = '\0';
	if (is_localhost(name)) {
		answer_localhost(lookup);
	} else if (!answer_from_file(lookup, z)) {
		/* Only a host may be named without its domain. */
		if (is_address(lookup))
			ares_search(lookup->dns->channel, z, CLASS_IN, (int)type,
			            on_answer, lookup);
		else
			ares_query(lookup->dns->channel, z, CLASS_IN, (int)type,
			           on_answer, lookup);
		arm_timer(lookup->dns);
	}
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
