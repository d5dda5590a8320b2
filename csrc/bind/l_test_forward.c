/* l_test_forward.c - what specs see of the writer of forwarded messages. */
#include "bind/l_forward.h"
#include "bind/l_msg.h"
#include "bind/l_test.h"
#include "bind/l_write.h"

enum { CAP = 200000 };

static int push_out(lua_State *L, const struct sip_out *out)
{
	if (sip_out_end(out) != SIP_OK) {
		luaL_pushfail(L);
		lua_pushstring(L, out->why ? out->why : "too large");
		return 2;
	}
	lua_pushlstring(L, out->p, out->len);
	return 1;
}

/* write { message, uri, max_forwards, edits, from = "ip", port } -> bytes without a Via
 * of ours, where that belongs | nil, why.  `from`: where it came from, by UDP. */
static int l_write(lua_State *L)
{
	struct sip_forward_spec spec;
	struct sip_msg *msg;
	struct sip_out out;
	sip_str from;
	size_t via_at;

	lua_settop(L, 1);
	msg = l_check_forward(L, 1, &spec);
	from = l_opt_field(L, 1, "from");
	if (sip_addr_parse(from, &msg->path.remote)) {
		msg->path.transport = SIP_UDP;
		lua_getfield(L, 1, "port");
		msg->path.remote.port = (uint16_t)luaL_optinteger(L, -1, 5060);
	}
	sip_out_init(&out, lua_newuserdatauv(L, CAP, 0), CAP);
	sip_write_forward(&out, msg, &spec, &via_at);
	if (push_out(L, &out) != 1)
		return 2;
	lua_pushinteger(L, (lua_Integer)via_at + 1);
	return 2;
}

/* relay(message, edits) -> bytes | nil, why */
static int l_relay(lua_State *L)
{
	const struct sip_msg *msg = l_check_msg(L, 1);
	const struct sip_edit *edits;
	struct sip_out out;
	unsigned count;

	lua_settop(L, 2);
	count = l_check_edits(L, 2, &edits);
	sip_out_init(&out, lua_newuserdatauv(L, CAP, 0), CAP);
	sip_write_relay(&out, msg, edits, count);
	return push_out(L, &out);
}

static const luaL_Reg functions[] = {
	{ "write", l_write },
	{ "relay", l_relay },
	{ NULL, NULL },
};

int l_test_forward(lua_State *L)
{
	luaL_newlib(L, functions);
	return 1;
}
