/* udp.c - datagrams: uv_poll_t, with recvmmsg and sendmmsg where there are any.
 *
 * Not uv_udp_t, which cannot say at which address of a wildcard socket a datagram
 * came in, nor answer from there.  What is sent waits until the end of the turn or
 * until a batch is full.  Refusals (ICMP) are read from the socket's error queue,
 * which names the destination that refused: an unconnected socket hears of them in
 * no other way (RFC 3261 18.4).
 */
#ifdef __APPLE__ /* else its headers hide IPV6_PKTINFO; the name is Apple's */
#define __APPLE_USE_RFC_3542 1 /* NOLINT(bugprone-reserved-identifier) */
#endif

#include "net/internal.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <unistd.h>

#ifdef __linux__
#include <linux/errqueue.h>
#endif

#if defined(__linux__) || defined(__FreeBSD__)
#define HAVE_MMSG 1
#else
#define HAVE_MMSG 0
struct mmsghdr {
	struct msghdr msg_hdr;
	unsigned msg_len;
};
#endif

enum {
	SOCKET_BUFFER = 4 * 1024 * 1024,
	BATCHES_PER_TURN = 8,   /* that are handled: then the others have their turn */
	BATCHES_READ_MAX = 128, /* with what is put aside */
	SLOT_BYTES = 2048,      /* most messages; others get what they need */
	SPARE_SLOTS = 256,
	SEND_TRIES = 3 /* a pending ICMP error is not this datagram's */
};

struct control {
	_Alignas(struct cmsghdr) char bytes[CMSG_SPACE(sizeof(struct in6_pktinfo))];
};

/* A datagram that waits, and the refusal that it may become. */
struct net_send {
	struct net_later later; /* event.path, event.token */
	struct net_send *next;
	size_t len, cap;
	char bytes[];
};

struct net_udp {
	struct net_item item;
	struct net_loop *loop;
	uv_poll_t poll;
	int fd;
	struct sip_addr at;
	struct sip_link unsent;
	struct net_send *first, **last;
	unsigned send_count;
	size_t send_bytes;
	bool any;     /* bound to a wildcard */
	bool blocked; /* the kernel's buffer is full: wait for POLLOUT */
};

/* --- slots ---------------------------------------------------------------------- */

static void send_release(struct net_loop *loop, struct net_later *later)
{
	struct net_send *send = (struct net_send *)(void *)later;

	if (send->cap == SLOT_BYTES && loop->spare_count < SPARE_SLOTS) {
		send->next = loop->spare;
		loop->spare = send;
		loop->spare_count++;
	} else {
		sip_free(loop->alloc, send, sizeof *send + send->cap);
	}
}

static struct net_send *send_new(struct net_loop *loop, size_t len)
{
	struct net_send *send = loop->spare;
	const size_t cap = len <= SLOT_BYTES ? SLOT_BYTES : len;

	if (cap == SLOT_BYTES && send) {
		loop->spare = send->next;
		loop->spare_count--;
		return send;
	}
	send = sip_alloc(loop->alloc, sizeof *send + cap);
	if (send)
		send->cap = cap;
	return send;
}

void net_udp_fini(struct net_loop *loop)
{
	while (loop->spare) {
		struct net_send *send = loop->spare;

		loop->spare = send->next;
		sip_free(loop->alloc, send, sizeof *send + send->cap);
	}
	loop->spare_count = 0;
}

/* --- receiving ------------------------------------------------------------------ */

static void local_from_control(struct msghdr *msg, struct sip_addr *local)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
#ifdef IP_PKTINFO
		if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
			struct in_pktinfo info;

			memcpy(&info, CMSG_DATA(c), sizeof info);
			local->family = 4;
			memcpy(local->ip, &info.ipi_spec_dst, 4);
		}
#endif
		if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
			struct in6_pktinfo info;

			memcpy(&info, CMSG_DATA(c), sizeof info);
			local->family = 6;
			memcpy(local->ip, &info.ipi6_addr, 16);
			if (IN6_IS_ADDR_LINKLOCAL(&info.ipi6_addr))
				local->scope = (uint32_t)info.ipi6_ifindex;
		}
	}
}

static int receive_batch(int fd, struct mmsghdr *msgs, unsigned count)
{
#if HAVE_MMSG
	return recvmmsg(fd, msgs, count, MSG_DONTWAIT, NULL);
#else
	unsigned n = 0;

	while (n < count) {
		const ssize_t len = recvmsg(fd, &msgs[n].msg_hdr, MSG_DONTWAIT);

		if (len < 0)
			return n > 0 ? (int)n : -1;
		msgs[n++].msg_len = (unsigned)len;
	}
	return (int)n;
#endif
}

/* Gives how many came; fewer than NET_BATCH: there is nothing more at the moment. */
static int receive(struct net_udp *udp, char *scratch)
{
	struct mmsghdr msgs[NET_BATCH];
	struct iovec iov[NET_BATCH];
	struct sockaddr_storage from[NET_BATCH];
	struct control control[NET_BATCH];
	int count;

	for (size_t i = 0; i < NET_BATCH; i++) {
		iov[i].iov_base = scratch + i * NET_DATAGRAM_MAX;
		iov[i].iov_len = NET_DATAGRAM_MAX;
		msgs[i].msg_hdr = (struct msghdr){
			.msg_name = &from[i],
			.msg_namelen = sizeof from[i],
			.msg_iov = &iov[i],
			.msg_iovlen = 1,
			.msg_control = control[i].bytes,
			.msg_controllen = sizeof control[i].bytes,
		};
	}
	count = receive_batch(udp->fd, msgs, NET_BATCH);
	for (int i = 0; i < count && udp->item.wire; i++) {
		struct sip_wire_event event = { .kind = SIP_WIRE_BYTES };

		event.path.transport = SIP_UDP;
		event.path.id = udp->item.id;
		event.path.remote = net_sockaddr_get((struct sockaddr *)&from[i]);
		event.path.local = udp->at;
		if (udp->any)
			local_from_control(&msgs[i].msg_hdr, &event.path.local);
		event.bytes = sip_str_of(iov[i].iov_base, msgs[i].msg_len);
		net_emit(udp->item.wire, &event);
	}
	return count;
}

#ifdef __linux__
/* An ICMP error to something we have sent: told with the address it was sent to. */
static void tell_refusal(struct net_udp *udp, const struct msghdr *msg,
                         const struct sock_extended_err *error)
{
	struct sip_wire_event event = { .kind = SIP_WIRE_FAILED, .err = SIP_EWIRE };
	char why[NET_WHY_MAX];

	if (error->ee_origin != SO_EE_ORIGIN_ICMP &&
	    error->ee_origin != SO_EE_ORIGIN_ICMP6)
		return;
	if (error->ee_errno == EMSGSIZE)
		return; /* the path's MTU has become known: the kernel splits from now
		           on */
	event.path.transport = SIP_UDP;
	event.path.id = udp->item.id;
	event.path.local = udp->at;
	event.path.remote = net_sockaddr_get(msg->msg_name);
	event.why = net_why(why, -(int)error->ee_errno, &event.path.remote);
	net_emit(udp->item.wire, &event);
}
#endif

static void drain_errors(struct net_udp *udp, bool tell)
{
	int error = 0;
	socklen_t len = sizeof error;

#ifdef __linux__
	for (int n = 0; n < NET_BATCH * BATCHES_PER_TURN; n++) {
		char control[512]; /* the error, whom it is from, and packet info */
		struct sockaddr_storage to = { 0 };
		char byte;
		struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
		struct msghdr msg = { .msg_name = &to,
			              .msg_namelen = sizeof to,
			              .msg_iov = &iov,
			              .msg_iovlen = 1,
			              .msg_control = control,
			              .msg_controllen = sizeof control };

		if (recvmsg(udp->fd, &msg, MSG_ERRQUEUE | MSG_DONTWAIT) < 0)
			break;
		for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c;
		     c = CMSG_NXTHDR(&msg, c)) {
			struct sock_extended_err extended;

			if (!(c->cmsg_level == IPPROTO_IP &&
			      c->cmsg_type == IP_RECVERR) &&
			    !(c->cmsg_level == IPPROTO_IPV6 &&
			      c->cmsg_type == IPV6_RECVERR))
				continue;
			memcpy(&extended, CMSG_DATA(c), sizeof extended);
			if (tell)
				tell_refusal(udp, &msg, &extended);
		}
	}
#else
	(void)tell; /* elsewhere the kernel does not say whom it was about */
#endif
	/* What is still pending would be the error of the next call. */
	(void)getsockopt(udp->fd, SOL_SOCKET, SO_ERROR, &error, &len);
}

static uint64_t handled(const struct net_udp *udp)
{
	struct sip_wire_sink *sink = udp->item.wire->sink;

	return sink->handled ? sink->handled(sink) : 0;
}

/* Has the sink had its part?  What it puts aside costs little, and what the kernel
 * holds is lost when that is full: so the socket is emptied. */
static bool is_served(const struct net_udp *udp, int batches, uint64_t before)
{
	if (batches >= BATCHES_READ_MAX)
		return true;
	if (batches < BATCHES_PER_TURN)
		return false;
	return !udp->item.wire->sink->handled ||
	       handled(udp) - before >= BATCHES_PER_TURN * NET_BATCH;
}

static void udp_flush(struct net_udp *udp);
static void watch(struct net_udp *udp);

static void on_ready(uv_poll_t *poll, int status, int events)
{
	struct net_udp *udp = poll->data;
	char *scratch = net_scratch(udp->loop);
	const uint64_t before = udp->item.wire ? handled(udp) : 0;

	/* libuv stops watching and says UV_EBADF when the error queue has something. */
	if (status < 0)
		drain_errors(udp, true);
	for (int n = 0; scratch && udp->item.wire && !is_served(udp, n, before); n++) {
		const int count = receive(udp, scratch);

		if (count < 0 && errno != EAGAIN && errno != EINTR)
			drain_errors(udp, true);
		if (count < NET_BATCH)
			break;
	}
	if (!udp->item.wire)
		return; /* a sink has closed it */
	if (udp->blocked && (events & UV_WRITABLE || status < 0)) {
		udp->blocked = false;
		udp_flush(udp);
	}
	if (status < 0)
		watch(udp);
}

static void watch(struct net_udp *udp)
{
	const int events = UV_READABLE | (udp->blocked ? UV_WRITABLE : 0);
	const int status = uv_poll_start(&udp->poll, events, on_ready);

	assert(status == 0); /* fails only for a handle that is closing */
	(void)status;
	udp->loop->fresh = true;
}

/* --- sending -------------------------------------------------------------------- */

/* Send from the address the path names: a wildcard socket alone would take the one
 * of the kernel's route. */
static void local_to_control(const struct net_udp *udp, const struct sip_addr *local,
                             struct msghdr *msg, struct control *control)
{
	struct cmsghdr *c = (void *)control->bytes;

	if (!udp->any || local->family != udp->at.family || sip_addr_is_any(local))
		return;
	memset(control, 0, sizeof *control);
	if (local->family == 6) {
		struct in6_pktinfo info = { .ipi6_ifindex = local->scope };

		memcpy(&info.ipi6_addr, local->ip, 16);
		c->cmsg_level = IPPROTO_IPV6;
		c->cmsg_type = IPV6_PKTINFO;
		c->cmsg_len = CMSG_LEN(sizeof info);
		memcpy(CMSG_DATA(c), &info, sizeof info);
		msg->msg_controllen = CMSG_SPACE(sizeof info);
	} else {
#ifdef IP_PKTINFO
		struct in_pktinfo info = { 0 };

		memcpy(&info.ipi_spec_dst, local->ip, 4);
		c->cmsg_level = IPPROTO_IP;
		c->cmsg_type = IP_PKTINFO;
		c->cmsg_len = CMSG_LEN(sizeof info);
		memcpy(CMSG_DATA(c), &info, sizeof info);
		msg->msg_controllen = CMSG_SPACE(sizeof info);
#else
		return;
#endif
	}
	msg->msg_control = control->bytes;
}

static int send_batch(int fd, struct mmsghdr *msgs, unsigned count)
{
#if HAVE_MMSG
	return sendmmsg(fd, msgs, count, MSG_DONTWAIT);
#else
	unsigned n = 0;

	while (n < count) {
		if (sendmsg(fd, &msgs[n].msg_hdr, MSG_DONTWAIT) < 0)
			return n > 0 ? (int)n : -1;
		n++;
	}
	return (int)n;
#endif
}

/* Gives how many went out, -1 with errno when the first did not. */
static int send_some(struct net_udp *udp)
{
	struct mmsghdr msgs[NET_BATCH];
	struct iovec iov[NET_BATCH];
	struct sockaddr_storage to[NET_BATCH];
	struct control control[NET_BATCH];
	unsigned count = 0;

	for (struct net_send *s = udp->first; s && count < NET_BATCH;
	     s = s->next, count++) {
		struct msghdr *msg = &msgs[count].msg_hdr;
		const struct sip_path *path = &s->later.event.path;

		iov[count].iov_base = s->bytes;
		iov[count].iov_len = s->len;
		*msg = (struct msghdr){ .msg_name = &to[count],
			                .msg_iov = &iov[count],
			                .msg_iovlen = 1 };
		msg->msg_namelen = net_sockaddr_set(&to[count], &path->remote);
		local_to_control(udp, &path->local, msg, &control[count]);
	}
	return send_batch(udp->fd, msgs, count);
}

static struct net_send *take_first(struct net_udp *udp)
{
	struct net_send *send = udp->first;

	udp->first = send->next;
	if (!udp->first)
		udp->last = &udp->first;
	udp->send_count--;
	udp->send_bytes -= send->len;
	return send;
}

static void send_failed(struct net_udp *udp, int error)
{
	struct net_send *send = take_first(udp);

	(void)net_why(send->later.why, -error, &send->later.event.path.remote);
	send->later.wire = udp->item.wire;
	net_owe(udp->loop, &send->later);
}

static void udp_flush(struct net_udp *udp)
{
	int tries = 0;

	while (udp->first && !udp->blocked) {
		int count = send_some(udp);

		if (count < 0 && errno == EINTR)
			continue;
		if (count < 0 && (errno == EAGAIN || errno == ENOBUFS)) {
			udp->blocked = true;
			watch(udp);
			break;
		}
		if (count < 0) {
			const int error = errno;

			/* It may be a refusal of an earlier one, which the receiving
			 * side tells: only what fails again is this datagram's own. */
			if (error == EMSGSIZE || ++tries >= SEND_TRIES) {
				send_failed(udp, error);
				tries = 0;
			}
			continue;
		}
		for (tries = 0; count > 0; count--)
			send_release(udp->loop, &take_first(udp)->later);
	}
	if (!udp->first)
		sip_list_remove(&udp->unsent);
}

void net_udp_flush(struct net_loop *loop)
{
	struct sip_link *link = loop->unsent.next;

	while (link != &loop->unsent) {
		struct net_udp *udp = SIP_CONTAINER(link, struct net_udp, unsent);

		link = link->next;
		udp_flush(udp);
	}
}

sip_err net_udp_send(struct net_item *item, const struct sip_path *path, sip_str bytes,
                     uint64_t token)
{
	struct net_udp *udp = (struct net_udp *)(void *)item;
	const uint32_t bytes_max = item->wire->limits.datagram_queue_bytes;
	struct net_send *send;

	if (path->remote.family != udp->at.family || path->remote.port == 0)
		return SIP_EINVAL;
	if (bytes.len >= NET_DATAGRAM_MAX || udp->send_bytes + bytes.len > bytes_max)
		return SIP_ELIMIT;
	send = send_new(udp->loop, bytes.len);
	if (!send)
		return SIP_ENOMEM;
	send->later = (struct net_later){ .release = send_release };
	send->later.event.kind = SIP_WIRE_FAILED;
	send->later.event.path = *path;
	send->later.event.token = token;
	send->later.event.err = SIP_EWIRE;
	send->next = NULL;
	send->len = bytes.len;
	memcpy(send->bytes, bytes.p, bytes.len);
	*udp->last = send;
	udp->last = &send->next;
	udp->send_count++;
	udp->send_bytes += bytes.len;
	if (!sip_link_in_list(&udp->unsent))
		sip_list_insert(&udp->loop->unsent, &udp->unsent);
	if (udp->send_count >= NET_BATCH)
		udp_flush(udp);
	return SIP_OK;
}

/* --- opening and closing -------------------------------------------------------- */

static void set_option(int fd, int level, int name, int value)
{
	/* Each of these is a wish: the socket works without. */
	(void)setsockopt(fd, level, name, &value, sizeof value);
}

static void set_options(int fd, const struct sip_addr *at)
{
	set_option(fd, SOL_SOCKET, SO_RCVBUF, SOCKET_BUFFER);
	set_option(fd, SOL_SOCKET, SO_SNDBUF, SOCKET_BUFFER);
	if (at->family == 6) {
		set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
		set_option(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
#ifdef IPV6_RECVERR
		set_option(fd, IPPROTO_IPV6, IPV6_RECVERR, 1);
#endif
	} else {
#ifdef IP_PKTINFO
		set_option(fd, IPPROTO_IP, IP_PKTINFO, 1);
#endif
#ifdef IP_RECVERR
		set_option(fd, IPPROTO_IP, IP_RECVERR, 1);
#endif
	}
}

/* Gives the descriptor, or a negative status. */
static int bound_socket(struct sip_addr *at)
{
	struct sockaddr_storage addr;
	socklen_t len = net_sockaddr_set(&addr, at);
	const int fd = net_datagram_socket(at);
	int status;

	if (fd < 0)
		return fd;
	set_options(fd, at);
	if (bind(fd, (struct sockaddr *)&addr, len) == 0) {
		len = sizeof addr;
		if (getsockname(fd, (struct sockaddr *)&addr, &len) == 0) {
			*at = net_sockaddr_get((struct sockaddr *)&addr);
			return fd;
		}
	}
	status = -errno;
	close(fd);
	return status;
}

sip_err net_udp_listen(struct net_wire *wire, struct sip_addr *at, uint32_t *id,
                       int *status)
{
	struct net_loop *loop = wire->loop;
	struct net_udp *udp = sip_alloc0(loop->alloc, sizeof *udp);

	if (!udp || !net_scratch(loop)) {
		sip_free(loop->alloc, udp, sizeof *udp);
		return SIP_ENOMEM;
	}
	udp->loop = loop;
	udp->last = &udp->first;
	udp->fd = bound_socket(at);
	*status = udp->fd < 0 ? udp->fd : uv_poll_init(&loop->uv, &udp->poll, udp->fd);
	if (*status != 0 || net_item_add(wire, &udp->item, NET_UDP) != SIP_OK) {
		const sip_err err = *status != 0 ? SIP_EWIRE : SIP_ENOMEM;

		if (err == SIP_ENOMEM) { /* the handle is there already */
			udp->poll.data = udp;
			net_udp_close(&udp->item);
			return err;
		}
		if (udp->fd >= 0)
			close(udp->fd);
		sip_free(loop->alloc, udp, sizeof *udp);
		return err;
	}
	udp->poll.data = udp;
	udp->at = *at;
	udp->any = sip_addr_is_any(at);
	watch(udp);
	*id = udp->item.id;
	return SIP_OK;
}

static void on_closed(uv_handle_t *handle)
{
	struct net_udp *udp = handle->data;

	sip_free(udp->loop->alloc, udp, sizeof *udp);
}

/* What still waits is tried once more. */
void net_udp_close(struct net_item *item)
{
	struct net_udp *udp = (struct net_udp *)(void *)item;

	udp_flush(udp);
	while (udp->first)
		send_release(udp->loop, &take_first(udp)->later);
	sip_list_remove(&udp->unsent);
	net_item_remove(item);
	(void)uv_poll_stop(&udp->poll); /* cannot fail */
	uv_close((uv_handle_t *)&udp->poll, on_closed);
	close(udp->fd);
	udp->loop->fresh = true;
}
