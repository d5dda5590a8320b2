/* l_event.h - the events of stacks: see l_event.c, and l_stack.h for the driver's side.
 */
#pragma once

#include "bind/l_stack.h"

/* The Lua table of a stack, its uservalue 1: the dispatch function and the weak table
 * of transaction boxes. */
enum { T_DISPATCH = 1, T_OBJECTS = 2 };

/* The sink of a stack's wire: it feeds the stack that it is part of. */
void l_event_sink(struct sip_wire_sink *sink);
