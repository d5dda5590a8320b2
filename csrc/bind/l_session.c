/* l_session.c - Lua face of a media session: a method on a closed one gives nil and
 * why, wrong arguments raise. */
#include "bind/l_session.h"

#include "bind/l_class.h"
#include "bind/l_option.h"
#include "media/dtmf_event.h"

#include <lauxlib.h>
#include <math.h>
#include <string.h>

#define L_SESSION "sip.MediaSession"

int l_media_refuse(lua_State *L, const char *why)
{
	lua_pushnil(L);
	lua_pushstring(L, why);
	return 2;
}

static int result(lua_State *L, sip_err err)
{
	if (err)
		return l_media_refuse(L, err == SIP_EGONE
		                                 ? "the media session is closed"
		                                 : sip_err_name(err));
	lua_pushboolean(L, 1);
	return 1;
}

static struct l_session *check_box(lua_State *L, int arg)
{
	return luaL_checkudata(L, arg, L_SESSION);
}

static struct media_session *session_of(const struct l_session *box)
{
	return box->media && box->media->desk ? box->session : NULL;
}

/* The session, or NULL with two results pushed. */
static struct media_session *check_session(lua_State *L, int arg)
{
	struct media_session *session = session_of(check_box(L, arg));

	if (!session)
		(void)result(L, SIP_EGONE); /* always two */
	return session;
}

struct l_session *l_session_push(lua_State *L, int media)
{
	struct l_session *box = lua_newuserdatauv(L, sizeof *box, 1);

	*box = (struct l_session){ NULL, NULL, 0 };
	luaL_setmetatable(L, L_SESSION);
	lua_pushvalue(L, media);
	lua_setiuservalue(L, -2, 1);
	box->media = lua_touserdata(L, media);
	return box;
}

struct sip_addr l_media_addr(lua_State *L, const char *host_key, const char *port_key,
                             bool port_wanted)
{
	const sip_str host = l_option_str(L, 2, host_key, (sip_str){ 0 });
	const lua_Integer port = l_option_integer(L, 2, port_key, 0, 0, 65535);
	struct sip_addr addr;

	if (!sip_addr_parse(host, &addr))
		luaL_error(L, "bad option '%s': not an IP address", host_key);
	if (port_wanted && port == 0)
		luaL_error(L, "option '%s' is missing", port_key);
	addr.port = (uint16_t)port;
	return addr;
}

static int push_host(lua_State *L, const struct sip_addr *addr)
{
	char text[SIP_ADDR_TEXT_MAX];

	lua_pushlstring(L, text, sip_addr_write_host(addr, text, false));
	return 1;
}

/* session:port() -> integer | nil, why */
static int l_session_port(lua_State *L)
{
	const struct media_session *session = check_session(L, 1);

	if (!session)
		return 2;
	lua_pushinteger(L, media_session_local(session)->port);
	return 1;
}

/* session:host() -> string | nil, why */
static int l_session_host(lua_State *L)
{
	const struct media_session *session = check_session(L, 1);

	return session ? push_host(L, media_session_local(session)) : 2;
}

static uint8_t payload_type(lua_State *L, const char *key, int fallback)
{
	return (uint8_t)l_option_integer(L, 2, key, fallback, 0, 127);
}

/* session:set_remote{ host, port, codec = "PCMU", ... } -> true | nil, why */
static int l_session_set_remote(lua_State *L)
{
	static const char *const keys[] = { "host",
		                            "port",
		                            "rtcp_host",
		                            "rtcp_port",
		                            "codec",
		                            "payload_type",
		                            "ptime",
		                            "direction",
		                            "dtmf_payload_type",
		                            "receive_payload_type",
		                            "receive_dtmf_payload_type",
		                            NULL };
	static const char *const codecs[] = { "PCMU", "PCMA", NULL };
	static const char *const directions[] = { "inactive", "sendonly", "recvonly",
		                                  "sendrecv", NULL };
	struct media_session *session = check_session(L, 1);
	struct media_remote remote = { 0 };

	if (!session)
		return 2;
	l_options_check(L, 2, keys);
	remote.rtp = l_media_addr(L, "host", "port", true);
	if (l_option_has(L, 2, "rtcp_port"))
		remote.rtcp = l_media_addr(
			L, l_option_has(L, 2, "rtcp_host") ? "rtcp_host" : "host",
			"rtcp_port", true);
	remote.codec = MEDIA_PCMU + l_option_choice(L, 2, "codec", "PCMU", codecs);
	remote.direction = l_option_choice(L, 2, "direction", "sendrecv", directions);
	remote.payload_type =
		payload_type(L, "payload_type", remote.codec == MEDIA_PCMA ? 8 : 0);
	remote.receive_payload_type =
		payload_type(L, "receive_payload_type", remote.payload_type);
	remote.dtmf_payload_type = payload_type(L, "dtmf_payload_type", MEDIA_PT_NONE);
	remote.receive_dtmf_payload_type =
		payload_type(L, "receive_dtmf_payload_type", remote.dtmf_payload_type);
	remote.ptime_ms = (uint16_t)l_option_integer(L, 2, "ptime", 20, 10, 120);
	return result(L, media_session_set_remote(session, &remote));
}

static uint32_t check_times(lua_State *L)
{
	if (l_option_has(L, 2, "loop")) {
		lua_getfield(L, 2, "loop");
		luaL_argcheck(L, lua_isboolean(L, -1), 2, "option 'loop' is a boolean");
		if (lua_toboolean(L, -1))
			return 0;
		lua_pop(L, 1);
	}
	return (uint32_t)l_option_integer(L, 2, "times", 1, 1, 1000000);
}

/* session:play{ "menu.wav", "tone:us", ..., times = 1, loop = false } -> id | nil, why
 */
static int l_session_play(lua_State *L)
{
	static const char *const keys[] = { "times", "loop", NULL };
	struct media_session *session = check_session(L, 1);
	uint32_t times, id;
	sip_str *items;
	size_t count;
	const char *why;

	if (!session)
		return 2;
	l_options_check(L, 2, keys);
	times = check_times(L);
	count = (size_t)luaL_len(L, 2);
	luaL_argcheck(L, count > 0 && count <= 64, 2, "1 to 64 items are to be played");
	luaL_checkstack(L, (int)count, "too many items");
	items = lua_newuserdatauv(L, count * sizeof *items, 0);
	for (size_t i = 0; i < count; i++) {
		if (lua_geti(L, 2, (lua_Integer)i + 1) != LUA_TSTRING)
			return luaL_error(L, "item %d is not a string", (int)i + 1);
		items[i].p = lua_tolstring(L, -1, &items[i].len);
	}
	if (media_session_play(session, items, count, times, &id, &why))
		return l_media_refuse(L, why);
	lua_pushinteger(L, id);
	return 1;
}

/* session:record{ path, max, silence } -> id | nil, why */
static int l_session_record(lua_State *L)
{
	static const char *const keys[] = { "path", "max", "silence", NULL };
	struct media_session *session = check_session(L, 1);
	struct media_record_opts opts;
	uint32_t id;
	sip_err err;

	if (!session)
		return 2;
	l_options_check(L, 2, keys);
	opts.path = l_option_str(L, 2, "path", (sip_str){ 0 });
	opts.max_s = l_option_number(L, 2, "max", 0, 0, 1e6);
	opts.silence_s = l_option_number(L, 2, "silence", 0, 0, 1e6);
	if (opts.path.len == 0)
		return luaL_error(L, "option 'path' is missing");
	err = media_session_record(session, &opts, &id);
	if (err == SIP_ESTATE)
		return l_media_refuse(L, "the media session is being recorded already");
	if (err)
		return result(L, err);
	lua_pushinteger(L, id);
	return 1;
}

/* session:stop(id) -> true | nil, why */
static int l_session_stop(lua_State *L)
{
	struct media_session *session = check_session(L, 1);
	const lua_Integer id = luaL_checkinteger(L, 2);

	if (!session)
		return 2;
	luaL_argcheck(L, id > 0 && id <= UINT32_MAX, 2, "not an id");
	if (media_session_stop(session, (uint32_t)id))
		return l_media_refuse(L, "it is over");
	lua_pushboolean(L, 1);
	return 1;
}

/* session:press(digits, { duration = 0.1, gap = 0.1 }) -> true | nil, why */
static int l_session_press(lua_State *L)
{
	static const char *const keys[] = { "duration", "gap", NULL };
	struct media_session *session = check_session(L, 1);
	double duration = 0.1, gap = 0.1;
	sip_str digits;

	if (!session)
		return 2;
	digits.p = luaL_checklstring(L, 2, &digits.len);
	if (!lua_isnoneornil(L, 3)) {
		l_options_check(L, 3, keys);
		duration = l_option_number(L, 3, "duration", duration, 0.02, 60);
		gap = l_option_number(L, 3, "gap", gap, 0, 60);
	}
	for (size_t i = 0; i < digits.len; i++)
		luaL_argcheck(L, rtp_dtmf_event_of(digits.p[i]) >= 0, 2,
		              "digits are 0-9 * # A-D");
	return result(L, media_session_press(session, digits,
	                                     (uint16_t)lround(duration * 1000),
	                                     (uint16_t)lround(gap * 1000)));
}

/* session:bridge(other) -> true | nil, why */
static int l_session_bridge(lua_State *L)
{
	struct media_session *session = check_session(L, 1);
	struct media_session *other = session ? check_session(L, 2) : NULL;

	if (!session || !other)
		return 2;
	return result(L, media_session_bridge(session, other));
}

/* session:unbridge() -> true | nil, why */
static int l_session_unbridge(lua_State *L)
{
	struct media_session *session = check_session(L, 1);

	return session ? result(L, media_session_unbridge(session)) : 2;
}

/* session:stats() -> table | nil, why; microseconds become seconds */
static int l_session_stats(lua_State *L)
{
	const struct media_session *session = check_session(L, 1);

	if (!session)
		return 2;
	lua_createtable(L, 0, MEDIA_GAUGES);
	for (unsigned i = 0; i < MEDIA_GAUGES; i++) {
		const char *name = media_gauge_name(i);
		const size_t len = strlen(name);
		const uint64_t value = media_session_gauge(session, i);

		if (len > 3 && memcmp(name + len - 3, "_us", 3) == 0) {
			lua_pushlstring(L, name, len - 3);
			lua_pushnumber(L, (double)value / 1e6);
		} else {
			lua_pushlstring(L, name, len);
			lua_pushinteger(L, (lua_Integer)value);
		}
		lua_rawset(L, -3);
	}
	return 1;
}

static int l_session_serial(lua_State *L)
{
	lua_pushinteger(L, (lua_Integer)check_box(L, 1)->serial);
	return 1;
}

static int l_session_close(lua_State *L) /* __close too: idempotent */
{
	struct media_session *session = session_of(check_box(L, 1));

	if (session)
		media_session_close(session);
	return 0;
}

static int l_session_tostring(lua_State *L)
{
	const struct l_session *box = check_box(L, 1);
	const struct media_session *session = session_of(box);

	if (!session)
		lua_pushfstring(L, "sip.MediaSession{%d; closed}", (int)box->serial);
	else
		lua_pushfstring(L, "sip.MediaSession{%d; port %d}", (int)box->serial,
		                (int)media_session_local(session)->port);
	return 1;
}

static const luaL_Reg session_methods[] = {
	{ "port", l_session_port },
	{ "host", l_session_host },
	{ "set_remote", l_session_set_remote },
	{ "play", l_session_play },
	{ "record", l_session_record },
	{ "stop", l_session_stop },
	{ "press", l_session_press },
	{ "bridge", l_session_bridge },
	{ "unbridge", l_session_unbridge },
	{ "stats", l_session_stats },
	{ "serial", l_session_serial },
	{ "close", l_session_close },
	{ NULL, NULL },
};

static const luaL_Reg session_meta[] = {
	{ "__tostring", l_session_tostring },
	{ "__close", l_session_close },
	{ NULL, NULL },
};

void l_session_open(lua_State *L)
{
	l_new_class(L, L_SESSION, session_meta, session_methods);
}
