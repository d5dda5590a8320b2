#pragma once
/* Addresses as the kernel wants them, and its errors in words. */
#include "base/addr.h"

#include <sys/socket.h>

/* Gives the length of what was written. */
socklen_t net_sockaddr_set(struct sockaddr_storage *out, const struct sip_addr *addr);
/* Family 0 when it is neither IPv4 nor IPv6. */
struct sip_addr net_sockaddr_get(const struct sockaddr *from);

enum { NET_WHY_MAX = 160 };

/* "connection refused by 192.0.2.1:5060": libuv's `status` in words that a log can
 * show, `addr` being whom it was about (may be NULL).  Gives `out`. */
const char *net_why(char out[NET_WHY_MAX], int status, const struct sip_addr *addr);

/* A datagram socket of this family that does not block; negative: libuv's status. */
int net_datagram_socket(const struct sip_addr *addr);
