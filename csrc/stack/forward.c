/* Messages passed on: requests in transactions of their own or without one, responses
 * through server transactions or along the seal that their request left in its branch
 * (RFC 3261 16.6, 16.7, 16.11; RFC 6026 8.9). */
#include "stack/forward.h"

#include "stack/state.h"

#include "msg/scan.h"

static bool is_token(sip_str s)
{
	return sip_scan(s.p, s.p + s.len, SIP_C_TOKEN) == s.p + s.len;
}

/* ---- requests ---- */

static sip_err write_forward(struct sip_stack *stack, struct sip_draft *draft,
                             struct sip_msg *request,
                             const struct sip_forward_spec *spec, const char **why)
{
	struct sip_out out;

	*draft = (struct sip_draft){
		.method = request->method_name,
		.via_count = (uint16_t)(sip_msg_via_count(request) + 1),
	};
	sip_draft_begin(stack, &out);
	sip_write_forward(&out, request, spec, &draft->via_at);
	return sip_draft_end(stack, draft, &out, why);
}

sip_err sip_stack_forward(struct sip_stack *stack, struct sip_msg *request,
                          const struct sip_forward_spec *spec, sip_str tail,
                          const struct sip_target *target, struct sip_tx **tx,
                          const char **why)
{
	struct sip_draft draft;
	sip_err err;

	*why = "ACK and CANCEL have no transaction of their own to be sent on in";
	if (request->method == SIP_M_ACK || request->method == SIP_M_CANCEL)
		return SIP_EINVAL;
	*why = "the tail of a branch is a token of at most 64 bytes";
	if (tail.len > SIP_TAIL_MAX || !is_token(tail))
		return SIP_EINVAL;
	err = write_forward(stack, &draft, request, spec, why);
	if (err != SIP_OK)
		return err;
	draft.branch = sip_draft_branch(stack, &draft, tail);
	return sip_draft_start(stack, &draft, target, tx, why);
}

sip_err sip_stack_pass(struct sip_stack *stack, struct sip_msg *request,
                       const struct sip_forward_spec *spec, sip_str branch,
                       const struct sip_target *target, const char **why)
{
	struct sip_sent sent = { .bytes = NULL };
	struct sip_draft draft;
	sip_err err;

	*why = "a branch is a token of at most 96 bytes";
	if (branch.len == 0 || branch.len > SIP_BRANCH_MAX || !is_token(branch))
		return SIP_EINVAL;
	err = write_forward(stack, &draft, request, spec, why);
	if (err != SIP_OK)
		return err;
	draft.branch = branch;
	err = sip_draft_send(stack, &draft, target, &sent, why);
	stack->stats.passed += err == SIP_OK;
	sip_sent_fini(&sent);
	return err;
}

/* ---- server transactions ---- */

/* The request is gone with the first final: nothing of it is wanted here. */
sip_err sip_stack_relay(struct sip_stack *stack, struct sip_tx *tx,
                        const struct sip_msg *response, const struct sip_edit *edits,
                        unsigned edit_count, const char **why)
{
	struct sip_buf *bytes;
	struct sip_out out;
	sip_err err;

	sip_out_init(&out, stack->scratch, sizeof stack->scratch);
	sip_write_relay(&out, response, edits, edit_count);
	err = sip_out_end(&out);
	if (err != SIP_OK) {
		*why = out.why ? out.why : "the message is too large";
		return err;
	}
	bytes = sip_buf_new(stack->alloc, stack->scratch, out.len);
	*why = "out of memory";
	if (!bytes)
		return SIP_ENOMEM;
	err = sip_tx_respond(tx, response->status, bytes, false);
	*why = err == SIP_ESTATE ? "the transaction has had its final response"
	                         : "RFC 4320 forbids this status for this method";
	sip_buf_unref(bytes);
	return err;
}

sip_err sip_stack_hand_over(struct sip_tx *client, struct sip_tx *server)
{
	if (!sip_tx_is_client(client) || sip_tx_is_client(server) || client->upstream)
		return SIP_EINVAL;
	client->upstream = sip_tx_ref(server);
	return SIP_OK;
}

void sip_stack_relay_late(struct sip_stack *stack, struct sip_tx *client,
                          const struct sip_msg *response)
{
	const char *why;

	/* Lost for want of memory, it comes again. */
	if (response->status / 100 == 2)
		(void)sip_stack_relay(stack, client->upstream, response, NULL, 0, &why);
}

sip_err sip_stack_drop(struct sip_stack *stack, struct sip_tx *tx)
{
	if (sip_tx_is_client(tx))
		return SIP_EINVAL;
	if (tx->final || sip_tx_is_over(tx))
		return SIP_ESTATE;
	if (!sip_stack_reserve(stack, 1))
		return SIP_ENOMEM;
	sip_tx_terminate(tx);
	return SIP_OK;
}

/* ---- seals ---- */

void sip_stack_seal_init(struct sip_stack *stack, sip_str secret)
{
	static const struct sip_hash_key fixed[4] = {
		{ { 11, 12 } }, { { 13, 14 } }, { { 15, 16 } }, { { 17, 18 } }
	};
	struct sip_hash_key *keys = stack->seal_keys;

	if (secret.len == 0) /* random, as this key is */
		secret = sip_str_of((const char *)&stack->tag_key,
		                    sizeof stack->tag_key);
	for (unsigned i = 0; i < 4; i++)
		keys[i / 2].k[i % 2] = sip_hash(&fixed[i], secret.p, secret.len);
}

/* Two keyed hashes, joined by a third, so that none of them is seen. */
void sip_stack_seal_for(const struct sip_stack *stack, sip_str text,
                        enum sip_seal_purpose purpose, char out[SIP_SEAL_LEN])
{
	static const char letters[] = "0123456789abcdefghijklmnopqrstuv";
	const struct sip_hash_key *keys = stack->seal_keys;
	const uint64_t both[3] = { sip_hash(&keys[0], text.p, text.len),
		                   sip_hash(&keys[1], text.p, text.len), purpose };
	const struct sip_hash_key last = { { keys[0].k[1], keys[1].k[0] } };
	uint64_t hash = sip_hash(&last, both, sizeof both);

	for (unsigned i = 0; i < SIP_SEAL_LEN; i++, hash >>= 5)
		out[i] = letters[hash & 31];
}

void sip_stack_seal(const struct sip_stack *stack, sip_str text, char out[SIP_SEAL_LEN])
{
	sip_stack_seal_for(stack, text, SIP_SEAL_TEXT, out);
}

void sip_stack_branch_token(const struct sip_stack *stack, char *token)
{
	sip_random_token(stack->random, token, SIP_BRANCH_RANDOM);
	sip_stack_seal_for(stack, sip_str_of(token, SIP_BRANCH_RANDOM),
	                   SIP_SEAL_REQUEST, token + SIP_BRANCH_RANDOM);
}

static bool is_own_branch(const struct sip_stack *stack, sip_str branch)
{
	static const char cookie[] = "z9hG4bK";
	enum { COOKIE_LEN = sizeof cookie - 1 };
	char mark[SIP_SEAL_LEN];

	if (branch.len < COOKIE_LEN + SIP_BRANCH_TOKEN_LEN ||
	    memcmp(branch.p, cookie, COOKIE_LEN) != 0)
		return false;
	branch.p += COOKIE_LEN;
	sip_stack_seal_for(stack, sip_str_of(branch.p, SIP_BRANCH_RANDOM),
	                   SIP_SEAL_REQUEST, mark);
	return memcmp(branch.p + SIP_BRANCH_RANDOM, mark, sizeof mark) == 0;
}

bool sip_stack_is_answer(struct sip_stack *stack, struct sip_msg *response)
{
	const struct sip_via *via = sip_msg_via(response);
	struct sip_addr addr;

	if (!via || !is_own_branch(stack, via->branch))
		return false;
	if (sip_stack_is_called(stack, via->host))
		return true;
	if (!sip_addr_parse(via->host, &addr))
		return false;
	addr.port = via->port ? via->port
	                      : sip_transport_info(response->path.transport)->port;
	return sip_stack_is_own(stack, &addr);
}

/* ---- without state ---- */

static const char stateless[] = "z9hG4bKs";
static const char slots[] = "0123456789abcdefghijklmnopqrstuv"; /* listeners */

/* Where a response goes by a Via as we have marked it: never to a name (18.2.2, RFC
 * 3581 4). */
static bool way_back(const struct sip_via *via, struct sip_addr *to)
{
	const bool udp = via->transport_id == SIP_UDP;

	if (via->transport_id == SIP_TRANSPORT_NONE)
		return false;
	if (!(udp && !via->rport && via->maddr.len > 0 &&
	      sip_addr_parse(via->maddr, to)) &&
	    !sip_addr_parse(via->received.len ? via->received : via->host, to))
		return false;
	to->port = via->rport  ? via->rport
	           : via->port ? via->port
	                       : sip_transport_info(via->transport_id)->port;
	return true;
}

static void put_hash(struct sip_out *out, const struct sip_stack *stack, sip_str text)
{
	const uint64_t hash = sip_hash(&stack->seal_keys[0], text.p, text.len);

	sip_out_bytes(out, &hash, sizeof hash);
}

/* A function of what the request, its repetitions, its CANCEL, its ACK to a failure and
 * every response to it have in common, and of where responses go: nobody can make us
 * send one elsewhere.  `slot`: the socket that the request came by. */
static bool make_branch(const struct sip_stack *stack, struct sip_msg *msg,
                        const struct sip_via *via, char slot,
                        char branch[SIP_STATELESS_BRANCH_LEN])
{
	const struct sip_cseq *cseq = sip_msg_cseq(msg);
	const struct sip_name_addr *from = sip_msg_from(msg);
	char text[128 + SIP_ADDR_TEXT_MAX], address[SIP_ADDR_TEXT_MAX];
	struct sip_addr to;
	struct sip_out out;

	if (!cseq || !from || !way_back(via, &to))
		return false;
	sip_out_init(&out, text, sizeof text);
	put_hash(&out, stack, via->branch);
	put_hash(&out, stack, via->host);
	put_hash(&out, stack, via->transport);
	put_hash(&out, stack, sip_msg_call_id(msg));
	put_hash(&out, stack, from->tag);
	sip_out_u64(&out, via->port);
	sip_out_lit(&out, " ");
	sip_out_u64(&out, cseq->number);
	sip_out_lit(&out, " ");
	sip_out_bytes(&out, &slot, 1);
	sip_out_bytes(&out, address, sip_addr_write(&to, address));
	if (sip_out_end(&out) != SIP_OK)
		return false;
	memcpy(branch, stateless, sizeof stateless - 1);
	branch[sizeof stateless - 1] = slot;
	sip_stack_seal_for(stack, sip_str_of(text, out.len), SIP_SEAL_BRANCH,
	                   branch + sizeof stateless);
	return true;
}

bool sip_stack_stateless_branch(const struct sip_stack *stack, struct sip_msg *request,
                                char branch[SIP_STATELESS_BRANCH_LEN])
{
	const struct sip_via *top = sip_msg_via(request);
	struct sip_via_mark mark;
	struct sip_via via;
	char slot = slots[0];

	if (!top || request->path.transport != top->transport_id)
		return false;
	via = *top;
	if (sip_via_mark_init(&mark, top, &request->path.remote)) {
		via.received = mark.received;
		via.rport = mark.rport;
	}
	for (unsigned i = 0; i < stack->listener_count; i++) {
		if (via.transport_id == SIP_UDP &&
		    stack->listeners[i].id == request->path.id)
			slot = slots[i];
	}
	return make_branch(stack, request, &via, slot, branch);
}

/* Is this the Via that we write (18.1.2)? */
static bool is_ours(struct sip_stack *stack, const struct sip_path *path,
                    const struct sip_via *via)
{
	struct sip_local local;

	sip_stack_local_of(stack, path, &local);
	return via->transport_id == path->transport && via->port == local.port &&
	       sip_str_ieq(via->host, sip_str_of(local.host, local.host_len));
}

/* The path of a response by this Via: by the socket its request came by, though a
 * wildcard does not know any more at which of its addresses (against RFC 3581 4). */
static sip_err path_back(struct sip_stack *stack, const struct sip_via *via, char slot,
                         struct sip_path *path)
{
	const char *const at = memchr(slots, slot, SIP_STACK_LISTENERS);
	const unsigned index = at ? (unsigned)(at - slots) : SIP_STACK_LISTENERS;
	struct sip_target target = { .transport = via->transport_id };
	struct sip_flow *flow;
	const char *why;
	sip_err err;

	if (!way_back(via, &target.remote))
		return SIP_EINVAL;
	/* A connection that is gone was not to be found at its own port (18.2.2). */
	flow = target.transport == SIP_UDP ? NULL : sip_flow_back(stack, &target);
	if (flow)
		target.flow = flow->path.id;
	else if (sip_transport_is_web(target.transport)) /* no other (RFC 7118 5.3) */
		return SIP_EGONE;
	else if (target.transport != SIP_UDP)
		target.remote.port =
			via->port ? via->port
				  : sip_transport_info(via->transport_id)->port;
	err = sip_path_choose(stack, &target, path, &flow, &why);
	if (err == SIP_OK && target.transport == SIP_UDP &&
	    index < stack->listener_count) {
		const struct sip_listener *listener = &stack->listeners[index];

		if (listener->transport == SIP_UDP &&
		    listener->addr.family == target.remote.family) {
			path->id = listener->id;
			if (!sip_addr_is_any(&listener->addr))
				path->local = listener->addr;
			path->local.port = listener->addr.port;
		}
	}
	return err;
}

/* RFC 4320 4.2: a late 408 to what is no INVITE helps nobody. */
static bool is_late_408(const struct sip_msg *response, const struct sip_cseq *cseq)
{
	return response->status == 408 && cseq->method != SIP_M_INVITE;
}

bool sip_stack_pass_response(struct sip_stack *stack, struct sip_msg *response)
{
	const struct sip_via *ours = sip_msg_via(response);
	const struct sip_cseq *cseq = sip_msg_cseq(response);
	char branch[SIP_STATELESS_BRANCH_LEN], slot;
	struct sip_values values;
	struct sip_path path;
	struct sip_via via;
	struct sip_out out;
	sip_str value;

	if (!ours || !cseq || ours->branch.len != sizeof branch ||
	    !is_ours(stack, &response->path, ours))
		return false;
	sip_values_init(&values, response, SIP_H_VIA);
	(void)sip_values_next(&values, &value); /* ours */
	if (!sip_values_next(&values, &value) ||
	    sip_via_parse(value, &via, NULL) != SIP_OK)
		return false;
	slot = ours->branch.p[sizeof stateless - 1];
	if (!make_branch(stack, response, &via, slot, branch) ||
	    !sip_str_eq(ours->branch, sip_str_of(branch, sizeof branch)) ||
	    is_late_408(response, cseq) ||
	    path_back(stack, &via, slot, &path) != SIP_OK)
		return false;
	sip_out_init(&out, stack->scratch, sizeof stack->scratch);
	sip_write_relay(&out, response, NULL, 0);
	if (sip_out_end(&out) != SIP_OK)
		return false;
	stack->stats.passed++;
	/* Lost, it is sent again by who sent it. */
	(void)sip_stack_put(stack, &path, sip_str_of(stack->scratch, out.len), 0);
	return true;
}
