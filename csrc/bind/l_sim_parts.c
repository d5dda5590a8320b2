#include "bind/l_sim_parts.h"

#include "bind/l_option.h"
#include "bind/l_str.h"
#include "media/desk.h"

uint64_t l_sim_unix_ms(uint64_t now_ms)
{
	return 1767225600000u + now_ms;
}

double l_sim_cpu_s(struct l_driver *driver)
{
	(void)driver;
	return -1;
}

static uint64_t media_due_ms(const struct sim_host *host)
{
	const uint64_t due_us = sim_host_media_due_us(host);

	return due_us == SIP_NEVER ? SIP_NEVER : (due_us + 999) / 1000;
}

bool l_sim_desk_ready(struct l_driver *driver, struct sim_host *host)
{
	if (media_due_ms(host) > driver->ops->now_ms(driver) &&
	    !media_desk_pending(driver->desk))
		return false;
	sim_host_media_seen(host);
	return true;
}

uint64_t l_sim_desk_deadline_ms(const struct l_driver *driver,
                                const struct sim_host *host)
{
	return driver->desk && media_desk_pending(driver->desk) ? 0
	                                                        : media_due_ms(host);
}

struct sip_addr l_sim_opt_address(lua_State *L, const char *key)
{
	struct sip_addr addr = { 0 };
	const sip_str text = l_option_str(L, 2, key, SIP_STR(""));

	if (text.len > 0 && !sip_addr_parse(text, &addr))
		luaL_error(L, "%s: an IP address expected", key);
	return addr;
}

int l_sim_write_file(lua_State *L, struct sim_host *host)
{
	const sip_str path = l_check_str(L, 2), bytes = l_check_str(L, 3);

	if (sim_host_write_file(host, path, bytes) != SIP_OK)
		return luaL_error(L, "out of memory");
	return 0;
}

int l_sim_read_file(lua_State *L, struct sim_host *host)
{
	const sip_str bytes = sim_host_read_file(host, l_check_str(L, 2));

	if (!bytes.p)
		return 0;
	l_push_str(L, bytes);
	return 1;
}

int l_sim_disk(lua_State *L, struct sim_host *host)
{
	luaL_checktype(L, 2, LUA_TTABLE);
	if (lua_getfield(L, 2, "free") != LUA_TNIL)
		sim_host_set_disk(host, (uint64_t)luaL_checkinteger(L, -1));
	if (lua_getfield(L, 2, "delay") != LUA_TNIL)
		sim_host_set_disk_delay(host, l_check_delay_ms(L, -1) * 1000);
	return 0;
}
