/* l_media.h - Lua face of media: "sip.Media", made by a driver, and its sessions. */
#pragma once

#include "media/desk.h"

#include <lua.h>

/* Makes the two types. */
void l_media_open(lua_State *L);

/* Push a new box for the driver's desk.  The driver anchors it, and detaches it before
 * the desk ends: its sessions are gone then. */
void l_media_push(lua_State *L, struct media_desk *desk);
void l_media_detach(lua_State *L, int index);

/* Push what the dispatch function is to be called with for this event: the kind, the
 * session and more.  Gives how many values.  May raise.
 *
 *	"digit", session, digit, seconds
 *	"played", session, id, end, message
 *	"recorded", session, id, end, message, seconds, lost
 *	"media_failed", session, message
 *	"media_closed", session */
int l_media_push_event(lua_State *L, int index, const struct media_event *event);
