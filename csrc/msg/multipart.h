#pragma once
/* Bodies of several parts, one after the other, as spans into the bytes: nothing is
 * copied and nothing allocated.
 *
 * A delimiter is a line of "--", the boundary and blanks (RFC 2046 5.1.1); a line that
 * goes on behind the boundary is content, so that the boundary of a nested body may
 * begin with that of the outer one.  Lines end in CRLF, and the last delimiter has to
 * be there: what is cut short is refused.  What stands before the first delimiter and
 * behind the last one is skipped.  A part that has parts itself is read by another
 * reader, one level deeper.
 *
 * RFC 2045 5, RFC 2046 5.1, RFC 2183, RFC 5621.
 */
#include "base/err.h"
#include "base/out.h"
#include "base/str.h"

struct sip_refusal; /* msg/message.h */

/* "type/subtype;parameters", of Content-Type (RFC 3261 20.15); false when it is none.
 */
struct sip_media_type {
	sip_str type, subtype;
	sip_str params; /* behind the first ";" */
};
bool sip_media_type_parse(sip_str value, struct sip_media_type *type);
/* Is it "multipart/..."? */
bool sip_media_type_is_multipart(const struct sip_media_type *type);

/* "type;parameters", of Content-Disposition (RFC 3261 20.11). */
struct sip_disposition {
	sip_str type;
	sip_str params;
	bool optional; /* handling=optional (RFC 3204 5.2); it is required otherwise */
};
bool sip_disposition_parse(sip_str value, struct sip_disposition *disposition);

struct sip_part {
	sip_str head; /* its header lines: sip_part_field() */
	sip_str body;
};

enum { SIP_BOUNDARY_MAX = 70 }; /* RFC 2046 5.1.1 */

struct sip_multipart {
	sip_str bytes;
	size_t at; /* of the part that is next; 0: the first delimiter was not read */
	unsigned *left; /* how many parts there may be yet; readers of nested ones share
	                   it */
	size_t delimiter_len; /* of "--" and the boundary */
	char delimiter[2 + SIP_BOUNDARY_MAX];
	bool closed;
};

/* A reader of these bytes, which it borrows as it does `left`.  `params` are those of
 * their Content-Type, and have a boundary; else SIP_ESYNTAX with the refusal. */
sip_err sip_multipart_init(struct sip_multipart *reader, sip_str params, sip_str bytes,
                           unsigned *left, struct sip_refusal *refusal);

/* SIP_OK and a part; SIP_EMORE behind the last one; SIP_ESYNTAX or SIP_ELIMIT and the
 * reason, with the status of an answer. */
sip_err sip_multipart_next(struct sip_multipart *reader, struct sip_part *part,
                           struct sip_refusal *refusal);

/* Cut the first header line of a part from its front, with its continuations in
 * `value`.  SIP_EMORE: there is none left.  SIP_ESYNTAX with the refusal, which counts
 * from the front of `head`. */
sip_err sip_part_field(sip_str *head, sip_str *name, sip_str *value,
                       struct sip_refusal *refusal);

/* ---- writing ---- */

bool sip_boundary_is_good(sip_str boundary);
/* Does the body hold a line that this boundary would end it at? */
bool sip_boundary_is_in(sip_str boundary, sip_str body);

/* The line before a part, behind its forerunner if there is one; the last one. */
void sip_write_delimiter(struct sip_out *out, sip_str boundary, bool first);
void sip_write_close_delimiter(struct sip_out *out, sip_str boundary);
