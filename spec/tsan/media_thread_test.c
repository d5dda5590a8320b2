/* The media thread with sessions on loopback, commanded from another thread.  Under
 * TSan it must be silent; and while the signalling thread sleeps, the audio goes on. */
#include "net/media_thread.h"

#include <stdio.h>
#include <time.h>

enum { PAIRS = 4, BLOCKED_MS = 200, DEADLINE_MS = 20000 };

struct side {
	struct media_session *session;
	bool closed;
	char digits[8];
	unsigned digit_count;
	unsigned played;
};

static struct side sides[2 * PAIRS];
static const char *wrong;

static bool expect(bool right, const char *what)
{
	if (!right && !wrong)
		wrong = what;
	return right;
}

static struct side *side_of(const struct media_session *session)
{
	for (int i = 0; i < 2 * PAIRS; i++) {
		if (sides[i].session == session)
			return &sides[i];
	}
	return NULL;
}

static void turn(struct net_loop *loop, struct media_desk *desk)
{
	struct media_event event;

	net_loop_poll(loop, 5);
	while (media_desk_next(desk, net_now_ms(), &event)) {
		struct side *side = side_of(event.session);

		if (!expect(side != NULL, "an event of no session"))
			continue;
		if (event.kind == MEDIA_EVENT_DIGIT && side->digit_count < 7)
			side->digits[side->digit_count++] = event.digit;
		side->played += event.kind == MEDIA_EVENT_PLAYED;
		side->closed = side->closed || event.kind == MEDIA_EVENT_CLOSED;
	}
}

static void join_pair(struct media_desk *desk, struct side *a, struct side *b)
{
	const sip_str tone = SIP_STR("tone:440/300*1");
	struct sip_addr host;
	const char *why = NULL;
	uint32_t id;

	expect(sip_addr_parse(SIP_STR("127.0.0.1"), &host), "an address");
	for (int i = 0; i < 2; i++) {
		struct side *side = i ? b : a;

		if (!expect(media_session_open(desk, &host, &side->session, &why) ==
		                    SIP_OK,
		            "open"))
			return;
	}
	for (int i = 0; i < 2; i++) {
		struct side *side = i ? b : a;
		const struct media_remote remote = {
			.rtp = *media_session_local(i ? a->session : b->session),
			.codec = MEDIA_PCMU,
			.direction = MEDIA_SENDRECV,
			.dtmf_payload_type = 101,
			.receive_dtmf_payload_type = 101,
			.ptime_ms = 20,
		};

		expect(media_session_set_remote(side->session, &remote) == SIP_OK,
		       "remote");
		expect(media_session_press(side->session, SIP_STR("12#"), 80, 60) ==
		               SIP_OK,
		       "press");
		expect(media_session_play(side->session, &tone, 1, 1, &id, &why) ==
		               SIP_OK,
		       "play");
	}
}

static bool all(bool (*done)(const struct side *side))
{
	for (int i = 0; i < 2 * PAIRS; i++) {
		if (!done(&sides[i]))
			return false;
	}
	return true;
}

static bool heard(const struct side *side)
{
	return side->digit_count >= 3 && side->played == 1;
}

static bool closed(const struct side *side)
{
	return side->closed;
}

/* While nobody polls, every session sends one packet each 20 ms. */
static void sleep_and_count(void)
{
	const struct timespec blocked = { 0, BLOCKED_MS * 1000000 };
	const uint64_t due = BLOCKED_MS / 20;
	uint64_t before[2 * PAIRS];

	for (int i = 0; i < 2 * PAIRS; i++)
		before[i] = media_session_gauge(sides[i].session, MEDIA_GAUGE_sent);
	nanosleep(&blocked, NULL);
	for (int i = 0; i < 2 * PAIRS; i++) {
		const uint64_t sent =
			media_session_gauge(sides[i].session, MEDIA_GAUGE_sent) -
			before[i];

		expect(sent + 1 >= due, "silence while the signalling thread slept");
	}
}

static void run(struct net_loop *loop, struct media_desk *desk)
{
	const uint64_t ends_ms = net_now_ms() + DEADLINE_MS;

	for (int i = 0; i < PAIRS && !wrong; i++)
		join_pair(desk, &sides[2 * i], &sides[2 * i + 1]);
	while (!wrong && !all(heard) && net_now_ms() < ends_ms)
		turn(loop, desk);
	for (int i = 0; i < 2 * PAIRS; i++)
		expect(strcmp(sides[i].digits, "12#") == 0, "digits");
	if (!wrong)
		sleep_and_count();
	for (int i = 0; i < PAIRS && !wrong; i++) /* the others end with everything */
		media_session_close(sides[i].session);
	for (int i = PAIRS; i < 2 * PAIRS; i++)
		sides[i].closed = true;
	while (!wrong && !all(closed) && net_now_ms() < ends_ms)
		turn(loop, desk);
	expect(all(closed), "closed");
}

int main(void)
{
	const struct net_media_config config = { .port_first = 21000,
		                                 .port_last = 21499 };
	struct sip_alloc alloc;
	struct net_loop *loop;
	struct net_media *media;
	const char *why = NULL;

	sip_alloc_init(&alloc);
	if (net_loop_new(&alloc, NULL, &loop, &why) != SIP_OK ||
	    net_media_new(loop, &config, &media, &why) != SIP_OK) {
		printf("media thread: %s\n", why);
		return 1;
	}
	run(loop, net_media_desk(media));
	net_media_free(media);
	net_loop_free(loop);
	expect(alloc.used == 0, "memory was kept");
	if (wrong)
		printf("media thread: %s\n", wrong);
	return wrong != NULL;
}
