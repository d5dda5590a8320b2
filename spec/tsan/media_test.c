/* Engine and desk on two threads, as in production: under TSan it must be silent.
 * One thread beats as fast as it can, in a time of its own, and echoes every packet
 * back to its session; the other plays, records, presses, bridges and closes. */
#include "media/desk.h"
#include "media/engine.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

enum { SESSIONS = 8, ROUNDS = 40, QUEUED = 64 };

struct packet {
	uint32_t port;
	bool rtcp;
	size_t len;
	unsigned char bytes[256];
};

struct shared {
	struct sip_alloc desk_alloc, engine_alloc;
	struct sip_seeded_random random;
	struct rtp_wire wire;
	struct media_ports ports;
	struct sip_files files;
	struct media_link link;
	struct rtp_engine *engine;
	struct media_desk *desk;
	atomic_bool stop;
	struct packet queued[QUEUED]; /* the media thread's */
	unsigned queued_count;
	bool port_used[SESSIONS];
	struct sip_file_req *asked[256];
	unsigned asked_count;
	unsigned long written;
};

static struct shared all;

/* What a session sends comes back from its neighbour. */
static void wire_send(struct rtp_wire *wire, uint32_t port, bool rtcp,
                      const struct sip_addr *to, const void *bytes, size_t len)
{
	struct packet *packet = &all.queued[all.queued_count];

	(void)wire;
	(void)to;
	if (all.queued_count == QUEUED || len > sizeof packet->bytes)
		return;
	all.queued_count++;
	packet->port = port ^ 1;
	packet->rtcp = rtcp;
	packet->len = len;
	memcpy(packet->bytes, bytes, len);
}

static void wire_notify(struct rtp_wire *wire, bool reports)
{
	(void)wire;
	(void)reports;
}

static sip_err ports_open(struct media_ports *ports, const struct sip_addr *host,
                          uint32_t *port, struct sip_addr *bound, const char **why)
{
	(void)ports;
	for (uint32_t i = 0; i < SESSIONS; i++) {
		if (all.port_used[i])
			continue;
		all.port_used[i] = true;
		*port = i;
		*bound = *host;
		bound->port = (uint16_t)(10000 + 2 * i);
		return SIP_OK;
	}
	*why = "none";
	return SIP_EWIRE;
}

static void ports_close(struct media_ports *ports, uint32_t port)
{
	(void)ports;
	all.port_used[port] = false;
}

static void ports_wake(struct media_ports *ports)
{
	(void)ports;
}

static void ask(struct sip_file_req *req)
{
	req->err = SIP_OK;
	all.asked[all.asked_count++] = req;
}

static void files_open(struct sip_files *files, sip_str path, enum sip_file_mode mode,
                       struct sip_file_req *req)
{
	(void)files;
	(void)path;
	(void)mode;
	req->size = req->version = 0;
	ask(req);
}

static void files_read(struct sip_files *files, struct sip_file_req *req)
{
	(void)files;
	req->len = 0;
	ask(req);
}

static void files_write(struct sip_files *files, struct sip_file_req *req)
{
	(void)files;
	all.written += req->len;
	ask(req);
}

static void files_close(struct sip_files *files, struct sip_file_req *req)
{
	(void)files;
	ask(req);
}

static const struct rtp_wire_ops wire_ops = { wire_send, wire_notify };
static const struct media_ports_ops port_ops = { ports_open, ports_close, ports_wake };
static const struct sip_files_ops file_ops = { files_open, files_read, files_write,
	                                       files_close };

static void *media_thread(void *arg)
{
	static struct packet packets[QUEUED];
	struct sip_addr from = { .family = 4, .ip = { 127, 0, 0, 1 } };
	uint64_t now_us = 1000000;

	(void)arg;
	while (!atomic_load(&all.stop)) {
		const unsigned count = all.queued_count;

		memcpy(packets, all.queued, count * sizeof *packets);
		all.queued_count = 0;
		for (unsigned i = 0; i < count; i++) {
			from.port = (uint16_t)(20000 + 2 * packets[i].port +
			                       packets[i].rtcp);
			rtp_engine_input(all.engine, now_us, packets[i].port,
			                 packets[i].rtcp, &from, packets[i].bytes,
			                 packets[i].len);
		}
		now_us += MEDIA_BEAT_US;
		rtp_engine_advance(all.engine, now_us);
		sched_yield();
	}
	return NULL;
}

static unsigned drain(uint64_t now_ms)
{
	struct media_event event;
	unsigned closed = 0;

	for (unsigned i = 0; i < all.asked_count; i++)
		all.asked[i]->done(
			all.asked[i]); /* what it asks for next is done too */
	all.asked_count = 0;
	while (media_desk_next(all.desk, now_ms, &event))
		closed += event.kind == MEDIA_EVENT_CLOSED;
	return closed;
}

static void use(struct media_session *session, struct media_session *other, uint32_t n)
{
	const sip_str items[] = { SIP_STR("tone:440/60*1"), SIP_STR("none.wav") };
	const struct media_remote remote = {
		.rtp = { .family = 4,
		         .port = (uint16_t)(20000 + 2 * n),
		         .ip = { 127, 0, 0, 1 } },
		.codec = MEDIA_PCMU,
		.direction = MEDIA_SENDRECV,
		.dtmf_payload_type = 101,
		.receive_dtmf_payload_type = 101,
		.ptime_ms = 20,
	};
	const struct media_record_opts record = { .path = SIP_STR("out.wav"),
		                                  .max_s = 1 };
	const char *why;
	uint32_t id, record_id;

	if (media_session_set_remote(session, &remote) ||
	    media_session_play(session, items, 1 + n % 2, 1 + n % 3, &id, &why) ||
	    media_session_record(session, &record, &record_id) ||
	    media_session_press(session, SIP_STR("12"), 60, 40))
		printf("a command was refused\n");
	if (n % 2 && media_session_bridge(session, other))
		printf("a bridge was refused\n");
	if (n % 3 == 0)
		(void)media_session_stop(session, id); /* it may be over */
}

static void one_round(uint64_t *now_ms)
{
	const struct sip_addr host = { .family = 4, .ip = { 127, 0, 0, 1 } };
	struct media_session *sessions[SESSIONS];
	uint64_t seen = 0;
	unsigned closed = 0;
	const char *why;

	for (uint32_t i = 0; i < SESSIONS; i++) {
		if (media_session_open(all.desk, &host, &sessions[i], &why))
			printf("%s\n", why);
		use(sessions[i], sessions[i ^ 1], i);
	}
	while (seen < 100 * SESSIONS) {
		(void)drain(++*now_ms); /* nothing closes yet */
		seen = 0;
		for (uint32_t i = 0; i < SESSIONS; i++)
			seen += media_session_gauge(sessions[i], MEDIA_GAUGE_sent) +
			        media_session_gauge(sessions[i], MEDIA_GAUGE_digits);
		sched_yield();
	}
	media_desk_close(all.desk);
	while (closed < SESSIONS) {
		closed += drain(++*now_ms);
		sched_yield();
	}
}

static bool start(void)
{
	sip_alloc_init(&all.desk_alloc);
	sip_alloc_init(&all.engine_alloc);
	sip_seeded_random_init(&all.random, 1);
	all.wire.ops = &wire_ops;
	all.ports.ops = &port_ops;
	all.files.ops = &file_ops;
	if (media_link_init(&all.link, &all.desk_alloc))
		return false;
	all.engine = rtp_engine_new(&(struct rtp_engine_config){
		.alloc = &all.engine_alloc,
		.random = &all.random.random,
		.wire = &all.wire,
		.link = &all.link,
		.sessions_max = SESSIONS,
		.ports_max = SESSIONS,
	});
	all.desk = media_desk_new(&(struct media_desk_config){
		.alloc = &all.desk_alloc,
		.files = &all.files,
		.ports = &all.ports,
		.link = &all.link,
		.sessions_max = SESSIONS,
	});
	return all.engine && all.desk;
}

int main(void)
{
	pthread_t thread;
	uint64_t now_ms = 1;

	if (!start() || pthread_create(&thread, NULL, media_thread, NULL))
		return 1;
	for (unsigned i = 0; i < ROUNDS; i++)
		one_round(&now_ms);
	atomic_store(&all.stop, true);
	pthread_join(thread, NULL);
	while (!media_desk_idle(all.desk))
		(void)drain(++now_ms); /* every session is closed */
	rtp_engine_free(all.engine);
	media_desk_free(all.desk);
	media_link_fini(&all.link);
	if (all.desk_alloc.used || all.engine_alloc.used || all.written == 0) {
		printf("%zu and %zu bytes are left, %lu written\n", all.desk_alloc.used,
		       all.engine_alloc.used, all.written);
		return 1;
	}
	return 0;
}
