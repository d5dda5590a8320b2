/* l_tx.h - Lua faces of transactions: userdata "sip.ServerTx" and "sip.ClientTx".
 *
 * Two types, so that answering with a client one is a type error in the script.
 * The same transaction is the same Lua value for as long as Lua holds it: a weak
 * table per stack, keyed by serial.
 */
#pragma once

#include "bind/l_stack.h"

void l_tx_open(lua_State *L); /* metatables; may raise */
/* Push the box of `tx`, made when there is none; `objects` is the stack's weak table.
 * Keeps a reference of its own.  May raise. */
void l_push_tx(lua_State *L, int objects, struct l_stack *stack, struct sip_tx *tx);
/* Push the box if there is one; else nothing, and false. */
bool l_push_known_tx(lua_State *L, int objects, const struct sip_tx *tx);
