/* loop.c - one libuv loop and its turns.
 *
 * The handles of the loop itself are referenced, so that a wait with nothing else
 * to wait for is a wait all the same.  Events that an operation owes are in `later`
 * and told in the next poll, which then does not wait.
 */
#include "net/internal.h"

#include <assert.h>
#include <signal.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum { FILES_WANTED = 65536 };

uint64_t net_now_ms(void)
{
	return uv_hrtime() / 1000000;
}

uint64_t net_unix_ms(void)
{
	struct timespec t;

	if (clock_gettime(CLOCK_REALTIME, &t) != 0)
		return 0;
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

uint64_t net_cpu_us(void)
{
	struct timespec t;

	if (clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t) != 0)
		return 0;
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

uint64_t net_loop_now_ms(const struct net_loop *loop)
{
	return loop->clock ? loop->clock->now_ms(loop->clock) : net_now_ms();
}

/* libuv runs what is due before it waits as well, and would then wait for the network
 * alone: it is told not to. */
static void on_alarm(uv_timer_t *timer)
{
	uv_stop(timer->loop);
}

static void on_wake(uv_async_t *async)
{
	(void)async; /* likewise */
}

static void ignore_sigpipe(void)
{
	struct sigaction action;

	if (sigaction(SIGPIPE, NULL, &action) == 0 && action.sa_handler == SIG_DFL) {
		action.sa_handler = SIG_IGN;
		(void)sigaction(SIGPIPE, &action, NULL); /* cannot fail: it was read */
	}
}

static int handles_init(struct net_loop *loop)
{
	int status = uv_loop_init(&loop->uv);

	if (status != 0)
		return status;
	/* Neither of these two can fail. */
	(void)uv_timer_init(&loop->uv, &loop->alarm);
	(void)uv_signal_init(&loop->uv, &loop->sigint);
	(void)uv_signal_init(&loop->uv, &loop->sigterm);
	status = uv_async_init(&loop->uv, &loop->wake, on_wake);
	if (status != 0) {
		uv_close((uv_handle_t *)&loop->alarm, NULL);
		uv_close((uv_handle_t *)&loop->sigint, NULL);
		uv_close((uv_handle_t *)&loop->sigterm, NULL);
		(void)uv_run(&loop->uv, UV_RUN_DEFAULT); /* nothing is left to run */
		(void)uv_loop_close(&loop->uv);          /* everything is closed */
	}
	return status;
}

/* Shells and service managers allow some thousand files, and as many more as one asks
 * for; a call is two of them and a connection one. */
static void allow_files(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur >= FILES_WANTED)
		return;
	files.rlim_cur = files.rlim_max < FILES_WANTED ? files.rlim_max : FILES_WANTED;
	(void)setrlimit(RLIMIT_NOFILE, &files); /* else it goes with what there is */
}

uint32_t net_connections_max(uint32_t wanted)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur / 2 >= wanted)
		return wanted;
	return (uint32_t)(files.rlim_cur / 2);
}

sip_err net_loop_new(struct sip_alloc *alloc, const struct net_clock *clock,
                     struct net_loop **out, const char **why)
{
	struct net_loop *loop = sip_alloc0(alloc, sizeof *loop);
	int status;

	*why = "no memory";
	if (!loop)
		return SIP_ENOMEM;
	loop->alloc = alloc;
	loop->clock = clock;
	status = handles_init(loop);
	if (status != 0) {
		sip_free(alloc, loop, sizeof *loop);
		*why = status == UV_EMFILE ? "too many open files"
		                           : "libuv cannot make a loop";
		return SIP_EWIRE;
	}
	loop->uv.data = loop;
	ignore_sigpipe();
	allow_files();
	sip_timers_init(&loop->timers, alloc);
	sip_list_init(&loop->wires);
	sip_list_init(&loop->later);
	sip_list_init(&loop->unsent);
	net_files_init(loop);
	loop->fresh = true;
	*out = loop;
	return SIP_OK;
}

char *net_scratch(struct net_loop *loop)
{
	if (!loop->scratch)
		loop->scratch = sip_alloc(loop->alloc, NET_SCRATCH);
	return loop->scratch;
}

void net_owe(struct net_loop *loop, struct net_later *later)
{
	sip_list_insert(&loop->later, &later->link);
}

/* What the sinks cause meanwhile waits for the next time. */
static bool deliver_later(struct net_loop *loop)
{
	struct net_later last = { 0 }; /* like any other to who walks the list */
	const bool any = !sip_list_empty(&loop->later);

	if (!any)
		return false;
	sip_list_insert(&loop->later, &last.link);
	while (loop->later.next != &last.link) {
		struct net_later *later =
			SIP_CONTAINER(loop->later.next, struct net_later, link);

		sip_list_remove(&later->link);
		if (later->why[0])
			later->event.why = later->why;
		net_emit(later->wire, &later->event);
		later->release(loop, later);
	}
	sip_list_remove(&last.link);
	return true;
}

void net_loop_arm(struct net_loop *loop, uint64_t wait_ms)
{
	if (wait_ms == SIP_NEVER)
		return;
	uv_update_time(&loop->uv);
	(void)uv_timer_start(&loop->alarm, on_alarm, wait_ms,
	                     0); /* cannot fail: it has a callback */
}

void net_loop_wait(struct net_loop *loop)
{
	(void)uv_run(&loop->uv, UV_RUN_ONCE); /* says what is alive: we know */
	(void)uv_timer_stop(&loop->alarm);    /* may have fired */
}

void net_loop_poll(struct net_loop *loop, uint64_t wait_ms)
{
	bool owed = deliver_later(loop);
	const uint64_t deadline_ms = sip_timers_deadline(&loop->timers);

	owed = net_files_owed(&loop->files) || owed;
	net_files_deliver(&loop->files);
	if (deadline_ms != SIP_NEVER) {
		const uint64_t now_ms = net_loop_now_ms(loop);
		const uint64_t left_ms =
			deadline_ms > now_ms ? deadline_ms - now_ms : 0;

		wait_ms = left_ms < wait_ms ? left_ms : wait_ms;
	}
	loop->fresh = false;
	if (wait_ms == 0 || owed) {
		(void)uv_run(&loop->uv,
		             UV_RUN_NOWAIT); /* says what is alive: we know */
	} else {
		net_loop_arm(loop, wait_ms);
		net_loop_wait(loop);
	}
	net_tcp_expire(loop, net_loop_now_ms(loop));
	(void)deliver_later(loop); /* names found meanwhile; nobody waits after this */
}

void net_loop_flush(struct net_loop *loop)
{
	net_udp_flush(loop);
}

void net_loop_wake(struct net_loop *loop)
{
	(void)uv_async_send(&loop->wake); /* fails only for another kind of handle */
}

int net_loop_fd(const struct net_loop *loop)
{
	return uv_backend_fd(&loop->uv);
}

uint64_t net_loop_wait_ms(const struct net_loop *loop)
{
	const uint64_t deadline_ms = sip_timers_deadline(&loop->timers);
	const int timeout_ms = uv_backend_timeout(&loop->uv);
	uint64_t wait_ms = timeout_ms < 0 ? SIP_NEVER : (uint64_t)timeout_ms;

	if (loop->fresh || !sip_list_empty(&loop->later) ||
	    net_files_owed(&loop->files))
		return 0;
	if (deadline_ms != SIP_NEVER) {
		const uint64_t now_ms = net_loop_now_ms(loop);
		const uint64_t left_ms =
			deadline_ms > now_ms ? deadline_ms - now_ms : 0;

		wait_ms = left_ms < wait_ms ? left_ms : wait_ms;
	}
	return wait_ms;
}

static void on_signal(uv_signal_t *handle, int signum)
{
	struct net_loop *loop = handle->loop->data;

	if (loop->on_signal)
		loop->on_signal(loop->signal_data,
		                signum == SIGINT ? "SIGINT" : "SIGTERM");
}

sip_err net_loop_signals(struct net_loop *loop,
                         void (*fn)(void *data, const char *name), void *data)
{
	loop->on_signal = fn;
	loop->signal_data = data;
	loop->fresh = true;
	if (!fn) {
		(void)uv_signal_stop(&loop->sigint); /* may not have been started */
		(void)uv_signal_stop(&loop->sigterm);
		return SIP_OK;
	}
	if (uv_signal_start(&loop->sigint, on_signal, SIGINT) != 0 ||
	    uv_signal_start(&loop->sigterm, on_signal, SIGTERM) != 0)
		return SIP_EWIRE;
	return SIP_OK;
}

sip_err net_loop_name_servers(struct net_loop *loop, const char *list)
{
	return net_dns_servers(loop, list);
}

struct sip_files *net_loop_files(struct net_loop *loop)
{
	return &loop->files.files;
}

void net_loop_free(struct net_loop *loop)
{
	int status;

	if (!loop)
		return;
	while (!sip_list_empty(&loop->wires))
		net_wire_detach(SIP_CONTAINER(loop->wires.next, struct net_wire, link));
	net_dns_close(loop);
	net_files_deliver(&loop->files);
	uv_close((uv_handle_t *)&loop->alarm, NULL);
	uv_close((uv_handle_t *)&loop->wake, NULL);
	uv_close((uv_handle_t *)&loop->sigint, NULL);
	uv_close((uv_handle_t *)&loop->sigterm, NULL);
	/* Runs the close callbacks, and waits for the thread pool. */
	status = uv_run(&loop->uv, UV_RUN_DEFAULT);
	assert(status == 0);
	status = uv_loop_close(&loop->uv);
	assert(status == 0);
	(void)status; /* only asserted */
	while (!sip_list_empty(&loop->later)) {
		struct net_later *later =
			SIP_CONTAINER(loop->later.next, struct net_later, link);

		sip_list_remove(&later->link);
		later->release(loop, later);
	}
	net_dns_fini(loop);
	net_udp_fini(loop);
	sip_timers_fini(&loop->timers);
	sip_free(loop->alloc, loop->scratch, NET_SCRATCH);
	sip_free(loop->alloc, loop, sizeof *loop);
}
