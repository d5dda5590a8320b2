#include "bind/l_raw.h"

#include "bind/l_class.h"
#include "bind/l_str.h"
#include "bind/l_write.h"

#include <lauxlib.h>
#include <string.h>

#define L_RAW "sip.SimRaw"

struct note {
	struct note *next;
	enum sip_wire_kind kind;
	struct sip_path path;
	uint64_t at_us;
	size_t len;
	char bytes[]; /* or the reason of an end */
};

struct l_raw {
	struct sip_wire_sink sink;
	struct sip_link link;
	struct l_raw_place place;
	struct sip_wire *wire; /* NULL: closed */
	enum sip_transport transport;
	uint32_t id;
	struct sip_addr at;
	struct note *first, **last;
};

static void on_event(struct sip_wire_sink *sink, const struct sip_wire_event *event)
{
	struct l_raw *raw = SIP_CONTAINER(sink, struct l_raw, sink);
	const sip_str text = event->bytes.len > 0 ? event->bytes
	                     : event->why ? sip_str_of(event->why, strlen(event->why))
	                                  : SIP_STR("");
	struct note *note =
		sip_alloc0(raw->place.driver->alloc, sizeof *note + text.len);

	if (!note)
		return; /* as if the network had lost it */
	note->kind = event->kind;
	note->path = event->path;
	note->at_us = raw->place.now_us(raw->place.driver);
	note->len = text.len;
	if (text.len > 0)
		memcpy(note->bytes, text.p, text.len);
	*raw->last = note;
	raw->last = &note->next;
}

static void drop_first(struct l_raw *raw)
{
	struct note *note = raw->first;

	raw->first = note->next;
	if (!raw->first)
		raw->last = &raw->first;
	sip_free(raw->place.driver->alloc, note, sizeof *note + note->len);
}

static void close_raw(struct l_raw *raw)
{
	if (!raw->wire)
		return;
	sip_list_remove(&raw->link);
	raw->place.driver->ops->wire_free(raw->place.driver, raw->wire);
	raw->wire = NULL;
	while (raw->first)
		drop_first(raw);
}

void l_raw_close_all(struct sip_link *raws)
{
	while (!sip_list_empty(raws))
		close_raw(SIP_CONTAINER(raws->next, struct l_raw, link));
}

static struct l_raw *check_raw(lua_State *L)
{
	struct l_raw *raw = luaL_checkudata(L, 1, L_RAW);

	if (!raw->wire)
		luaL_error(L, "the raw socket is closed");
	return raw;
}

static struct sip_addr check_remote(lua_State *L)
{
	struct sip_addr addr = l_check_ip(L, 2);
	const lua_Integer port = luaL_checkinteger(L, 3);

	luaL_argcheck(L, port > 0 && port < 65536, 3, "a port expected");
	addr.port = (uint16_t)port;
	return addr;
}

int l_raw_new(lua_State *L, const struct l_raw_place *place)
{
	struct l_raw *raw;
	struct sip_addr at = { 0 };
	sip_str name, host;
	lua_Integer port;
	const struct sip_limits limits = SIP_LIMITS_DEFAULT;
	const char *why = "out of memory";

	luaL_checktype(L, 2, LUA_TTABLE);
	lua_settop(L, 2);
	name = l_opt_field(L, 2, "transport");
	host = l_check_field(L, 2, "host");
	luaL_argcheck(L, sip_addr_parse(host, &at), 2, "host: an IP address expected");
	lua_getfield(L, 2, "port");
	port = luaL_optinteger(L, -1, 5060);
	luaL_argcheck(L, port > 0 && port < 65536, 2, "port: a port expected");
	at.port = (uint16_t)port;
	raw = lua_newuserdatauv(L, sizeof *raw, 1);
	memset(raw, 0, sizeof *raw);
	luaL_setmetatable(L, L_RAW);
	lua_pushvalue(L, 1);
	lua_setiuservalue(L, -2, 1);
	raw->sink.event = on_event;
	raw->place = *place;
	raw->last = &raw->first;
	raw->transport = name.len > 0 ? sip_transport_find(name) : SIP_UDP;
	luaL_argcheck(L, raw->transport != SIP_TRANSPORT_NONE, 2,
	              "transport: none of this name");
	if (place->driver->ops->wire_new(place->driver, &limits, &raw->sink,
	                                 &raw->wire) != SIP_OK) {
		raw->wire = NULL;
		return luaL_error(L, "out of memory");
	}
	sip_list_insert(place->raws, &raw->link);
	if (raw->wire->ops->listen(raw->wire, raw->transport, &at, &raw->id, &why) !=
	    SIP_OK)
		return luaL_error(L, "%s", why);
	raw->at = at;
	return 1;
}

static int outcome(lua_State *L, sip_err err)
{
	if (err == SIP_OK) {
		lua_pushboolean(L, 1);
		return 1;
	}
	luaL_pushfail(L);
	lua_pushstring(L, sip_err_name(err));
	return 2;
}

/* raw:send(ip, port, bytes): a datagram */
static int l_raw_send(lua_State *L)
{
	struct l_raw *raw = check_raw(L);
	const struct sip_path path = { SIP_UDP, raw->id, raw->at, check_remote(L) };
	sip_str bytes;

	luaL_argcheck(L, raw->transport == SIP_UDP, 1, "this one speaks in streams");
	bytes.p = luaL_checklstring(L, 4, &bytes.len);
	return outcome(L, raw->wire->ops->send(raw->wire, &path, bytes, 0));
}

/* raw:connect(ip, port) -> connection; "opened" or "closed" follows */
static int l_raw_connect(lua_State *L)
{
	struct l_raw *raw = check_raw(L);
	const struct sip_addr remote = check_remote(L);
	struct sip_addr local = raw->at;
	uint32_t id;
	sip_err err;

	luaL_argcheck(L, raw->transport != SIP_UDP, 1, "this one speaks in datagrams");
	local.port = 0;
	err = raw->wire->ops->open(raw->wire, raw->transport, &local, &remote,
	                           SIP_STR(""), &id);
	if (err != SIP_OK)
		return outcome(L, err);
	lua_pushinteger(L, id);
	return 1;
}

/* raw:write(connection, bytes) */
static int l_raw_write(lua_State *L)
{
	struct l_raw *raw = check_raw(L);
	const struct sip_path path = { .transport = raw->transport,
		                       .id = (uint32_t)luaL_checkinteger(L, 2) };
	sip_str bytes;

	bytes.p = luaL_checklstring(L, 3, &bytes.len);
	return outcome(L, raw->wire->ops->send(raw->wire, &path, bytes, 0));
}

/* raw:shut(connection) */
static int l_raw_shut(lua_State *L)
{
	struct l_raw *raw = check_raw(L);

	raw->wire->ops->close(raw->wire, (uint32_t)luaL_checkinteger(L, 2));
	return 0;
}

static void push_note(lua_State *L, const struct note *note)
{
	static const char *const kinds[] = {
		[SIP_WIRE_OPENED] = "opened", [SIP_WIRE_BYTES] = "bytes",
		[SIP_WIRE_FAILED] = "failed", [SIP_WIRE_DRAINED] = "drained",
		[SIP_WIRE_CLOSED] = "closed", [SIP_WIRE_RECORDS] = "records",
		[SIP_WIRE_NOTICE] = "notice", [SIP_WIRE_REFUSED] = "refused",
	};
	char text[SIP_ADDR_TEXT_MAX];

	lua_createtable(L, 0, 6);
	lua_pushstring(L, kinds[note->kind]);
	lua_setfield(L, -2, "what");
	lua_pushnumber(L, (double)note->at_us / 1e6);
	lua_setfield(L, -2, "at");
	lua_pushinteger(L, note->path.id);
	lua_setfield(L, -2, "id");
	lua_pushlstring(L, text, sip_addr_write(&note->path.remote, text));
	lua_setfield(L, -2, "from");
	lua_pushlstring(L, text, sip_addr_write(&note->path.local, text));
	lua_setfield(L, -2, "to");
	lua_pushlstring(L, note->bytes, note->len);
	lua_setfield(L, -2, note->kind == SIP_WIRE_BYTES ? "bytes" : "why");
}

/* raw:take() -> what came since the last time, in order */
static int l_raw_take(lua_State *L)
{
	struct l_raw *raw = check_raw(L);

	lua_settop(L, 1);
	lua_newtable(L);
	for (lua_Integer i = 1; raw->first; i++) {
		push_note(L, raw->first);
		lua_rawseti(L, 2, i);
		drop_first(raw);
	}
	return 1;
}

static int l_raw_close(lua_State *L)
{
	close_raw(luaL_checkudata(L, 1, L_RAW));
	return 0;
}

static const luaL_Reg methods[] = {
	{ "send", l_raw_send }, { "connect", l_raw_connect }, { "write", l_raw_write },
	{ "shut", l_raw_shut }, { "take", l_raw_take },       { "close", l_raw_close },
	{ NULL, NULL },
};

static const luaL_Reg meta[] = {
	{ "__gc", l_raw_close },
	{ "__close", l_raw_close },
	{ NULL, NULL },
};

void l_raw_open(lua_State *L)
{
	l_new_class(L, L_RAW, meta, methods);
}
