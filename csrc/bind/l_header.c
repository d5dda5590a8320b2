/* l_header.c - what scripts ask of the headers of a message.
 *
 * A header is a string, made when it is asked for; most typed ones are read by the
 * message, which remembers them.
 */
#include "bind/l_header.h"

#include <lauxlib.h>

#include "bind/l_msg.h"
#include "bind/l_str.h"
#include "bind/l_uri.h"

static void push_value(lua_State *L, sip_str value, bool folded)
{
	if (folded)
		l_push_changed(L, value, sip_unfold);
	else
		l_push_str(L, value);
}

static void push_header(lua_State *L, const struct sip_msg *msg, unsigned at)
{
	const struct sip_header *header = &msg->headers[at];

	push_value(L, sip_header_value(msg, header), header->folded);
}

/* --- by name -------------------------------------------------------------------- */

static int l_header(lua_State *L)
{
	const struct sip_msg *msg = l_peek_msg(L, 1);
	const sip_str name = l_check_str(L, 2);
	lua_Integer want = luaL_optinteger(L, 3, 1);
	enum sip_header_id id;
	unsigned at;

	if (!msg)
		return l_msg_gone(L);
	id = sip_header_find(name);
	for (at = 0; at < msg->header_count; at++) {
		at = sip_msg_find(msg, id, name, at);
		if (at < msg->header_count && --want == 0) {
			push_header(L, msg, at);
			return 1;
		}
	}
	lua_pushnil(L);
	return 1;
}

static int l_values(lua_State *L)
{
	const struct sip_msg *msg = l_peek_msg(L, 1);
	const sip_str name = l_check_str(L, 2);
	struct sip_values values;
	lua_Integer n = 0;
	sip_str value;

	if (!msg)
		return l_msg_gone(L);
	lua_newtable(L);
	sip_values_init_named(&values, msg, name);
	while (sip_values_next(&values, &value)) {
		push_value(L, value, msg->headers[values.at - 1].folded);
		lua_rawseti(L, -2, ++n);
	}
	return 1;
}

static int next_field(lua_State *L)
{
	const struct sip_msg *msg = l_peek_msg(L, lua_upvalueindex(1));
	const unsigned at = (unsigned)lua_tointeger(L, lua_upvalueindex(2));
	const struct sip_header *header;

	if (!msg || at >= msg->header_count)
		return 0;
	lua_pushinteger(L, (lua_Integer)at + 1);
	lua_replace(L, lua_upvalueindex(2));
	header = &msg->headers[at];
	lua_pushlstring(L, msg->bytes + header->name_at, header->name_len);
	push_header(L, msg, at);
	return 2;
}

static int l_fields(lua_State *L)
{
	(void)l_peek_msg(L, 1); /* raises when it is none */
	lua_settop(L, 1);
	lua_pushinteger(L, 0);
	lua_pushcclosure(L, next_field, 2);
	return 1;
}

static int l_has_token(lua_State *L)
{
	const struct sip_msg *msg = l_peek_msg(L, 1);
	const sip_str name = l_check_str(L, 2), token = l_check_str(L, 3);
	struct sip_values values;
	bool found = false;
	sip_str value;

	if (!msg)
		return l_msg_gone(L);
	sip_values_init_named(&values, msg, name);
	while (!found && sip_values_next(&values, &value))
		found = sip_str_ieq(value, token);
	lua_pushboolean(L, found);
	return 1;
}

/* --- typed ---------------------------------------------------------------------- */

static int l_call_id(lua_State *L)
{
	const struct sip_msg *msg = l_peek_msg(L, 1);

	return msg ? l_push_opt(L, sip_msg_call_id(msg)) : l_msg_gone(L);
}

static int l_cseq(lua_State *L)
{
	struct sip_msg *msg = l_peek_msg(L, 1);
	const struct sip_cseq *cseq = msg ? sip_msg_cseq(msg) : NULL;

	if (!msg)
		return l_msg_gone(L);
	if (!cseq)
		return 0;
	lua_pushinteger(L, cseq->number);
	l_push_str(L, cseq->method_name);
	return 2;
}

typedef const struct sip_name_addr *address_getter(struct sip_msg *msg);

/* One part of From, To or Contact. */
static int push_part(lua_State *L, address_getter *get, size_t part)
{
	struct sip_msg *msg = l_peek_msg(L, 1);
	const struct sip_name_addr *addr = msg ? get(msg) : NULL;

	if (!msg)
		return l_msg_gone(L);
	if (!addr) {
		lua_pushnil(L);
		return 1;
	}
	return l_push_opt(L,
	                  *(const sip_str *)(const void *)((const char *)addr + part));
}

#define PART(getter, part) push_part(L, getter, offsetof(struct sip_name_addr, part))

static int l_from_tag(lua_State *L)
{
	return PART(sip_msg_from, tag);
}

static int l_to_tag(lua_State *L)
{
	return PART(sip_msg_to, tag);
}

static int l_from_uri(lua_State *L)
{
	return PART(sip_msg_from, uri);
}

static int l_to_uri(lua_State *L)
{
	return PART(sip_msg_to, uri);
}

static int l_contact_uri(lua_State *L)
{
	return PART(sip_msg_contact, uri);
}

/* The blanks of a fold are one SP in a display name, too. */
static int push_display(lua_State *L, address_getter *get, enum sip_header_id id)
{
	struct sip_msg *msg = l_peek_msg(L, 1);
	const struct sip_name_addr *addr = msg ? get(msg) : NULL;
	struct sip_name_addr unfolded;

	if (!msg)
		return l_msg_gone(L);
	if (addr && msg->headers[msg->first[id] - 1].folded) {
		unfolded = *addr;
		push_value(L, addr->display, true);
		unfolded.display = l_check_str(L, -1);
		addr = &unfolded;
	}
	if (addr)
		l_push_display(L, addr);
	else
		lua_pushnil(L);
	return 1;
}

static int l_from_display(lua_State *L)
{
	return push_display(L, sip_msg_from, SIP_H_FROM);
}

static int l_to_display(lua_State *L)
{
	return push_display(L, sip_msg_to, SIP_H_TO);
}

static int l_branch(lua_State *L)
{
	struct sip_msg *msg = l_peek_msg(L, 1);
	const struct sip_via *via = msg ? sip_msg_via(msg) : NULL;

	if (!msg)
		return l_msg_gone(L);
	return l_push_opt(L, via ? via->branch : sip_str_of(NULL, 0));
}

static int push_number(lua_State *L, int64_t number)
{
	if (number < 0)
		lua_pushnil(L);
	else
		lua_pushinteger(L, (lua_Integer)number);
	return 1;
}

static int l_max_forwards(lua_State *L)
{
	struct sip_msg *msg = l_peek_msg(L, 1);

	return msg ? push_number(L, sip_msg_max_forwards(msg)) : l_msg_gone(L);
}

static int l_expires(lua_State *L)
{
	struct sip_msg *msg = l_peek_msg(L, 1);

	return msg ? push_number(L, sip_msg_expires(msg)) : l_msg_gone(L);
}

/* The `want`-th value of a header over all its lines; that of a folded one is Lua's. */
static bool find_value(lua_State *L, const struct sip_msg *msg, sip_str name,
                       lua_Integer want, sip_str *value)
{
	struct sip_values values;

	sip_values_init_named(&values, msg, name);
	while (sip_values_next(&values, value)) {
		if (--want != 0)
			continue;
		if (msg->headers[values.at - 1].folded) {
			push_value(L, *value, true);
			*value = l_check_str(L, -1);
		}
		return true;
	}
	return false;
}

static int l_via(lua_State *L)
{
	const struct sip_msg *msg = l_peek_msg(L, 1);
	const lua_Integer want = luaL_optinteger(L, 2, 1);
	struct sip_fault fault;
	struct sip_via via;
	sip_str value;

	if (!msg)
		return l_msg_gone(L);
	if (!find_value(L, msg, SIP_STR("Via"), want, &value))
		return 0;
	if (sip_via_parse(value, &via, &fault) == SIP_OK) {
		l_push_via(L, &via);
		return 1;
	}
	lua_pushnil(L);
	lua_pushstring(L, fault.why);
	return 2;
}

static int l_name_addr(lua_State *L)
{
	const struct sip_msg *msg = l_peek_msg(L, 1);
	const sip_str name = l_check_str(L, 2);
	const lua_Integer want = luaL_optinteger(L, 3, 1);
	struct sip_name_addr addr;
	struct sip_fault fault;
	sip_str value;

	if (!msg)
		return l_msg_gone(L);
	if (!find_value(L, msg, name, want, &value))
		return 0;
	if (sip_name_addr_parse(value, &addr, &fault) == SIP_OK) {
		l_push_name_addr(L, &addr);
		return 1;
	}
	lua_pushnil(L);
	lua_pushstring(L, fault.why);
	return 2;
}

static const luaL_Reg methods[] = {
	{ "header", l_header },
	{ "values", l_values },
	{ "fields", l_fields },
	{ "has_token", l_has_token },
	{ "call_id", l_call_id },
	{ "cseq", l_cseq },
	{ "from_tag", l_from_tag },
	{ "to_tag", l_to_tag },
	{ "from_uri", l_from_uri },
	{ "to_uri", l_to_uri },
	{ "from_display", l_from_display },
	{ "to_display", l_to_display },
	{ "contact_uri", l_contact_uri },
	{ "branch", l_branch },
	{ "max_forwards", l_max_forwards },
	{ "expires", l_expires },
	{ "via", l_via },
	{ "name_addr", l_name_addr },
	{ NULL, NULL },
};

void l_header_methods(lua_State *L)
{
	luaL_setfuncs(L, methods, 0);
}
