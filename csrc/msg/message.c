#include "msg/message.h"

#include <assert.h>

#include "msg/scan.h"

/* --- references ---------------------------------------------------------------- */

struct sip_msg *sip_msg_ref(struct sip_msg *msg)
{
	assert(msg->refs > 0);
	msg->refs++;
	return msg;
}

void sip_msg_unref(struct sip_msg *msg)
{
	if (!msg)
		return;
	assert(msg->refs > 0);
	if (--msg->refs == 0)
		sip_free(msg->alloc, msg, msg->size);
}

/* --- headers ------------------------------------------------------------------- */

sip_str sip_msg_header(const struct sip_msg *msg, enum sip_header_id id)
{
	const unsigned first = msg->first[id];

	if (!first || id == SIP_H_OTHER)
		return sip_str_of(NULL, 0);
	return sip_header_value(msg, &msg->headers[first - 1]);
}

unsigned sip_msg_find(const struct sip_msg *msg, enum sip_header_id id, sip_str name,
                      unsigned from)
{
	for (; from < msg->header_count; from++) {
		const struct sip_header *header = &msg->headers[from];
		if (header->id != id)
			continue;
		if (id != SIP_H_OTHER ||
		    sip_str_ieq(
			    sip_str_of(msg->bytes + header->name_at, header->name_len),
			    name))
			return from;
	}
	return msg->header_count;
}

sip_str sip_msg_header_named(const struct sip_msg *msg, sip_str name)
{
	const enum sip_header_id id = sip_header_find(name);
	unsigned at;

	if (id != SIP_H_OTHER)
		return sip_msg_header(msg, id);
	at = sip_msg_find(msg, id, name, 0);
	if (at == msg->header_count)
		return sip_str_of(NULL, 0);
	return sip_header_value(msg, &msg->headers[at]);
}

size_t sip_unfold(sip_str value, char *out)
{
	size_t n = 0;

	for (size_t i = 0; i < value.len;) {
		size_t j = i;

		while (j < value.len && (value.p[j] == ' ' || value.p[j] == '\t'))
			j++;
		if (j - i >= 3) {
			out[n++] = ' ';
			i = j;
		} else {
			out[n++] = value.p[i++];
		}
	}
	return n;
}

unsigned sip_msg_via_count(const struct sip_msg *msg)
{
	struct sip_values values;
	sip_str value;
	unsigned count = 0;

	sip_values_init(&values, msg, SIP_H_VIA);
	while (sip_values_next(&values, &value))
		count++;
	return count;
}

bool sip_msg_has_token(const struct sip_msg *msg, enum sip_header_id id, sip_str token)
{
	struct sip_values values;
	sip_str value;

	sip_values_init(&values, msg, id);
	while (sip_values_next(&values, &value)) {
		if (sip_str_ieq(value, token))
			return true;
	}
	return false;
}

/* --- typed headers, remembered --------------------------------------------------- */

enum {
	KNOW_URI = 1 << 0,
	KNOW_VIA = 1 << 1,
	KNOW_FROM = 1 << 2,
	KNOW_TO = 1 << 3,
	KNOW_CONTACT = 1 << 4,
	KNOW_CSEQ = 1 << 5,
	KNOW_MAX_FORWARDS = 1 << 6,
	KNOW_EXPIRES = 1 << 7,
};

/* Is this the first time that it is asked for? */
static bool learn(struct sip_msg *msg, unsigned bit)
{
	if (msg->known & bit)
		return false;
	msg->known |= (uint16_t)bit;
	return true;
}

static bool is_good(struct sip_msg *msg, unsigned bit, bool good)
{
	if (!good)
		msg->bad |= (uint16_t)bit;
	return good;
}

/* The first value of the first header of that kind; false when there is none. */
static bool first_value(const struct sip_msg *msg, enum sip_header_id id,
                        sip_str *value)
{
	sip_str list = sip_msg_header(msg, id);

	if (sip_header_kind(id) == SIP_HK_LIST)
		return sip_value_next(&list, value);
	*value = list;
	return list.len > 0;
}

const struct sip_uri *sip_msg_uri(struct sip_msg *msg)
{
	if (learn(msg, KNOW_URI))
		(void)is_good(msg, KNOW_URI, /* remembered */
		              sip_msg_is_request(msg) &&
		                      sip_uri_parse(msg->uri, &msg->request_uri, NULL,
		                                    NULL) == SIP_OK);
	return msg->bad & KNOW_URI ? NULL : &msg->request_uri;
}

const struct sip_via *sip_msg_via(struct sip_msg *msg)
{
	sip_str value;

	if (learn(msg, KNOW_VIA))
		(void)is_good(msg, KNOW_VIA, /* remembered */
		              first_value(msg, SIP_H_VIA, &value) &&
		                      sip_via_parse(value, &msg->via, NULL) == SIP_OK);
	return msg->bad & KNOW_VIA ? NULL : &msg->via;
}

static const struct sip_name_addr *address(struct sip_msg *msg, unsigned bit,
                                           enum sip_header_id id,
                                           struct sip_name_addr *addr)
{
	sip_str value;

	if (learn(msg, bit))
		(void)is_good(msg, bit, /* remembered */
		              first_value(msg, id, &value) &&
		                      sip_name_addr_parse(value, addr, NULL) == SIP_OK);
	return msg->bad & bit ? NULL : addr;
}

const struct sip_name_addr *sip_msg_from(struct sip_msg *msg)
{
	return address(msg, KNOW_FROM, SIP_H_FROM, &msg->from);
}

const struct sip_name_addr *sip_msg_to(struct sip_msg *msg)
{
	return address(msg, KNOW_TO, SIP_H_TO, &msg->to);
}

const struct sip_name_addr *sip_msg_contact(struct sip_msg *msg)
{
	return address(msg, KNOW_CONTACT, SIP_H_CONTACT, &msg->contact);
}

const struct sip_cseq *sip_msg_cseq(struct sip_msg *msg)
{
	sip_str value;

	if (learn(msg, KNOW_CSEQ))
		(void)is_good(msg, KNOW_CSEQ, /* remembered */
		              first_value(msg, SIP_H_CSEQ, &value) &&
		                      sip_cseq_parse(value, &msg->cseq, NULL) ==
		                              SIP_OK);
	return msg->bad & KNOW_CSEQ ? NULL : &msg->cseq;
}

sip_str sip_msg_call_id(const struct sip_msg *msg)
{
	return sip_msg_header(msg, SIP_H_CALL_ID);
}

int64_t sip_msg_max_forwards(struct sip_msg *msg)
{
	uint64_t number;

	if (learn(msg, KNOW_MAX_FORWARDS) &&
	    is_good(msg, KNOW_MAX_FORWARDS,
	            sip_str_to_u64(sip_msg_header(msg, SIP_H_MAX_FORWARDS), UINT8_MAX,
	                           &number)))
		msg->max_forwards = (uint32_t)number;
	return msg->bad & KNOW_MAX_FORWARDS ? -1 : (int64_t)msg->max_forwards;
}

/* So long a time is cut to what the element allows anyway. */
int64_t sip_msg_expires(struct sip_msg *msg)
{
	if (learn(msg, KNOW_EXPIRES))
		(void)is_good(msg, KNOW_EXPIRES, /* remembered */
		              sip_str_to_u32_cut(sip_msg_header(msg, SIP_H_EXPIRES),
		                                 &msg->expires));
	return msg->bad & KNOW_EXPIRES ? -1 : (int64_t)msg->expires;
}
