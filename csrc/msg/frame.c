#include "msg/frame.h"

#include "msg/scan.h"

static sip_err refuse(struct sip_refusal *refusal, sip_err err, size_t at,
                      uint16_t status, const char *why)
{
	*refusal = (struct sip_refusal){ .at = (uint32_t)at,
		                         .why = why,
		                         .status = status };
	return err;
}

static bool is_crlf(const char *p)
{
	return p[0] == '\r' && p[1] == '\n';
}

/* The length of the head with its empty line, 0 when it is not there yet. */
static size_t find_head_end(struct sip_frame *frame, sip_str unread)
{
	const char *p = unread.p + frame->seen, *const end = unread.p + unread.len;

	while ((p = memchr(p, '\n', (size_t)(end - p))) != NULL) {
		p++;
		if (end - p < 2)
			break;
		if (is_crlf(p))
			return (size_t)(p + 2 - unread.p);
	}
	/* A line end among the last three bytes may be the first half. */
	frame->seen = unread.len > 3 ? (uint32_t)unread.len - 3 : 0;
	return 0;
}

static bool is_content_length(sip_str line, sip_str *value)
{
	const char *const end = line.p + line.len;
	const char *p = sip_scan(line.p, end, SIP_C_TOKEN);

	if (sip_header_find(sip_span(line.p, p)) != SIP_H_CONTENT_LENGTH)
		return false;
	while (p < end && (*p == ' ' || *p == '\t'))
		p++;
	if (p == end || *p != ':')
		return false;
	*value = sip_str_trim(sip_span(p + 1, end));
	return true;
}

/* Cut one logical line from the front of `head`. */
static sip_str next_line(sip_str *head)
{
	const char *const start = head->p, *const end = start + head->len;
	const char *p = start;

	do {
		p = memchr(p, '\n', (size_t)(end - p));
		p = p ? p + 1 : end;
	} while (p < end && (*p == ' ' || *p == '\t'));
	*head = sip_span(p, end);
	return sip_span(start, p);
}

/* A stream can only be framed by Content-Length: without a good one, no octet behind
 * the head may be taken for a message (RFC 3261 18.3). */
static sip_err find_body_len(struct sip_frame *frame, sip_str head,
                             struct sip_refusal *refusal)
{
	const char *const start = head.p;
	uint32_t len = 0, other;
	bool found = false;
	sip_str value;

	(void)next_line(&head); /* the start line */
	while (head.len > 0) {
		const sip_str line = next_line(&head);
		if (!is_content_length(line, &value))
			continue;
		if (!sip_str_to_u32_cut(value, &other))
			return refuse(refusal, SIP_ESYNTAX, (size_t)(value.p - start),
			              400, "Content-Length is not a number");
		if (found && other != len)
			return refuse(refusal, SIP_ESYNTAX, (size_t)(value.p - start),
			              400, "two Content-Lengths do not agree");
		found = true;
		len = other;
	}
	if (!found)
		return refuse(refusal, SIP_ESYNTAX, frame->head_len, 400,
		              "a message on a stream has no Content-Length");
	frame->body_len = len;
	return SIP_OK;
}

/* CRLF or CRLFCRLF in front; false when there is neither. */
static bool take_crlf(struct sip_frame *frame, sip_str unread,
                      enum sip_frame_kind *kind, size_t *len)
{
	if (!is_crlf(unread.p))
		return false;
	if (frame->crlf) {
		*kind = SIP_FRAME_PING;
		*len = 2;
	} else if (unread.len >= 4 && is_crlf(unread.p + 2)) {
		*kind = SIP_FRAME_PING;
		*len = 4;
	} else {
		*kind = SIP_FRAME_PONG;
		*len = 2;
	}
	frame->crlf = *kind == SIP_FRAME_PONG;
	return true;
}

/* A record of TLS: an alert or a handshake, of a version that begins with 3. */
static bool is_tls(sip_str bytes)
{
	return (bytes.p[0] == 0x15 || bytes.p[0] == 0x16) &&
	       (bytes.len == 1 || bytes.p[1] == 3);
}

/* Does the start line end, or begin, with the version of HTTP? */
static bool is_http(sip_str head)
{
	const sip_str version = SIP_STR("HTTP/1.");
	const sip_str line = sip_str_trim(next_line(&head));
	const size_t tail = version.len + 1;

	return (line.len > tail &&
	        sip_str_eq(sip_str_of(line.p + line.len - tail, version.len),
	                   version)) ||
	       (line.len > tail &&
	        sip_str_eq(sip_str_of(line.p, version.len), version));
}

static sip_err take_head(struct sip_frame *frame, const struct sip_limits *limits,
                         sip_str unread, size_t *len, struct sip_refusal *refusal)
{
	const size_t head_len = find_head_end(frame, unread);
	sip_err err;

	if (head_len > limits->header_bytes ||
	    (head_len == 0 && unread.len > limits->header_bytes))
		return refuse(refusal, SIP_ELIMIT, limits->header_bytes, 400,
		              "the headers are too long");
	if (head_len == 0)
		return SIP_EMORE;
	if (is_http(sip_str_of(unread.p, head_len)))
		return refuse(refusal, SIP_ESYNTAX, 0, 0, "this is HTTP, not SIP");
	frame->head_len = (uint32_t)head_len;
	*len = head_len;
	err = find_body_len(frame, sip_str_of(unread.p, head_len), refusal);
	if (err)
		return err;
	if (frame->body_len > limits->message_bytes ||
	    head_len + frame->body_len > limits->message_bytes)
		return refuse(refusal, SIP_ELIMIT, head_len, 513,
		              "the message is too long");
	return SIP_OK;
}

sip_err sip_frame_feed(struct sip_frame *frame, const struct sip_limits *limits,
                       sip_str unread, enum sip_frame_kind *kind, size_t *len,
                       struct sip_refusal *refusal)
{
	sip_err err;

	*len = 0;
	if (unread.len == 0)
		return SIP_EMORE;
	if (frame->head_len == 0) {
		if (unread.len == 1 && *unread.p == '\r')
			return SIP_EMORE;
		if (*unread.p == '\r' && take_crlf(frame, unread, kind, len))
			return SIP_OK;
		/* What cannot begin a message never becomes one: do not wait for it. */
		if (is_tls(unread))
			return refuse(refusal, SIP_ESYNTAX, 0, 0,
			              "this is TLS, not SIP");
		if (!sip_is(*unread.p, SIP_C_TOKEN))
			return refuse(refusal, SIP_ESYNTAX, 0, 400, "this is not SIP");
		err = take_head(frame, limits, unread, len, refusal);
		if (err)
			return err;
	}
	if (unread.len < (size_t)frame->head_len + frame->body_len) {
		*len = 0;
		return SIP_EMORE;
	}
	*kind = SIP_FRAME_MESSAGE;
	*len = (size_t)frame->head_len + frame->body_len;
	*frame = (struct sip_frame){ 0 };
	return SIP_OK;
}
