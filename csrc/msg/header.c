#include "msg/header.h"

#include <assert.h>

enum { NAME_MAX_LEN = 20, SAME_LEN_MAX = 9 };

static const struct {
	char name[24];
	uint8_t len;
	uint8_t kind;
	char unused[6]; /* a row is a power of two */
} rows[SIP_H_COUNT] = { [SIP_H_OTHER] = { "", 0, SIP_HK_MANY, "" },
#define ROW(id, name, compact, kind)                                                   \
	[SIP_H_##id] = { name, sizeof(name) - 1, SIP_HK_##kind, "" },
	                SIP_HEADER_MAP(ROW)
#undef ROW
};

/* Names by their length: a new header belongs here too, and a spec finds the one
 * that does not. */
/* clang-format off */
static const uint8_t by_len[NAME_MAX_LEN + 1][SAME_LEN_MAX] = {
	[2] = { SIP_H_TO },
	[3] = { SIP_H_VIA },
	[4] = { SIP_H_FROM, SIP_H_CSEQ, SIP_H_RSEQ, SIP_H_RACK, SIP_H_JOIN,
	        SIP_H_DATE, SIP_H_PATH },
	[5] = { SIP_H_ROUTE, SIP_H_ALLOW, SIP_H_EVENT },
	[6] = { SIP_H_ACCEPT, SIP_H_MIN_SE, SIP_H_SERVER, SIP_H_REASON },
	[7] = { SIP_H_CALL_ID, SIP_H_CONTACT, SIP_H_EXPIRES, SIP_H_REQUIRE,
	        SIP_H_SUBJECT, SIP_H_WARNING, SIP_H_PRIVACY },
	[8] = { SIP_H_REFER_TO, SIP_H_REPLACES, SIP_H_IDENTITY, SIP_H_PRIORITY,
	        SIP_H_REPLY_TO, SIP_H_SIP_ETAG },
	[9] = { SIP_H_SUPPORTED, SIP_H_TIMESTAMP, SIP_H_CALL_INFO, SIP_H_DIVERSION,
	        SIP_H_RECV_INFO },
	[10] = { SIP_H_CONTENT_ID, SIP_H_USER_AGENT, SIP_H_ERROR_INFO,
	        SIP_H_ALERT_INFO },
	[11] = { SIP_H_MIN_EXPIRES, SIP_H_UNSUPPORTED, SIP_H_REFERRED_BY,
	        SIP_H_RETRY_AFTER, SIP_H_IN_REPLY_TO, SIP_H_MAX_BREADTH },
	[12] = { SIP_H_MAX_FORWARDS, SIP_H_RECORD_ROUTE, SIP_H_CONTENT_TYPE,
	        SIP_H_MIME_VERSION, SIP_H_ALLOW_EVENTS, SIP_H_ORGANIZATION,
	        SIP_H_HISTORY_INFO, SIP_H_SIP_IF_MATCH, SIP_H_INFO_PACKAGE },
	[13] = { SIP_H_PROXY_REQUIRE, SIP_H_AUTHORIZATION, SIP_H_SERVICE_ROUTE },
	[14] = { SIP_H_CONTENT_LENGTH, SIP_H_ACCEPT_CONTACT, SIP_H_REJECT_CONTACT },
	[15] = { SIP_H_ACCEPT_ENCODING, SIP_H_ACCEPT_LANGUAGE,
	        SIP_H_SESSION_EXPIRES },
	[16] = { SIP_H_CONTENT_ENCODING, SIP_H_CONTENT_LANGUAGE,
	        SIP_H_WWW_AUTHENTICATE },
	[18] = { SIP_H_PROXY_AUTHENTICATE, SIP_H_SUBSCRIPTION_STATE },
	[19] = { SIP_H_CONTENT_DISPOSITION, SIP_H_REQUEST_DISPOSITION,
	        SIP_H_PROXY_AUTHORIZATION, SIP_H_AUTHENTICATION_INFO,
	        SIP_H_P_ASSERTED_IDENTITY },
	[20] = { SIP_H_P_PREFERRED_IDENTITY },
};
/* clang-format on */

static const uint8_t by_letter[26] = {
	['v' - 'a'] = SIP_H_VIA,
	['f' - 'a'] = SIP_H_FROM,
	['t' - 'a'] = SIP_H_TO,
	['i' - 'a'] = SIP_H_CALL_ID,
	['m' - 'a'] = SIP_H_CONTACT,
	['l' - 'a'] = SIP_H_CONTENT_LENGTH,
	['c' - 'a'] = SIP_H_CONTENT_TYPE,
	['e' - 'a'] = SIP_H_CONTENT_ENCODING,
	['k' - 'a'] = SIP_H_SUPPORTED,
	['a' - 'a'] = SIP_H_ACCEPT_CONTACT,
	['j' - 'a'] = SIP_H_REJECT_CONTACT,
	['d' - 'a'] = SIP_H_REQUEST_DISPOSITION,
	['o' - 'a'] = SIP_H_EVENT,
	['u' - 'a'] = SIP_H_ALLOW_EVENTS,
	['r' - 'a'] = SIP_H_REFER_TO,
	['b' - 'a'] = SIP_H_REFERRED_BY,
	['x' - 'a'] = SIP_H_SESSION_EXPIRES,
	['y' - 'a'] = SIP_H_IDENTITY,
	['s' - 'a'] = SIP_H_SUBJECT,
};

/* Case is one bit.  Of the characters that differ from one of these names in this bit
 * alone, only CR (against "-") is no letter, and no line holds one. */
#define CASE_BITS UINT64_C(0x2020202020202020)

static bool same_8(const char *a, const char *b)
{
	uint64_t x, y;

	memcpy(&x, a, sizeof x);
	memcpy(&y, b, sizeof y);
	return ((x ^ y) & ~CASE_BITS) == 0;
}

static bool same_4(const char *a, const char *b)
{
	uint32_t x, y;

	memcpy(&x, a, sizeof x);
	memcpy(&y, b, sizeof y);
	return ((x ^ y) & (uint32_t)~CASE_BITS) == 0;
}

/* Do two names of this length match without case?  Words overlap at the end. */
static bool same_name(const char *name, const char *row, size_t len)
{
	if (len >= 8) {
		for (size_t i = 0; i + 8 < len; i += 8) {
			if (!same_8(name + i, row + i))
				return false;
		}
		return same_8(name + len - 8, row + len - 8);
	}
	if (len >= 4)
		return same_4(name, row) && same_4(name + len - 4, row + len - 4);
	for (size_t i = 0; i < len; i++) {
		if ((name[i] ^ row[i]) & ~0x20)
			return false;
	}
	return true;
}

static bool is_letter(char c)
{
	return (unsigned char)((c | 0x20) - 'a') < 26;
}

enum sip_header_id sip_header_find(sip_str name)
{
	const uint8_t *ids;

	if (name.len == 1 && is_letter(name.p[0]))
		return by_letter[(name.p[0] | 0x20) - 'a'];
	if (name.len > NAME_MAX_LEN)
		return SIP_H_OTHER;
	ids = by_len[name.len];
	for (unsigned i = 0; i < SAME_LEN_MAX && ids[i] != SIP_H_OTHER; i++) {
		const char *row = rows[ids[i]].name;
		if (((name.p[0] ^ row[0]) & ~0x20) == 0 &&
		    same_name(name.p, row, name.len))
			return ids[i];
	}
	return SIP_H_OTHER;
}

sip_str sip_header_name(enum sip_header_id id)
{
	assert(id > SIP_H_OTHER && id < SIP_H_COUNT);
	return sip_str_of(rows[id].name, rows[id].len);
}

enum sip_header_kind sip_header_kind(enum sip_header_id id)
{
	assert(id < SIP_H_COUNT);
	return (enum sip_header_kind)rows[id].kind;
}
