#include "base/buf.h"

#include <assert.h>

struct sip_buf *sip_buf_new(struct sip_alloc *alloc, const void *bytes, size_t len)
{
	struct sip_buf *buf;

	if (len > UINT32_MAX)
		return NULL;
	buf = sip_alloc(alloc, sizeof *buf + len);
	if (!buf)
		return NULL;
	buf->alloc = alloc;
	buf->refs = 1;
	buf->len = (uint32_t)len;
	if (len > 0)
		memcpy(buf->bytes, bytes, len);
	return buf;
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
