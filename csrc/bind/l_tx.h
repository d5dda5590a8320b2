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
void l_push_tx(lua_State *L, int objects, struct sip_tx *tx);
/* Push the box if there is one; else nothing, and false. */
bool l_push_known_tx(lua_State *L, int objects, const struct sip_tx *tx);
/* Fill a spec's fields from the flat array at `index` (nil is fine); they borrow
 * strings that the table holds.  Raises. */
enum { L_FIELDS_MAX = 128 };
unsigned l_check_fields(lua_State *L, int index, struct sip_field fields[L_FIELDS_MAX]);
/* The string field `key` of the table at `index`; p is NULL when it is nil. */
sip_str l_opt_field(lua_State *L, int index, const char *key);
