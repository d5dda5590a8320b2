/* relay.c - the floor of a proxy: the same datagrams in and out, and no SIP.
 *
 *     relay PORT PEER_PORT
 *
 * What comes from PEER_PORT goes to whom we have heard of last elsewhere, all else to
 * PEER_PORT; the bytes are not looked at.  All addresses are 127.0.0.1.  It reads and
 * writes in batches as our own wire does (csrc/net/udp.c).
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum {
	BATCH = 32,
	SIZE = 4096,
	BUFFER = 4000000,
};

static struct sockaddr_in here(const char *port)
{
	return (struct sockaddr_in){
		.sin_family = AF_INET,
		.sin_port = htons((unsigned short)atoi(port)),
		.sin_addr = { htonl(INADDR_LOOPBACK) },
	};
}

static int open_socket(const char *port)
{
	const struct sockaddr_in at = here(port);
	const int fd = socket(AF_INET, SOCK_DGRAM, 0), size = BUFFER;

	if (fd < 0 || bind(fd, (const struct sockaddr *)&at, sizeof at) < 0) {
		perror("relay");
		exit(1);
	}
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
	return fd;
}

static void send_all(int fd, struct mmsghdr *batch, int count)
{
	for (int at = 0; at < count;) {
		const int sent = sendmmsg(fd, batch + at, (unsigned)(count - at), 0);

		if (sent > 0)
			at += sent;
		else if (errno != EINTR)
			at++; /* nobody listens there */
	}
}

int main(int argc, char **argv)
{
	static char bytes[BATCH][SIZE];
	static struct iovec parts[BATCH];
	static struct mmsghdr batch[BATCH];
	static struct sockaddr_in from[BATCH];
	struct sockaddr_in peer, client = { 0 };

	if (argc != 3) {
		fputs("relay PORT PEER_PORT\n", stderr);
		return 2;
	}
	peer = here(argv[2]);
	const int fd = open_socket(argv[1]);
	struct pollfd ready = { .fd = fd, .events = POLLIN };

	for (;;) {
		for (int i = 0; i < BATCH; i++) {
			parts[i] = (struct iovec){ bytes[i], SIZE };
			batch[i].msg_hdr = (struct msghdr){
				.msg_name = &from[i],
				.msg_namelen = sizeof from[i],
				.msg_iov = &parts[i],
				.msg_iovlen = 1,
			};
		}
		const int count = recvmmsg(fd, batch, BATCH, MSG_DONTWAIT, NULL);

		if (count <= 0) {
			poll(&ready, 1, -1);
			continue;
		}
		for (int i = 0; i < count; i++) {
			const int back = from[i].sin_port == peer.sin_port;

			if (!back)
				client = from[i];
			parts[i].iov_len = batch[i].msg_len;
			from[i] = back ? client : peer;
		}
		send_all(fd, batch, count);
	}
}
