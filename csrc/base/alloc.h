#pragma once
/* Allocation, passed in once at the root of a stack, an engine or a simulation.
 *
 * Sizes are given back on release, as in Lua: an allocator needs no headers of
 * its own, and `used` is exact.  Any call may fail.  Only alloc.c calls malloc.
 */
#include <stddef.h>
#include <stdint.h>

struct sip_alloc {
	/* As realloc, with the old size; a new size of 0 frees and gives NULL. */
	void *(*resize)(struct sip_alloc *alloc, void *p, size_t old_size,
	                size_t new_size);
	size_t used;  /* bytes held at this moment */
	size_t count; /* blocks held at this moment */
};

/* An allocator on the C library's heap. */
void sip_alloc_init(struct sip_alloc *alloc);

void *sip_alloc(struct sip_alloc *alloc, size_t size);  /* NULL when it fails */
void *sip_alloc0(struct sip_alloc *alloc, size_t size); /* the same, zeroed */
void *sip_realloc(struct sip_alloc *alloc, void *p, size_t old_size, size_t new_size);
void sip_free(struct sip_alloc *alloc, void *p, size_t size); /* NULL is fine */

/* An allocator on top of another that fails on purpose: the `fail_at`-th call
 * from now on gives NULL, and with `sticky` every one after it too.  For specs. */
struct sip_failing_alloc {
	struct sip_alloc alloc;
	struct sip_alloc *under;
	uint64_t calls;
	uint64_t fail_at; /* 0: never */
	int sticky;
};

void sip_failing_alloc_init(struct sip_failing_alloc *failing, struct sip_alloc *under);
