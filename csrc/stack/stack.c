#include "stack/stack.h"

#include "stack/admission.h"
#include "stack/again.h"
#include "stack/waiting.h"

#include "base/must.h"
#include "msg/stun.h"

#include <assert.h>

enum { EVENTS_MIN = 64 };

static struct sip_stack *stack_of(struct sip_tx_host *host)
{
	return SIP_CONTAINER(host, struct sip_stack, host);
}

/* ---- events ---- */

/* A lookup that was asked for always has its room: its answer comes but once. */
bool sip_stack_reserve(struct sip_stack *stack, unsigned count)
{
	struct sip_event_queue *queue = &stack->queue;
	uint32_t cap = queue->cap ? queue->cap : EVENTS_MIN;
	struct sip_event *ring;

	count += stack->lookups;
	while (cap - queue->count < count)
		cap *= 2;
	if (cap == queue->cap)
		return true;
	ring = sip_alloc(stack->alloc, cap * sizeof *ring);
	if (!ring)
		return false;
	for (uint32_t i = 0; i < queue->count; i++)
		ring[i] = queue->ring[(queue->head + i) & (queue->cap - 1)];
	sip_free(stack->alloc, queue->ring, queue->cap * sizeof *ring);
	queue->ring = ring;
	queue->cap = cap;
	queue->head = 0;
	return true;
}

struct sip_event *sip_stack_push(struct sip_stack *stack, enum sip_event_kind kind)
{
	struct sip_event_queue *queue = &stack->queue;
	struct sip_event *event;

	assert(queue->count < queue->cap);
	event = &queue->ring[(queue->head + queue->count++) & (queue->cap - 1)];
	memset(event, 0, sizeof *event);
	event->kind = kind;
	return event;
}

bool sip_stack_next_event(struct sip_stack *stack, struct sip_event *event)
{
	struct sip_event_queue *queue = &stack->queue;

	if (queue->count == 0)
		return false;
	*event = queue->ring[queue->head];
	queue->head = (queue->head + 1) & (queue->cap - 1);
	queue->count--;
	return true;
}

void sip_event_fini(struct sip_event *event)
{
	sip_tx_unref(event->tx);
	sip_msg_unref(event->msg);
	sip_buf_unref(event->bytes);
	memset(event, 0, sizeof *event);
}

void sip_stack_watch(struct sip_stack *stack, bool sent, const struct sip_path *path,
                     sip_str bytes)
{
	struct sip_buf *copy;
	struct sip_event *event;

	if (!stack->watched || !sip_stack_reserve(stack, 1 + SIP_EVENTS_PER_INPUT))
		return;
	copy = sip_buf_new(stack->alloc, bytes.p, bytes.len);
	if (!copy)
		return;
	event = sip_stack_push(stack, SIP_EVENT_MESSAGE);
	event->sent = sent;
	event->path = *path;
	event->bytes = copy;
}

sip_err sip_stack_put(struct sip_stack *stack, const struct sip_path *path,
                      sip_str bytes, uint64_t token)
{
	const sip_err err = stack->wire->ops->send(stack->wire, path, bytes, token);

	if (path->transport != SIP_UDP)
		sip_flow_touch(stack, path);
	if (err == SIP_OK)
		stack->stats.sent++;
	else
		stack->stats.unsent++;
	sip_stack_watch(stack, true, path, bytes);
	return err;
}

/* ---- what transactions want and report ---- */

static sip_err host_send(struct sip_tx_host *host, struct sip_tx *tx, sip_str bytes)
{
	struct sip_stack *stack = stack_of(host);
	sip_err err;

	if (!sip_tx_is_client(tx)) {
		if (stack->layer.repeating && !sip_stack_admit_repeat(stack, tx))
			return SIP_OK; /* as if it were lost on the way */
		return sip_stack_reply(stack, tx, bytes);
	}
	err = sip_stack_rejoin(stack, tx);
	return err == SIP_OK ? sip_stack_put(stack, &tx->path, bytes, tx->serial) : err;
}

static bool host_reserve(struct sip_tx_host *host, unsigned count)
{
	return sip_stack_reserve(stack_of(host), count + SIP_EVENTS_PER_INPUT);
}

static struct sip_event *push_tx(struct sip_stack *stack, enum sip_event_kind kind,
                                 struct sip_tx *tx, struct sip_msg *msg)
{
	struct sip_event *event = sip_stack_push(stack, kind);

	event->tx = sip_tx_ref(tx);
	event->msg = msg ? sip_msg_ref(msg) : NULL;
	return event;
}

static void pass(struct sip_stack *stack, struct sip_tx *tx, struct sip_msg *msg)
{
	if (!sip_tx_is_client(tx)) {
		push_tx(stack,
		        msg->method == SIP_M_ACK ? SIP_EVENT_ACK : SIP_EVENT_REQUEST,
		        tx, msg);
		return;
	}
	/* The first provisional lets a CANCEL out that has been waiting (9.1); timer P
	 * ends the INVITE when it cannot be sent. */
	if (msg->status < 200 && tx->cancelled && !tx->cancel_sent)
		(void)sip_stack_send_cancel(stack, tx); /* the next one tries again */
	if (tx->upstream) {
		sip_stack_relay_late(stack, tx, msg);
		return;
	}
	/* A 100 says nothing to anybody above: it is not passed (against 17.1.1.2 and
	 * 17.1.2.2). */
	if (msg->status > 100)
		push_tx(stack, SIP_EVENT_RESPONSE, tx, msg);
}

static void host_report(struct sip_tx_host *host, struct sip_tx *tx,
                        enum sip_tx_report report, struct sip_msg *msg)
{
	struct sip_stack *stack = stack_of(host);
	struct sip_event *event;

	if (report == SIP_TX_TERMINATED)
		sip_stack_forget(stack, tx);
	if (stack->ending)
		return;
	if (tx->coupled)
		sip_stack_relay_report(stack, tx, report, msg);
	if (tx->coupled || tx->internal || (tx->upstream && report != SIP_TX_PASS))
		return;
	switch (report) {
	case SIP_TX_PASS:
		pass(stack, tx, msg);
		break;
	case SIP_TX_TIMEOUT:
		push_tx(stack, SIP_EVENT_FAILED, tx, NULL)->err = SIP_ETIME;
		break;
	case SIP_TX_UNSENT:
		event = push_tx(stack, SIP_EVENT_FAILED, tx, NULL);
		event->err = SIP_EWIRE;
		event->bytes = tx->why ? sip_buf_ref(tx->why) : NULL;
		break;
	case SIP_TX_NO_ACK:
		push_tx(stack, SIP_EVENT_NO_ACK, tx, NULL);
		break;
	case SIP_TX_TERMINATED:
		push_tx(stack, SIP_EVENT_ENDED, tx, NULL);
		break;
	}
}

/* ---- life ---- */

sip_err sip_stack_new(const struct sip_stack_opts *opts, uint64_t now_ms,
                      struct sip_stack **out)
{
	struct sip_stack *stack;

	if (opts->advertise.len > sizeof stack->advertise - 1)
		return SIP_EINVAL;
	stack = sip_alloc0(opts->alloc, sizeof *stack);
	if (!stack)
		return SIP_ENOMEM;
	stack->alloc = opts->alloc;
	stack->wire = opts->wire;
	stack->random = opts->random;
	stack->limits = opts->limits;
	stack->watched = opts->watched;
	stack->relay = opts->relay;
	stack->now_ms = now_ms;
	stack->host = (struct sip_tx_host){ host_send, host_report, host_reserve };
	if (opts->advertise.len > 0)
		memcpy(stack->advertise, opts->advertise.p, opts->advertise.len);
	sip_tx_layer_init(&stack->layer, opts->alloc, opts->random, &opts->timing,
	                  &stack->host);
	stack->layer.now_ms = now_ms;
	sip_timers_init(&stack->timers, opts->alloc);
	sip_timers_name(&stack->timers, opts->limits.stream_idle_ms);
	sip_timers_name(&stack->timers, opts->limits.stream_head_ms);
	sip_timers_name(&stack->timers, opts->limits.stream_first_ms);
	sip_timers_init(&stack->keep_timers, opts->alloc);
	sip_map_init(&stack->keeps, opts->alloc);
	sip_list_init(&stack->keep_list);
	sip_map_init(&stack->flows, opts->alloc);
	sip_map_init(&stack->remotes, opts->alloc);
	sip_map_init(&stack->aliases, opts->alloc);
	opts->random->fill(opts->random, &stack->tag_key, sizeof stack->tag_key);
	sip_stack_seal_init(stack, opts->secret);
	sip_line_init(&stack->line, opts->alloc, &opts->limits, opts->timing.t1_ms);
	if (sip_stack_admission_init(stack, opts) != SIP_OK) {
		sip_stack_free(stack);
		return SIP_ENOMEM;
	}
	*out = stack;
	return SIP_OK;
}

void sip_stack_free(struct sip_stack *stack)
{
	struct sip_event event;

	while (sip_stack_next_event(stack, &event))
		sip_event_fini(&event);
	stack->ending = true; /* nobody is told any more */
	sip_tx_layer_fini(&stack->layer);
	sip_keep_free_all(stack);
	sip_flow_free_all(stack);
	for (unsigned i = 0; i < stack->listener_count; i++)
		stack->wire->ops->unlisten(stack->wire, stack->listeners[i].id);
	sip_map_fini(&stack->flows);
	sip_map_fini(&stack->remotes);
	sip_line_fini(&stack->line);
	sip_stack_admission_fini(stack);
	sip_map_fini(&stack->aliases);
	sip_timers_fini(&stack->timers);
	sip_map_fini(&stack->keeps);
	sip_timers_fini(&stack->keep_timers);
	sip_free(stack->alloc, stack->queue.ring, stack->queue.cap * sizeof event);
	sip_free(stack->alloc, stack, sizeof *stack);
}

/* ---- the four functions ---- */

void sip_stack_at(struct sip_stack *stack, uint64_t now_ms)
{
	assert(now_ms >= stack->now_ms);
	stack->now_ms = now_ms;
	stack->layer.now_ms = now_ms;
}

/* A send that failed, or an ICMP error about everything that goes there (18.4). */
static void input_failed(struct sip_stack *stack, const struct sip_wire_event *event)
{
	struct sip_link *link, *next, *head = &stack->layer.active;
	const struct sip_flow *flow;
	struct sip_tx *tx;

	stack->stats.unsent++;
	if (event->token != 0) {
		tx = sip_tx_find_serial(&stack->layer, event->token);
		flow = tx ? tx->flow : NULL;
		/* What waits for a connection hears of its end, and may then go
		 * another way (18.1.1). */
		if (tx && (!flow || flow->open))
			sip_tx_send_failed(tx, event->why);
		return;
	}
	sip_keep_unreachable(stack, &event->path, event->why);
	if (event->path.transport == SIP_UDP)
		sip_stack_unanswered(stack, &event->path.remote);
	for (link = head->next; link != head; link = next) {
		next = link->next;
		tx = SIP_CONTAINER(link, struct sip_tx, active);
		if (tx->path.transport == event->path.transport &&
		    sip_addr_eq(&tx->path.remote, &event->path.remote))
			sip_tx_send_failed(tx, event->why);
	}
}

static void input_records(struct sip_stack *stack, const struct sip_wire_event *event)
{
	struct sip_buf *records =
		sip_buf_new(stack->alloc, event->records,
	                    event->record_count * sizeof *event->records);
	struct sip_event *up = sip_stack_push(stack, SIP_EVENT_RECORDS);

	stack->lookups--;
	up->token = event->token;
	up->err = records ? event->err : SIP_ENOMEM;
	up->bytes = records;
	up->ttl_s = event->ttl_s;
}

static void input_notice(struct sip_stack *stack, const struct sip_wire_event *event)
{
	struct sip_buf *text =
		sip_buf_new(stack->alloc, event->why, strlen(event->why));
	struct sip_event *up;

	if (!text)
		return;
	up = sip_stack_push(stack, SIP_EVENT_NOTICE);
	up->path = event->path;
	up->bytes = text;
}

/* Two CRLFs keep a binding open and say nothing (RFC 5626 4.4.1). */
static bool is_keep_alive(sip_str bytes)
{
	return sip_str_trim(bytes).len == 0;
}

void sip_stack_datagram(struct sip_stack *stack, struct sip_source *source,
                        const struct sip_path *path, sip_str bytes)
{
	stack->source = source;
	stack->line.handled++;
	if (sip_stun_is(bytes))
		sip_stack_stun(stack, path, bytes);
	else if (is_keep_alive(bytes))
		sip_stack_admit_known(stack);
	else
		sip_stack_receive(stack, path, bytes, true);
}

static void input_datagram(struct sip_stack *stack, const struct sip_wire_event *event)
{
	struct sip_source *source =
		sip_source_get(&stack->sources, &event->path.remote, stack->now_ms);

	if (!sip_stack_admit(stack, source, &event->path, event->bytes))
		return;
	if (source && !source->standing &&
	    sip_stack_must_wait(stack, source, &event->path, event->bytes))
		return;
	if (source && stack->line.count > 0) {
		sip_stack_catch_up(stack, &event->path.remote);
		source = sip_source_get(&stack->sources, &event->path.remote,
		                        stack->now_ms);
		if (!sip_stack_reserve(stack, 2 * SIP_EVENTS_PER_INPUT)) {
			stack->stats.refused++;
			return;
		}
	}
	sip_stack_datagram(stack, source, &event->path, event->bytes);
}

void sip_stack_input(struct sip_stack *stack, uint64_t now_ms,
                     const struct sip_wire_event *event)
{
	sip_stack_at(stack, now_ms);
	if (event->kind == SIP_WIRE_RECORDS) { /* has its room */
		input_records(stack, event);
		return;
	}
	/* Without room to report there is no use in understanding: a datagram is lost,
	 * as it may be, and a stream that would lose its place is closed. */
	if (!sip_stack_reserve(stack, 2 * SIP_EVENTS_PER_INPUT) &&
	    event->kind != SIP_WIRE_CLOSED) {
		stack->stats.refused++;
		if (event->path.transport != SIP_UDP &&
		    (event->kind == SIP_WIRE_OPENED || event->kind == SIP_WIRE_BYTES))
			stack->wire->ops->close(stack->wire, event->path.id);
		if (event->kind != SIP_WIRE_FAILED)
			return;
	}
	switch (event->kind) {
	case SIP_WIRE_OPENED:
		sip_flow_opened(stack, event);
		break;
	case SIP_WIRE_BYTES:
		if (event->path.transport != SIP_UDP)
			sip_flow_bytes(stack, event);
		else
			input_datagram(stack, event);
		break;
	case SIP_WIRE_FAILED:
		input_failed(stack, event);
		break;
	case SIP_WIRE_DRAINED:
		break;
	case SIP_WIRE_CLOSED:
		sip_flow_closed(stack, event);
		break;
	case SIP_WIRE_NOTICE:
		input_notice(stack, event);
		break;
	case SIP_WIRE_REFUSED:
		sip_flow_refused(stack, &event->path);
		break;
	case SIP_WIRE_RECORDS:
		break;
	}
}

uint64_t sip_stack_deadline(const struct sip_stack *stack)
{
	const uint64_t a = sip_tx_layer_deadline(&stack->layer);
	const uint64_t b = sip_timers_deadline(&stack->timers);
	const uint64_t c = sip_timers_deadline(&stack->keep_timers);
	const uint64_t first = a < b ? a : b;

	if (stack->queue.count > 0 || stack->line.count > 0)
		return stack->now_ms;
	return first < c ? first : c;
}

void sip_stack_advance(struct sip_stack *stack, uint64_t now_ms)
{
	sip_stack_at(stack, now_ms);
	sip_tx_layer_advance(&stack->layer, now_ms);
	sip_flow_advance(stack);
	sip_keep_advance(stack);
	sip_stack_serve_strangers(stack);
}

sip_err sip_stack_lookup(struct sip_stack *stack, sip_str name,
                         enum sip_record_type type, uint64_t token)
{
	sip_err err;

	if (!sip_stack_reserve(stack, 1))
		return SIP_ENOMEM;
	err = stack->wire->ops->lookup(stack->wire, name, type, token);
	if (err == SIP_OK)
		stack->lookups++;
	return err;
}

void sip_stack_stats(const struct sip_stack *stack, struct sip_stack_stats *stats)
{
	*stats = stack->stats;
	stats->transactions = stack->layer.count;
	stats->connections = stack->flows.count;
	stats->timers = stack->layer.timers.count + stack->timers.count +
	                stack->keep_timers.count;
	stats->events = stack->queue.count;
	stats->repeats_sent = stack->layer.repeats_sent;
	stats->repeats_received = stack->layer.repeats_received;
	stats->sources = stack->sources.map.count;
	stats->waiting = stack->line.count;
#define SIP_X(name, counter) stats->counter = stack->sources.counts[SIP_RULE_##name];
	SIP_X(messages, over_messages)
	SIP_X(invites, over_invites)
	SIP_X(registers, over_registers)
	SIP_X(others, over_others)
	SIP_X(refusals, over_refusals)
	SIP_X(repeats, over_repeats)
	SIP_X(malformed, over_malformed)
	SIP_X(failures, over_failures)
	SIP_X(connections, over_connections)
	SIP_X(half_open, over_half_open)
	SIP_X(unread, over_unread)
	SIP_X(slow, slow)
	SIP_X(silent, silent)
	SIP_X(scanners, scanners)
	SIP_X(strangers, over_strangers)
#undef SIP_X
}

const struct sip_offender *sip_stack_offenders(const struct sip_stack *stack)
{
	return stack->sources.offenders;
}

bool sip_stack_fingerprint(const struct sip_stack *stack, uint64_t *mark)
{
	*mark = sip_tx_layer_fingerprint(&stack->layer);
	return stack->queue.count == 0 && stack->line.count == 0 &&
	       stack->flows.count == 0 && stack->keeps.count == 0 &&
	       stack->lookups == 0;
}
