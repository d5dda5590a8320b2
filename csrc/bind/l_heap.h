#pragma once
/* What boxes of one Lua state own outside of it: its allocator, and the account that
 * the collector is told about.
 *
 * The collector sees a box of a few bytes and not the kilobytes behind it.  Whoever
 * puts C memory behind a box charges it; the account steps the collector as if Lua had
 * allocated as much, and what is let go before the collector finds it is discharged.
 */
#include <lua.h>

#include "base/alloc.h"

/* Its name in the registry: a struct sip_failing_alloc, that sip.test lets fail. */
#define L_HEAP "sip.heap"

struct sip_alloc *l_alloc(lua_State *L);   /* lives as long as the state */
void l_charge(lua_State *L, size_t bytes); /* may collect, so it may raise */
void l_discharge(lua_State *L, size_t bytes);
size_t l_charged(lua_State *L); /* bytes behind boxes at this moment */

void l_heap_open(lua_State *L); /* once, when the module is opened */
