/* What goes out: a path is chosen, the Via written for it, and the bytes sent in a
 * transaction or without one (RFC 3261 8.1.1.7, 8.1.2, 18.1.1, 18.2.2). */
#include "stack/again.h"

#include <assert.h>

enum { VIA_MAX = SIP_STACK_HOST_MAX + SIP_BRANCH_MAX + 64 };

/* ---- bytes for a path ---- */

sip_err sip_draft_end(struct sip_stack *stack, struct sip_draft *draft,
                      const struct sip_out *out, const char **why)
{
	sip_err err = sip_out_end(out);

	draft->len = out->len;
	if (err == SIP_OK && out->len > stack->limits.message_bytes)
		err = SIP_ELIMIT;
	if (err != SIP_OK)
		*why = out->why ? out->why : "the message is too large";
	return err;
}

void sip_draft_begin(struct sip_stack *stack, struct sip_out *out)
{
	sip_out_init(out, stack->scratch, sizeof stack->scratch - VIA_MAX);
}

static sip_err write_draft(struct sip_stack *stack, struct sip_draft *draft,
                           const struct sip_request_spec *spec, const char **why)
{
	struct sip_out out;

	*draft = (struct sip_draft){ .method = spec->method,
		                     .via_count = 1,
		                     .keep = spec->keep };
	sip_draft_begin(stack, &out);
	sip_write_request(&out, spec, &draft->via_at);
	draft->branch = sip_draft_branch(stack, draft, SIP_STR(""));
	return sip_draft_end(stack, draft, &out, why);
}

sip_str sip_draft_branch(struct sip_stack *stack, struct sip_draft *draft, sip_str tail)
{
	struct sip_out out;

	sip_out_init(&out, draft->branch_text, sizeof draft->branch_text);
	sip_out_lit(&out, "z9hG4bK");
	sip_stack_branch_token(stack, out.p + out.len);
	out.len += SIP_BRANCH_TOKEN_LEN;
	if (tail.len > 0) {
		sip_out_lit(&out, ".");
		sip_out_str(&out, tail);
	}
	assert(sip_out_end(&out) == SIP_OK); /* its caller bounds the tail */
	return sip_str_of(out.p, out.len);
}

/* An alias is asked for where we are reached at what the Via says, by those whose
 * certificate we have seen and who can see ours (RFC 5923 8.1). */
static bool asks_alias(struct sip_stack *stack, const struct sip_path *path)
{
	const struct sip_flow *flow;

	if (path->transport != SIP_TLS || !stack->aliases_asked ||
	    path->local.port == 0)
		return false;
	flow = sip_flow_find(stack, path->id);
	return flow && flow->ours;
}

static sip_str via_params(struct sip_stack *stack, const struct sip_path *path,
                          bool keep)
{
	if (path->transport == SIP_UDP)
		return keep ? SIP_STR(";rport;keep") : SIP_STR(";rport");
	if (asks_alias(stack, path))
		return keep ? SIP_STR(";alias;keep") : SIP_STR(";alias");
	return keep ? SIP_STR(";keep") : SIP_STR("");
}

/* The Via line for this path; gives its length. */
static size_t write_via_line(struct sip_stack *stack, const struct sip_path *path,
                             sip_str branch, bool keep, char line[VIA_MAX])
{
	char sent_by[SIP_STACK_HOST_MAX + 8];
	struct sip_local local;
	struct sip_out out, name;

	sip_stack_local_of(stack, path, &local);
	sip_out_init(&name, sent_by, sizeof sent_by);
	sip_out_str(&name, sip_str_of(local.host, local.host_len));
	if (local.port) {
		sip_out_lit(&name, ":");
		sip_out_u64(&name, local.port);
	}
	sip_out_init(&out, line, VIA_MAX);
	sip_write_via(&out, path->transport, sip_str_of(sent_by, name.len), branch,
	              via_params(stack, path, keep));
	assert(sip_out_end(&out) == SIP_OK);
	return out.len;
}

struct sip_buf *sip_stack_with_via(struct sip_stack *stack, sip_str plain,
                                   size_t via_at, const struct sip_path *path,
                                   sip_str branch, bool keep)
{
	char line[VIA_MAX];
	const size_t len = write_via_line(stack, path, branch, keep, line);

	return sip_buf_new_joined(stack->alloc, sip_str_of(plain.p, via_at),
	                          sip_str_of(line, len),
	                          sip_str_of(plain.p + via_at, plain.len - via_at));
}

/* Would a draft be too large for UDP (18.1.1)?  It goes there all the same when we do
 * not listen on TCP, where nobody could reach us, and to whom only datagrams from one
 * socket of ours can reach. */
static bool too_large(struct sip_stack *stack, const struct sip_draft *draft,
                      const struct sip_target *target)
{
	const struct sip_listener *listener;
	struct sip_path path = { 0 };
	char line[VIA_MAX];

	if (target->transport != SIP_UDP || target->flow ||
	    draft->len + VIA_MAX <= SIP_UDP_BYTES_MAX ||
	    !sip_stack_listener(stack, SIP_TCP, target->remote.family) ||
	    sip_local_towards(stack, target, &path, &listener) != SIP_OK)
		return false;
	return draft->len +
	               write_via_line(stack, &path, draft->branch, draft->keep, line) >
	       SIP_UDP_BYTES_MAX;
}

/* "ws" in a URI is a WebSocket with TLS or without (RFC 7118 5.2): where one with TLS
 * is open to there, it is that. */
static enum sip_transport meant_by(struct sip_stack *stack,
                                   const struct sip_target *target)
{
	struct sip_target secure = *target;

	secure.transport = SIP_WSS;
	return target->transport == SIP_WS && !target->flow &&
	                       sip_flow_towards(stack, &secure)
	               ? SIP_WSS
	               : target->transport;
}

sip_err sip_path_choose(struct sip_stack *stack, const struct sip_target *wanted,
                        struct sip_path *path, struct sip_flow **flow, const char **why)
{
	struct sip_target by = *wanted, *const target = &by;
	const struct sip_listener *listener;
	sip_err err;

	by.transport = meant_by(stack, wanted);
	err = sip_local_towards(stack, target, path, &listener);
	*flow = NULL;
	if (err != SIP_OK) {
		*why = err == SIP_EINVAL
		               ? "no listening address of this transport and family"
		       : err == SIP_EGONE ? "the connection is gone"
		                          : "no route to this address";
		return err;
	}
	if (target->transport == SIP_UDP)
		return SIP_OK;
	*flow = target->flow ? sip_flow_bound(stack, target)
	                     : sip_flow_towards(stack, target);
	if (!*flow)
		err = sip_flow_open(stack, target, flow);
	if (err != SIP_OK) {
		*why = "no connection could be opened";
		return err;
	}
	path->id = (*flow)->path.id;
	if ((*flow)->open) { /* where it comes from was decided when it was opened */
		listener = sip_listener_of(stack, &(*flow)->path);
		path->local = (*flow)->path.local;
		path->local.port = listener ? listener->addr.port : 0;
	}
	return SIP_OK;
}

/* ---- requests ---- */

sip_err sip_draft_start(struct sip_stack *stack, const struct sip_draft *draft,
                        const struct sip_target *target, struct sip_tx **out,
                        const char **why)
{
	const sip_str plain = sip_str_of(stack->scratch, draft->len);
	struct sip_client_spec client = { .method = draft->method,
		                          .branch = draft->branch,
		                          .via_at = draft->via_at,
		                          .via_count = draft->via_count };
	struct sip_target by = *target;
	struct sip_flow *flow;
	struct sip_tx *tx;
	sip_err err;

	if (too_large(stack, draft, target))
		by.transport = SIP_TCP;
	err = sip_path_choose(stack, &by, &client.path, &flow, why);
	if (err != SIP_OK)
		return err;
	client.request = sip_stack_with_via(stack, plain, draft->via_at, &client.path,
	                                    client.branch, draft->keep);
	*why = "out of memory";
	if (!client.request)
		return SIP_ENOMEM;
	err = sip_tx_client(&stack->layer, &client, &tx);
	sip_buf_unref(client.request);
	if (err != SIP_OK)
		return err;
	if (flow) {
		tx->flow = flow;
		sip_list_insert(&flow->waiting, &tx->on_flow);
	}
	if (by.transport != target->transport)
		sip_stack_keep_fallback(stack, tx, plain, draft->via_at, target);
	sip_tx_start(tx);
	*out = tx;
	return SIP_OK;
}

sip_err sip_stack_request(struct sip_stack *stack, const struct sip_request_spec *spec,
                          const struct sip_target *target, struct sip_tx **out,
                          const char **why)
{
	struct sip_draft draft;
	const sip_err err = write_draft(stack, &draft, spec, why);

	return err == SIP_OK ? sip_draft_start(stack, &draft, target, out, why) : err;
}

/* ---- requests without a transaction ---- */

/* Bytes for a stream that may yet be refused are kept as they would go by UDP, and go
 * there then (18.1.1). */
static void put_first(struct sip_stack *stack, struct sip_sent *sent)
{
	struct sip_flow *flow =
		sent->by_udp ? sip_flow_find(stack, sent->path.id) : NULL;

	if (flow && !flow->open)
		sip_flow_hold(stack, flow, &sent->udp_path, sent->by_udp);
}

sip_err sip_draft_send(struct sip_stack *stack, const struct sip_draft *draft,
                       const struct sip_target *target, struct sip_sent *sent,
                       const char **why)
{
	const sip_str plain = sip_str_of(stack->scratch, draft->len);
	const struct sip_listener *listener;
	struct sip_flow *flow;
	sip_err err;

	sent->target = *target;
	sent->target.server_name = SIP_STR("");
	if (target->server_name.len > 0) {
		sent->server_name = sip_buf_new(stack->alloc, target->server_name.p,
		                                target->server_name.len);
		*why = "out of memory";
		if (!sent->server_name)
			return SIP_ENOMEM;
		sent->target.server_name = sip_buf_str(sent->server_name);
	}
	if (too_large(stack, draft, target))
		sent->target.transport = SIP_TCP;
	err = sip_path_choose(stack, &sent->target, &sent->path, &flow, why);
	if (err != SIP_OK)
		return err;
	*why = "out of memory";
	sent->bytes = sip_stack_with_via(stack, plain, draft->via_at, &sent->path,
	                                 draft->branch, false);
	if (!sent->bytes)
		return SIP_ENOMEM;
	if (sent->target.transport != target->transport &&
	    sip_local_towards(stack, target, &sent->udp_path, &listener) == SIP_OK)
		sent->by_udp =
			sip_stack_with_via(stack, plain, draft->via_at, &sent->udp_path,
		                           draft->branch, false);
	put_first(stack, sent);
	/* Lost or not: the user sends again when it must (13.3.1.4, 16.11). */
	(void)sip_stack_put(stack, &sent->path, sip_buf_str(sent->bytes), 0);
	return SIP_OK;
}

sip_err sip_stack_send(struct sip_stack *stack, const struct sip_request_spec *spec,
                       const struct sip_target *target, struct sip_sent *sent,
                       const char **why)
{
	struct sip_draft draft;
	const sip_err err = write_draft(stack, &draft, spec, why);

	return err == SIP_OK ? sip_draft_send(stack, &draft, target, sent, why) : err;
}

sip_err sip_stack_send_again(struct sip_stack *stack, struct sip_sent *sent)
{
	struct sip_path path = sent->path;
	struct sip_flow *flow;
	const char *why;

	if (path.transport != SIP_UDP) { /* its connection may have been replaced */
		const sip_err err =
			sip_path_choose(stack, &sent->target, &path, &flow, &why);
		if (err != SIP_OK)
			return err;
		sent->path.id = path.id;
	}
	put_first(stack, sent);
	return sip_stack_put(stack, &sent->path, sip_buf_str(sent->bytes), 0);
}

void sip_sent_fini(struct sip_sent *sent)
{
	sip_buf_unref(sent->server_name);
	sip_buf_unref(sent->bytes);
	sip_buf_unref(sent->by_udp);
	memset(sent, 0, sizeof *sent);
}

/* ---- CANCEL ---- */

sip_err sip_stack_send_cancel(struct sip_stack *stack, struct sip_tx *invite)
{
	const struct sip_limits limits = SIP_LIMITS_OWN;
	const sip_str bytes = sip_buf_str(invite->sent);
	struct sip_client_spec spec = { .method = sip_method_name(SIP_M_CANCEL) };
	struct sip_refusal refusal;
	struct sip_msg *msg = NULL;
	struct sip_out out;
	struct sip_tx *tx;
	sip_err err =
		sip_msg_parse(stack->alloc, &limits, bytes, false, &msg, &refusal);

	/* From here on 64*T1, whatever comes (9.1). */
	if (!sip_timer_armed(&invite->expire))
		sip_tx_cancel_sent(invite);
	if (err != SIP_OK) {
		sip_msg_unref(msg);
		return err;
	}
	sip_out_init(&out, stack->scratch, sizeof stack->scratch);
	sip_write_cancel(&out, msg);
	sip_msg_unref(msg);
	err = sip_out_end(&out);
	if (err == SIP_OK)
		err = sip_stack_rejoin(stack, invite);
	if (err != SIP_OK)
		return err;
	spec.path = invite->path;
	spec.request = sip_buf_new(stack->alloc, stack->scratch, out.len);
	if (!spec.request)
		return SIP_ENOMEM;
	spec.branch = sip_tx_branch(invite);
	spec.via_count = 1;           /* its own, whatever the INVITE came by */
	spec.via_at = invite->via_at; /* both method names have six letters */
	err = sip_tx_client(&stack->layer, &spec, &tx);
	sip_buf_unref(spec.request);
	if (err != SIP_OK)
		return err;
	invite->cancel_sent = true;
	tx->internal = true;
	sip_tx_start(tx);
	sip_tx_unref(tx);
	return SIP_OK;
}

sip_err sip_stack_cancel(struct sip_stack *stack, struct sip_tx *invite)
{
	if (invite->kind != SIP_ICT)
		return SIP_EINVAL;
	if (invite->final || sip_tx_is_over(invite))
		return SIP_ESTATE;
	if (invite->cancelled)
		return SIP_OK;
	invite->cancelled = true;
	return invite->last_status ? sip_stack_send_cancel(stack, invite) : SIP_OK;
}

/* ---- responses ---- */

/* Who offers keep-alives for a registration or a dialog (RFC 6223 4.4) is asked for
 * them: over UDP as often as RFC 5626 4.4.2 has it. */
static uint32_t keep_wanted(struct sip_stack *stack, struct sip_tx *tx, uint16_t status)
{
	enum { UDP_KEEP_S = 29 };
	struct sip_msg *request = tx->request;
	const struct sip_via *via = sip_msg_via(request);
	const struct sip_name_addr *to = sip_msg_to(request);
	sip_str value = SIP_STR("");

	if (status / 100 != 2 || !via || !to || to->tag.len > 0 ||
	    (request->method != SIP_M_REGISTER && request->method != SIP_M_INVITE) ||
	    !sip_uri_param_find(via->params, SIP_STR("keep"), &value) || value.len > 0)
		return 0;
	return tx->path.transport == SIP_UDP ? UDP_KEEP_S
	                                     : stack->limits.stream_keep_ms / 1000;
}

/* Until the next REGISTER, the peer keeps its promise or is gone. */
static void expect_keep(struct sip_stack *stack, struct sip_tx *tx, uint16_t status,
                        uint32_t keep_s)
{
	struct sip_flow *flow = tx->path.transport == SIP_UDP
	                                ? NULL
	                                : sip_flow_find(stack, tx->path.id);

	if (flow && status / 100 == 2 && tx->request->method == SIP_M_REGISTER)
		sip_flow_expect(stack, flow, keep_s * 1000);
}

/* The tag of all responses from here on. */
static sip_err take_tag(struct sip_stack *stack, struct sip_tx *tx, sip_str given)
{
	struct sip_buf *tag;

	if (given.len == 0 || sip_str_eq(given, sip_buf_str(tx->tag)))
		return SIP_OK;
	if (tx->final)
		return SIP_EINVAL;
	tag = sip_buf_new(stack->alloc, given.p, given.len);
	if (!tag)
		return SIP_ENOMEM;
	sip_buf_unref(tx->tag);
	tx->tag = tag;
	return SIP_OK;
}

static sip_err write_answer(struct sip_stack *stack, struct sip_tx *tx,
                            const struct sip_response_spec *spec, struct sip_out *out,
                            const char **why)
{
	sip_err err = take_tag(stack, tx, spec->to_tag);

	*why = err == SIP_EINVAL ? "another 2xx has the tag of the first"
	                         : "out of memory";
	if (err != SIP_OK)
		return err;
	sip_out_init(out, stack->scratch, sizeof stack->scratch);
	if (tx->request)
		sip_tx_write_response(tx, spec, out);
	else
		err = sip_tx_write_another(tx, spec, out);
	if (err != SIP_OK)
		return err;
	err = sip_out_end(out);
	*why = out->why ? out->why : "the message is too large";
	return err;
}

sip_err sip_stack_respond(struct sip_stack *stack, struct sip_tx *tx,
                          const struct sip_response_spec *given, bool until_ack,
                          const char **why)
{
	struct sip_response_spec spec = *given;
	struct sip_out out;
	struct sip_buf *bytes;
	sip_err err;

	*why = "the transaction has had its final response";
	if (!tx->request && (!sip_tx_is_accepted(tx) || spec.status / 100 != 2))
		return SIP_ESTATE;
	if (tx->request) {
		spec.keep_s = keep_wanted(stack, tx, spec.status);
		expect_keep(stack, tx, spec.status, spec.keep_s);
	}
	err = write_answer(stack, tx, &spec, &out, why);
	if (err != SIP_OK)
		return err;
	bytes = sip_buf_new(stack->alloc, stack->scratch, out.len);
	*why = "out of memory";
	if (!bytes)
		return SIP_ENOMEM;
	*why = "RFC 4320 forbids this status for this method";
	err = sip_tx_respond(tx, spec.status, bytes, until_ack);
	sip_buf_unref(bytes);
	return err;
}
