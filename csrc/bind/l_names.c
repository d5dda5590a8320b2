#include "bind/l_names.h"

#include "bind/l_option.h"
#include "sim/world.h"

#include <lauxlib.h>

static const char *const type_names[] = { "A", "AAAA", "SRV", "NAPTR", NULL };
static const enum sip_record_type types[] = { SIP_RECORD_A, SIP_RECORD_AAAA,
	                                      SIP_RECORD_SRV, SIP_RECORD_NAPTR };

enum sip_record_type l_check_record_type(lua_State *L, int arg)
{
	return types[luaL_checkoption(L, arg, "A", type_names)];
}

static void set_integer(lua_State *L, const char *key, lua_Integer value)
{
	lua_pushinteger(L, value);
	lua_setfield(L, -2, key);
}

static void set_string(lua_State *L, const char *key, const char *value)
{
	lua_pushstring(L, value);
	lua_setfield(L, -2, key);
}

void l_push_record(lua_State *L, const struct sip_record *record)
{
	char text[SIP_ADDR_TEXT_MAX];

	switch (record->type) {
	case SIP_RECORD_SRV:
		lua_createtable(L, 0, 4);
		set_integer(L, "priority", record->order);
		set_integer(L, "weight", record->preference);
		set_integer(L, "port", record->port);
		set_string(L, "target", record->target);
		return;
	case SIP_RECORD_NAPTR:
		lua_createtable(L, 0, 5);
		set_integer(L, "order", record->order);
		set_integer(L, "preference", record->preference);
		set_string(L, "flags", record->flags);
		set_string(L, "service", record->service);
		set_string(L, "target", record->target);
		return;
	case SIP_RECORD_A:
	case SIP_RECORD_AAAA:
	case SIP_RECORD_NONE:
		break;
	}
	lua_pushlstring(L, text, sip_addr_write_host(&record->addr, text, false));
}

uint32_t l_push_names(lua_State *L, const struct sip_event *event)
{
	const struct sip_record *records = (const void *)event->bytes->bytes;
	const size_t count = event->bytes->len / sizeof *records;
	uint32_t ttl_s = count > 0 ? UINT32_MAX : event->ttl_s;

	lua_createtable(L, (int)count, 0);
	for (size_t i = 0; i < count; i++) {
		l_push_record(L, &records[i]);
		lua_rawseti(L, -2, (lua_Integer)i + 1);
		if (records[i].ttl_s < ttl_s)
			ttl_s = records[i].ttl_s;
	}
	return ttl_s;
}

/* --- what a simulated world knows ------------------------------------------------ */

static bool copy_text(char *out, size_t size, sip_str text)
{
	if (text.len >= size)
		return false;
	memcpy(out, text.p, text.len);
	out[text.len] = '\0';
	return true;
}

static void read_record(lua_State *L, struct sip_record *record)
{
	const sip_str host = l_option_str(L, 2, "host", SIP_STR(""));
	const bool srv = record->type == SIP_RECORD_SRV;
	const unsigned family = record->type == SIP_RECORD_A ? 4 : 6;
	sip_str target = l_option_str(L, 2, "target", SIP_STR(""));

	record->order = (uint16_t)l_option_integer(L, 2, srv ? "priority" : "order", 0,
	                                           0, 65535);
	record->preference = (uint16_t)l_option_integer(
		L, 2, srv ? "weight" : "preference", 0, 0, 65535);
	record->port = (uint16_t)l_option_integer(L, 2, "port", 5060, 0, 65535);
	if (host.len > 0 &&
	    (!sip_addr_parse(host, &record->addr) || record->addr.family != family))
		luaL_error(L, "host: an address of that family expected");
	if (sip_str_eq(target, SIP_STR(".")))
		target.len = 0;
	if (!copy_text(record->target, sizeof record->target, target) ||
	    !copy_text(record->flags, sizeof record->flags,
	               l_option_str(L, 2, "flags", SIP_STR("s"))) ||
	    !copy_text(record->service, sizeof record->service,
	               l_option_str(L, 2, "service", SIP_STR(""))))
		luaL_error(L, "too long a record");
}

/* world:dns{ name, type, ttl, host | priority, weight, port, target | order,
 * preference, flags, service, target }: one more record.  Without a host or a target it
 * says how questions for the name fare: { name, type, delay, fail, ttl }. */
int l_world_dns(lua_State *L, struct sim_world *world)
{
	static const char *const keys[] = { "name",       "type",     "ttl",
		                            "host",       "priority", "weight",
		                            "port",       "target",   "order",
		                            "preference", "flags",    "service",
		                            "delay",      "fail",     NULL };
	struct sip_record record = { 0 };
	struct sim_question question = { 0 };
	sip_str name;
	sip_err err;

	l_options_check(L, 2, keys);
	name = l_option_str(L, 2, "name", SIP_STR(""));
	if (l_option_has(L, 2, "type"))
		record.type = types[l_option_choice(L, 2, "type", "A", type_names)];
	if (l_option_has(L, 2, "host") || l_option_has(L, 2, "target")) {
		if (record.type == SIP_RECORD_NONE)
			return luaL_error(L, "a record has a type");
		record.ttl_s =
			(uint32_t)l_option_integer(L, 2, "ttl", 60, 0, INT32_MAX);
		read_record(L, &record);
		err = sim_world_record(world, name, &record);
	} else {
		question.type = record.type;
		question.ttl_s =
			(uint32_t)l_option_integer(L, 2, "ttl", 0, 0, INT32_MAX);
		question.delay_us =
			(uint64_t)(l_option_number(L, 2, "delay", 0, 0, 1e6) * 1e6);
		lua_getfield(L, 2, "fail");
		question.fails = lua_toboolean(L, -1);
		err = sim_world_question(world, name, &question);
	}
	if (err != SIP_OK)
		return luaL_error(L, "no such name can be held: %s", sip_err_name(err));
	return 0;
}

/* world:forget(name): all of its records, and how its questions fare */
int l_world_forget(lua_State *L, struct sim_world *world)
{
	sip_str name;

	name.p = luaL_checklstring(L, 2, &name.len);
	sim_world_forget(world, name);
	return 0;
}

/* world:lookups() -> how many questions have been asked */
int l_world_lookups(lua_State *L, const struct sim_world *world)
{
	lua_pushinteger(L, (lua_Integer)sim_world_lookups(world));
	return 1;
}
