#include "base/alloc.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static void *heap_resize(struct sip_alloc *alloc, void *p, size_t old_size,
                         size_t new_size)
{
	(void)alloc; /* the C library's heap has no state of ours */
	(void)old_size;
	if (new_size == 0) {
		free(p);
		return NULL;
	}
	return realloc(p, new_size);
}

void sip_alloc_init(struct sip_alloc *alloc)
{
	alloc->resize = heap_resize;
	alloc->used = 0;
	alloc->count = 0;
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
