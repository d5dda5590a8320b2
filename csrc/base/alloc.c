#include "base/alloc.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* ---- blocks that are kept ---- */

/* A message, its transaction and what is sent of it are blocks of a few hundred bytes
 * to a few thousand, which come and go with every message.  glibc puts its free small
 * blocks together whenever it is asked for a kilobyte, and most of Lua's are small:
 * that was a tenth of what a call costs. */
static size_t size_class(size_t size)
{
	return (size - SIP_KEPT_FROM - 1) / SIP_KEPT_GRAIN;
}

static bool is_kept_size(size_t size)
{
	return size > SIP_KEPT_FROM && size <= SIP_KEPT_UP_TO;
}

static size_t class_bytes(size_t class)
{
	return SIP_KEPT_FROM + (class + 1) * SIP_KEPT_GRAIN;
}

static void *take(struct sip_kept *kept, size_t size)
{
	size_t class;
	void *p;

	if (!is_kept_size(size))
		return malloc(size);
	class = size_class(size);
	p = kept->first[class];
	if (!p)
		return malloc(class_bytes(class));
	memcpy(&kept->first[class], p, sizeof p);
	kept->bytes -= class_bytes(class);
	return p;
}

static void put_back(struct sip_kept *kept, void *p, size_t size)
{
	const size_t class = is_kept_size(size) ? size_class(size) : 0;

	if (!is_kept_size(size) || kept->bytes + class_bytes(class) > kept->bytes_max) {
		free(p);
		return;
	}
	memcpy(p, &kept->first[class], sizeof p);
	kept->first[class] = p;
	kept->bytes += class_bytes(class);
}

static void *kept_resize(struct sip_kept *kept, void *p, size_t old_size,
                         size_t new_size)
{
	void *fresh;

	if (new_size > 0 && !is_kept_size(old_size) && !is_kept_size(new_size))
		return realloc(p, new_size);
	fresh = new_size > 0 ? take(kept, new_size) : NULL;
	if (p && fresh)
		memcpy(fresh, p, old_size < new_size ? old_size : new_size);
	if (p && (fresh || new_size == 0))
		put_back(kept, p, old_size);
	return fresh;
}

static void *heap_resize(struct sip_alloc *alloc, void *p, size_t old_size,
                         size_t new_size)
{
	if (alloc->kept)
		return kept_resize(alloc->kept, p, old_size, new_size);
	if (new_size == 0) {
		free(p);
		return NULL;
	}
	return realloc(p, new_size);
}

void sip_alloc_keep(struct sip_alloc *alloc, struct sip_kept *kept)
{
	assert(alloc->count == 0);
	memset(kept, 0, sizeof *kept);
	kept->bytes_max = SIP_KEPT_BYTES;
#ifndef SIP_MUST_ABORTS /* what watches memory is to see each block come and go */
	alloc->kept = kept;
#endif
}

void sip_alloc_let_go(struct sip_alloc *alloc)
{
	struct sip_kept *kept = alloc->kept;

	for (size_t i = 0; kept && i < SIP_KEPT_SIZES; i++) {
		while (kept->first[i]) {
			void *p = kept->first[i];

			memcpy(&kept->first[i], p, sizeof p);
			free(p);
		}
	}
	if (kept)
		kept->bytes = kept->bytes_max = 0;
}

/* ---- all of them ---- */

void sip_alloc_init(struct sip_alloc *alloc)
{
	alloc->resize = heap_resize;
	alloc->used = 0;
	alloc->count = 0;
	alloc->kept = NULL;
}

void *sip_realloc(struct sip_alloc *alloc, void *p, size_t old_size, size_t new_size)
{
	void *fresh;

	assert(new_size > 0 && (p != NULL) == (old_size > 0));
	fresh = alloc->resize(alloc, p, old_size, new_size);
	if (!fresh)
		return NULL;
	alloc->used += new_size - old_size;
	alloc->count += p == NULL;
	return fresh;
}

void *sip_alloc(struct sip_alloc *alloc, size_t size)
{
	return sip_realloc(alloc, NULL, 0, size);
}

void *sip_alloc0(struct sip_alloc *alloc, size_t size)
{
	void *p = sip_alloc(alloc, size);

	if (p)
		memset(p, 0, size);
	return p;
}

void sip_free(struct sip_alloc *alloc, void *p, size_t size)
{
	if (!p)
		return;
	assert(alloc->used >= size && alloc->count > 0);
	alloc->used -= size;
	alloc->count--;
	(void)alloc->resize(alloc, p, size, 0); /* freeing gives NULL, always */
}

static void *failing_resize(struct sip_alloc *alloc, void *p, size_t old_size,
                            size_t new_size)
{
	struct sip_failing_alloc *failing = (struct sip_failing_alloc *)(void *)alloc;

	if (new_size > 0) {
		failing->calls++;
		if (failing->fail_at > 0 &&
		    (failing->calls == failing->fail_at ||
		     (failing->sticky && failing->calls > failing->fail_at)))
			return NULL;
	}
	return failing->under->resize(failing->under, p, old_size, new_size);
}

void sip_failing_alloc_init(struct sip_failing_alloc *failing, struct sip_alloc *under)
{
	memset(failing, 0, sizeof *failing);
	failing->alloc.resize = failing_resize;
	failing->under = under;
}
