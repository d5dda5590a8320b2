/* l_media.c - Lua face of media: "sip.Media", and what it has to tell.
 *
 * A session's box is anchored in its Media until the session has told that it is
 * closed.
 */
#include "bind/l_media.h"

#include "bind/l_class.h"
#include "bind/l_option.h"
#include "bind/l_session.h"

#define L_MEDIA "sip.Media"

void l_media_push(lua_State *L, struct media_desk *desk)
{
	struct l_media *media = lua_newuserdatauv(L, sizeof *media, 1);

	media->desk = NULL;
	luaL_setmetatable(L, L_MEDIA);
	lua_newtable(L);
	lua_setiuservalue(L, -2, 1);
	media->desk = desk;
}

void l_media_detach(lua_State *L, int index)
{
	struct l_media *media = lua_touserdata(L, index);

	media->desk = NULL;
}

/* ---- Media ---- */

/* Anchored first: nothing may raise once there is a session.
 *
 * media:session{ host = "192.0.2.1" } -> session | nil, why */
static int l_media_session(lua_State *L)
{
	static const char *const keys[] = { "host", NULL };
	const struct l_media *media = luaL_checkudata(L, 1, L_MEDIA);
	struct sip_addr host;
	struct l_session *box;
	const char *why;

	l_options_check(L, 2, keys);
	host = l_media_addr(L, "host", "port", false);
	if (!media->desk)
		return l_media_refuse(L, "the driver of this media is gone");
	lua_settop(L, 2);
	lua_getiuservalue(L, 1, 1);
	box = l_session_push(L, 1);
	box->serial = media_desk_next_serial(media->desk);
	lua_pushvalue(L, 4);
	lua_rawseti(L, 3, (lua_Integer)box->serial);
	if (media_session_open(media->desk, &host, &box->session, &why)) {
		lua_pushnil(L);
		lua_rawseti(L, 3, (lua_Integer)box->serial);
		return l_media_refuse(L, why);
	}
	return 1;
}

static int l_media_tostring(lua_State *L)
{
	const struct l_media *media = luaL_checkudata(L, 1, L_MEDIA);

	lua_pushfstring(L, "sip.Media{%s}", media->desk ? "open" : "gone");
	return 1;
}

/* ---- events ---- */

static const char *const end_names[] = {
	[MEDIA_END_FINISHED] = "finished", [MEDIA_END_STOPPED] = "stopped",
	[MEDIA_END_SILENCE] = "silence",   [MEDIA_END_MAX] = "max",
	[MEDIA_END_CLOSED] = "closed",     [MEDIA_END_FAILED] = "failed",
};

static void push_end(lua_State *L, const struct media_event *event)
{
	lua_pushinteger(L, event->id);
	lua_pushstring(L, end_names[event->end]);
	if (event->why[0])
		lua_pushstring(L, event->why);
	else
		lua_pushnil(L);
}

/* The box of this session, and of nobody else once it is closed. */
static void push_session(lua_State *L, int media, const struct media_event *event)
{
	const lua_Integer serial = (lua_Integer)media_session_serial(event->session);

	lua_getiuservalue(L, media, 1);
	if (lua_rawgeti(L, -1, serial) == LUA_TUSERDATA &&
	    event->kind == MEDIA_EVENT_CLOSED) {
		struct l_session *box = lua_touserdata(L, -1);

		box->session = NULL;
		lua_pushnil(L);
		lua_rawseti(L, -3, serial);
	}
	lua_remove(L, -2);
}

int l_media_push_event(lua_State *L, int index, const struct media_event *event)
{
	static const char *const kinds[] = {
		[MEDIA_EVENT_DIGIT] = "digit",
		[MEDIA_EVENT_PLAYED] = "played",
		[MEDIA_EVENT_RECORDED] = "recorded",
		[MEDIA_EVENT_FAILED] = "media_failed",
		[MEDIA_EVENT_CLOSED] = "media_closed",
	};
	const int top = lua_gettop(L);
	const int media = lua_absindex(L, index);

	luaL_checkstack(L, 8, "an event");
	lua_pushstring(L, kinds[event->kind]);
	push_session(L, media, event);
	switch (event->kind) {
	case MEDIA_EVENT_DIGIT:
		lua_pushlstring(L, &event->digit, 1);
		lua_pushnumber(L, event->duration_ms / 1000.0);
		break;
	case MEDIA_EVENT_PLAYED:
		push_end(L, event);
		break;
	case MEDIA_EVENT_RECORDED:
		push_end(L, event);
		lua_pushnumber(L, (double)event->samples / MEDIA_RATE);
		lua_pushnumber(L, (double)event->lost / MEDIA_RATE);
		break;
	case MEDIA_EVENT_FAILED:
		lua_pushstring(L, event->why);
		break;
	case MEDIA_EVENT_CLOSED:
		break;
	}
	return lua_gettop(L) - top;
}

static const luaL_Reg media_methods[] = {
	{ "session", l_media_session },
	{ NULL, NULL },
};

static const luaL_Reg media_meta[] = {
	{ "__tostring", l_media_tostring },
	{ NULL, NULL },
};

void l_media_open(lua_State *L)
{
	l_new_class(L, L_MEDIA, media_meta, media_methods);
	l_session_open(L);
}
