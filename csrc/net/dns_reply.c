/* Names are compressed by pointers, which here have to lead backwards: so there is no
 * loop.  A byte that no host name has becomes a question mark, and such a name is
 * nobody's. */
#include "net/dns_reply.h"

enum {
	HEAD = 12,
	TYPE_CNAME = 5,
	TYPE_SOA = 6,
	CLASS_IN = 1,
	CHAIN_MAX = 8 /* aliases of aliases */
};

/* What lies before `at` has been read; `bad` stays when something is missing. */
struct reader {
	const uint8_t *p;
	size_t len, at;
	bool bad;
};

typedef char dns_name[SIP_NAME_MAX + 1];

struct rr {
	dns_name owner;
	unsigned type;
	uint32_t ttl_s;
	struct reader data; /* from its data to the end of the reply */
	size_t end;         /* of the data */
};

static bool has(struct reader *r, size_t count)
{
	if (r->bad || r->len - r->at < count)
		r->bad = true;
	return !r->bad;
}

static unsigned read_u8(struct reader *r)
{
	return has(r, 1) ? r->p[r->at++] : 0;
}

static uint16_t read_u16(struct reader *r)
{
	const unsigned high = read_u8(r);

	return (uint16_t)(high << 8 | read_u8(r));
}

static uint32_t read_u32(struct reader *r)
{
	const uint32_t high = read_u16(r);

	return high << 16 | read_u16(r);
}

static char name_char(uint8_t byte)
{
	const bool plain = (byte >= 'a' && byte <= 'z') ||
	                   (byte >= 'A' && byte <= 'Z') ||
	                   (byte >= '0' && byte <= '9') || byte == '-' || byte == '_';

	return plain ? (char)byte : '?';
}

/* The root is the empty name. */
static void read_name(struct reader *r, dns_name name)
{
	struct reader label = *r;
	size_t n = 0, before = r->at;
	bool jumped = false;

	name[0] = '\0';
	for (;;) {
		unsigned len = read_u8(&label);

		if (!jumped)
			r->at = label.at;
		if (label.bad || len == 0)
			break;
		if (len >= 0xc0) {
			const size_t to = (len & 0x3f) << 8 | read_u8(&label);

			if (!jumped)
				r->at = label.at;
			label.bad = label.bad || to >= before;
			before = label.at = to;
			jumped = true;
			continue;
		}
		if (len > 63 || n + len + 1 > SIP_NAME_MAX || !has(&label, len)) {
			label.bad = true;
			break;
		}
		if (n > 0)
			name[n++] = '.';
		while (len-- > 0)
			name[n++] = name_char(label.p[label.at++]);
		name[n] = '\0';
		if (!jumped)
			r->at = label.at;
	}
	r->bad = label.bad;
	if (r->bad)
		name[0] = '\0';
}

static bool same_name(const char *a, const char *b)
{
	return sip_str_ieq(sip_str_of(a, strlen(a)), sip_str_of(b, strlen(b)));
}

static bool read_rr(struct reader *r, struct rr *rr)
{
	size_t len;

	read_name(r, rr->owner);
	rr->type = read_u16(r);
	if (read_u16(r) != CLASS_IN)
		rr->type = 0;
	rr->ttl_s = read_u32(r);
	if (rr->ttl_s > INT32_MAX) /* RFC 2181 8 */
		rr->ttl_s = 0;
	len = read_u16(r);
	if (!has(r, len))
		return false;
	rr->data = *r;
	rr->end = r->at + len;
	r->at = rr->end;
	return true;
}

/* A character-string; one that is longer is cut, and matches nothing. */
static void read_text(struct reader *r, char *out, size_t size)
{
	const size_t len = read_u8(r), kept = len < size ? len : size - 1;

	if (!has(r, len))
		return;
	memcpy(out, r->p + r->at, kept);
	for (size_t i = 0; i < kept; i++) {
		if ((unsigned char)out[i] < ' ' || (unsigned char)out[i] > '~')
			out[i] = '?';
	}
	out[kept] = '\0';
	r->at += len;
}

static void read_address(struct reader *r, struct sip_record *record)
{
	const size_t len = record->type == SIP_RECORD_A ? 4 : 16;

	if (!has(r, len))
		return;
	record->addr.family = record->type == SIP_RECORD_A ? 4 : 6;
	memcpy(record->addr.ip, r->p + r->at, len);
	r->at += len;
}

static bool read_record(struct rr *rr, struct sip_record *record)
{
	struct reader *r = &rr->data;
	char regexp[2] = "";

	*record = (struct sip_record){ .type = (enum sip_record_type)rr->type,
		                       .ttl_s = rr->ttl_s };
	switch (record->type) {
	case SIP_RECORD_A:
	case SIP_RECORD_AAAA:
		read_address(r, record);
		break;
	case SIP_RECORD_SRV:
		record->order = read_u16(r);
		record->preference = read_u16(r);
		record->port = read_u16(r);
		read_name(r, record->target);
		break;
	case SIP_RECORD_NAPTR:
		record->order = read_u16(r);
		record->preference = read_u16(r);
		read_text(r, record->flags, sizeof record->flags);
		read_text(r, record->service, sizeof record->service);
		read_text(r, regexp, sizeof regexp);
		read_name(r, record->target);
		break;
	case SIP_RECORD_NONE:
		return false;
	}
	/* RFC 3263 4.1: with a regular expression it is none of ours. */
	return !r->bad && r->at == rr->end && regexp[0] == '\0';
}

/* The name that the question stands for, and for how long. */
static void follow(struct reader answers, unsigned count, dns_name name,
                   uint32_t *ttl_s)
{
	struct rr rr;

	for (int link = 0; link < CHAIN_MAX; link++) {
		struct reader r = answers;
		bool found = false;

		for (unsigned i = 0; i < count && !found && read_rr(&r, &rr); i++)
			found = rr.type == TYPE_CNAME && same_name(rr.owner, name);
		if (!found)
			return;
		read_name(&rr.data, name);
		if (rr.ttl_s < *ttl_s)
			*ttl_s = rr.ttl_s;
	}
	name[0] = '\0'; /* it leads nowhere */
}

/* RFC 2308 5: of the SOA its own time to live and its last field, the lesser. */
static uint32_t negative_ttl(struct reader r, unsigned count)
{
	enum { SERIAL_REFRESH_RETRY_EXPIRE = 16 };
	struct rr rr;

	for (unsigned i = 0; i < count && read_rr(&r, &rr); i++) {
		dns_name name;
		uint32_t least;

		if (rr.type != TYPE_SOA)
			continue;
		read_name(&rr.data, name);
		read_name(&rr.data, name);
		if (!has(&rr.data, SERIAL_REFRESH_RETRY_EXPIRE))
			return 0;
		rr.data.at += SERIAL_REFRESH_RETRY_EXPIRE;
		least = read_u32(&rr.data);
		if (rr.data.bad)
			return 0;
		return least < rr.ttl_s ? least : rr.ttl_s;
	}
	return 0;
}

bool net_dns_reply(sip_str reply, enum sip_record_type type,
                   struct sip_record records[SIP_RECORDS_MAX], size_t *count,
                   uint32_t *ttl_s)
{
	struct reader r = { (const uint8_t *)reply.p, reply.len, 0, reply.len < HEAD };
	unsigned questions, answers, authorities;
	uint32_t chain_ttl_s = INT32_MAX;
	struct reader first;
	struct rr rr;
	dns_name name;

	r.at = 4;
	questions = read_u16(&r);
	answers = read_u16(&r);
	authorities = read_u16(&r);
	r.at = HEAD;
	read_name(&r, name);
	if (questions != 1 || !has(&r, 4))
		return false;
	r.at += 4;
	first = r;
	follow(first, answers, name, &chain_ttl_s);
	*count = 0;
	for (unsigned i = 0; i < answers && read_rr(&r, &rr); i++) {
		struct sip_record *record = &records[*count];

		if (rr.type != (unsigned)type || name[0] == '\0' ||
		    !same_name(rr.owner, name) || *count == SIP_RECORDS_MAX ||
		    !read_record(&rr, record))
			continue;
		if (chain_ttl_s < record->ttl_s)
			record->ttl_s = chain_ttl_s;
		++*count;
	}
	*ttl_s = *count == 0 ? negative_ttl(r, authorities) : 0;
	return true;
}
