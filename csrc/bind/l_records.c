/* l_records.c - Lua face of records: userdata "sip.Records".
 *
 * Instants are seconds, as the scheduler gives them.  What lies here is for long, so
 * the collector is not told of it: nothing that it could do would free any.
 */
#include "bind/l_records.h"

#include "base/records.h"
#include "bind/l_class.h"
#include "bind/l_heap.h"
#include "bind/l_str.h"

#include <math.h>

#define L_RECORDS "sip.Records"

struct l_records {
	struct sip_records records; /* alloc is NULL until it is made */
};

static struct sip_records *check_records(lua_State *L)
{
	struct l_records *box = luaL_checkudata(L, 1, L_RECORDS);

	luaL_argcheck(L, box->records.alloc, 1, "is closed");
	return &box->records;
}

static uint64_t check_ms(lua_State *L, int arg)
{
	const lua_Number seconds = luaL_checknumber(L, arg);

	luaL_argcheck(L, seconds >= 0 && seconds < 1e11, arg, "is no instant");
	return (uint64_t)llround(seconds * 1000);
}

static int push_str(lua_State *L, sip_str s)
{
	lua_pushlstring(L, s.p, s.len);
	return 1;
}

/* core.records(chance) -> sip.Records.  Of chance, 16 bytes count: with them nobody
 * can choose keys that collide. */
static int l_records(lua_State *L)
{
	const sip_str chance = l_check_str(L, 1);
	struct sip_hash_key key;
	struct l_records *box;

	luaL_argcheck(L, chance.len >= sizeof key, 1, "16 bytes at least");
	memcpy(&key, chance.p, sizeof key);
	box = lua_newuserdatauv(L, sizeof *box, 0);
	box->records.alloc = NULL;
	luaL_setmetatable(L, L_RECORDS);
	sip_records_init(&box->records, l_alloc(L), &key);
	return 1;
}

/* records:get(key) -> value | nil */
static int l_records_get(lua_State *L)
{
	const struct sip_record *record =
		sip_records_find(check_records(L), l_check_str(L, 2));

	return record ? push_str(L, sip_record_value(record)) : 0;
}

/* records:put(key, value, due) -> true | nil, err */
static int l_records_put(lua_State *L)
{
	const sip_err err = sip_records_put(check_records(L), l_check_str(L, 2),
	                                    l_check_str(L, 3), check_ms(L, 4));

	if (err != SIP_OK) {
		lua_pushnil(L);
		lua_pushstring(L, sip_err_name(err));
		return 2;
	}
	lua_pushboolean(L, 1);
	return 1;
}

/* records:remove(key) -> was it there? */
static int l_records_remove(lua_State *L)
{
	struct sip_records *records = check_records(L);
	struct sip_record *record = sip_records_find(records, l_check_str(L, 2));

	if (record)
		sip_records_remove(records, record);
	lua_pushboolean(L, record != NULL);
	return 1;
}

/* records:due(now) -> the key that falls due first, by now | nil */
static int l_records_due(lua_State *L)
{
	const struct sip_record *record =
		sip_records_due(check_records(L), check_ms(L, 2));

	return record ? push_str(L, sip_record_key(record)) : 0;
}

/* records:deadline() -> when the first falls due | nil */
static int l_records_deadline(lua_State *L)
{
	const uint64_t due_ms = sip_records_deadline(check_records(L));

	if (due_ms == SIP_NEVER)
		return 0;
	lua_pushnumber(L, (double)due_ms / 1000.0);
	return 1;
}

/* records:count() -> how many there are */
static int l_records_count(lua_State *L)
{
	lua_pushinteger(L, (lua_Integer)check_records(L)->map.count);
	return 1;
}

static int l_records_close(lua_State *L) /* __gc and __close: idempotent */
{
	struct l_records *box = luaL_checkudata(L, 1, L_RECORDS);

	if (box->records.alloc)
		sip_records_fini(&box->records);
	box->records.alloc = NULL;
	return 0;
}

static int l_records_tostring(lua_State *L)
{
	const struct l_records *box = luaL_checkudata(L, 1, L_RECORDS);

	lua_pushfstring(L, "sip.Records{%I}",
	                (lua_Integer)(box->records.alloc ? box->records.map.count : 0));
	return 1;
}

void l_records_open(lua_State *L)
{
	static const luaL_Reg meta[] = {
		{ "__gc", l_records_close },
		{ "__close", l_records_close },
		{ "__tostring", l_records_tostring },
		{ NULL, NULL },
	};
	static const luaL_Reg methods[] = {
		{ "get", l_records_get },           { "put", l_records_put },
		{ "remove", l_records_remove },     { "due", l_records_due },
		{ "deadline", l_records_deadline }, { "count", l_records_count },
		{ "close", l_records_close },       { NULL, NULL },
	};
	static const luaL_Reg functions[] = {
		{ "records", l_records },
		{ NULL, NULL },
	};

	l_new_class(L, L_RECORDS, meta, methods);
	luaL_setfuncs(L, functions, 0);
}
