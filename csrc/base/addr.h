#pragma once
/* Addresses as values: compared by value, never by text (RFC 5954 3). */
#include "base/str.h"

struct sip_addr {
	uint8_t family; /* 0: none, 4 or 6 */
	uint16_t port;  /* host order */
	uint32_t scope; /* interface of an IPv6 link-local address, 0: none */
	uint8_t ip[16]; /* network order; IPv4 uses the first four */
};

enum { SIP_ADDR_TEXT_MAX = 72 }; /* brackets, scope and port included */

/* An address without port: "192.0.2.1", "2001:db8::1", "[2001:db8::1]".  False
 * when it is none (a host name, say). */
bool sip_addr_parse(sip_str text, struct sip_addr *addr);

/* "192.0.2.1" or, with brackets, "[2001:db8::1]"; gives the length. */
size_t sip_addr_write_host(const struct sip_addr *addr, char *out, bool brackets);
/* The same with ":port" (and brackets). */
size_t sip_addr_write(const struct sip_addr *addr, char *out);

/* The host alone, without port; IPv4-mapped IPv6 equals its IPv4. */
bool sip_addr_same_host(const struct sip_addr *a, const struct sip_addr *b);
/* Of one source: an IPv4 address, or an IPv6 /64, which is what one customer has. */
bool sip_addr_same_source(const struct sip_addr *a, const struct sip_addr *b);
bool sip_addr_eq(const struct sip_addr *a, const struct sip_addr *b);
bool sip_addr_is_any(const struct sip_addr *addr); /* 0.0.0.0 or :: */
