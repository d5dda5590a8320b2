#include "base/addr.h"

#include <arpa/inet.h>
#include <assert.h>
#include <netinet/in.h>

bool sip_addr_parse(sip_str text, struct sip_addr *addr)
{
	char z[INET6_ADDRSTRLEN];
	struct sip_addr parsed = { 0 };

	if (text.len >= 2 && text.p[0] == '[' && text.p[text.len - 1] == ']') {
		text.p++;
		text.len -= 2;
		if (!memchr(text.p, ':', text.len))
			return false;
	}
	if (text.len == 0 || text.len >= sizeof z || memchr(text.p, '\0', text.len))
		return false;
	memcpy(z, text.p, text.len);
	z[text.len] = '\0';
	if (inet_pton(AF_INET, z, parsed.ip) == 1)
		parsed.family = 4;
	else if (inet_pton(AF_INET6, z, parsed.ip) == 1)
		parsed.family = 6;
	else
		return false;
	*addr = parsed;
	return true;
}

/* inet_ntop prints it, which takes ten times as long. */
static size_t write_ipv4(const uint8_t *ip, char *out)
{
	size_t len = 0;

	for (int i = 0; i < 4; i++) {
		if (i > 0)
			out[len++] = '.';
		len += sip_u64_write(out + len, ip[i]);
	}
	return len;
}

size_t sip_addr_write_host(const struct sip_addr *addr, char *out, bool brackets)
{
	char z[INET6_ADDRSTRLEN];
	size_t len;

	assert(addr->family == 4 || addr->family == 6);
	if (addr->family == 4)
		return write_ipv4(addr->ip, out);
	(void)inet_ntop(AF_INET6, addr->ip, z,
	                sizeof z); /* cannot fail: the family and the size are right */
	len = strlen(z);
	if (brackets)
		*out++ = '[';
	memcpy(out, z, len);
	if (brackets)
		out[len] = ']';
	return brackets ? len + 2 : len;
}

size_t sip_addr_write(const struct sip_addr *addr, char *out)
{
	size_t len = sip_addr_write_host(addr, out, true);

	out[len++] = ':';
	return len + sip_u64_write(out + len, addr->port);
}

static struct sip_addr unmapped(const struct sip_addr *addr)
{
	static const uint8_t prefix[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };
	struct sip_addr plain = *addr;

	if (addr->family == 6 && memcmp(addr->ip, prefix, sizeof prefix) == 0) {
		memset(plain.ip, 0, sizeof plain.ip);
		memcpy(plain.ip, addr->ip + 12, 4);
		plain.family = 4;
		plain.scope = 0;
	}
	return plain;
}

bool sip_addr_same_host(const struct sip_addr *a, const struct sip_addr *b)
{
	const struct sip_addr x = unmapped(a), y = unmapped(b);

	return x.family == y.family && x.scope == y.scope &&
	       memcmp(x.ip, y.ip, x.family == 4 ? 4 : 16) == 0;
}

bool sip_addr_same_source(const struct sip_addr *a, const struct sip_addr *b)
{
	const struct sip_addr x = unmapped(a), y = unmapped(b);

	return x.family == y.family && memcmp(x.ip, y.ip, x.family == 4 ? 4 : 8) == 0;
}

bool sip_addr_eq(const struct sip_addr *a, const struct sip_addr *b)
{
	return a->port == b->port && sip_addr_same_host(a, b);
}

bool sip_addr_is_any(const struct sip_addr *addr)
{
	static const uint8_t none[16];

	return memcmp(addr->ip, none, addr->family == 4 ? 4 : 16) == 0;
}
