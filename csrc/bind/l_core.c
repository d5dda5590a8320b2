#include "bind/l_core.h"

#include "bind/l_body.h"
#include "bind/l_digest.h"
#include "bind/l_heap.h"
#include "bind/l_loop.h"
#include "bind/l_media.h"
#include "bind/l_msg.h"
#include "bind/l_nonce.h"
#include "bind/l_pcm.h"
#include "bind/l_records.h"
#include "bind/l_sdp.h"
#include "bind/l_sim.h"
#include "bind/l_stack.h"
#include "bind/l_uri.h"
#include "bind/l_write.h"

#include <lauxlib.h>

/* core.held() -> bytes that boxes hold outside of Lua */
static int l_held(lua_State *L)
{
	lua_pushinteger(L, (lua_Integer)l_charged(L));
	return 1;
}

static const luaL_Reg core_functions[] = {
	{ "held", l_held },
	{ NULL, NULL },
};

int luaopen_sip_core(lua_State *L)
{
	luaL_newlib(L, core_functions);
	l_body_open(L);
	l_digest_open(L);
	l_heap_open(L);
	l_media_open(L);
	l_msg_open(L);
	l_nonce_open(L);
	l_pcm_open(L);
	l_records_open(L);
	l_uri_open(L);
	l_uri_write_open(L);
	l_write_open(L);
	l_sdp_open(L);
	l_sdp_write_open(L);
	l_stack_open(L);
	l_sim_open(L);
	l_loop_open(L);
	lua_pushliteral(L, SIP_VERSION);
	lua_setfield(L, -2, "version");
	return 1;
}
