/* What we listen at, by which of these a message leaves, and what others are told of it
 * in Via, Contact and Record-Route (RFC 3261 8.1.1.7, 8.1.1.8, 16.6, 18.1.1). */
#include "stack/state.h"

/* ---- which one ---- */

const struct sip_listener *sip_stack_listener(const struct sip_stack *stack,
                                              enum sip_transport transport,
                                              unsigned family)
{
	for (unsigned i = 0; i < stack->listener_count; i++) {
		if (stack->listeners[i].transport == transport &&
		    stack->listeners[i].addr.family == family)
			return &stack->listeners[i];
	}
	return NULL;
}

/* How well a listener goes with an address of ours, 0 being not at all.  A connection
 * that we have opened has a port of its own, one that we have accepted has the
 * listener's. */
static unsigned fitness(const struct sip_listener *listener,
                        enum sip_transport transport, const struct sip_addr *local)
{
	unsigned fit;

	if (listener->transport != transport || listener->addr.family != local->family)
		return 0;
	if (sip_addr_same_host(&listener->addr, local))
		fit = 3;
	else if (sip_addr_is_any(&listener->addr))
		fit = 2;
	else
		return 1;
	return local->port == listener->addr.port ? fit + 2 : fit;
}

static const struct sip_listener *fittest(const struct sip_stack *stack,
                                          enum sip_transport transport,
                                          const struct sip_addr *local)
{
	const struct sip_listener *best = NULL;
	unsigned most = 0;

	for (unsigned i = 0; i < stack->listener_count; i++) {
		const unsigned fit = fitness(&stack->listeners[i], transport, local);

		if (fit > most) {
			most = fit;
			best = &stack->listeners[i];
		}
	}
	return best;
}

const struct sip_listener *sip_listener_of(const struct sip_stack *stack,
                                           const struct sip_path *path)
{
	for (unsigned i = 0; path->transport == SIP_UDP && i < stack->listener_count;
	     i++) {
		if (stack->listeners[i].id == path->id)
			return &stack->listeners[i];
	}
	return fittest(stack, path->transport, &path->local);
}

static bool are_several(const struct sip_stack *stack, const struct sip_listener *first)
{
	const struct sip_listener *end = stack->listeners + stack->listener_count;

	for (const struct sip_listener *next = first + 1; next < end; next++) {
		if (next->transport == first->transport &&
		    next->addr.family == first->addr.family)
			return true;
	}
	return false;
}

/* The socket that a target is bound to; NULL: it is not, or that is gone. */
static const struct sip_listener *bound_listener(const struct sip_stack *stack,
                                                 const struct sip_target *target)
{
	for (unsigned i = 0; target->flow && i < stack->listener_count; i++) {
		const struct sip_listener *listener = &stack->listeners[i];

		if (listener->id == target->flow && listener->transport == SIP_UDP &&
		    target->transport == SIP_UDP &&
		    listener->addr.family == target->remote.family)
			return listener;
	}
	return NULL;
}

/* One that is being opened may have no address of ours yet. */
sip_err sip_local_of_flow(struct sip_stack *stack, const struct sip_flow *flow,
                          struct sip_path *path)
{
	*path = flow->path;
	return path->local.family != 0
	               ? SIP_OK
	               : stack->wire->ops->route(stack->wire, &path->remote,
	                                         &path->local);
}

static sip_err bound_path(struct sip_stack *stack, const struct sip_target *target,
                          struct sip_path *path, const struct sip_listener **out)
{
	const struct sip_flow *flow = sip_flow_bound(stack, target);
	const sip_err err = flow ? sip_local_of_flow(stack, flow, path) : SIP_EGONE;

	if (err != SIP_OK)
		return err;
	*out = sip_listener_of(stack, path);
	path->local.port = *out ? (*out)->addr.port : 0;
	return SIP_OK;
}

/* By the address that is asked for, if the listener that it is bound to has it, or any
 * where it is bound to none. */
static bool leaves_as_asked(const struct sip_stack *stack,
                            const struct sip_target *target,
                            const struct sip_listener *bound, struct sip_path *path,
                            const struct sip_listener **out)
{
	const struct sip_addr *asked = &target->local;
	const struct sip_listener *listener = bound;

	if (asked->family == 0 || asked->family != target->remote.family)
		return false;
	if (!listener)
		listener = fittest(stack, target->transport, asked);
	if (!listener || (!sip_addr_is_any(&listener->addr) &&
	                  !sip_addr_same_host(&listener->addr, asked)))
		return false;
	path->local = *asked;
	path->local.port = listener->addr.port;
	path->id = target->transport == SIP_UDP ? listener->id : 0;
	*out = listener;
	return true;
}

/* Of several, the one at the address that the kernel would go there from: what leaves
 * by another interface than its answer would come in by is dropped on the way. */
sip_err sip_local_towards(struct sip_stack *stack, const struct sip_target *target,
                          struct sip_path *path, const struct sip_listener **out)
{
	const struct sip_listener *listener = bound_listener(stack, target);
	bool several = false;

	if (target->flow && target->transport != SIP_UDP)
		return bound_path(stack, target, path, out);
	path->transport = target->transport;
	path->remote = target->remote;
	if (leaves_as_asked(stack, target, listener, path, out))
		return SIP_OK;
	if (!listener) {
		listener = sip_stack_listener(stack, target->transport,
		                              target->remote.family);
		several = listener && are_several(stack, listener);
	}
	*out = NULL;
	if (!listener && target->transport == SIP_UDP)
		return SIP_EINVAL;
	if (!listener || sip_addr_is_any(&listener->addr) || several) {
		const sip_err err = stack->wire->ops->route(
			stack->wire, &target->remote, &path->local);
		if (err != SIP_OK)
			return err;
		path->local.port = 0;
	}
	if (!listener)
		return SIP_OK;
	if (several)
		listener = fittest(stack, target->transport, &path->local);
	if (!sip_addr_is_any(&listener->addr))
		path->local = listener->addr;
	path->local.port = listener->addr.port;
	path->id = target->transport == SIP_UDP ? listener->id : 0;
	*out = listener;
	return SIP_OK;
}

/* ---- what it is called ---- */

static void name_listener(struct sip_listener *listener, sip_str host, uint16_t port)
{
	memcpy(listener->name, host.p, host.len);
	listener->name_len = host.len;
	listener->name_port = port ? port : listener->addr.port;
	if (sip_addr_parse(host, &listener->named))
		listener->named.port = listener->name_port;
	else
		listener->named.family = 0;
}

sip_err sip_stack_listen(struct sip_stack *stack, enum sip_transport transport,
                         struct sip_addr *at, const struct sip_advertised *as,
                         const char **why)
{
	struct sip_listener *listener = &stack->listeners[stack->listener_count];
	const sip_str all = sip_str_of(stack->advertise, strlen(stack->advertise));
	const sip_str host = as && as->host.len > 0 ? as->host : all;
	sip_err err;

	*why = "too many listening addresses";
	if (stack->listener_count == SIP_STACK_LISTENERS)
		return SIP_ELIMIT;
	*why = "the advertised host is too long";
	if (host.len >= SIP_STACK_HOST_MAX)
		return SIP_EINVAL;
	err = stack->wire->ops->listen(stack->wire, transport, at, &listener->id, why);
	if (err != SIP_OK)
		return err;
	listener->transport = transport;
	listener->addr = *at;
	name_listener(listener, host, as ? as->port : 0);
	stack->listener_count++;
	return SIP_OK;
}

static void name_of(const struct sip_stack *stack, const struct sip_listener *listener,
                    const struct sip_addr *addr, struct sip_local *local)
{
	const sip_str all = sip_str_of(stack->advertise, strlen(stack->advertise));
	const sip_str name =
		listener ? sip_str_of(listener->name, listener->name_len) : all;

	local->addr = *addr;
	local->port = listener ? listener->name_port : 0;
	local->listener = listener ? (unsigned)(listener - stack->listeners) + 1 : 0;
	local->host_len = name.len;
	memcpy(local->host, name.p, name.len);
	if (name.len == 0)
		local->host_len = sip_addr_write_host(addr, local->host, true);
}

void sip_stack_local_of(const struct sip_stack *stack, const struct sip_path *path,
                        struct sip_local *local)
{
	name_of(stack, sip_listener_of(stack, path), &path->local, local);
}

sip_err sip_stack_local(struct sip_stack *stack, const struct sip_target *target,
                        struct sip_local *local)
{
	const struct sip_listener *listener;
	struct sip_path path = { 0 };
	const sip_err err = sip_local_towards(stack, target, &path, &listener);

	if (err == SIP_OK)
		name_of(stack, listener, &path.local, local);
	return err;
}

/* ---- whether it is us ---- */

bool sip_listener_is_at(const struct sip_listener *listener,
                        const struct sip_addr *addr)
{
	return (listener->addr.port == addr->port &&
	        sip_addr_same_host(&listener->addr, addr)) ||
	       (listener->named.family != 0 && listener->named.port == addr->port &&
	        sip_addr_same_host(&listener->named, addr));
}

bool sip_stack_is_called(const struct sip_stack *stack, sip_str host)
{
	const sip_str all = sip_str_of(stack->advertise, strlen(stack->advertise));

	if (all.len > 0 && sip_str_ieq(host, all))
		return true;
	for (unsigned i = 0; i < stack->listener_count; i++) {
		const struct sip_listener *listener = &stack->listeners[i];

		if (listener->name_len > 0 &&
		    sip_str_ieq(host, sip_str_of(listener->name, listener->name_len)))
			return true;
	}
	return false;
}

bool sip_stack_is_own(struct sip_stack *stack, const struct sip_addr *addr)
{
	for (unsigned i = 0; i < stack->listener_count; i++) {
		const struct sip_listener *listener = &stack->listeners[i];
		struct sip_addr local;

		if (sip_listener_is_at(listener, addr))
			return true;
		/* The kernel goes to itself from the same address. */
		if (listener->addr.port == addr->port &&
		    listener->addr.family == addr->family &&
		    sip_addr_is_any(&listener->addr) &&
		    stack->wire->ops->route(stack->wire, addr, &local) == SIP_OK &&
		    sip_addr_same_host(&local, addr))
			return true;
	}
	return false;
}
