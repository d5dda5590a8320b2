#pragma once
/* The grammar of challenges and credentials: a scheme and its parameters.
 *
 * One value normally holds one of them; several after each other, as HTTP allows,
 * are told apart (RFC 3261 7.3.1 forbids writing them so).  Names and values are
 * spans; the values of quoted strings keep their escapes until they are unquoted.
 *
 * RFC 7235 2.1, RFC 3261 25.1.
 */
#include "base/err.h"
#include "base/str.h"

struct sip_auth_param {
	sip_str name;
	sip_str value; /* without the quotes */
	bool quoted;
};

struct sip_auth_reader {
	sip_str text;
	size_t pos;
	const char *why; /* static; after SIP_ESYNTAX, about the byte at `pos` */
};

void sip_auth_reader_init(struct sip_auth_reader *reader, sip_str text);

/* The next scheme; SIP_EMORE at the end.  `token68` holds what a scheme without
 * parameters carries, or is empty. */
sip_err sip_auth_next_scheme(struct sip_auth_reader *reader, sip_str *scheme,
                             sip_str *token68);

/* The next parameter of that scheme; SIP_EMORE when it has no more. */
sip_err sip_auth_next_param(struct sip_auth_reader *reader,
                            struct sip_auth_param *param);

/* Take the escapes out: writes at most raw.len bytes, gives how many. */
size_t sip_auth_unquote(sip_str raw, char *out);
