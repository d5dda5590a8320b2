/* l_test_net.h - a bare wire for specs, and what has come of it. */
#pragma once

#include "net/net.h"

#include <lauxlib.h>

struct seen;      /* l_test_event.c */
struct file_call; /* l_test_file.c */

struct l_test_net {
	struct sip_wire_sink sink;
	uint32_t half_open_max, holds_max;
	struct sip_failing_alloc alloc;
	struct sip_alloc heap;
	struct net_loop *loop;
	struct sip_wire *wire;
	struct seen *first, **last;
	struct file_call *file_first, **file_last; /* those that are done */
	const char *signal;
};

struct l_test_net *l_test_net_check(lua_State *L);

/* Copied; without memory it is lost. */
void l_test_event_note(struct l_test_net *net, const struct sip_wire_event *event);
/* Append them to the list on top, behind its n-th; gives how many it has then. */
lua_Integer l_test_events_push(lua_State *L, const struct l_test_net *net,
                               lua_Integer n);
void l_test_events_drop(struct l_test_net *net);

/* The same for what has been done with files. */
lua_Integer l_test_files_push(lua_State *L, const struct l_test_net *net,
                              lua_Integer n);
void l_test_files_drop(struct l_test_net *net);
extern const luaL_Reg l_test_file_methods[];
