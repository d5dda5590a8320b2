/* Which connection is used: found by its far end, by an alias that its peer has asked
 * for and proven (RFC 5923), or because a target is bound to it (RFC 5626 7). */
#include "stack/state.h"

static uint64_t remote_hash(const struct sip_stack *stack, enum sip_transport transport,
                            const struct sip_addr *remote)
{
	char text[SIP_ADDR_TEXT_MAX + 1];
	size_t len = sip_addr_write(remote, text);

	text[len++] = (char)transport;
	return sip_hash(&stack->tag_key, text, len);
}

/* What was meant for one domain does not go to another that has the same address: by
 * its certificate the peer is who is wanted, or it was reached as such (RFC 5923 8.1),
 * as a plain WebSocket is by the Host that it asked for (RFC 6455 4.1).  An address
 * wants whoever has it. */
static bool is_for(const struct sip_flow *flow, const struct sip_target *target)
{
	const bool named = sip_transport_info(target->transport)->secure ||
	                   target->transport == SIP_WS;

	if (!named || target->server_name.len == 0)
		return true;
	return (flow->server_name &&
	        sip_str_ieq(sip_buf_str(flow->server_name), target->server_name)) ||
	       (flow->names &&
	        sip_str_has_line(sip_buf_str(flow->names), target->server_name));
}

/* Whether it leads there, whoever has opened it. */
static bool is_to(const struct sip_flow *flow, const struct sip_target *target)
{
	return !flow->closing && flow->path.transport == target->transport &&
	       sip_addr_eq(&flow->path.remote, &target->remote);
}

/* A peer that has opened a secure connection may be somebody with an address that will
 * be another's: it is used backwards for what it has proven to be, or not at all. */
static bool may_carry(const struct sip_flow *flow)
{
	return flow->ours || !sip_transport_info(flow->path.transport)->secure;
}

static struct sip_flow *find_alias(struct sip_stack *stack,
                                   const struct sip_target *target)
{
	struct sip_node *node =
		sip_map_first(&stack->aliases,
	                      remote_hash(stack, target->transport, &target->remote));

	for (; node; node = sip_map_next(node)) {
		struct sip_flow *flow = SIP_CONTAINER(node, struct sip_flow, by_alias);

		if (!flow->closing && flow->path.transport == target->transport &&
		    flow->alias_port == target->remote.port &&
		    sip_addr_same_host(&flow->path.remote, &target->remote) &&
		    target->server_name.len > 0 &&
		    sip_str_has_line(sip_buf_str(flow->names), target->server_name))
			return flow;
	}
	return NULL;
}

struct sip_flow *sip_flow_towards(struct sip_stack *stack,
                                  const struct sip_target *target)
{
	struct sip_node *node =
		sip_map_first(&stack->remotes,
	                      remote_hash(stack, target->transport, &target->remote));

	for (; node; node = sip_map_next(node)) {
		struct sip_flow *flow = SIP_CONTAINER(node, struct sip_flow, by_remote);

		if (is_to(flow, target) && may_carry(flow) && is_for(flow, target))
			return flow;
	}
	return find_alias(stack, target);
}

struct sip_flow *sip_flow_back(struct sip_stack *stack, const struct sip_target *target)
{
	struct sip_node *node =
		sip_map_first(&stack->remotes,
	                      remote_hash(stack, target->transport, &target->remote));

	for (; node; node = sip_map_next(node)) {
		struct sip_flow *flow = SIP_CONTAINER(node, struct sip_flow, by_remote);

		if (is_to(flow, target) && is_for(flow, target))
			return flow;
	}
	return NULL;
}

static void drop_alias(struct sip_stack *stack, struct sip_flow *flow)
{
	if (flow->alias_port)
		sip_map_remove(&stack->aliases, &flow->by_alias);
	flow->alias_port = 0;
}

void sip_stack_ask_aliases(struct sip_stack *stack, bool on)
{
	stack->aliases_asked = on;
}

void sip_flow_alias(struct sip_stack *stack, const struct sip_path *path,
                    const struct sip_via *via)
{
	const struct sip_transport_info *info = sip_transport_info(path->transport);
	const uint16_t port = via->port ? via->port : info->port;
	struct sip_addr advertised = path->remote;
	struct sip_flow *flow;
	sip_str value;

	if (path->transport != SIP_TLS || via->transport_id != SIP_TLS ||
	    !sip_uri_param_find(via->params, SIP_STR("alias"), &value))
		return;
	flow = sip_flow_find(stack, path->id);
	if (!flow || flow->ours || flow->alias_port == port || !flow->names)
		return;
	drop_alias(stack, flow);
	advertised.port = port;
	if (sip_map_insert(&stack->aliases, &flow->by_alias,
	                   remote_hash(stack, SIP_TLS, &advertised)) == SIP_OK)
		flow->alias_port = port; /* else it is as if it had not asked */
}

struct sip_flow *sip_flow_bound(struct sip_stack *stack,
                                const struct sip_target *target)
{
	struct sip_flow *flow = sip_flow_find(stack, target->flow);

	/* An id that was kept for long may be another's by now. */
	return flow && !flow->closing && flow->path.transport == target->transport &&
	                       sip_addr_eq(&flow->path.remote, &target->remote)
	               ? flow
	               : NULL;
}

bool sip_stack_is_there(struct sip_stack *stack, const struct sip_target *target)
{
	return target->transport == SIP_UDP
	               ? sip_stack_listener(stack, SIP_UDP, target->remote.family) !=
	                         NULL
	               : sip_flow_bound(stack, target) != NULL;
}

sip_err sip_flow_list(struct sip_stack *stack, struct sip_flow *flow)
{
	return sip_map_insert(
		&stack->remotes, &flow->by_remote,
		remote_hash(stack, flow->path.transport, &flow->path.remote));
}

void sip_flow_unlist(struct sip_stack *stack, struct sip_flow *flow)
{
	drop_alias(stack, flow);
	sip_map_remove(&stack->remotes, &flow->by_remote);
}
