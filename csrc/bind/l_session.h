/* l_session.h - Lua face of a media session: userdata "sip.MediaSession". */
#pragma once

#include "media/desk.h"

#include <lua.h>

/* A Media: its first uservalue has the boxes of its sessions, by serial. */
struct l_media {
	struct media_desk *desk; /* NULL once the driver is gone */
};

struct l_session {
	struct l_media *media;         /* uservalue 1 keeps it */
	struct media_session *session; /* NULL once closed */
	uint64_t serial;
};

void l_session_open(lua_State *L); /* the metatable; may raise */

/* Push a box without a session, for the Media at index `media`: box first, so that the
 * session is in it before anything may raise. */
struct l_session *l_session_push(lua_State *L, int media);

/* Push `nil, why`; gives 2. */
int l_media_refuse(lua_State *L, const char *why);
/* Two options of the table at index 2: an IP address, and a port.  Raises. */
struct sip_addr l_media_addr(lua_State *L, const char *host_key, const char *port_key,
                             bool port_wanted);
