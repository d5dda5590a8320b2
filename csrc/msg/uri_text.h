#pragma once
/* What comparing URIs is made of: characters and pieces (RFC 3261 19.1.2, 19.1.4). */
#include "base/str.h"

#include <stdbool.h>

struct sip_uri;

/* Each parameter and header of one URI is looked for in the other: whoever is to be
 * kept from having us do so for long may not write many. */
enum { SIP_URI_COMPARED_MAX = 32 };

unsigned sip_uri_fold_case(unsigned c);
/* Two escaped texts, where a reserved character that is escaped is another than itself;
 * or two values, which are what stands there when all escapes are undone. */
bool sip_uri_same_text(sip_str a, sip_str b, bool ignore_case);
bool sip_uri_same_value(sip_str a, sip_str b, bool ignore_case);

/* Cut the first piece of a list from its front; false: there is none. */
bool sip_uri_next_piece(sip_str *list, char between, sip_str *name, sip_str *value);
unsigned sip_uri_piece_count(sip_str list, char between);

/* The headers of two URIs (19.1.4).  `nested`: those of a URI in a header. */
bool sip_uri_headers_match(sip_str a, sip_str b, bool nested);
/* sip_uri_eq, for a URI that stands in a header if `nested`. */
bool sip_uri_eq_in(const struct sip_uri *a, const struct sip_uri *b, bool nested);
