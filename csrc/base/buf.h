#pragma once
/* Counted, immutable bytes: what a transaction sends again.  One allocation. */
#include "base/alloc.h"
#include "base/err.h"
#include "base/str.h"

struct sip_buf {
	struct sip_alloc *alloc;
	uint32_t refs;
	uint32_t len;
	char bytes[];
};

/* Gives a copy of the bytes, or NULL when memory is short. */
struct sip_buf *sip_buf_new(struct sip_alloc *alloc, const void *bytes, size_t len);
/* The same of three pieces, one after the other. */
struct sip_buf *sip_buf_new_joined(struct sip_alloc *alloc, sip_str a, sip_str b,
                                   sip_str c);
/* Keep this text instead of what was kept, which may be NULL. */
sip_err sip_buf_keep(struct sip_buf **kept, struct sip_alloc *alloc, sip_str text);
struct sip_buf *sip_buf_ref(struct sip_buf *buf);
void sip_buf_unref(struct sip_buf *buf); /* NULL is fine */

static inline sip_str sip_buf_str(const struct sip_buf *buf)
{
	return sip_str_of(buf->bytes, buf->len);
}
