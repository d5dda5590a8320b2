#include "msg/stun.h"

#include <string.h>

enum {
	BINDING = 1,
	HEAD_LEN = 20,
	COOKIE = 0x2112a442,
	FINGERPRINT_XOR = 0x5354554e,
	FINGERPRINT_LEN = 8, /* the whole attribute */

	A_ERROR_CODE = 0x0009,
	A_UNKNOWN_ATTRIBUTES = 0x000a,
	A_XOR_MAPPED_ADDRESS = 0x0020,
	A_FINGERPRINT = 0x8028,
	A_OPTIONAL = 0x8000, /* from here on: may be ignored (14) */
};

/* What RFC 8489 18.3 lists beside the above: known, and nothing to a keep-alive, which
 * asks for no credentials (RFC 5626 8). */
static bool is_known(uint16_t type)
{
	static const uint16_t known[] = {
		0x0001,
		0x0006,
		0x0008,
		A_ERROR_CODE,
		0x0014,
		0x0015,
		A_UNKNOWN_ATTRIBUTES,
		0x001c,
		0x001d,
		0x001e,
		A_XOR_MAPPED_ADDRESS,
	};

	for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
		if (known[i] == type)
			return true;
	}
	return type >= A_OPTIONAL;
}

static uint16_t get_u16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static uint32_t get_u32(const uint8_t *p)
{
	return (uint32_t)get_u16(p) << 16 | get_u16(p + 2);
}

static uint8_t *put_u16(uint8_t *p, unsigned value)
{
	p[0] = (uint8_t)(value >> 8);
	p[1] = (uint8_t)value;
	return p + 2;
}

static uint8_t *put_u32(uint8_t *p, uint32_t value)
{
	return put_u16(put_u16(p, value >> 16), value & 0xffff);
}

/* CRC-32 of ITU-T V.42 (14.7), bit by bit: these are a few dozen bytes. */
static uint32_t crc_of(const uint8_t *p, size_t len)
{
	uint32_t crc = 0xffffffff;

	for (size_t i = 0; i < len; i++) {
		crc ^= p[i];
		for (unsigned bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
	}
	return ~crc;
}

/* The address and what hides it from middleboxes that rewrite addresses: cookie and
 * transaction id (14.2). */
static void mix(const struct sip_stun *stun, uint8_t *ip, size_t len)
{
	uint8_t pad[16];

	put_u32(pad, COOKIE);
	memcpy(pad + 4, stun->id, SIP_STUN_ID_LEN);
	for (size_t i = 0; i < len; i++)
		ip[i] ^= pad[i];
}

static sip_err read_mapped(struct sip_stun *stun, const uint8_t *value, size_t len)
{
	struct sip_addr *mapped = &stun->mapped;
	const size_t ip_len = len - 4;

	if (len < 4 ||
	    !((value[1] == 1 && ip_len == 4) || (value[1] == 2 && ip_len == 16)))
		return SIP_ESYNTAX;
	memset(mapped, 0, sizeof *mapped);
	mapped->family = value[1] == 1 ? 4 : 6;
	mapped->port = get_u16(value + 2) ^ (COOKIE >> 16);
	memcpy(mapped->ip, value + 4, ip_len);
	mix(stun, mapped->ip, ip_len);
	return SIP_OK;
}

static sip_err read_attribute(struct sip_stun *stun, uint16_t type,
                              const uint8_t *value, size_t len)
{
	/* The first of a kind counts (14). */
	if (type == A_XOR_MAPPED_ADDRESS && stun->mapped.family == 0)
		return read_mapped(stun, value, len);
	if (type == A_ERROR_CODE && stun->error == 0) {
		if (len < 4 || (value[2] & 7) < 3 || (value[2] & 7) > 6 ||
		    value[3] > 99)
			return SIP_ESYNTAX;
		stun->error = (uint16_t)((value[2] & 7) * 100 + value[3]);
	}
	if (!is_known(type) && stun->unknown_count < SIP_STUN_UNKNOWN_MAX)
		stun->unknown[stun->unknown_count++] = type;
	return SIP_OK;
}

/* FINGERPRINT is the last one, and of all before it (14.7). */
static bool is_fingerprint(const uint8_t *bytes, size_t at, size_t len)
{
	return get_u16(bytes + at + 2) == 4 && at + FINGERPRINT_LEN == len &&
	       get_u32(bytes + at + 4) == (crc_of(bytes, at) ^ FINGERPRINT_XOR);
}

bool sip_stun_is(sip_str datagram)
{
	return datagram.len > 0 && (uint8_t)datagram.p[0] < 2;
}

sip_err sip_stun_parse(sip_str datagram, struct sip_stun *stun)
{
	const uint8_t *bytes = (const uint8_t *)datagram.p;
	const size_t len = datagram.len;
	unsigned type;

	memset(stun, 0, sizeof *stun);
	if (len < HEAD_LEN || len > SIP_STUN_BYTES_MAX || len % 4 != 0 ||
	    bytes[0] & 0xc0 || get_u16(bytes + 2) != len - HEAD_LEN ||
	    get_u32(bytes + 4) != COOKIE)
		return SIP_ESYNTAX;
	type = get_u16(bytes);
	stun->class = (enum sip_stun_class)((type >> 7 & 2) | (type >> 4 & 1));
	stun->method = (uint16_t)((type & 0x000f) | (type & 0x00e0) >> 1 |
	                          (type & 0x3e00) >> 2);
	memcpy(stun->id, bytes + 8, SIP_STUN_ID_LEN);
	for (size_t at = HEAD_LEN; at < len;) {
		const uint16_t kind = get_u16(bytes + at);
		const size_t value_len = get_u16(bytes + at + 2);
		const size_t padded = (value_len + 3) & ~(size_t)3;

		if (padded > len - at - 4)
			return SIP_ESYNTAX;
		if (kind == A_FINGERPRINT) {
			stun->fingerprint = is_fingerprint(bytes, at, len);
			return stun->fingerprint ? SIP_OK : SIP_ESYNTAX;
		}
		if (read_attribute(stun, kind, bytes + at + 4, value_len) != SIP_OK)
			return SIP_ESYNTAX;
		at += 4 + padded;
	}
	return SIP_OK;
}

static uint8_t *put_mapped(const struct sip_stun *stun, uint8_t *p)
{
	const struct sip_addr *mapped = &stun->mapped;
	const size_t ip_len = mapped->family == 4 ? 4 : 16;

	p = put_u16(p, A_XOR_MAPPED_ADDRESS);
	p = put_u16(p, (unsigned)(4 + ip_len));
	p = put_u16(p, mapped->family == 4 ? 1 : 2);
	p = put_u16(p, (unsigned)(mapped->port ^ (COOKIE >> 16)));
	memcpy(p, mapped->ip, ip_len);
	mix(stun, p, ip_len);
	return p + ip_len;
}

/* Without a reason phrase: nobody reads it, and it would make the answer larger than
 * what was asked. */
static uint8_t *put_error(const struct sip_stun *stun, uint8_t *p)
{
	p = put_u16(p, A_ERROR_CODE);
	p = put_u16(p, 4);
	p = put_u32(p, (uint32_t)(stun->error / 100) << 8 | stun->error % 100);
	if (stun->unknown_count == 0)
		return p;
	p = put_u16(p, A_UNKNOWN_ATTRIBUTES);
	p = put_u16(p, stun->unknown_count * 2);
	for (unsigned i = 0; i < stun->unknown_count; i++)
		p = put_u16(p, stun->unknown[i]);
	return stun->unknown_count % 2 ? put_u16(p, 0) : p;
}

size_t sip_stun_write(const struct sip_stun *stun, char out[SIP_STUN_WRITE_MAX])
{
	uint8_t *const bytes = (uint8_t *)out;
	uint8_t *p = bytes + HEAD_LEN;
	const unsigned method = stun->method;
	size_t len;

	put_u16(bytes, (method & 0x0f) | (method & 0x70) << 1 | (method & 0xf80) << 2 |
	                       (stun->class & 1u) << 4 | (stun->class & 2u) << 7);
	put_u32(bytes + 4, COOKIE);
	memcpy(bytes + 8, stun->id, SIP_STUN_ID_LEN);
	if (stun->mapped.family != 0)
		p = put_mapped(stun, p);
	if (stun->error != 0)
		p = put_error(stun, p);
	len = (size_t)(p - bytes) + (stun->fingerprint ? FINGERPRINT_LEN : 0);
	put_u16(bytes + 2, (unsigned)(len - HEAD_LEN));
	if (stun->fingerprint) {
		const uint32_t crc = crc_of(bytes, len - FINGERPRINT_LEN);

		p = put_u16(put_u16(p, A_FINGERPRINT), 4);
		put_u32(p, crc ^ FINGERPRINT_XOR);
	}
	return len;
}
