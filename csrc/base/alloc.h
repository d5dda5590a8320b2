#pragma once
/* Allocation, passed in once at the root of a stack, an engine or a simulation.
 *
 * Sizes are given back on release, as in Lua: an allocator needs no headers of
 * its own, and `used` is exact.  Any call may fail.  Only alloc.c calls malloc.
 */
#include <stddef.h>
#include <stdint.h>

struct sip_kept;

struct sip_alloc {
	/* As realloc, with the old size; a new size of 0 frees and gives NULL. */
	void *(*resize)(struct sip_alloc *alloc, void *p, size_t old_size,
	                size_t new_size);
	size_t used;           /* bytes held at this moment */
	size_t count;          /* blocks held at this moment */
	struct sip_kept *kept; /* or NULL */
};

/* An allocator on the C library's heap. */
void sip_alloc_init(struct sip_alloc *alloc);

/* Blocks that are free, kept to be given again. */
enum {
	SIP_KEPT_GRAIN = 32,
	SIP_KEPT_FROM = 128, /* to here the C library is as fast */
	SIP_KEPT_UP_TO = 8192,
	SIP_KEPT_BYTES = 1024 * 1024, /* in all */
	SIP_KEPT_SIZES = (SIP_KEPT_UP_TO - SIP_KEPT_FROM) / SIP_KEPT_GRAIN
};

struct sip_kept {
	void *first[SIP_KEPT_SIZES]; /* each begins with a pointer to the next */
	size_t bytes, bytes_max;
};

/* Have an allocator that has given nothing yet keep blocks of middling size. */
void sip_alloc_keep(struct sip_alloc *alloc, struct sip_kept *kept);
/* Give back what is kept; nothing is from here on. */
void sip_alloc_let_go(struct sip_alloc *alloc);

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
