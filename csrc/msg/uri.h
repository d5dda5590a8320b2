#pragma once
/* SIP, SIPS and tel URIs, and any other as a scheme and a rest (RFC 3261 19.1, RFC
 * 3966).  Everything borrows from the text that was parsed and is kept escaped;
 * comparison undoes escapes once (19.1.4), and so does sip_uri_unescape.
 */
#include "base/addr.h"
#include "base/err.h"
#include "base/out.h"
#include "msg/param.h"

enum sip_uri_scheme { SIP_URI_OTHER, SIP_URI_SIP, SIP_URI_SIPS, SIP_URI_TEL };

struct sip_uri {
	enum sip_uri_scheme scheme;
	sip_str text; /* the whole URI */
	sip_str scheme_name;
	sip_str user;     /* sip: escaped user, tel: the number; empty: none */
	sip_str password; /* sip: escaped; `has_password` tells empty from none */
	sip_str host;     /* sip: as written, with brackets for IPv6 */
	uint16_t port;    /* 0: not given */
	bool has_user, has_password;
	sip_str params;  /* without the leading ';', empty: none */
	sip_str headers; /* without the leading '?', empty: none */
	sip_str opaque;  /* other schemes: what stands after the colon */
};

/* The whole text is one URI.  On SIP_ESYNTAX `why` says what is wrong and `at`
 * where in the text; both may be NULL. */
sip_err sip_uri_parse(sip_str text, struct sip_uri *uri, const char **why, size_t *at);

/* RFC 3261 19.1.4 for SIP and SIPS, RFC 3966 4 for tel, byte equality (without
 * case in the scheme) for others.  Headers: From and To by 20.20, tokens without case.
 * More than 32 parameters, or headers, are equal when they are the same in the same
 * order: the time it takes is bounded. */
bool sip_uri_eq(const struct sip_uri *a, const struct sip_uri *b);

/* One parameter of an URI by name: as sip_param_find, and "%HH" in the name stands
 * for its character (RFC 3261 19.1.4).  The value is kept escaped. */
bool sip_uri_param_find(sip_str params, sip_str name, sip_str *value);

/* Undo %HH once; writes at most text.len bytes, gives the length. */
size_t sip_uri_unescape(sip_str text, char *out);

/* "host" or "host:port" from `*p` on; `blanks` may stand around the colon (in Via). */
sip_err sip_hostport_parse(const char **p, const char *end, bool blanks, sip_str *host,
                           uint16_t *port, struct sip_fault *fault);
