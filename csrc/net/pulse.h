#pragma once
/* A pulse: a function called within a thread, whatever that is doing, 50 times in a
 * second of the processor's time that it has used.  Who sleeps is not woken.
 *
 * The function runs in the handler of a signal and may do what is allowed there.  The
 * signal is one that does nothing unless somebody wants it, SIGURG; where somebody
 * does, there is no pulse, and none where the kernel has no timers over a thread's
 * processor time.
 */
#include <stdbool.h>

struct net_pulse {
	void (*fn)(void *data);
	void *data;
	void *timer;
	bool started;
};

/* Of the calling thread.  False: it cannot be had. */
bool net_pulse_start(struct net_pulse *pulse, void (*fn)(void *data), void *data);
void net_pulse_stop(struct net_pulse *pulse); /* one that was not started is fine */
