#include "base/timer.h"

#include <assert.h>
#include <string.h>

void sip_timers_init(struct sip_timers *timers, struct sip_alloc *alloc)
{
	memset(timers, 0, sizeof *timers);
	timers->alloc = alloc;
}

void sip_timers_fini(struct sip_timers *timers)
{
	sip_free(timers->alloc, timers->heap, timers->heap_cap * sizeof(void *));
	timers->heap = NULL;
	timers->heap_cap = timers->heap_len = 0;
}

void sip_timers_name(struct sip_timers *timers, uint64_t delay_ms)
{
	struct sip_timer_queue *queue;

	for (unsigned i = 0; i < timers->queue_count; i++) {
		if (timers->queues[i].delay_ms == delay_ms)
			return;
	}
	if (timers->queue_count == SIP_TIMER_QUEUES)
		return;
	queue = &timers->queues[timers->queue_count++];
	queue->delay_ms = delay_ms;
	sip_list_init(&queue->head);
}

static bool earlier(const struct sip_timer *a, const struct sip_timer *b)
{
	return a->due_ms != b->due_ms ? a->due_ms < b->due_ms : a->order < b->order;
}

static void heap_put(struct sip_timers *timers, uint32_t at, struct sip_timer *timer)
{
	timers->heap[at] = timer;
	timer->heap_at = at;
}

static void heap_up(struct sip_timers *timers, uint32_t at, struct sip_timer *timer)
{
	while (at > 1 && earlier(timer, timers->heap[at / 2])) {
		heap_put(timers, at, timers->heap[at / 2]);
		at /= 2;
	}
	heap_put(timers, at, timer);
}

static void heap_down(struct sip_timers *timers, uint32_t at, struct sip_timer *timer)
{
	for (;;) {
		uint32_t child = at * 2;

		if (child > timers->heap_len)
			break;
		if (child < timers->heap_len &&
		    earlier(timers->heap[child + 1], timers->heap[child]))
			child++;
		if (!earlier(timers->heap[child], timer))
			break;
		heap_put(timers, at, timers->heap[child]);
		at = child;
	}
	heap_put(timers, at, timer);
}

static sip_err heap_insert(struct sip_timers *timers, struct sip_timer *timer)
{
	if (timers->heap_len + 1 >= timers->heap_cap) {
		const uint32_t cap = timers->heap_cap ? timers->heap_cap * 2 : 32;
		void *heap = sip_realloc(timers->alloc, timers->heap,
		                         timers->heap_cap * sizeof(void *),
		                         cap * sizeof(void *));
		if (!heap)
			return SIP_ENOMEM;
		timers->heap = heap;
		timers->heap_cap = cap;
	}
	heap_up(timers, ++timers->heap_len, timer);
	return SIP_OK;
}

static void heap_remove(struct sip_timers *timers, struct sip_timer *timer)
{
	const uint32_t at = timer->heap_at;
	struct sip_timer *last = timers->heap[timers->heap_len--];

	timer->heap_at = 0;
	if (last == timer)
		return;
	if (at > 1 && earlier(last, timers->heap[at / 2]))
		heap_up(timers, at, last);
	else
		heap_down(timers, at, last);
}

bool sip_timer_armed(const struct sip_timer *timer)
{
	return timer->heap_at != 0 || sip_link_in_list(&timer->link);
}

void sip_timer_stop(struct sip_timers *timers, struct sip_timer *timer)
{
	if (!sip_timer_armed(timer))
		return;
	if (timer->heap_at)
		heap_remove(timers, timer);
	else
		sip_list_remove(&timer->link);
	timers->count--;
}

sip_err sip_timer_arm(struct sip_timers *timers, struct sip_timer *timer,
                      uint64_t now_ms, uint64_t delay_ms)
{
	sip_timer_stop(timers, timer);
	timer->due_ms = now_ms + delay_ms;
	timer->order = timers->order++;
	for (unsigned i = 0; i < timers->queue_count; i++) {
		if (timers->queues[i].delay_ms == delay_ms) {
			sip_list_insert(&timers->queues[i].head, &timer->link);
			timers->count++;
			return SIP_OK;
		}
	}
	if (heap_insert(timers, timer) != SIP_OK)
		return SIP_ENOMEM;
	timers->count++;
	return SIP_OK;
}

static struct sip_timer *first(const struct sip_timers *timers)
{
	struct sip_timer *best = timers->heap_len ? timers->heap[1] : NULL;

	for (unsigned i = 0; timers->count > 0 && i < timers->queue_count; i++) {
		const struct sip_link *head = &timers->queues[i].head;
		struct sip_timer *timer;

		if (sip_list_empty(head))
			continue;
		timer = SIP_CONTAINER(head->next, struct sip_timer, link);
		if (!best || earlier(timer, best))
			best = timer;
	}
	return best;
}

uint64_t sip_timers_deadline(const struct sip_timers *timers)
{
	const struct sip_timer *timer = first(timers);

	return timer ? timer->due_ms : SIP_NEVER;
}

struct sip_timer *sip_timers_find(const struct sip_timers *timers, uint64_t now_ms)
{
	struct sip_timer *timer = first(timers);

	return timer && timer->due_ms <= now_ms ? timer : NULL;
}

struct sip_timer *sip_timers_pop(struct sip_timers *timers, uint64_t now_ms)
{
	struct sip_timer *timer = sip_timers_find(timers, now_ms);

	if (timer)
		sip_timer_stop(timers, timer);
	return timer;
}
