/* media_thread.c - the engine's thread.
 *
 * A beat is an absolute instant (on Linux a timerfd, microseconds fine): libuv's
 * repeating timer counts whole milliseconds from when it was last late.  Packets of
 * one beat leave by different sockets, so there is nothing to send in batches.
 */
#include "net/media_thread.h"

#include "media/engine.h"
#include "net/internal.h"
#include "net/rtp_port.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

#ifdef __linux__
#include <sys/timerfd.h>
#endif

enum {
	PORT_FIRST = 20000,
	PORT_LAST = 29999,
	SESSIONS_MAX = 2048,
	CLOSE_MS = 2000, /* for sessions to end and recordings to be written */
	CLOSE_STEP_MS = 20
};

struct net_media {
	struct net_loop *loop;
	struct sip_alloc *alloc; /* the signalling thread's */
	struct rtp_ports ports;  /* shared */
	struct media_link link;  /* shared */
	struct media_desk *desk;
	uv_thread_t thread;
	bool running;
	atomic_bool stop;
	uv_async_t wake; /* not after `stop` */

	/* The media thread's own, once it runs: */
	struct sip_alloc engine_alloc;
	struct sip_kernel_random random;
	struct rtp_wire wire;
	struct rtp_engine *engine;
	uv_loop_t uv;
	uint64_t armed_us; /* the instant the timer is set to; SIP_NEVER: none */
	bool due;
#ifdef __linux__
	uv_poll_t timer;
	int timer_fd;
#else
	uv_timer_t timer;
#endif
	struct rtp_packet packets[RTP_PACKETS];
};

static uint64_t now_us(void)
{
	return uv_hrtime() / 1000;
}

/* --- the beat ------------------------------------------------------------------- */

#ifdef __linux__

static void on_timer(uv_poll_t *poll, int status, int events)
{
	struct net_media *media = poll->data;
	uint64_t count;

	(void)status;
	(void)events;
	if (read(media->timer_fd, &count, sizeof count) == (ssize_t)sizeof count) {
		media->armed_us = SIP_NEVER;
		media->due = true;
	}
}

static int timer_init(struct net_media *media)
{
	int status;

	media->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	if (media->timer_fd < 0)
		return -errno;
	status = uv_poll_init(&media->uv, &media->timer, media->timer_fd);
	if (status != 0) {
		close(media->timer_fd);
		return status;
	}
	media->timer.data = media;
	return uv_poll_start(&media->timer, UV_READABLE, on_timer);
}

static void timer_fini(struct net_media *media)
{
	uv_close((uv_handle_t *)&media->timer, NULL);
	close(media->timer_fd);
}

static void timer_set(struct net_media *media, uint64_t at_us)
{
	struct itimerspec spec = { 0 };
	int status;

	if (at_us != SIP_NEVER) {
		spec.it_value.tv_sec = (time_t)(at_us / 1000000);
		spec.it_value.tv_nsec = (long)(at_us % 1000000) * 1000;
	}
	status = timerfd_settime(media->timer_fd, TFD_TIMER_ABSTIME, &spec, NULL);
	assert(status == 0); /* the instant is in range, the descriptor ours */
	(void)status;
}

#else

static void on_timer(uv_timer_t *timer)
{
	struct net_media *media = timer->data;

	media->armed_us = SIP_NEVER;
	media->due = true;
}

static int timer_init(struct net_media *media)
{
	media->timer.data = media;
	return uv_timer_init(&media->uv, &media->timer);
}

static void timer_fini(struct net_media *media)
{
	uv_close((uv_handle_t *)&media->timer, NULL);
}

static void timer_set(struct net_media *media, uint64_t at_us)
{
	const uint64_t now = now_us();
	const uint64_t left_us = at_us > now ? at_us - now : 0;

	(void)uv_timer_stop(&media->timer); /* may be idle */
	if (at_us == SIP_NEVER)
		return;
	uv_update_time(&media->uv);
	(void)uv_timer_start(&media->timer, on_timer, (left_us + 999) / 1000, 0);
}

#endif

/* --- the engine's way out ------------------------------------------------------- */

static struct net_media *media_of(struct rtp_wire *wire)
{
	return SIP_CONTAINER(wire, struct net_media, wire);
}

/* NOLINTNEXTLINE(readability-function-size): the seam has six parameters */
static void wire_send(struct rtp_wire *wire, uint32_t port, bool rtcp,
                      const struct sip_addr *to, const void *bytes, size_t len)
{
	struct rtp_ports *ports = &media_of(wire)->ports;

	assert(port < ports->count);
	rtp_port_send(&ports->table[port], rtcp, to, sip_str_of(bytes, len));
}

static void wire_notify(struct rtp_wire *wire, bool reports)
{
	if (reports)
		net_loop_wake(media_of(wire)->loop);
}

static const struct rtp_wire_ops wire_ops = { .send = wire_send,
	                                      .notify = wire_notify };

/* --- the thread ----------------------------------------------------------------- */

static void on_packets(uv_poll_t *poll, int status, int events)
{
	struct rtp_port *port = poll->data;
	struct net_media *media = SIP_CONTAINER(port->ports, struct net_media, ports);
	const bool rtcp = poll == &port->poll[1];
	int count;

	(void)events;
	if (status < 0) /* libuv has stopped watching: an error was pending */
		rtp_port_watch(port, rtcp, on_packets);
	count = rtp_port_receive(port, rtcp, media->packets);
	for (int i = 0; i < count; i++) {
		const struct rtp_packet *packet = &media->packets[i];

		rtp_engine_input(media->engine, now_us(), port->id, rtcp, &packet->from,
		                 packet->bytes, packet->len);
	}
}

static void on_wake(uv_async_t *async)
{
	((struct net_media *)async->data)->due = true;
}

static void turn(struct net_media *media)
{
	const uint64_t now = now_us();
	uint64_t deadline_us;

	rtp_ports_take(&media->ports, &media->uv, on_packets);
	/* A flood of packets must not keep the beat waiting: so the clock, too. */
	if (media->due || now >= media->armed_us) {
		media->due = false;
		rtp_engine_advance(media->engine, now);
	}
	deadline_us = rtp_engine_deadline(media->engine);
	if (deadline_us != media->armed_us) {
		media->armed_us = deadline_us;
		timer_set(media, deadline_us);
	}
}

static void thread_main(void *arg)
{
	struct net_media *media = arg;
	int status;

	while (!atomic_load(&media->stop)) {
		(void)uv_run(&media->uv, UV_RUN_ONCE); /* says what is alive */
		turn(media);
	}
	rtp_ports_end(&media->ports);
	timer_fini(media);
	uv_close((uv_handle_t *)&media->wake, NULL);
	status = uv_run(&media->uv, UV_RUN_DEFAULT);
	assert(status == 0);
	status = uv_loop_close(&media->uv);
	assert(status == 0);
	(void)status;
}

/* Signals are for the signalling thread. */
static int start_thread(struct net_media *media)
{
	sigset_t all, before;
	int status;

	(void)sigfillset(&all); /* cannot fail */
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	status = uv_thread_create(&media->thread, thread_main, media);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	media->running = status == 0;
	return status;
}

/* --- the signalling side -------------------------------------------------------- */

static struct net_media *media_of_ports(struct media_ports *ports)
{
	return SIP_CONTAINER(ports, struct net_media, ports.seam);
}

/* The thread looks at what is new, as long as it is there. */
static void wake(struct net_media *media)
{
	if (!atomic_load(&media->stop))
		(void)uv_async_send(&media->wake); /* cannot fail: it is an async */
}

static sip_err ports_open(struct media_ports *base, const struct sip_addr *host,
                          uint32_t *id, struct sip_addr *bound, const char **why)
{
	struct net_media *media = media_of_ports(base);
	const sip_err err = rtp_ports_open(&media->ports, host, id, bound, why);

	if (err == SIP_OK)
		wake(media);
	return err;
}

static void ports_close(struct media_ports *base, uint32_t id)
{
	struct net_media *media = media_of_ports(base);

	rtp_ports_close(&media->ports, id);
	wake(media);
}

static void ports_wake(struct media_ports *base)
{
	wake(media_of_ports(base));
}

static const struct media_ports_ops ports_ops = { .open = ports_open,
	                                          .close = ports_close,
	                                          .wake = ports_wake };

static uint64_t wall_offset_us(void)
{
	struct timespec t;

	if (clock_gettime(CLOCK_REALTIME, &t) != 0)
		return 0;
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000 - now_us();
}

static bool make_sides(struct net_media *media, const struct net_media_config *config)
{
	const uint32_t sessions_max = config->sessions_max;
	const struct rtp_engine_config engine = { .alloc = &media->engine_alloc,
		                                  .random = &media->random.random,
		                                  .wire = &media->wire,
		                                  .link = &media->link,
		                                  .wall_offset_us = wall_offset_us(),
		                                  .sessions_max = sessions_max,
		                                  .ports_max = media->ports.count };
	const struct media_desk_config desk = { .alloc = media->alloc,
		                                .files = net_loop_files(media->loop),
		                                .ports = &media->ports.seam,
		                                .link = &media->link,
		                                .sessions_max = sessions_max,
		                                .cache_bytes = config->cache_bytes };

	media->engine = rtp_engine_new(&engine);
	media->desk = media_desk_new(&desk);
	return media->engine && media->desk;
}

/* The loop of the thread, made here where failing is easy. */
static int make_loop(struct net_media *media)
{
	int status = uv_loop_init(&media->uv);

	if (status != 0)
		return status;
	status = uv_async_init(&media->uv, &media->wake, on_wake);
	if (status == 0) {
		media->wake.data = media;
		status = timer_init(media);
		if (status == 0)
			return 0;
		uv_close((uv_handle_t *)&media->wake, NULL);
		(void)uv_run(&media->uv, UV_RUN_DEFAULT); /* only closes it */
	}
	(void)uv_loop_close(&media->uv); /* nothing is open */
	return status;
}

static void media_release(struct net_media *media)
{
	if (media->engine)
		rtp_engine_free(media->engine);
	if (media->desk)
		media_desk_free(media->desk);
	if (media->link.commands.alloc)
		media_link_fini(&media->link);
	rtp_ports_fini(&media->ports);
	sip_free(media->alloc, media, sizeof *media);
}

static sip_err start(struct net_media *media, const char **why)
{
	int status = make_loop(media);

	*why = "no clock or wake-up for the media thread: too many open files?";
	if (status != 0)
		return SIP_EWIRE;
	status = start_thread(media);
	if (status == 0)
		return SIP_OK;
	*why = "the system makes no more threads";
	timer_fini(media);
	uv_close((uv_handle_t *)&media->wake, NULL);
	(void)uv_run(&media->uv, UV_RUN_DEFAULT); /* only closes them */
	(void)uv_loop_close(&media->uv);          /* nothing is open */
	return SIP_EWIRE;
}

sip_err net_media_new(struct net_loop *loop, const struct net_media_config *asked,
                      struct net_media **out, const char **why)
{
	struct net_media_config config = *asked;
	struct net_media *media = sip_alloc0(loop->alloc, sizeof *media);
	sip_err err = SIP_ENOMEM;

	*why = "no memory";
	if (!media)
		return SIP_ENOMEM;
	if (config.port_last == 0) {
		config.port_first = PORT_FIRST;
		config.port_last = PORT_LAST;
	}
	if (config.sessions_max == 0)
		config.sessions_max = SESSIONS_MAX;
	media->loop = loop;
	media->alloc = loop->alloc;
	media->armed_us = SIP_NEVER;
	media->wire.ops = &wire_ops;
	media->ports.seam.ops = &ports_ops;
	sip_alloc_init(&media->engine_alloc);
	sip_kernel_random_init(&media->random);
	/* A port is free again a moment after its session: hence twice as many. */
	if (media_link_init(&media->link, media->alloc) == SIP_OK &&
	    rtp_ports_init(&media->ports, media->alloc, config.sessions_max * 2,
	                   config.port_first, config.port_last) == SIP_OK &&
	    make_sides(media, &config))
		err = start(media, why);
	if (err != SIP_OK) {
		media_release(media);
		return err;
	}
	*out = media;
	return SIP_OK;
}

struct media_desk *net_media_desk(struct net_media *media)
{
	return media->desk;
}

/* What is asked of the desk here has nobody to hear it. */
static void poll_desk(struct net_media *media)
{
	struct media_event event;

	net_loop_poll(media->loop, CLOSE_STEP_MS);
	while (media_desk_next(media->desk, net_now_ms(), &event))
		;
}

void net_media_free(struct net_media *media)
{
	const uint64_t ends_ms = net_now_ms() + CLOSE_MS;

	if (!media)
		return;
	media_desk_close(media->desk);
	while (!media_desk_idle(media->desk) && net_now_ms() < ends_ms)
		poll_desk(media);
	atomic_store(&media->stop, true);
	(void)uv_async_send(&media->wake); /* cannot fail: it is an async */
	if (media->running)
		(void)uv_thread_join(&media->thread); /* it runs, and is joined once */
	while (net_files_pending(&media->loop->files))
		poll_desk(media);
	media_release(media);
}
