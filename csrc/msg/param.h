#pragma once
/* Parameters: ";name", ";name=value", ';name="quoted"', of headers and of URIs. */
#include "base/err.h"
#include "base/out.h"

/* Where and why a parser gave up. */
struct sip_fault {
	const char *why;   /* static text */
	const char *where; /* in the parsed text */
};

/* One parameter of "a=1;b;c=2" by name, without case.  True when it is there;
 * `value` is empty for a flag; a quoted one keeps its quotes. */
bool sip_param_find(sip_str params, sip_str name, sip_str *value);

/* Iterate: gives the next parameter and cuts it from the front of `params`. */
bool sip_param_next(sip_str *params, sip_str *name, sip_str *value);

/* Parse one parameter from `*p` on, which stands behind its ";"; blanks are taken on
 * both sides.  Stops behind the value.  SIP_ESYNTAX with the fault. */
sip_err sip_param_parse(const char **p, const char *end, sip_str *name, sip_str *value,
                        struct sip_fault *fault);

/* What stands between the quotes, escapes undone.  Writes at most inside.len bytes,
 * gives the length. */
size_t sip_unescape_quoted(sip_str inside, char *out);

/* The content of a quoted string, escapes undone; anything else is copied.  Writes at
 * most value.len bytes, gives the length. */
size_t sip_unquote(sip_str value, char *out);

/* The text as a quoted string; `what` names it when it is refused. */
void sip_quote(struct sip_out *out, sip_str text, const char *what);
