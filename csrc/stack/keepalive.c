#include "stack/keepalive.h"

#include "msg/stun.h"
#include "stack/admission.h"

#include <assert.h>

enum {
	NEXT_TIMER = 1,  /* another one is due */
	WAIT_TIMER = 2,  /* an answer is */
	PONG_MS = 10000, /* RFC 5626 4.4.1 */
	RTO_MS = 500,
	STUN_SENDS = 7,
	STUN_LAST = 16,  /* times the RTO after the last one (RFC 8489 6.2.1) */
	AGAIN_MS = 1000, /* when there was no room to report, or it is not yet time */
	BINDING = 1,
};

struct sip_keep {
	struct sip_node by_id;
	struct sip_link all, on_flow;
	struct sip_timer timer;
	uint64_t id;
	struct sip_keep_spec spec;
	bool heard;
	bool asked;     /* a ping of ours has no pong yet, expected or not */
	unsigned sends; /* of the request that waits for its answer; 0: none does */
	uint8_t stun_id[SIP_STUN_ID_LEN];
	struct sip_addr mapped; /* family 0: not told yet */
};

static uint64_t id_hash(uint64_t id)
{
	return id * 0x9e3779b97f4a7c15u; /* ours: nobody chooses it */
}

static struct sip_keep *find(struct sip_stack *stack, uint64_t id)
{
	struct sip_node *node = sip_map_first(&stack->keeps, id_hash(id));

	for (; node; node = sip_map_next(node)) {
		struct sip_keep *keep = SIP_CONTAINER(node, struct sip_keep, by_id);

		if (keep->id == id)
			return keep;
	}
	return NULL;
}

/* A transaction id is random to everybody else, and its keep-alive is found by it. */
static uint64_t id_of_stun(const struct sip_stack *stack,
                           const uint8_t stun_id[SIP_STUN_ID_LEN])
{
	uint64_t id;

	memcpy(&id, stun_id + 4, sizeof id);
	return id ^ sip_hash(&stack->tag_key, stun_id, 4);
}

static void make_stun_id(struct sip_stack *stack, struct sip_keep *keep)
{
	uint64_t id = keep->id;

	stack->random->fill(stack->random, keep->stun_id, 4);
	id ^= sip_hash(&stack->tag_key, keep->stun_id, 4);
	memcpy(keep->stun_id + 4, &id, sizeof id);
}

static void drop(struct sip_stack *stack, struct sip_keep *keep)
{
	sip_timer_stop(&stack->keep_timers, &keep->timer);
	sip_list_remove(&keep->all);
	sip_list_remove(&keep->on_flow);
	sip_map_remove(&stack->keeps, &keep->by_id);
	sip_free(stack->alloc, keep, sizeof *keep);
}

static void arm(struct sip_stack *stack, struct sip_keep *keep, uint8_t kind,
                uint64_t delay_ms)
{
	keep->timer.kind = kind;
	/* Its place in the heap was made with the first one, and is not given back. */
	(void)sip_timer_arm(&stack->keep_timers, &keep->timer, stack->now_ms, delay_ms);
}

static void arm_next(struct sip_stack *stack, struct sip_keep *keep)
{
	const struct sip_keep_spec *spec = &keep->spec;
	const double chance = sip_random_unit(stack->random);

	keep->sends = 0;
	arm(stack, keep, NEXT_TIMER,
	    spec->low_ms + (uint64_t)(chance * (spec->high_ms - spec->low_ms + 1)));
}

static void tell(struct sip_stack *stack, const struct sip_keep *keep, sip_err err,
                 const char *why)
{
	struct sip_event *event = sip_stack_push(stack, SIP_EVENT_KEPT);

	event->token = keep->id;
	event->err = err;
	if (why) /* without memory it has ended all the same */
		event->bytes = sip_buf_new(stack->alloc, why, strlen(why));
}

/* Room was reserved. */
static void fail(struct sip_stack *stack, struct sip_keep *keep, sip_err err,
                 const char *why)
{
	tell(stack, keep, err, why);
	drop(stack, keep);
}

static void heard(struct sip_stack *stack, struct sip_keep *keep)
{
	if (!keep->heard)
		tell(stack, keep, SIP_OK, NULL);
	keep->heard = true;
	if (keep->sends > 0)
		arm_next(stack, keep);
}

/* ---- sending ---- */

static void put(struct sip_stack *stack, const struct sip_keep *keep, sip_str bytes)
{
	struct sip_path path = { 0 };
	struct sip_flow *flow;
	const char *why;

	/* What cannot be sent is as lost as anything: the answer is missing. */
	if (sip_path_choose(stack, &keep->spec.target, &path, &flow, &why) != SIP_OK)
		return;
	(void)stack->wire->ops->send(stack->wire, &path, bytes, 0);
	if (flow)
		flow->last_ms = stack->now_ms;
}

static void send_stun(struct sip_stack *stack, struct sip_keep *keep)
{
	struct sip_stun stun = { .class = SIP_STUN_REQUEST, .method = BINDING };
	char bytes[SIP_STUN_WRITE_MAX];

	if (keep->sends == 0)
		make_stun_id(stack, keep);
	memcpy(stun.id, keep->stun_id, SIP_STUN_ID_LEN);
	put(stack, keep, sip_str_of(bytes, sip_stun_write(&stun, bytes)));
	keep->sends++;
	arm(stack, keep, WAIT_TIMER,
	    keep->sends < STUN_SENDS ? (uint64_t)RTO_MS << (keep->sends - 1)
	                             : (uint64_t)RTO_MS * STUN_LAST);
}

static void send_next(struct sip_stack *stack, struct sip_keep *keep)
{
	const bool udp = keep->spec.target.transport == SIP_UDP;

	if (udp && keep->spec.answered) {
		send_stun(stack, keep);
		return;
	}
	put(stack, keep, SIP_STR("\r\n\r\n"));
	keep->asked = !udp;
	if (udp || !(keep->spec.answered || keep->heard)) {
		arm_next(stack, keep);
		return;
	}
	keep->sends = 1;
	arm(stack, keep, WAIT_TIMER, PONG_MS);
}

/* No answer: the flow has failed, and everybody on it is told (RFC 5626 4.4.1). */
static void give_up(struct sip_stack *stack, struct sip_keep *keep)
{
	static const char why[] = "no answer to a keep-alive";
	struct sip_flow *flow = keep->spec.target.transport == SIP_UDP
	                                ? NULL
	                                : sip_flow_bound(stack, &keep->spec.target);

	fail(stack, keep, SIP_ETIME, why);
	if (flow)
		sip_flow_fail(stack, flow, why);
}

/* The answer may be behind what is being received, which has a time of its own. */
static bool is_receiving(struct sip_stack *stack, const struct sip_keep *keep)
{
	const struct sip_flow *flow =
		keep->spec.target.transport == SIP_UDP
			? NULL
			: sip_flow_bound(stack, &keep->spec.target);

	return flow && (flow->unread_len > 0 || flow->wire_holds > 0);
}

static void expire(struct sip_stack *stack, struct sip_keep *keep)
{
	if (keep->timer.kind == NEXT_TIMER)
		send_next(stack, keep);
	else if (is_receiving(stack, keep))
		arm(stack, keep, WAIT_TIMER, AGAIN_MS);
	else if (keep->spec.target.transport == SIP_UDP && keep->sends < STUN_SENDS)
		send_stun(stack, keep);
	else
		give_up(stack, keep);
}

void sip_keep_advance(struct sip_stack *stack)
{
	struct sip_timer *timer;

	while ((timer = sip_timers_pop(&stack->keep_timers, stack->now_ms))) {
		struct sip_keep *keep = SIP_CONTAINER(timer, struct sip_keep, timer);

		/* A flow that fails takes its other keep-alives along. */
		if (sip_stack_reserve(stack, 1 + (unsigned)stack->keeps.count))
			expire(stack, keep);
		else
			arm(stack, keep, timer->kind, AGAIN_MS);
	}
}

/* ---- what comes ---- */

bool sip_keep_pong(struct sip_stack *stack, struct sip_flow *flow)
{
	bool asked = false;

	for (struct sip_link *link = flow->keeps.next; link != &flow->keeps;
	     link = link->next) {
		struct sip_keep *keep = SIP_CONTAINER(link, struct sip_keep, on_flow);

		if (!keep->asked || !sip_stack_reserve(stack, 1))
			continue;
		keep->asked = false;
		asked = true;
		heard(stack, keep);
	}
	return asked;
}

void sip_keep_closed(struct sip_stack *stack, struct sip_flow *flow, const char *why)
{
	while (!sip_list_empty(&flow->keeps)) {
		struct sip_keep *keep =
			SIP_CONTAINER(flow->keeps.next, struct sip_keep, on_flow);

		if (sip_stack_reserve(stack, 1))
			fail(stack, keep, SIP_EWIRE,
			     why ? why : "the connection is closed");
		else
			drop(stack, keep);
	}
}

static struct sip_keep *find_stun(struct sip_stack *stack, const struct sip_path *path,
                                  const struct sip_stun *stun)
{
	struct sip_keep *keep = find(stack, id_of_stun(stack, stun->id));

	return keep && keep->sends > 0 && keep->spec.target.transport == SIP_UDP &&
	                       memcmp(keep->stun_id, stun->id, SIP_STUN_ID_LEN) == 0 &&
	                       sip_addr_eq(&keep->spec.target.remote, &path->remote)
	               ? keep
	               : NULL;
}

static void receive_answer(struct sip_stack *stack, const struct sip_path *path,
                           const struct sip_stun *stun)
{
	struct sip_keep *keep = find_stun(stack, path, stun);

	if (!keep || !sip_stack_reserve(stack, 1))
		return; /* it comes again, with the request */
	sip_stack_admit_known(stack);
	if (stun->class == SIP_STUN_ERROR || stun->unknown_count > 0 ||
	    stun->mapped.family == 0) {
		fail(stack, keep, SIP_EWIRE, "a keep-alive was refused");
	} else if (keep->mapped.family != 0 &&
	           !sip_addr_eq(&keep->mapped, &stun->mapped)) {
		fail(stack, keep, SIP_EWIRE,
		     "our address as seen from outside is another");
	} else {
		keep->mapped = stun->mapped;
		heard(stack, keep);
	}
}

void sip_stack_stun(struct sip_stack *stack, const struct sip_path *path,
                    sip_str datagram)
{
	struct sip_stun stun, answer = { .class = SIP_STUN_SUCCESS, .method = BINDING };
	char bytes[SIP_STUN_WRITE_MAX];

	if (sip_stun_parse(datagram, &stun) != SIP_OK || stun.method != BINDING) {
		stack->stats.malformed++;
		(void)sip_stack_admit_malformed(stack, path); /* counted, that is all */
		return;
	}
	if (stun.class == SIP_STUN_SUCCESS || stun.class == SIP_STUN_ERROR) {
		receive_answer(stack, path, &stun);
		return;
	}
	if (stun.class != SIP_STUN_REQUEST)
		return; /* an indication keeps a binding open, and wants nothing */
	memcpy(answer.id, stun.id, SIP_STUN_ID_LEN);
	answer.fingerprint = stun.fingerprint;
	if (stun.unknown_count > 0) { /* RFC 8489 6.3.1 */
		answer.class = SIP_STUN_ERROR;
		answer.error = 420;
		answer.unknown_count = stun.unknown_count;
		memcpy(answer.unknown, stun.unknown, sizeof answer.unknown);
	} else {
		answer.mapped = path->remote;
	}
	stack->stats.stun++;
	/* A lost answer is asked for again. */
	(void)stack->wire->ops->send(stack->wire, path,
	                             sip_str_of(bytes, sip_stun_write(&answer, bytes)),
	                             0);
}

void sip_keep_unreachable(struct sip_stack *stack, const struct sip_path *path,
                          const char *why)
{
	struct sip_link *link, *next;

	for (link = stack->keep_list.next; link != &stack->keep_list; link = next) {
		struct sip_keep *keep = SIP_CONTAINER(link, struct sip_keep, all);

		next = link->next;
		if (keep->spec.target.transport == path->transport &&
		    sip_addr_eq(&keep->spec.target.remote, &path->remote) &&
		    sip_stack_reserve(stack, 1))
			fail(stack, keep, SIP_EWIRE, why);
	}
}

/* ---- life ---- */

sip_err sip_stack_keep(struct sip_stack *stack, const struct sip_keep_spec *spec,
                       uint64_t *id, const char **why)
{
	struct sip_flow *flow = NULL;
	struct sip_keep *keep;

	assert(spec->low_ms > 0 && spec->high_ms >= spec->low_ms);
	*why = "too many keep-alives";
	if (stack->keeps.count >= stack->limits.keep_alives)
		return SIP_ELIMIT;
	if (spec->target.transport != SIP_UDP) {
		*why = "the connection is gone";
		flow = sip_flow_bound(stack, &spec->target);
		if (!flow)
			return SIP_EGONE;
	}
	*why = "out of memory";
	keep = sip_alloc0(stack->alloc, sizeof *keep);
	if (!keep)
		return SIP_ENOMEM;
	keep->id = ++stack->last_keep;
	keep->spec = *spec;
	keep->spec.target.server_name = SIP_STR("");
	if (sip_map_insert(&stack->keeps, &keep->by_id, id_hash(keep->id)) != SIP_OK) {
		sip_free(stack->alloc, keep, sizeof *keep);
		return SIP_ENOMEM;
	}
	sip_list_insert(&stack->keep_list, &keep->all);
	if (flow)
		sip_list_insert(&flow->keeps, &keep->on_flow);
	arm_next(stack, keep);
	if (!sip_timer_armed(&keep->timer)) {
		drop(stack, keep);
		return SIP_ENOMEM;
	}
	*id = keep->id;
	return SIP_OK;
}

void sip_stack_keep_end(struct sip_stack *stack, uint64_t id)
{
	struct sip_keep *keep = find(stack, id);

	if (keep)
		drop(stack, keep);
}

void sip_keep_free_all(struct sip_stack *stack)
{
	while (!sip_list_empty(&stack->keep_list))
		drop(stack, SIP_CONTAINER(stack->keep_list.next, struct sip_keep, all));
}
