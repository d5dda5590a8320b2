#include "base/buf.h"

#include <assert.h>

struct sip_buf *sip_buf_new_joined(struct sip_alloc *alloc, sip_str a, sip_str b,
                                   sip_str c)
{
	const sip_str pieces[] = { a, b, c };
	const size_t len = a.len + b.len + c.len;
	struct sip_buf *buf;
	size_t at = 0;

	if (len > UINT32_MAX)
		return NULL;
	buf = sip_alloc(alloc, sizeof *buf + len);
	if (!buf)
		return NULL;
	buf->alloc = alloc;
	buf->refs = 1;
	buf->len = (uint32_t)len;
	for (int i = 0; i < 3; i++) {
		if (pieces[i].len > 0)
			memcpy(buf->bytes + at, pieces[i].p, pieces[i].len);
		at += pieces[i].len;
	}
	return buf;
}

struct sip_buf *sip_buf_new(struct sip_alloc *alloc, const void *bytes, size_t len)
{
	return sip_buf_new_joined(alloc, sip_str_of(bytes, len), SIP_STR(""),
	                          SIP_STR(""));
}

sip_err sip_buf_keep(struct sip_buf **kept, struct sip_alloc *alloc, sip_str text)
{
	struct sip_buf *copy = sip_buf_new(alloc, text.p, text.len);

	if (!copy)
		return SIP_ENOMEM;
	sip_buf_unref(*kept);
	*kept = copy;
	return SIP_OK;
}

struct sip_buf *sip_buf_ref(struct sip_buf *buf)
{
	assert(buf->refs > 0);
	buf->refs++;
	return buf;
}

void sip_buf_unref(struct sip_buf *buf)
{
	if (!buf)
		return;
	assert(buf->refs > 0);
	if (--buf->refs == 0)
		sip_free(buf->alloc, buf, sizeof *buf + buf->len);
}
