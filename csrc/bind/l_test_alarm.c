/* l_test_alarm.c - test.alarm.late(ms): a wait of the loop for so long, by a thread
 * that does not have the processor meanwhile.  SIGTERM ends it.
 */
#include "bind/l_test.h"
#include "net/net.h"

static void on_signal(void *data, const char *name)
{
	(void)name;
	*(bool *)data = true;
}

/* -> whether it took SIGTERM to end it */
static int l_late(lua_State *L)
{
	const uint64_t ms = (uint64_t)luaL_checkinteger(L, 1);
	struct net_loop *loop;
	struct sip_alloc heap;
	bool ended = false;
	const char *why;
	uint64_t from_ms;

	sip_alloc_init(&heap);
	if (net_loop_new(&heap, NULL, &loop, &why) != SIP_OK)
		return luaL_error(L, "no loop: %s", why);
	if (net_loop_signals(loop, on_signal, &ended) != SIP_OK)
		return luaL_error(L, "no signals");
	net_loop_arm(loop, ms);
	from_ms = net_now_ms();
	while (net_now_ms() <= from_ms + ms)
		;
	net_loop_wait(loop);
	net_loop_free(loop);
	lua_pushboolean(L, ended);
	return 1;
}

static const luaL_Reg functions[] = { { "late", l_late }, { NULL, NULL } };

int l_test_alarm(lua_State *L)
{
	luaL_newlib(L, functions);
	return 1;
}
