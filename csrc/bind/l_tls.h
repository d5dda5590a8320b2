/* l_tls.h - what Lua says about TLS: { ca, verify, clients, pairs }. */
#pragma once

#include "base/tls.h"

#include <lauxlib.h>

/* The table at `index`: ca = path; verify = false; clients = "optional"|"required";
 * pairs = { { cert =, key =, domain = }, ... }.  Borrows its strings, which the table
 * must keep.  Raises when it is no such table. */
struct sip_tls_config l_tls_check(lua_State *L, int index,
                                  struct sip_tls_pair pairs[SIP_TLS_PAIRS]);
