/* fragment.c - message/sipfrag: messages of which anything may be missing (RFC 3420).
 */
#include "msg/parse.h"

/* The line ends that are missing up to an empty line behind the headers. */
static sip_str missing_end(sip_str bytes)
{
	if (bytes.len >= 2 && memcmp(bytes.p, "\r\n", 2) == 0)
		return SIP_STR("");
	if (bytes.len > 0 && memmem(bytes.p, bytes.len, "\r\n\r\n", 4))
		return SIP_STR("");
	if (bytes.len == 0 ||
	    (bytes.len > 2 && memcmp(bytes.p + bytes.len - 2, "\r\n", 2) == 0))
		return SIP_STR("\r\n");
	return SIP_STR("\r\n\r\n");
}

static sip_err parse_whole(struct sip_alloc *alloc, const struct sip_limits *limits,
                           sip_str bytes, struct sip_msg **msg,
                           struct sip_refusal *refusal)
{
	sip_err err = sip_msg_parse_some(alloc, limits, bytes, msg, refusal);

	if (!err)
		err = sip_msg_check(*msg, refusal);
	if (err) {
		sip_msg_unref(*msg);
		*msg = NULL;
		refusal->status = 0;
	}
	return err;
}

sip_err sip_msg_parse_fragment(struct sip_alloc *alloc, const struct sip_limits *limits,
                               sip_str bytes, struct sip_msg **msg,
                               struct sip_refusal *refusal)
{
	const sip_str end = missing_end(bytes);
	char *whole;
	sip_err err;

	*msg = NULL;
	if (end.len == 0)
		return parse_whole(alloc, limits, bytes, msg, refusal);
	if (bytes.len > limits->message_bytes) {
		*refusal = (struct sip_refusal){ .at = limits->message_bytes,
			                         .why = "the message is too long" };
		return SIP_ELIMIT;
	}
	whole = sip_alloc(alloc, bytes.len + end.len);
	if (!whole)
		return SIP_ENOMEM;
	if (bytes.len > 0)
		memcpy(whole, bytes.p, bytes.len);
	memcpy(whole + bytes.len, end.p, end.len);
	err = parse_whole(alloc, limits, sip_str_of(whole, bytes.len + end.len), msg,
	                  refusal);
	if (err && refusal->at > bytes.len)
		refusal->at = (uint32_t)bytes.len;
	sip_free(alloc, whole, bytes.len + end.len);
	return err;
}
