#include "msg/multipart.h"

#include "msg/message.h"
#include "msg/scan.h"

static sip_err refuse(struct sip_refusal *refusal, sip_err err, size_t at,
                      uint16_t status, const char *why)
{
	*refusal = (struct sip_refusal){ .at = (uint32_t)at,
		                         .why = why,
		                         .status = status };
	return err;
}

/* --- values of headers ----------------------------------------------------------- */

/* What follows a value: nothing, or a ";" and parameters. */
static bool take_params(const char *p, const char *end, sip_str *params)
{
	p = sip_skip_blanks(p, end);
	*params = p < end ? sip_span(p + 1, end) : sip_str_of(p, 0);
	return p == end || *p == ';';
}

bool sip_media_type_parse(sip_str value, struct sip_media_type *type)
{
	const char *start = value.p, *end, *p, *q;

	if (value.len == 0)
		return false;
	end = start + value.len;
	p = sip_scan(start, end, SIP_C_TOKEN);
	type->type = sip_span(start, p);
	p = sip_skip_blanks(p, end);
	if (type->type.len == 0 || p == end || *p != '/')
		return false;
	q = sip_skip_blanks(p + 1, end);
	p = sip_scan(q, end, SIP_C_TOKEN);
	type->subtype = sip_span(q, p);
	return p > q && take_params(p, end, &type->params);
}

bool sip_media_type_is_multipart(const struct sip_media_type *type)
{
	return sip_str_ieq(type->type, SIP_STR("multipart"));
}

bool sip_disposition_parse(sip_str value, struct sip_disposition *disposition)
{
	const char *start = value.p, *end, *p;
	sip_str handling;
	char text[16];

	if (value.len == 0)
		return false;
	end = start + value.len;
	p = sip_scan(start, end, SIP_C_TOKEN);
	disposition->type = sip_span(start, p);
	disposition->optional = false;
	if (p == start || !take_params(p, end, &disposition->params))
		return false;
	if (sip_param_find(disposition->params, SIP_STR("handling"), &handling) &&
	    handling.len <= sizeof text) /* some put it in quotes */
		disposition->optional =
			sip_str_ieq(sip_str_of(text, sip_unquote(handling, text)),
		                    SIP_STR("optional"));
	return true;
}

/* --- boundaries ------------------------------------------------------------------- */

/* RFC 2046 5.1.1: bchars, and no blank at the end. */
bool sip_boundary_is_good(sip_str boundary)
{
	static const char more[] = "'()+_,-./:=? ";

	if (boundary.len == 0 || boundary.len > SIP_BOUNDARY_MAX ||
	    boundary.p[boundary.len - 1] == ' ')
		return false;
	for (size_t i = 0; i < boundary.len; i++) {
		const char c = boundary.p[i];
		if (!sip_is(c, SIP_C_ALPHA | SIP_C_DIGIT) &&
		    !memchr(more, c, sizeof more - 1))
			return false;
	}
	return true;
}

/* The first "--boundary" at the start of a line, from `at` on; SIZE_MAX: none. */
static size_t find_line(sip_str bytes, size_t at, sip_str delimiter)
{
	const char *p = bytes.p + at, *const end = bytes.p + bytes.len;

	while (p < end &&
	       (p = memmem(p, (size_t)(end - p), delimiter.p, delimiter.len)) != NULL) {
		const size_t found = (size_t)(p - bytes.p);
		if (found == 0 || (found >= 2 && p[-1] == '\n' && p[-2] == '\r'))
			return found;
		p++;
	}
	return SIZE_MAX;
}

bool sip_boundary_is_in(sip_str boundary, sip_str body)
{
	char delimiter[2 + SIP_BOUNDARY_MAX] = "--";

	if (boundary.len > SIP_BOUNDARY_MAX)
		return false;
	memcpy(delimiter + 2, boundary.p, boundary.len);
	return find_line(body, 0, sip_str_of(delimiter, boundary.len + 2)) != SIZE_MAX;
}

/* --- reading -----------------------------------------------------------------------
 */

sip_err sip_multipart_init(struct sip_multipart *reader, sip_str params, sip_str bytes,
                           unsigned *left, struct sip_refusal *refusal)
{
	char boundary[2 * SIP_BOUNDARY_MAX + 2];
	sip_str value;
	size_t len;

	if (!sip_param_find(params, SIP_STR("boundary"), &value))
		return refuse(refusal, SIP_ESYNTAX, 0, 400,
		              "a multipart body has no boundary");
	len = value.len <= sizeof boundary ? sip_unquote(value, boundary) : 0;
	if (!sip_boundary_is_good(sip_str_of(boundary, len)))
		return refuse(refusal, SIP_ESYNTAX, 0, 400,
		              "the boundary of a multipart body is not one");
	*reader = (struct sip_multipart){ .bytes = bytes,
		                          .left = left,
		                          .delimiter_len = len + 2 };
	memcpy(reader->delimiter, "--", 2);
	memcpy(reader->delimiter + 2, boundary, len);
	return SIP_OK;
}

/* The next delimiter from `at` on: where its line begins, where the next one does, and
 * whether it is the last.  False: there is none. */
static bool next_delimiter(const struct sip_multipart *reader, size_t at, size_t *begin,
                           size_t *next, bool *last)
{
	const sip_str delimiter = sip_str_of(reader->delimiter, reader->delimiter_len);
	const char *const start = reader->bytes.p;
	const char *const end = start + reader->bytes.len;
	const char *p;

	while ((at = find_line(reader->bytes, at, delimiter)) != SIZE_MAX) {
		p = start + at + delimiter.len;
		*begin = at;
		*last = end - p >= 2 && p[0] == '-' && p[1] == '-';
		if (*last)
			p += 2;
		while (p < end && (*p == ' ' || *p == '\t'))
			p++;
		if (p == end && *last) {
			*next = reader->bytes.len;
			return true;
		}
		if (end - p >= 2 && p[0] == '\r' && p[1] == '\n') {
			*next = (size_t)(p + 2 - start);
			return true;
		}
		at = (size_t)(p - start);
	}
	return false;
}

/* Head and body of what stands between two delimiters.  A part without headers begins
 * with an empty line; one without an empty line is headers alone. */
static void split(sip_str bytes, struct sip_part *part)
{
	const char *const end = bytes.p + bytes.len;
	const char *p = bytes.p;

	if (bytes.len >= 2 && memcmp(p, "\r\n", 2) == 0) {
		part->head = sip_str_of(p, 0);
		part->body = sip_span(p + 2, end);
		return;
	}
	p = memmem(p, bytes.len, "\r\n\r\n", 4);
	part->head = p ? sip_span(bytes.p, p + 2) : bytes;
	part->body = p ? sip_span(p + 4, end) : sip_str_of(end, 0);
}

sip_err sip_multipart_next(struct sip_multipart *reader, struct sip_part *part,
                           struct sip_refusal *refusal)
{
	const size_t len = reader->bytes.len;
	size_t begin, next, end;
	bool last;

	if (reader->at == 0) {
		if (!next_delimiter(reader, 0, &begin, &next, &reader->closed))
			return refuse(refusal, SIP_ESYNTAX, 0, 400,
			              "a multipart body has no delimiter");
		if (reader->closed)
			return refuse(refusal, SIP_ESYNTAX, begin, 400,
			              "a multipart body has no part");
		reader->at = next;
	}
	if (reader->closed)
		return SIP_EMORE;
	if (*reader->left == 0)
		return refuse(refusal, SIP_ELIMIT, reader->at, 413,
		              "a body has too many parts");
	if (!next_delimiter(reader, reader->at, &begin, &next, &last))
		return refuse(refusal, SIP_ESYNTAX, len, 400,
		              "the last part of a body has no end");
	/* The CRLF before a delimiter belongs to it, unless it ended the last one. */
	end = begin >= reader->at + 2 ? begin - 2 : reader->at;
	split(sip_span(reader->bytes.p + reader->at, reader->bytes.p + end), part);
	reader->at = next;
	reader->closed = last;
	--*reader->left;
	return SIP_OK;
}

sip_err sip_part_field(sip_str *head, sip_str *name, sip_str *value,
                       struct sip_refusal *refusal)
{
	const char *const start = head->p, *const end = start + head->len;
	const char *p, *colon, *eol = start;

	if (head->len == 0)
		return SIP_EMORE;
	do { /* a line goes on with a blank (RFC 5322 2.2.3) */
		eol = memmem(eol, (size_t)(end - eol), "\r\n", 2);
		eol = eol ? eol + 2 : end;
	} while (eol < end && (*eol == ' ' || *eol == '\t'));
	p = sip_scan(start, eol, SIP_C_TOKEN);
	colon = p;
	while (colon < eol && (*colon == ' ' || *colon == '\t'))
		colon++;
	if (p == start || colon == eol || *colon != ':')
		return refuse(refusal, SIP_ESYNTAX, 0, 400,
		              "a header line of a part has no name and colon");
	*name = sip_span(start, p);
	*value = sip_str_trim(sip_span(colon + 1, eol));
	*head = sip_span(eol, end);
	return SIP_OK;
}

/* --- writing -----------------------------------------------------------------------
 */

void sip_write_delimiter(struct sip_out *out, sip_str boundary, bool first)
{
	if (!first)
		sip_out_lit(out, "\r\n");
	sip_out_lit(out, "--");
	sip_out_str(out, boundary);
	sip_out_lit(out, "\r\n");
}

void sip_write_close_delimiter(struct sip_out *out, sip_str boundary)
{
	sip_out_lit(out, "\r\n--");
	sip_out_str(out, boundary);
	sip_out_lit(out, "--\r\n");
}
