#pragma once
/* A bounded queue between exactly two threads: one pushes, one pops.
 *
 * Entries are plain bytes of one size, copied in and out.  Neither side ever waits:
 * a full queue says so, and whoever pushes keeps what it has and tries again.  C11
 * atomics only; everything written before a push is visible after its pop.
 */
#include "base/alloc.h"
#include "base/err.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum { MEDIA_CACHE_LINE = 64 };

struct media_queue {
	struct sip_alloc *alloc;
	unsigned char *ring;
	uint32_t entry_size;
	uint32_t count; /* a power of two */
	/* Free-running counters, kept apart so that the two sides share no cache line
	 * (padded, not aligned: whoever holds a queue may be anywhere). */
	unsigned char before[MEDIA_CACHE_LINE];
	_Atomic uint32_t written;
	unsigned char between[MEDIA_CACHE_LINE];
	_Atomic uint32_t read;
	unsigned char after[MEDIA_CACHE_LINE];
};

/* `count` is rounded up to a power of two.  SIP_ENOMEM. */
sip_err media_queue_init(struct media_queue *queue, struct sip_alloc *alloc,
                         size_t entry_size, uint32_t count);
void media_queue_fini(struct media_queue *queue); /* both threads have let go */

bool media_queue_push(struct media_queue *queue, const void *entry); /* false: full */
bool media_queue_pop(struct media_queue *queue, void *entry);        /* false: empty */
bool media_queue_empty(
	const struct media_queue *queue); /* as the calling side sees it */
