#include "net/sockaddr.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <unistd.h>
#include <uv.h>

socklen_t net_sockaddr_set(struct sockaddr_storage *out, const struct sip_addr *addr)
{
	memset(out, 0, sizeof *out);
	if (addr->family == 6) {
		struct sockaddr_in6 *in6 = (void *)out;

		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons(addr->port);
		in6->sin6_scope_id = addr->scope;
		memcpy(&in6->sin6_addr, addr->ip, 16);
		return sizeof *in6;
	} else {
		struct sockaddr_in *in4 = (void *)out;

		in4->sin_family = AF_INET;
		in4->sin_port = htons(addr->port);
		memcpy(&in4->sin_addr, addr->ip, 4);
		return sizeof *in4;
	}
}

struct sip_addr net_sockaddr_get(const struct sockaddr *from)
{
	struct sip_addr addr = { 0 };

	if (from->sa_family == AF_INET) {
		const struct sockaddr_in *in4 = (const void *)from;

		addr.family = 4;
		addr.port = ntohs(in4->sin_port);
		memcpy(addr.ip, &in4->sin_addr, 4);
	} else if (from->sa_family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (const void *)from;

		addr.family = 6;
		addr.port = ntohs(in6->sin6_port);
		addr.scope = in6->sin6_scope_id;
		memcpy(addr.ip, &in6->sin6_addr, 16);
	}
	return addr;
}

static const struct {
	int status;
	const char *text; /* %s is the address */
} whys[] = {
	{ UV_ECONNREFUSED, "connection refused by %s" },
	{ UV_ECONNRESET, "connection reset by %s" },
	{ UV_EPIPE, "connection closed by %s" },
	{ UV_EOF, "connection closed by %s" },
	{ UV_ETIMEDOUT, "no answer from %s" },
	{ UV_EHOSTUNREACH, "no way to reach %s" },
	{ UV_ENETUNREACH, "no network leads to %s" },
	{ UV_EMSGSIZE, "too large for one datagram to %s" },
	{ UV_EADDRINUSE, "%s is in use already" },
	{ UV_EADDRNOTAVAIL, "%s is not an address of this machine" },
	{ UV_EACCES, "not allowed to use %s" },
	{ UV_EPERM, "not allowed to use %s" },
	{ UV_ECANCELED, "closed before it went out to %s" },
};

const char *net_why(char out[NET_WHY_MAX], int status, const struct sip_addr *addr)
{
	char text[SIP_ADDR_TEXT_MAX] = "the peer", error[64];

	if (addr && addr->family != 0)
		text[sip_addr_write(addr, text)] = '\0';
	for (size_t i = 0; i < sizeof whys / sizeof whys[0]; i++) {
		if (whys[i].status == status) {
			/* What does not fit is cut. */
			(void)snprintf(out, NET_WHY_MAX, whys[i].text, text);
			return out;
		}
	}
	(void)snprintf(out, NET_WHY_MAX, "%s: %s", text,
	               uv_strerror_r(status, error, sizeof error));
	return out;
}

int net_datagram_socket(const struct sip_addr *addr)
{
	const int family = addr->family == 6 ? AF_INET6 : AF_INET;
	int fd, flags;

#ifdef SOCK_CLOEXEC
	fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
#else
	fd = socket(family, SOCK_DGRAM, 0);
	if (fd >= 0)
		(void)fcntl(fd, F_SETFD, FD_CLOEXEC); /* cannot fail: it is open */
#endif
	if (fd < 0)
		return -errno;
	flags = fcntl(fd, F_GETFL);
	(void)fcntl(fd, F_SETFL, flags | O_NONBLOCK); /* likewise */
	return fd;
}
