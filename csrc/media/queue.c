#include "media/queue.h"

#include <assert.h>
#include <string.h>

sip_err media_queue_init(struct media_queue *queue, struct sip_alloc *alloc,
                         size_t entry_size, uint32_t count)
{
	uint32_t size = 1;

	assert(entry_size > 0 && entry_size <= 4096 && count > 0 && count <= 1u << 20);
	while (size < count)
		size *= 2;
	queue->alloc = alloc;
	queue->entry_size = (uint32_t)entry_size;
	queue->count = size;
	atomic_init(&queue->written, 0);
	atomic_init(&queue->read, 0);
	queue->ring = sip_alloc(alloc, entry_size * size);
	return queue->ring ? SIP_OK : SIP_ENOMEM;
}

void media_queue_fini(struct media_queue *queue)
{
	sip_free(queue->alloc, queue->ring, (size_t)queue->entry_size * queue->count);
	queue->ring = NULL;
}

static unsigned char *slot(const struct media_queue *queue, uint32_t at)
{
	return queue->ring + (size_t)(at & (queue->count - 1)) * queue->entry_size;
}

/* The release of `written` publishes the entry; the acquire of `read` makes sure
 * that the slot has been read before it is written again. */
bool media_queue_push(struct media_queue *queue, const void *entry)
{
	const uint32_t written =
		atomic_load_explicit(&queue->written, memory_order_relaxed);
	const uint32_t read = atomic_load_explicit(&queue->read, memory_order_acquire);

	if (written - read == queue->count)
		return false;
	memcpy(slot(queue, written), entry, queue->entry_size);
	atomic_store_explicit(&queue->written, written + 1, memory_order_release);
	return true;
}

bool media_queue_pop(struct media_queue *queue, void *entry)
{
	const uint32_t read = atomic_load_explicit(&queue->read, memory_order_relaxed);
	const uint32_t written =
		atomic_load_explicit(&queue->written, memory_order_acquire);

	if (written == read)
		return false;
	memcpy(entry, slot(queue, read), queue->entry_size);
	atomic_store_explicit(&queue->read, read + 1, memory_order_release);
	return true;
}

bool media_queue_empty(const struct media_queue *queue)
{
	return atomic_load_explicit(&queue->written, memory_order_acquire) ==
	       atomic_load_explicit(&queue->read, memory_order_acquire);
}
