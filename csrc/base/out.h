#pragma once
/* A writer into the caller's storage.
 *
 * It never allocates and never fails in the middle: past the end it only counts,
 * and the caller looks once, at the end.  A value that would break a line is
 * remembered as a refusal (RFC 3261 7.3.1: a header is one logical line).
 */
#include "base/err.h"
#include "base/str.h"

struct sip_out {
	char *p;
	size_t len; /* bytes wanted so far; more than `cap` when it did not fit */
	size_t cap;
	const char *why; /* the first refusal, NULL while there is none */
};

static inline void sip_out_init(struct sip_out *out, void *storage, size_t cap)
{
	*out = (struct sip_out){ .p = storage, .cap = cap };
}

static inline void sip_out_bytes(struct sip_out *out, const void *p, size_t len)
{
	if (len > 0 && out->len <= out->cap && len <= out->cap - out->len)
		memcpy(out->p + out->len, p, len);
	out->len += len;
}

static inline void sip_out_str(struct sip_out *out, sip_str s)
{
	sip_out_bytes(out, s.p, s.len);
}

#define sip_out_lit(out, literal) sip_out_bytes(out, "" literal, sizeof(literal) - 1)

void sip_out_u64(struct sip_out *out, uint64_t value);

/* Write `s`, refusing CR, LF and NUL; `what` names the field in the refusal. */
void sip_out_value(struct sip_out *out, sip_str s, const char *what);

/* SIP_OK, SIP_EINVAL (out->why says what was refused) or SIP_ELIMIT (no room). */
sip_err sip_out_end(const struct sip_out *out);
