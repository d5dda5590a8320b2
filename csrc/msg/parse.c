/* parse.c - bytes to a message.
 *
 * One walk over the lines fills an index on the stack; then everything is allocated
 * and copied at once.  Parsing goes on behind a fault: the first one is reported, and
 * a request of which the rest is there can be answered with its status.
 */
#include "msg/parse.h"

#include "msg/lines.h"
#include "msg/scan.h"

enum { HEADERS_MAX = 384 }; /* of the index; limits may ask for less, not for more */

struct parse {
	const char *p; /* without leading CRLFs */
	size_t len, head_len;
	size_t skipped;
	const struct sip_limits *limits;
	struct sip_lines lines;
	sip_err err; /* the first fault */
	struct sip_refusal refusal;
	unsigned header_count, header_max;
	bool has_length;
	uint32_t content_length;
	struct sip_msg msg; /* offsets stand in spans of `p` */
	struct sip_header headers[HEADERS_MAX];
};

static void refuse(struct parse *parse, sip_err err, size_t at, uint16_t status,
                   const char *why)
{
	if (parse->err)
		return;
	parse->err = err;
	parse->refusal = (struct sip_refusal){ .at = (uint32_t)(at + parse->skipped),
		                               .why = why,
		                               .status = status };
}

static bool is_version(sip_str text)
{
	const char *p = text.p + 4, *const end = text.p + text.len;
	const char *dot;

	if (text.len < 7 || !sip_str_ieq(sip_str_of(text.p, 4), SIP_STR("SIP/")))
		return false;
	dot = sip_scan(p, end, SIP_C_DIGIT);
	return dot > p && dot < end && *dot == '.' && dot + 1 < end &&
	       sip_scan(dot + 1, end, SIP_C_DIGIT) == end;
}

static void parse_status_line(struct parse *parse, const char *p, const char *end)
{
	const char *q = memchr(p, ' ', (size_t)(end - p));
	uint64_t status;

	if (!q || !is_version(sip_span(p, q))) {
		refuse(parse, SIP_ESYNTAX, 0, 0, "the status line has no version");
		return;
	}
	parse->msg.version = sip_span(p, q);
	p = q + 1;
	q = sip_scan(p, end, SIP_C_DIGIT);
	/* The blank before an empty phrase is missing often enough to be borne. */
	if (q - p != 3 || (q < end && *q != ' ') ||
	    !sip_str_to_u64(sip_span(p, q), 699, &status) || status < 100) {
		refuse(parse, SIP_ESYNTAX, (size_t)(p - parse->p), 0,
		       "the status code is not one of 100 to 699");
		return;
	}
	parse->msg.status = (uint16_t)status;
	parse->msg.reason = q < end ? sip_span(q + 1, end) : sip_str_of(q, 0);
}

static void parse_request_line(struct parse *parse, const char *p, const char *end)
{
	const char *const start = p;
	const char *q = sip_scan(p, end, SIP_C_TOKEN);
	const char *last = memrchr(p, ' ', (size_t)(end - p));

	if (q > p && q < end && (*q == ' ' || *q == '\t')) {
		parse->msg.method_name = sip_span(p, q);
		parse->msg.method = sip_method_find(parse->msg.method_name);
	}
	if (parse->msg.method_name.len == 0 || *q != ' ' || last == q) {
		refuse(parse, SIP_ESYNTAX, 0, 400,
		       "the request line is not a method, an URI and a version");
		return;
	}
	parse->msg.uri = sip_span(q + 1, last);
	parse->msg.version = sip_span(last + 1, end);
	p = memchr(q + 1, ' ', (size_t)(last - q - 1));
	if (p || last == q + 1)
		refuse(parse, SIP_ESYNTAX, (size_t)((p ? p : last) - start), 400,
		       "a blank too many in the request line");
	else if (!is_version(parse->msg.version))
		refuse(parse, SIP_ESYNTAX, (size_t)(last + 1 - start), 400,
		       "the request line does not end in a version of SIP");
	else if (parse->msg.uri.len > parse->limits->uri_bytes)
		refuse(parse, SIP_ELIMIT, (size_t)(q + 1 - start), 414,
		       "the Request-URI is too long");
}

static void take_length(struct parse *parse, const struct sip_header *header)
{
	const sip_str value =
		sip_str_of(parse->p + header->value_at, header->value_len);
	uint32_t length;

	if (!sip_str_to_u32_cut(value, &length))
		refuse(parse, SIP_ESYNTAX, header->value_at, 400,
		       "Content-Length is not a number");
	else if (parse->has_length && length != parse->content_length)
		refuse(parse, SIP_ESYNTAX, header->value_at, 400,
		       "two Content-Lengths do not agree");
	else
		parse->content_length = length;
	parse->has_length = true;
}

/* The name of a header line: its length and what it is, and where the value may begin.
 * A name that is found in the map needs no second look at its characters, unless a CR
 * stands somewhere: that may have passed for a "-". */
static const char *parse_name(const struct parse *parse, const char *name,
                              const char *stop, size_t *len, enum sip_header_id *id)
{
	const char *const colon = memchr(name, ':', (size_t)(stop - name));
	const bool stray = parse->lines.stray || parse->lines.stray_at != SIZE_MAX;
	const char *end = colon;

	if (!colon)
		return NULL;
	while (end > name && (end[-1] == ' ' || end[-1] == '\t'))
		end--;
	*len = (size_t)(end - name);
	*id = sip_header_find(sip_span(name, end));
	if ((*id == SIP_H_OTHER || stray) && (end == name || *len > UINT16_MAX ||
	                                      sip_scan(name, end, SIP_C_TOKEN) != end))
		return NULL;
	return colon + 1;
}

/* One logical line, from `at` to `end`, without its CRLF. */
static void parse_header(struct parse *parse, size_t at, size_t end, bool folded)
{
	const char *p, *q = parse->p + end;
	struct sip_header *header;
	enum sip_header_id id;
	uint16_t *first;
	size_t name_len;

	p = parse_name(parse, parse->p + at, q, &name_len, &id);
	if (!p) {
		refuse(parse, SIP_ESYNTAX, at, 400,
		       "a header line has no name and colon");
		return;
	}
	if (parse->header_count >= parse->header_max) {
		refuse(parse, SIP_ELIMIT, at, 400, "there are too many header lines");
		return;
	}
	p = sip_skip_blanks(p, q);
	while (q > p && sip_is(q[-1], SIP_C_BLANK))
		q--;
	header = &parse->headers[parse->header_count++];
	*header = (struct sip_header){
		.name_at = (uint32_t)at,
		.name_len = (uint16_t)name_len,
		.value_at = (uint32_t)(p - parse->p),
		.value_len = (uint32_t)(q - p),
		.id = (uint8_t)id,
		.folded = folded,
	};
	first = &parse->msg.first[id];
	if (*first == 0)
		*first = (uint16_t)parse->header_count;
	else if (!parse->msg.repeated && sip_header_kind(id) == SIP_HK_ONE)
		parse->msg.repeated = (uint16_t)parse->header_count;
	if (id == SIP_H_CONTENT_LENGTH)
		take_length(parse, header);
}

/* The end of the line that begins at `at`, its CRLF excluded, continuations included
 * (RFC 3261 7.3.1); `next` is where the next one begins.  SIZE_MAX: there is none. */
static inline size_t line_end(struct parse *parse, size_t at, size_t *next,
                              bool *folded)
{
	const char *const p = parse->p;
	size_t lf;

	*folded = false;
	for (;;) {
		lf = sip_lines_next(&parse->lines);
		if (lf == SIZE_MAX)
			return SIZE_MAX;
		*next = lf + 1;
		if (lf + 1 == parse->len || (p[lf + 1] != ' ' && p[lf + 1] != '\t') ||
		    lf <= at + 1)
			break;
		*folded = true;
	}
	return lf > at && p[lf - 1] == '\r' ? lf - 1 : lf;
}

/* A CR or LF alone ends no line and stands in none. */
static void check_line_ends(struct parse *parse)
{
	size_t stray;

	if (parse->head_len == 0)
		return;
	stray = parse->p[parse->head_len - 1] == '\n'
	                ? sip_lines_stray(&parse->lines, parse->head_len - 1)
	                : parse->lines.stray_at;
	if (stray != SIZE_MAX)
		refuse(parse, SIP_ESYNTAX, stray, 400,
		       parse->p[stray] == '\r' ? "a CR without LF" : "a LF without CR");
}

/* Where the next line begins; SIZE_MAX: this one does not end. */
static size_t parse_start_line(struct parse *parse)
{
	size_t next = 0, end;
	bool folded;

	end = line_end(parse, 0, &next, &folded);
	if (end == SIZE_MAX) {
		refuse(parse, SIP_ESYNTAX, 0, 400, "there is no line end");
		return SIZE_MAX;
	}
	if (folded)
		refuse(parse, SIP_ESYNTAX, 0, 400, "the start line is folded");
	if (end >= 4 && sip_str_ieq(sip_str_of(parse->p, 4), SIP_STR("SIP/")))
		parse_status_line(parse, parse->p, parse->p + end);
	else
		parse_request_line(parse, parse->p, parse->p + end);
	return next;
}

/* A fragment may begin with a header, or with its empty line; a start line has no colon
 * behind its first token. */
static bool has_start_line(const struct parse *parse)
{
	const char *const end = parse->p + parse->len;
	const char *p = sip_scan(parse->p, end, SIP_C_TOKEN);

	if (!parse->msg.fragment)
		return true;
	if (p == parse->p && p < end && *p == '\r')
		return false;
	while (p < end && (*p == ' ' || *p == '\t'))
		p++;
	return p == end || *p != ':';
}

static void parse_head(struct parse *parse)
{
	size_t at = 0, next = 0, end;
	bool folded;

	sip_lines_init(&parse->lines, parse->p, parse->len);
	if (has_start_line(parse))
		next = parse_start_line(parse);
	if (next == SIZE_MAX)
		return;
	for (;;) {
		at = next;
		end = line_end(parse, at, &next, &folded);
		if (end == at || end == SIZE_MAX)
			break;
		parse_header(parse, at, end, folded);
	}
	parse->head_len = end == at ? next : parse->len;
	check_line_ends(parse);
	if (end == SIZE_MAX)
		refuse(parse, SIP_ESYNTAX, parse->len, 400,
		       "there is no empty line behind the headers");
	if (parse->head_len > parse->limits->header_bytes)
		refuse(parse, SIP_ELIMIT, parse->limits->header_bytes, 400,
		       "the headers are too long");
}

/* RFC 3261 18.3.  What stands behind the body of a datagram is left out. */
static void parse_body(struct parse *parse, bool datagram)
{
	const size_t there = parse->len - parse->head_len;

	if (parse->len + parse->skipped > parse->limits->message_bytes)
		refuse(parse, SIP_ELIMIT, parse->limits->message_bytes, 513,
		       "the message is too long");
	if (parse->err)
		return;
	if (parse->msg.fragment && there == 0)
		return; /* the length of a body that was left out may stay (RFC 3420 2)
		         */
	if (!parse->has_length) {
		if (!datagram)
			refuse(parse, SIP_ESYNTAX, parse->head_len, 400,
			       "a message on a stream has no Content-Length");
		return;
	}
	if (parse->content_length > there)
		refuse(parse, SIP_ESYNTAX, parse->len, 400,
		       "the body is shorter than Content-Length");
	else if (datagram)
		parse->len = parse->head_len + parse->content_length;
	else if (parse->content_length < there)
		refuse(parse, SIP_ESYNTAX, parse->head_len, 400,
		       "the body is longer than Content-Length");
}

/* Can the refusal be sent: is it a request, and does it say where to? */
static bool is_answerable(const struct parse *parse)
{
	const unsigned first = parse->msg.first[SIP_H_VIA];
	const struct sip_header *header;
	struct sip_via via;
	sip_str list, value;

	if (parse->msg.status || parse->msg.method_name.len == 0 || first == 0)
		return false;
	header = &parse->headers[first - 1];
	list = sip_str_of(parse->p + header->value_at, header->value_len);
	return sip_value_next(&list, &value) &&
	       sip_via_parse(value, &via, NULL) == SIP_OK;
}

static void move(sip_str *span, const char *from, const char *to)
{
	span->p = span->p ? to + (span->p - from) : to;
}

/* CR and LF become blanks: of a fold, and all of them in what was refused, so that no
 * answer carries them on. */
static void blank_line_ends(char *p, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (p[i] == '\r' || p[i] == '\n')
			p[i] = ' ';
	}
}

static struct sip_msg *make(const struct parse *parse, struct sip_alloc *alloc)
{
	const size_t index_size = parse->header_count * sizeof parse->headers[0];
	const size_t size = sizeof(struct sip_msg) + index_size + parse->len;
	struct sip_msg *msg = sip_alloc(alloc, size);
	struct sip_header *headers;
	char *bytes;

	if (!msg)
		return NULL;
	headers = (struct sip_header *)(void *)(msg + 1);
	bytes = (char *)headers + index_size;
	memcpy(headers, parse->headers, index_size);
	memcpy(bytes, parse->p, parse->len);
	memcpy(msg, &parse->msg, offsetof(struct sip_msg, request_uri));
	msg->alloc = alloc;
	msg->size = size;
	msg->refs = 1;
	msg->len = (uint32_t)parse->len;
	msg->bytes = bytes;
	msg->headers = headers;
	msg->header_count = (uint16_t)parse->header_count;
	msg->refused = parse->err != SIP_OK;
	msg->skipped =
		(uint16_t)(parse->skipped < UINT16_MAX ? parse->skipped : UINT16_MAX);
	move(&msg->method_name, parse->p, bytes);
	move(&msg->uri, parse->p, bytes);
	move(&msg->reason, parse->p, bytes);
	move(&msg->version, parse->p, bytes);
	msg->body = sip_str_of(bytes + parse->head_len, parse->len - parse->head_len);
	for (unsigned i = 0; i < parse->header_count; i++) {
		const uint32_t from = headers[i].name_at + headers[i].name_len;
		if (headers[i].folded || parse->err)
			blank_line_ends(bytes + from, headers[i].value_at +
			                                      headers[i].value_len -
			                                      from);
	}
	if (parse->err) /* the start line is as good as its URI and version */
		blank_line_ends(bytes,
		                (size_t)(msg->version.p + msg->version.len - bytes));
	return msg;
}

/* Everything of `parse` but what is written before it is read: the index, and the
 * remembered typed headers. */
static void parse_init(struct parse *parse, const struct sip_limits *limits,
                       sip_str bytes)
{
	memset(parse, 0, offsetof(struct parse, msg.request_uri));
	parse->limits = limits;
	parse->header_max =
		limits->header_count < HEADERS_MAX ? limits->header_count : HEADERS_MAX;
	parse->p = bytes.p;
	parse->len = bytes.len;
}

/* Leading CRLFs are left out (RFC 3261 7.5). */
static void skip_line_ends(struct parse *parse)
{
	while (parse->len >= 2 && parse->p[0] == '\r' && parse->p[1] == '\n') {
		parse->p += 2;
		parse->len -= 2;
		parse->skipped += 2;
	}
}

static sip_err parse_all(struct parse *parse, struct sip_alloc *alloc, bool datagram,
                         struct sip_msg **msg, struct sip_refusal *refusal)
{
	parse->msg.parts_max = (uint16_t)(parse->limits->body_parts < UINT16_MAX
	                                          ? parse->limits->body_parts
	                                          : UINT16_MAX);
	parse->msg.depth_max = (uint16_t)(parse->limits->body_depth < SIP_BODY_DEPTH_MAX
	                                          ? parse->limits->body_depth
	                                          : SIP_BODY_DEPTH_MAX);
	if (parse->len > UINT32_MAX / 2 - parse->skipped)
		refuse(parse, SIP_ELIMIT, 0, 0, "the message is too long");
	else if (parse->len == 0)
		refuse(parse, SIP_ESYNTAX, 0, 0, "there is no message");
	else
		parse_head(parse);
	parse_body(parse, datagram);
	if (parse->err) {
		*refusal = parse->refusal;
		if (parse->msg.fragment || !is_answerable(parse)) {
			refusal->status = 0;
			return parse->err;
		}
	}
	*msg = make(parse, alloc);
	return *msg ? parse->err : SIP_ENOMEM;
}

sip_err sip_msg_parse(struct sip_alloc *alloc, const struct sip_limits *limits,
                      sip_str bytes, bool datagram, struct sip_msg **msg,
                      struct sip_refusal *refusal)
{
	struct parse parse;

	*msg = NULL;
	parse_init(&parse, limits, bytes);
	skip_line_ends(&parse);
	return parse_all(&parse, alloc, datagram, msg, refusal);
}

sip_err sip_msg_parse_some(struct sip_alloc *alloc, const struct sip_limits *limits,
                           sip_str bytes, struct sip_msg **msg,
                           struct sip_refusal *refusal)
{
	struct parse parse;

	*msg = NULL;
	parse_init(&parse, limits, bytes);
	parse.msg.fragment = true;
	return parse_all(&parse, alloc, true, msg, refusal);
}
