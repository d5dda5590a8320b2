/* Bodies of several parts: the first line is the value of Content-Type, the rest the
 * body.  What is read is written again with the same boundary, and reads as the same
 * parts, to the depth that the limits allow. */
#include <stdlib.h>

#include "msg/message.h"
#include "msg/multipart.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct sip_limits limits = SIP_LIMITS_DEFAULT;
static volatile size_t sink;

static void touch(sip_str s)
{
	for (size_t i = 0; i < s.len; i++)
		sink += (unsigned char)s.p[i];
}

static void must(bool is_so)
{
	if (!is_so)
		abort();
}

static bool is_within(sip_str inner, sip_str outer)
{
	return inner.p >= outer.p && inner.p + inner.len <= outer.p + outer.len;
}

static bool read_body(sip_str type, sip_str bytes, unsigned *left, unsigned depth);

static void read_part(const struct sip_part *part, unsigned *left, unsigned depth)
{
	sip_str head = part->head, name, value, type = { NULL, 0 };
	struct sip_disposition disposition;
	struct sip_refusal refusal = { 0 };
	sip_err err;

	while ((err = sip_part_field(&head, &name, &value, &refusal)) == SIP_OK) {
		must(is_within(name, part->head) && name.len > 0);
		touch(value);
		if (sip_header_find(name) == SIP_H_CONTENT_TYPE)
			type = value;
		if (sip_disposition_parse(value, &disposition)) {
			touch(disposition.type);
			touch(disposition.params);
		}
	}
	must(err == SIP_EMORE || (refusal.why && refusal.status == 400));
	touch(part->body);
	if (depth < limits.body_depth)
		(void)read_body(type, part->body, left, depth + 1);
}

/* Whether it was a multipart body without a fault. */
static bool read_body(sip_str type, sip_str bytes, unsigned *left, unsigned depth)
{
	struct sip_refusal refusal = { 0 };
	struct sip_multipart reader;
	struct sip_media_type media;
	struct sip_part part;
	sip_err err;

	if (!sip_media_type_parse(type, &media))
		return false;
	touch(media.type);
	touch(media.subtype);
	err = sip_multipart_init(&reader, media.params, bytes, left, &refusal);
	while (!err && (err = sip_multipart_next(&reader, &part, &refusal)) == SIP_OK) {
		must(is_within(part.head, bytes) && is_within(part.body, bytes));
		read_part(&part, left, depth);
	}
	must(err == SIP_EMORE || (refusal.why && refusal.at <= bytes.len));
	return err == SIP_EMORE;
}

/* Write what was read, and read that. */
static void write_again(const struct sip_media_type *media, sip_str bytes)
{
	const size_t cap = 2 * bytes.len + 512; /* blanks around boundaries go */
	char *text = malloc(cap);
	struct sip_multipart reader, again;
	struct sip_refusal refusal;
	struct sip_part part, same;
	unsigned left = limits.body_parts, left_again = left;
	struct sip_out out;
	sip_str boundary;
	bool first = true;

	must(text != NULL);
	must(sip_multipart_init(&reader, media->params, bytes, &left, &refusal) ==
	     SIP_OK);
	boundary = sip_str_of(reader.delimiter + 2, reader.delimiter_len - 2);
	sip_out_init(&out, text, cap);
	while (sip_multipart_next(&reader, &part, &refusal) == SIP_OK) {
		sip_write_delimiter(&out, boundary, first);
		sip_out_str(&out, part.head);
		if (part.head.len > 0 && part.head.p[part.head.len - 1] != '\n')
			sip_out_lit(&out, "\r\n");
		sip_out_lit(&out, "\r\n");
		sip_out_str(&out, part.body);
		first = false;
	}
	sip_write_close_delimiter(&out, boundary);
	must(sip_out_end(&out) == SIP_OK);
	left = limits.body_parts;
	must(sip_multipart_init(&reader, media->params, bytes, &left, &refusal) ==
	     SIP_OK);
	must(sip_multipart_init(&again, media->params, sip_str_of(text, out.len),
	                        &left_again, &refusal) == SIP_OK);
	while (sip_multipart_next(&reader, &part, &refusal) == SIP_OK) {
		must(sip_multipart_next(&again, &same, &refusal) == SIP_OK);
		must(sip_str_eq(part.body, same.body));
		must(sip_str_eq(sip_str_trim(part.head), sip_str_trim(same.head)));
	}
	must(sip_multipart_next(&again, &same, &refusal) == SIP_EMORE);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *bytes = malloc(size > 0 ? size : 1); /* so that one past it is noticed */
	const char *eol;
	sip_str type, body;
	struct sip_media_type media;
	unsigned left = limits.body_parts;

	must(bytes != NULL);
	if (size > 0)
		memcpy(bytes, data, size);
	eol = size > 0 ? memchr(bytes, '\n', size) : NULL;
	if (eol) {
		type = sip_str_of(bytes, (size_t)(eol - bytes));
		body = sip_str_of(eol + 1, (size_t)(bytes + size - eol - 1));
		if (read_body(type, body, &left, 1)) {
			must(sip_media_type_parse(type, &media));
			write_again(&media, body);
		}
	}
	free(bytes);
	return 0;
}
