#include "net/pulse.h"

/* ThreadSanitizer keeps signals back until the next system call. */
#if defined(__linux__) && !defined(__SANITIZE_THREAD__)

#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { PULSE_SIGNAL = SIGURG, PULSE_NS = 20 * 1000 * 1000 };

static void on_signal(int number, siginfo_t *info, void *context)
{
	struct net_pulse *pulse = info->si_value.sival_ptr;

	(void)number;
	(void)context;
	if (info->si_code ==
	    SI_TIMER) /* else it is sent by somebody, and means nothing */
		pulse->fn(pulse->data);
}

/* Nobody else's: it is taken for the whole process, and for good. */
static bool take_signal(void)
{
	struct sigaction action;

	if (sigaction(PULSE_SIGNAL, NULL, &action) != 0)
		return false;
	if (action.sa_flags & SA_SIGINFO)
		return action.sa_sigaction == on_signal;
	if (action.sa_handler != SIG_DFL)
		return false;
	memset(&action, 0, sizeof action);
	action.sa_sigaction = on_signal;
	action.sa_flags = SA_SIGINFO | SA_RESTART;
	return sigaction(PULSE_SIGNAL, &action, NULL) == 0;
}

bool net_pulse_start(struct net_pulse *pulse, void (*fn)(void *data), void *data)
{
	const struct itimerspec every = { { 0, PULSE_NS }, { 0, PULSE_NS } };
	struct sigevent event;
	timer_t timer;

	*pulse = (struct net_pulse){ .fn = fn, .data = data };
	memset(&event, 0, sizeof event);
	event.sigev_notify = SIGEV_THREAD_ID;
	event.sigev_signo = PULSE_SIGNAL;
	event.sigev_value.sival_ptr = pulse;
	event._sigev_un._tid = gettid();
	if (!take_signal() ||
	    timer_create(CLOCK_THREAD_CPUTIME_ID, &event, &timer) != 0)
		return false;
	if (timer_settime(timer, 0, &every, NULL) != 0) {
		(void)timer_delete(timer); /* cannot fail: it is ours */
		return false;
	}
	pulse->timer = timer;
	pulse->started = true;
	return true;
}

void net_pulse_stop(struct net_pulse *pulse)
{
	if (pulse->started)
		(void)timer_delete(pulse->timer); /* likewise */
	pulse->started = false;
}

#else

bool net_pulse_start(struct net_pulse *pulse, void (*fn)(void *data), void *data)
{
	*pulse = (struct net_pulse){ .fn = fn, .data = data };
	return false;
}

void net_pulse_stop(struct net_pulse *pulse)
{
	(void)pulse;
}

#endif
