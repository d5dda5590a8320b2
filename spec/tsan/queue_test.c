/* Two threads over one queue, and over the rings of link.h: under TSan it must be
 * silent, and what comes out must be what went in, in order. */
#include "media/queue.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum { ENTRIES = 200000 };

struct entry {
	uint64_t number;
	uint64_t *box; /* written before the push, read after the pop */
};

static uint64_t boxes[ENTRIES];

static void *produce(void *arg)
{
	struct media_queue *queue = arg;

	for (uint64_t i = 0; i < ENTRIES; i++) {
		const struct entry entry = { i, &boxes[i] };

		boxes[i] = i * 3 + 1;
		while (!media_queue_push(queue, &entry))
			sched_yield();
	}
	return NULL;
}

static uint64_t consume(struct media_queue *queue)
{
	uint64_t wrong = 0;
	struct entry entry;

	for (uint64_t i = 0; i < ENTRIES; i++) {
		while (!media_queue_pop(queue, &entry))
			sched_yield();
		wrong += entry.number != i || *entry.box != i * 3 + 1;
	}
	return wrong + !media_queue_empty(queue);
}

int main(void)
{
	struct sip_alloc alloc;
	struct media_queue queue;
	pthread_t thread;
	uint64_t wrong;

	sip_alloc_init(&alloc);
	if (media_queue_init(&queue, &alloc, sizeof(struct entry), 60) ||
	    pthread_create(&thread, NULL, produce, &queue))
		return 1;
	wrong = consume(&queue);
	pthread_join(thread, NULL);
	media_queue_fini(&queue);
	if (wrong || alloc.used) {
		printf("queue: %llu entries are wrong\n", (unsigned long long)wrong);
		return 1;
	}
	return 0;
}
