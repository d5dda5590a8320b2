/* l_test_tx.c - the transaction machines for specs and for doc/fsm.md. */
#include "bind/l_test.h"

#include "tx/fsm.h"

static void push_cell(lua_State *L, const struct sip_fsm_cell *cell, unsigned event)
{
	lua_createtable(L, 3, 0);
	lua_pushstring(L, sip_fsm_event_name(event));
	lua_rawseti(L, -2, 1);
	lua_pushstring(L, sip_fsm_state_name(cell->next));
	lua_rawseti(L, -2, 2);
	lua_newtable(L);
	for (int i = 0; i < SIP_FSM_ACTIONS && cell->actions[i] != ACT_NONE; i++) {
		lua_pushstring(L, sip_fsm_action_name(cell->actions[i]));
		lua_rawseti(L, -2, i + 1);
	}
	lua_rawseti(L, -2, 3);
}

static bool push_state(lua_State *L, const struct sip_fsm *fsm, unsigned state)
{
	lua_Integer count = 1;

	lua_newtable(L);
	lua_pushstring(L, sip_fsm_state_name(state));
	lua_rawseti(L, -2, 1);
	for (unsigned event = 0; event < EV_COUNT; event++) {
		const struct sip_fsm_cell *cell = &fsm->cells[state][event];

		if (cell->next == ST_NONE)
			continue;
		push_cell(L, cell, event);
		lua_rawseti(L, -2, ++count);
	}
	if (count > 1)
		return true;
	lua_pop(L, 1);
	return false;
}

/* fsm_tables() -> { { name, states = { { state, { event, next, { action ... } } ... }
 * ... } } ... } */
static int l_fsm_tables(lua_State *L)
{
	static const struct sip_fsm *const machines[] = { &sip_ict, &sip_nict, &sip_ist,
		                                          &sip_nist };

	lua_newtable(L);
	for (int m = 0; m < 4; m++) {
		lua_Integer count = 0;

		lua_newtable(L);
		lua_pushstring(L, machines[m]->name);
		lua_setfield(L, -2, "name");
		lua_newtable(L);
		for (unsigned state = ST_NONE + 1; state < ST_COUNT; state++) {
			if (push_state(L, machines[m], state))
				lua_rawseti(L, -2, ++count);
		}
		lua_setfield(L, -2, "states");
		lua_rawseti(L, -2, m + 1);
	}
	return 1;
}

static const luaL_Reg functions[] = {
	{ "fsm_tables", l_fsm_tables },
	{ NULL, NULL },
};

int l_test_tx(lua_State *L)
{
	luaL_newlib(L, functions);
	return 1;
}
