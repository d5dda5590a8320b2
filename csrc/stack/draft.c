/* A request before it goes out: drafted without its Via, a path chosen for it, and the
 * Via of that put in (RFC 3261 8.1.1.7, 18.1.1). */
#include "stack/state.h"

#include <assert.h>

enum { VIA_MAX = SIP_STACK_HOST_MAX + SIP_BRANCH_MAX + 64 };

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
bool sip_draft_is_large(struct sip_stack *stack, const struct sip_draft *draft,
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
