#pragma once
/* Timers of one stack.
 *
 * SIP has few distinct durations, so each named one is a FIFO queue: arming and
 * stopping are O(1).  Everything else is in a binary heap.  Resolution is 1 ms;
 * equal deadlines fire in order of arming, whichever queue they are in.
 * A queue is only ever armed with its own duration; that is what keeps it sorted.
 */
#include "base/alloc.h"
#include "base/err.h"
#include "base/list.h"

#include <stdbool.h>
#include <stdint.h>

#define SIP_NEVER UINT64_MAX

enum { SIP_TIMER_QUEUES = 16 };

struct sip_timer {
	struct sip_link link; /* in its queue */
	uint64_t due_ms;
	uint64_t order;   /* of arming */
	uint32_t heap_at; /* position in the heap, from 1; 0: not in it */
	uint8_t kind;     /* the owner's, to tell its timers apart */
};

struct sip_timer_queue {
	struct sip_link head;
	uint64_t delay_ms;
};

struct sip_timers {
	struct sip_alloc *alloc;
	struct sip_timer_queue queues[SIP_TIMER_QUEUES];
	unsigned queue_count;
	struct sip_timer **heap; /* from index 1 */
	uint32_t heap_len, heap_cap;
	uint64_t order;
	size_t count; /* armed */
};

void sip_timers_init(struct sip_timers *timers, struct sip_alloc *alloc);
void sip_timers_fini(struct sip_timers *timers);

/* Give this duration a queue of its own (at most SIP_TIMER_QUEUES; more stay in
 * the heap and work as well). */
void sip_timers_name(struct sip_timers *timers, uint64_t delay_ms);

/* Arm, or arm again.  SIP_ENOMEM when the heap cannot grow: then it is stopped. */
sip_err sip_timer_arm(struct sip_timers *timers, struct sip_timer *timer,
                      uint64_t now_ms, uint64_t delay_ms);
void sip_timer_stop(struct sip_timers *timers,
                    struct sip_timer *timer); /* may be idle */
bool sip_timer_armed(const struct sip_timer *timer);

uint64_t sip_timers_deadline(const struct sip_timers *timers); /* SIP_NEVER: none */

/* The next timer due at `now_ms`, left armed; NULL when none. */
struct sip_timer *sip_timers_find(const struct sip_timers *timers, uint64_t now_ms);
/* The next timer due at `now_ms`, stopped before it is given; NULL when none. */
struct sip_timer *sip_timers_pop(struct sip_timers *timers, uint64_t now_ms);
