/* URIs: two of them, with a LF between them, parsed and compared.  Equality is
 * reflexive and symmetric, and a refusal points into the text. */
#include <stdlib.h>

#include "msg/uri.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool parse(sip_str text, struct sip_uri *uri)
{
	char out[4096];
	const char *why = NULL;
	sip_str value;
	size_t at = 0;

	if (sip_uri_parse(text, uri, &why, &at) != SIP_OK) {
		if (!why || at > text.len)
			abort();
		return false;
	}
	if (text.len <= sizeof out && sip_uri_unescape(text, out) > text.len)
		abort();
	(void)sip_uri_param_find(uri->params, SIP_STR("lr"),
	                         &value); /* for the reading */
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *p = (const char *)data;
	const char *lf = size > 0 ? memchr(p, '\n', size) : NULL;
	const size_t first = lf ? (size_t)(lf - p) : size;
	struct sip_uri a, b;

	if (!parse(sip_str_of(p, first), &a))
		return 0;
	if (!sip_uri_eq(&a, &a))
		abort();
	if (lf && parse(sip_str_of(lf + 1, size - first - 1), &b) &&
	    sip_uri_eq(&a, &b) != sip_uri_eq(&b, &a))
		abort();
	return 0;
}
