/* What a source may: the rules of stack/source.h where messages and connections come
 * in, and what is said of those that were stopped.
 *
 * What is over a rule is dropped when nobody honest would miss an answer, and else
 * refused.  Of each source and rule the log hears once a minute, and of all together a
 * few times a second: the log is no place to flood either.
 */
#include "stack/admission.h"

#include "msg/scan.h"

#include <assert.h>

enum { TOLD_MS = 60000, TOLD_MAX = 10, NOTED_MAX = 20 };

/* ---- saying why ---- */

static bool is_left(const struct sip_stack *stack, struct sip_quota *quota,
                    unsigned max)
{
	if (stack->now_ms - quota->since_ms >= 1000) {
		quota->since_ms = stack->now_ms;
		quota->count = 0;
	}
	return quota->count < max;
}

/* `source` is NULL for who is under no rule. */
static bool is_news(struct sip_stack *stack, struct sip_source *source,
                    enum sip_rule rule)
{
	const uint32_t bit = UINT32_C(1) << rule;

	if (!source) {
		const bool left = is_left(stack, &stack->told, TOLD_MAX);

		stack->told.count += left;
		return left;
	}
	if (source->told != 0 && stack->now_ms - source->told_ms >= TOLD_MS)
		source->told = 0;
	if (source->told & bit || !is_left(stack, &stack->told, TOLD_MAX))
		return false;
	if (source->told == 0)
		source->told_ms = stack->now_ms;
	source->told |= bit;
	stack->told.count++;
	return true;
}

static void push_text(struct sip_stack *stack, enum sip_event_kind kind,
                      const struct sip_path *path, sip_str text)
{
	struct sip_event *event;
	struct sip_buf *copy;

	if (!sip_stack_reserve(stack, 1))
		return;
	copy = sip_buf_new(stack->alloc, text.p, text.len);
	if (!copy)
		return;
	event = sip_stack_push(stack, kind);
	event->path = *path;
	event->bytes = copy;
}

static bool is_noted(struct sip_stack *stack)
{
	if (!stack->watched || !is_left(stack, &stack->noted, NOTED_MAX))
		return false;
	stack->noted.count++;
	return true;
}

void sip_stack_note(struct sip_stack *stack, const struct sip_path *path,
                    const char *why)
{
	if (why && is_noted(stack)) /* for want of memory there is no reason */
		push_text(stack, SIP_EVENT_DROPPED, path, sip_str_of(why, strlen(why)));
}

/* Where something that was stopped is told: in the trace, in the log, with how many
 * there were so far. */
struct telling {
	bool noted, news;
	uint64_t so_far;
};

/* `unread`: the bytes nobody has looked at, which the trace does not know of. */
static void tell(struct sip_stack *stack, const struct sip_path *path,
                 struct sip_out *out, sip_str unread, const struct telling *telling)
{
	if (telling->noted && unread.len > 0)
		sip_stack_watch(stack, false, path, unread);
	if (telling->noted)
		push_text(stack, SIP_EVENT_DROPPED, path, sip_str_of(out->p, out->len));
	if (!telling->news)
		return;
	sip_out_lit(out, " (");
	sip_out_u64(out, telling->so_far);
	sip_out_lit(out, " so far)");
	assert(out->len <= out->cap);
	push_text(stack, SIP_EVENT_NOTICE, path, sip_str_of(out->p, out->len));
}

/* A rule has stopped something: counted, and told. */
static void stopped(struct sip_stack *stack, struct sip_source *source,
                    const struct sip_path *path, enum sip_rule rule, sip_str done,
                    sip_str unread)
{
	char text[SIP_ADDR_TEXT_MAX + SIP_RULE_TEXT_MAX + 80];
	char host[SIP_ADDR_TEXT_MAX];
	char words[SIP_RULE_TEXT_MAX];
	struct telling telling;
	struct sip_out out;

	if (!source) {
		stack->sources.counts[rule]++;
		return;
	}
	sip_source_hit(&stack->sources, source, &path->remote, rule, stack->now_ms);
	telling.news = is_news(stack, source, rule);
	telling.noted = is_noted(stack);
	telling.so_far = source->hits;
	if (!telling.news && !telling.noted)
		return;
	sip_out_init(&out, text, sizeof text);
	sip_out_bytes(&out, host, sip_addr_write_host(&path->remote, host, false));
	sip_out_lit(&out, ": ");
	sip_out_bytes(&out, words, sip_rule_write(rule, &stack->limits, words));
	sip_out_lit(&out, ": ");
	sip_out_str(&out, done);
	tell(stack, path, &out, unread, &telling);
}

static bool is_stream(const struct sip_path *path)
{
	return path->transport != SIP_UDP;
}

/* A stream that has gone too far is closed; a datagram is only one. */
static void stop_and_close(struct sip_stack *stack, const struct sip_path *path,
                           enum sip_rule rule, sip_str unread)
{
	struct sip_flow *flow = is_stream(path) ? sip_flow_find(stack, path->id) : NULL;

	stopped(stack, stack->source, path, rule,
	        flow ? SIP_STR("closed") : SIP_STR("dropped"), unread);
	if (flow)
		sip_flow_close(stack, flow);
}

/* ---- messages ---- */

bool sip_stack_admit(struct sip_stack *stack, struct sip_source *source,
                     const struct sip_path *path, sip_str bytes)
{
	stack->source = source;
	if (!source ||
	    sip_source_take(&stack->sources, source, SIP_RULE_messages, stack->now_ms))
		return true;
	stop_and_close(stack, path, SIP_RULE_messages, bytes);
	return false;
}

void sip_stack_admit_known(struct sip_stack *stack)
{
	if (stack->source)
		sip_source_give(&stack->sources, stack->source, SIP_RULE_messages);
}

bool sip_stack_admit_malformed(struct sip_stack *stack, const struct sip_path *path)
{
	if (!stack->source || sip_source_take(&stack->sources, stack->source,
	                                      SIP_RULE_malformed, stack->now_ms))
		return true;
	stop_and_close(stack, path, SIP_RULE_malformed, SIP_STR(""));
	return false;
}

/* Each makes us send an ACK and a BYE. */
bool sip_stack_admit_stray(struct sip_stack *stack, const struct sip_path *path)
{
	if (!stack->source || sip_source_take(&stack->sources, stack->source,
	                                      SIP_RULE_others, stack->now_ms))
		return true;
	stop_and_close(stack, path, SIP_RULE_others, SIP_STR(""));
	return false;
}

static char small(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

static bool begins_with(sip_str text, sip_str pattern)
{
	if (text.len < pattern.len)
		return false;
	for (size_t i = 0; i < pattern.len; i++) {
		if (small(text.p[i]) != pattern.p[i])
			return false;
	}
	return true;
}

/* Does one of the patterns stand here? */
static bool is_listed(const struct sip_stack *stack, sip_str text)
{
	const char *at = stack->scanners->bytes;
	const char *const end = at + stack->scanners->len;

	while (at < end) {
		const char *stop = memchr(at, '\n', (size_t)(end - at));

		if (begins_with(text, sip_str_of(at, (size_t)(stop - at))))
			return true;
		at = stop + 1;
	}
	return false;
}

/* Letters are told apart by their lower five bits here, so capital ones are small. */
static unsigned pair_of(char c)
{
	return (uint8_t)c & 31;
}

static bool is_scanner(const struct sip_stack *stack, const struct sip_msg *request)
{
	const sip_str agent = sip_msg_header(request, SIP_H_USER_AGENT);
	const char *at = agent.p, *end;
	unsigned one, two;

	if (!stack->scanners || agent.len == 0)
		return false;
	end = at + agent.len;
	for (one = pair_of(*at); at < end; at++, one = two) {
		two = at + 1 < end ? pair_of(at[1]) : 0;
		if (stack->scanner_begins[one] >> two & 1 &&
		    is_listed(stack, sip_span(at, end)))
			return true;
	}
	return false;
}

static bool has_credentials(const struct sip_msg *request)
{
	return sip_msg_header(request, SIP_H_AUTHORIZATION).p ||
	       sip_msg_header(request, SIP_H_PROXY_AUTHORIZATION).p;
}

enum sip_admission sip_stack_admit_new(struct sip_stack *stack,
                                       const struct sip_path *path,
                                       struct sip_msg *request)
{
	struct sip_sources *sources = &stack->sources;
	struct sip_source *source = stack->source;
	enum sip_rule rule = request->method == SIP_M_INVITE     ? SIP_RULE_invites
	                     : request->method == SIP_M_REGISTER ? SIP_RULE_registers
	                                                         : SIP_RULE_others;
	const struct sip_name_addr *to = sip_msg_to(request);
	bool answered;

	if (!source)
		return SIP_ADMITTED;
	if (is_scanner(stack, request)) {
		stop_and_close(stack, path, SIP_RULE_scanners, SIP_STR(""));
		return SIP_DROPPED;
	}
	if (to && to->tag.len > 0)
		return SIP_ADMITTED; /* who is in a call is let finish it */
	if (sip_source_take(sources, source, rule, stack->now_ms)) {
		if (!sip_source_is_over(sources, source, SIP_RULE_failures,
		                        stack->now_ms) ||
		    !has_credentials(request))
			return SIP_ADMITTED;
		rule = SIP_RULE_failures;
	}
	/* Nobody sends in another's name on a stream: there each is answered. */
	answered = is_stream(path) ||
	           sip_source_take(sources, source, SIP_RULE_refusals, stack->now_ms);
	stopped(stack, source, path, rule,
	        answered ? SIP_STR("refused with 503") : SIP_STR("dropped"),
	        SIP_STR(""));
	if (!answered)
		sources->counts[SIP_RULE_refusals]++;
	return answered ? SIP_REFUSED : SIP_DROPPED;
}

/* A response that nobody has asked for goes where the request said that it came from,
 * which over UDP may be somebody who has never sent it (26.3.2.4). */
bool sip_stack_admit_repeat(struct sip_stack *stack, const struct sip_tx *tx)
{
	const struct sip_path path = { .transport = tx->path.transport,
		                       .id = tx->path.id,
		                       .local = tx->path.local,
		                       .remote = tx->reply };
	struct sip_source *source;

	if (is_stream(&path))
		return true;
	source = sip_source_get(&stack->sources, &tx->reply, stack->now_ms);
	if (!source ||
	    sip_source_take(&stack->sources, source, SIP_RULE_repeats, stack->now_ms))
		return true;
	stopped(stack, source, &path, SIP_RULE_repeats, SIP_STR("not repeated"),
	        SIP_STR(""));
	return false;
}

bool sip_stack_failed_login(struct sip_stack *stack, const struct sip_addr *addr)
{
	struct sip_source *source =
		sip_source_get(&stack->sources, addr, stack->now_ms);

	if (!source)
		return true;
	if (!sip_source_take(&stack->sources, source, SIP_RULE_failures, stack->now_ms))
		return false;
	sip_source_hold(&stack->sources, source, stack->now_ms);
	return true;
}

/* Each of them has been quiet: only all together are too much, and one line a minute
 * for all of them says so. */
void sip_stack_lost(struct sip_stack *stack, struct sip_source *source,
                    const struct sip_path *path, sip_str unread, uint32_t count)
{
	struct sip_sources *sources = &stack->sources;
	char text[SIP_RULE_TEXT_MAX + 80], words[SIP_RULE_TEXT_MAX];
	const enum sip_rule rule = SIP_RULE_strangers;
	const struct sip_path nobody = { .transport = SIP_UDP };
	struct telling telling = { .noted = path && is_noted(stack) };
	const bool due = sources->counts[rule] == 0 ||
	                 stack->now_ms - stack->line.told_ms >= TOLD_MS;
	struct sip_out out;

	sources->counts[rule] += count;
	if (source) {
		sources->counts[rule]--; /* this one counts itself */
		sip_source_hit(sources, source, &path->remote, rule, stack->now_ms);
	}
	telling.news = due && is_news(stack, NULL, rule);
	telling.so_far = sources->counts[rule];
	if (!telling.news && !telling.noted)
		return;
	if (telling.news)
		stack->line.told_ms = stack->now_ms;
	sip_out_init(&out, text, sizeof text);
	sip_out_bytes(&out, words, sip_rule_write(rule, &stack->limits, words));
	sip_out_lit(&out, ": dropped");
	tell(stack, path ? path : &nobody, &out, unread, &telling);
}

/* ---- connections ---- */

void sip_flow_stopped(struct sip_stack *stack, struct sip_flow *flow,
                      enum sip_rule rule)
{
	stopped(stack, flow->source, &flow->path, rule, SIP_STR("closed"), SIP_STR(""));
}

void sip_flow_misread(struct sip_stack *stack, struct sip_flow *flow, const char *why)
{
	char text[SIP_ADDR_TEXT_MAX + 64];
	struct sip_out out;

	sip_out_init(&out, text, sizeof text - 1);
	out.len = sip_addr_write(&flow->path.remote, text);
	sip_out_lit(&out, ": ");
	sip_out_str(&out, sip_str_of(why, strlen(why)));
	assert(out.len <= out.cap);
	text[out.len] = '\0';
	sip_stack_note(stack, &flow->path, text);
	if (is_news(stack, flow->source, SIP_RULE_malformed))
		push_text(stack, SIP_EVENT_NOTICE, &flow->path,
		          sip_str_of(text, out.len));
	sip_flow_fail(stack, flow, text);
}

static bool is_reached(uint32_t count, uint32_t limit)
{
	return limit > 0 && count >= limit;
}

bool sip_flow_admit(struct sip_stack *stack, struct sip_flow *flow)
{
	const struct sip_limits *limits = &stack->limits;
	struct sip_source *source =
		sip_source_get(&stack->sources, &flow->path.remote, stack->now_ms);
	enum sip_rule rule;

	flow->fresh = true;
	flow->opened_ms = stack->now_ms;
	if (!source)
		return true;
	if (is_reached(source->flows, limits->source_connections)) {
		rule = SIP_RULE_connections;
	} else if (is_reached(source->fresh_flows, limits->source_half_open)) {
		rule = SIP_RULE_half_open;
	} else {
		flow->source = source;
		sip_source_pin(&stack->sources, source);
		source->fresh_flows++;
		return true;
	}
	stopped(stack, source, &flow->path, rule, SIP_STR("closed"), SIP_STR(""));
	return false;
}

void sip_flow_refused(struct sip_stack *stack, const struct sip_path *path)
{
	struct sip_source *source;

	stack->stats.refused += path->remote.family == 0;
	if (path->remote.family == 0)
		return;
	source = sip_source_get(&stack->sources, &path->remote, stack->now_ms);
	stopped(stack, source, path, SIP_RULE_half_open, SIP_STR("closed"),
	        SIP_STR(""));
}

uint32_t sip_stack_half_open_max(struct sip_stack *stack, const struct sip_addr *remote)
{
	return sip_sources_exempt(&stack->sources, remote)
	               ? 0
	               : stack->limits.source_half_open;
}

bool sip_stack_wire_holds(struct sip_stack *stack, uint32_t id, uint32_t bytes)
{
	struct sip_flow *flow = sip_flow_find(stack, id);

	if (!flow || !sip_flow_admit_unread(stack, flow, flow->wire_holds, bytes))
		return false;
	flow->wire_holds = bytes;
	return true;
}

void sip_flow_heard(struct sip_flow *flow)
{
	if (flow->fresh && flow->source)
		flow->source->fresh_flows--;
	flow->fresh = false;
}

void sip_flow_dismiss(struct sip_stack *stack, struct sip_flow *flow)
{
	(void)sip_flow_admit_unread(stack, flow, flow->unread_cap + flow->wire_holds,
	                            0); /* less: always */
	sip_flow_heard(flow);
	if (flow->source)
		sip_source_unpin(&stack->sources, flow->source, stack->now_ms);
	flow->source = NULL;
}

bool sip_flow_admit_unread(struct sip_stack *stack, struct sip_flow *flow,
                           uint32_t from, uint32_t to)
{
	const struct sip_limits *limits = &stack->limits;
	struct sip_source *source = flow->source;
	const uint32_t all = stack->unread_bytes - from + to;
	const uint32_t own = source ? source->unread_bytes - from + to : 0;

	if (to > from && source && limits->source_unread_bytes > 0 &&
	    own > limits->source_unread_bytes) {
		sip_flow_stopped(stack, flow, SIP_RULE_unread);
		return false;
	}
	if (to > from && limits->unread_bytes > 0 && all > limits->unread_bytes) {
		stack->stats.refused++;
		return false;
	}
	stack->unread_bytes = all;
	if (source)
		source->unread_bytes = own;
	return true;
}

/* ---- life ---- */

sip_err sip_stack_admission_init(struct sip_stack *stack,
                                 const struct sip_stack_opts *opts)
{
	const struct sip_hash_key key = { { stack->tag_key.k[1],
		                            ~stack->tag_key.k[0] } };
	const sip_str list = opts->scanners;
	size_t at = 0; /* in a pattern */

	if (list.len > 0) {
		stack->scanners = sip_buf_new(stack->alloc, list.p, list.len);
		if (!stack->scanners)
			return SIP_ENOMEM;
	}
	for (size_t i = 0; i < list.len; i++) {
		uint32_t *const pairs = &stack->scanner_begins[pair_of(list.p[i])];

		if (at == 0 && list.p[i + 1] == '\n')
			*pairs = UINT32_MAX; /* a pattern of one letter */
		else if (at == 0)
			*pairs |= UINT32_C(1) << pair_of(list.p[i + 1]);
		at = list.p[i] == '\n' ? 0 : at + 1;
	}
	return sip_sources_init(&stack->sources, stack->alloc, &stack->limits, &key,
	                        opts->exempt, opts->exempt_count);
}

void sip_stack_admission_fini(struct sip_stack *stack)
{
	sip_sources_fini(&stack->sources);
	sip_buf_unref(stack->scanners);
}
