#include "net/rtp_port.h"

#include "base/random.h"
#include "net/sockaddr.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <unistd.h>

enum { TOS_EXPEDITED = 0xb8 /* DSCP 46: what routers know as voice */ };

struct change {
	uint32_t id;
	bool open;
};

/* --- the signalling thread ------------------------------------------------------ */

sip_err rtp_ports_init(struct rtp_ports *ports, struct sip_alloc *alloc, uint32_t count,
                       uint16_t first, uint16_t last)
{
	const unsigned pairs = (unsigned)(last - first + 1) / 2;
	struct sip_kernel_random random;

	ports->alloc = alloc;
	ports->first = (uint16_t)(first + first % 2);
	ports->last = last;
	/* One open and one close of each id can be under way at most. */
	if (media_queue_init(&ports->changes, alloc, sizeof(struct change),
	                     2 * count) != SIP_OK)
		return SIP_ENOMEM;
	ports->table = sip_alloc0(alloc, count * sizeof *ports->table);
	if (!ports->table)
		return SIP_ENOMEM;
	ports->count = count;
	for (uint32_t i = 0; i < count; i++) {
		ports->table[i].ports = ports;
		ports->table[i].id = i;
		atomic_init(&ports->table[i].used, false);
	}
	/* Whoever sends us something should have to ask for the port. */
	sip_kernel_random_init(&random);
	ports->next_port =
		(uint16_t)(ports->first +
	                   2 * (sip_random_u64(&random.random) % (pairs ? pairs : 1)));
	return SIP_OK;
}

static void close_pair(struct rtp_port *port)
{
	for (int i = 0; i < 2; i++) {
		if (port->fd[i] >= 0)
			close(port->fd[i]);
		port->fd[i] = -1;
	}
}

void rtp_ports_fini(struct rtp_ports *ports)
{
	for (uint32_t i = 0; i < ports->count; i++) {
		if (atomic_load(&ports->table[i].used))
			close_pair(&ports->table[i]); /* the thread never heard of it */
	}
	sip_free(ports->alloc, ports->table, ports->count * sizeof *ports->table);
	ports->table = NULL;
	ports->count = 0;
	if (ports->changes.alloc)
		media_queue_fini(&ports->changes);
}

static struct rtp_port *unused(struct rtp_ports *ports)
{
	for (uint32_t n = 0; n < ports->count; n++) {
		struct rtp_port *port = &ports->table[ports->next];

		ports->next = (ports->next + 1) % ports->count;
		if (!atomic_load_explicit(&port->used, memory_order_acquire))
			return port;
	}
	return NULL;
}

static int bound_socket(const struct sip_addr *at)
{
	struct sockaddr_storage addr;
	const socklen_t len = net_sockaddr_set(&addr, at);
	const int fd = net_datagram_socket(at);
	const int only6 = 1, tos = TOS_EXPEDITED;
	int status;

	if (fd < 0)
		return fd;
	if (at->family == 6) /* both are wishes */
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only6, sizeof only6);
	else
		(void)setsockopt(fd, IPPROTO_IP, IP_TOS, &tos, sizeof tos);
	if (bind(fd, (struct sockaddr *)&addr, len) == 0)
		return fd;
	status = -errno;
	close(fd);
	return status;
}

/* Both, at `at` and the port above; 0 or a status. */
static int bind_pair(struct rtp_port *port, struct sip_addr at)
{
	int status;

	port->fd[1] = -1;
	port->fd[0] = bound_socket(&at);
	if (port->fd[0] < 0)
		return port->fd[0];
	at.port++;
	port->fd[1] = bound_socket(&at);
	if (port->fd[1] >= 0)
		return 0;
	status = port->fd[1];
	close_pair(port);
	return status;
}

static void push_change(struct rtp_ports *ports, uint32_t id, bool open)
{
	const struct change change = { .id = id, .open = open };
	const bool pushed = media_queue_push(&ports->changes, &change);

	assert(pushed); /* there is room for all that can be under way */
	(void)pushed;
}

sip_err rtp_ports_open(struct rtp_ports *ports, const struct sip_addr *host,
                       uint32_t *id, struct sip_addr *bound, const char **why)
{
	struct rtp_port *port = unused(ports);
	struct sip_addr at = *host;
	int status = UV_EADDRINUSE;

	*why = "every RTP port is in use";
	if (!port)
		return SIP_ELIMIT;
	for (int left = (ports->last - ports->first + 1) / 2;
	     left > 0 && status == UV_EADDRINUSE; left--) {
		at.port = ports->next_port;
		ports->next_port = (uint16_t)(at.port + 2);
		if (ports->next_port >= ports->last)
			ports->next_port = ports->first;
		status = bind_pair(port, at);
	}
	if (status == UV_EADDRINUSE) {
		char text[SIP_ADDR_TEXT_MAX];

		text[sip_addr_write_host(host, text, true)] = '\0';
		(void)snprintf(ports->why, sizeof ports->why,
		               "no free pair of RTP ports at %s between %u and %u",
		               text, (unsigned)ports->first, (unsigned)ports->last);
		*why = ports->why;
		return SIP_EWIRE;
	}
	if (status != 0) {
		*why = net_why(ports->why, status, &at);
		return SIP_EWIRE;
	}
	atomic_store_explicit(&port->used, true, memory_order_relaxed);
	push_change(ports, port->id, true);
	*id = port->id;
	*bound = at;
	return SIP_OK;
}

void rtp_ports_close(struct rtp_ports *ports, uint32_t id)
{
	assert(id < ports->count);
	push_change(ports, id, false);
}

/* --- the media thread ----------------------------------------------------------- */

static void free_port(struct rtp_port *port)
{
	close_pair(port);
	atomic_store_explicit(&port->used, false, memory_order_release);
}

static void on_closed(uv_handle_t *handle)
{
	struct rtp_port *port = handle->data;

	if (--port->handles == 0)
		free_port(port);
}

void rtp_port_watch(struct rtp_port *port, bool rtcp, uv_poll_cb on_packets)
{
	/* Fails only for a handle that is closing: then nobody listens any more. */
	(void)uv_poll_start(&port->poll[rtcp], UV_READABLE, on_packets);
}

static void watch_pair(struct rtp_port *port, uv_loop_t *uv, uv_poll_cb on_packets)
{
	for (unsigned i = 0; i < 2; i++) {
		/* Fails when memory is short: such a port is deaf, no more. */
		if (uv_poll_init(uv, &port->poll[i], port->fd[i]) != 0)
			break;
		port->handles++;
		port->poll[i].data = port;
		rtp_port_watch(port, i == 1, on_packets);
	}
}

static void unwatch_pair(struct rtp_port *port)
{
	const unsigned count = port->handles;

	if (count == 0)
		free_port(port);
	for (unsigned i = 0; i < count; i++)
		uv_close((uv_handle_t *)&port->poll[i], on_closed);
}

void rtp_ports_take(struct rtp_ports *ports, uv_loop_t *uv, uv_poll_cb on_packets)
{
	struct change change;

	while (media_queue_pop(&ports->changes, &change)) {
		struct rtp_port *port = &ports->table[change.id];

		if (change.open)
			watch_pair(port, uv, on_packets);
		else
			unwatch_pair(port);
	}
}

void rtp_ports_end(struct rtp_ports *ports)
{
	for (uint32_t i = 0; i < ports->count; i++) {
		struct rtp_port *port = &ports->table[i];

		for (unsigned n = 0; n < port->handles; n++) {
			if (!uv_is_closing((uv_handle_t *)&port->poll[n]))
				uv_close((uv_handle_t *)&port->poll[n], on_closed);
		}
	}
}

int rtp_port_receive(struct rtp_port *port, bool rtcp, struct rtp_packet *packets)
{
	struct sockaddr_storage addr[RTP_PACKETS];
	int got = 0;

#if defined(__linux__) || defined(__FreeBSD__)
	struct mmsghdr msgs[RTP_PACKETS];
	struct iovec iov[RTP_PACKETS];

	for (int i = 0; i < RTP_PACKETS; i++) {
		iov[i] = (struct iovec){ packets[i].bytes, RTP_PACKET_MAX };
		msgs[i].msg_hdr = (struct msghdr){ .msg_name = &addr[i],
			                           .msg_namelen = sizeof addr[i],
			                           .msg_iov = &iov[i],
			                           .msg_iovlen = 1 };
	}
	got = recvmmsg(port->fd[rtcp], msgs, RTP_PACKETS, MSG_DONTWAIT, NULL);
	for (int i = 0; i < got; i++)
		packets[i].len = msgs[i].msg_len;
#else
	for (; got < RTP_PACKETS; got++) {
		socklen_t addr_len = sizeof addr[got];
		const ssize_t len = recvfrom(port->fd[rtcp], packets[got].bytes,
		                             RTP_PACKET_MAX, MSG_DONTWAIT,
		                             (struct sockaddr *)&addr[got], &addr_len);

		if (len < 0)
			break;
		packets[got].len = (size_t)len;
	}
#endif
	for (int i = 0; i < got; i++)
		packets[i].from = net_sockaddr_get((struct sockaddr *)&addr[i]);
	return got;
}

void rtp_port_send(struct rtp_port *port, bool rtcp, const struct sip_addr *to,
                   sip_str bytes)
{
	struct sockaddr_storage addr;
	const socklen_t len = net_sockaddr_set(&addr, to);

	/* What does not go out is lost, as on any network. */
	(void)sendto(port->fd[rtcp], bytes.p, bytes.len, MSG_DONTWAIT,
	             (struct sockaddr *)&addr, len);
}
