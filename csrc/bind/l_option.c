#include "bind/l_option.h"

#include <lauxlib.h>

static bool is_in(const char *const *list, const char *text)
{
	for (; *list; list++)
		if (strcmp(*list, text) == 0)
			return true;
	return false;
}

void l_options_check(lua_State *L, int arg, const char *const *keys)
{
	luaL_checktype(L, arg, LUA_TTABLE);
	lua_pushnil(L);
	while (lua_next(L, arg)) {
		if (lua_type(L, -2) == LUA_TSTRING && !is_in(keys, lua_tostring(L, -2)))
			luaL_error(L, "unknown option '%s'", lua_tostring(L, -2));
		lua_pop(L, 1);
	}
}

bool l_option_has(lua_State *L, int arg, const char *key)
{
	const bool has = lua_getfield(L, arg, key) != LUA_TNIL;

	lua_pop(L, 1);
	return has;
}

static void wrong(lua_State *L, const char *key, const char *wanted)
{
	luaL_error(L, "bad option '%s' (%s expected, got %s)", key, wanted,
	           luaL_typename(L, -1));
}

sip_str l_option_str(lua_State *L, int arg, const char *key, sip_str fallback)
{
	sip_str text = fallback;

	if (lua_getfield(L, arg, key) == LUA_TSTRING)
		text.p = lua_tolstring(L, -1, &text.len);
	else if (!lua_isnil(L, -1))
		wrong(L, key, "string");
	lua_pop(L, 1);
	return text;
}

lua_Integer l_option_integer(lua_State *L, int arg, const char *key,
                             lua_Integer fallback, lua_Integer min, lua_Integer max)
{
	lua_Integer value = fallback;
	int is_integer = 1;

	if (lua_getfield(L, arg, key) == LUA_TNUMBER)
		value = lua_tointegerx(L, -1, &is_integer);
	else if (!lua_isnil(L, -1))
		is_integer = 0;
	if (!is_integer)
		wrong(L, key, "integer");
	if (!lua_isnil(L, -1) && (value < min || value > max))
		luaL_error(L, "bad option '%s' (%I to %I expected, got %I)", key,
		           (LUAI_UACINT)min, (LUAI_UACINT)max, (LUAI_UACINT)value);
	lua_pop(L, 1);
	return value;
}

lua_Number l_option_number(lua_State *L, int arg, const char *key, lua_Number fallback,
                           lua_Number min, lua_Number max)
{
	lua_Number value = fallback;

	if (lua_getfield(L, arg, key) == LUA_TNUMBER) {
		value = lua_tonumber(L, -1);
		if (!(value >= min && value <= max)) /* no NaN either */
			luaL_error(L, "bad option '%s' (%f to %f expected, got %f)",
			           key, (LUAI_UACNUMBER)min, (LUAI_UACNUMBER)max,
			           (LUAI_UACNUMBER)value);
	} else if (!lua_isnil(L, -1)) {
		wrong(L, key, "number");
	}
	lua_pop(L, 1);
	return value;
}

unsigned l_option_choice(lua_State *L, int arg, const char *key, const char *fallback,
                         const char *const *choices)
{
	const sip_str text =
		l_option_str(L, arg, key, sip_str_of(fallback, strlen(fallback)));

	for (unsigned i = 0; choices[i]; i++)
		if (sip_str_eq(text, sip_str_of(choices[i], strlen(choices[i]))))
			return i;
	luaL_error(L, "bad option '%s' (got '%s')", key, text.p);
	return 0;
}

static void take_limit(lua_State *L, const char *name, uint32_t *limit)
{
	lua_Integer value;
	int is_integer;

	if (lua_getfield(L, -1, name) != LUA_TNIL) {
		value = lua_tointegerx(L, -1, &is_integer);
		if (!is_integer || value < 0 || value > INT32_MAX)
			luaL_error(L, "limits: %s is no whole number, or too large",
			           name);
		*limit = (uint32_t)value;
	}
	lua_pop(L, 1);
}

void l_option_limits(lua_State *L, int arg, const char *key, struct sip_limits *limits)
{
	if (lua_getfield(L, arg, key) == LUA_TTABLE) {
#define TAKE_LIMIT(name, value) take_limit(L, #name, &limits->name);
		SIP_LIMIT_MAP(TAKE_LIMIT)
#undef TAKE_LIMIT
	}
	lua_pop(L, 1);
}
