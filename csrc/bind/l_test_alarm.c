/* l_test_alarm.c - test.alarm.late(ms): a wait of the loop for so long, by a thread
 * that does not have the processor meanwhile.
 */
#include "bind/l_test.h"
#include "net/net.h"

#include <signal.h>
#include <sys/time.h>

enum { RESCUE_S = 5 };

/* What the handler knows. */
static struct net_loop *loop;
static volatile sig_atomic_t overslept;

static void on_rescue(int number)
{
	(void)number;
	overslept = 1;
	net_loop_wake(loop);
}

/* -> whether it slept on */
static int l_late(lua_State *L)
{
	const uint64_t ms = (uint64_t)luaL_checkinteger(L, 1);
	const struct itimerval rescue = { .it_value.tv_sec = RESCUE_S }, none = { 0 };
	struct sigaction action = { .sa_handler = on_rescue }, before;
	struct sip_alloc heap;
	const char *why;
	uint64_t from_ms;

	sip_alloc_init(&heap);
	if (net_loop_new(&heap, NULL, &loop, &why) != SIP_OK)
		return luaL_error(L, "no loop: %s", why);
	overslept = 0;
	/* These four cannot fail: what they are given is right. */
	(void)sigaction(SIGALRM, &action, &before);
	(void)setitimer(ITIMER_REAL, &rescue, NULL);
	net_loop_arm(loop, ms);
	from_ms = net_now_ms();
	while (net_now_ms() <= from_ms + ms)
		;
	net_loop_wait(loop);
	(void)setitimer(ITIMER_REAL, &none, NULL);
	(void)sigaction(SIGALRM, &before, NULL);
	net_loop_free(loop);
	lua_pushboolean(L, overslept);
	return 1;
}

static const luaL_Reg functions[] = { { "late", l_late }, { NULL, NULL } };

int l_test_alarm(lua_State *L)
{
	luaL_newlib(L, functions);
	return 1;
}
