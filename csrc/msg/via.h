#pragma once
/* One value of Via (RFC 3261 20.42, RFC 3581). */
#include "base/wire.h"
#include "msg/param.h"

struct sip_via {
	sip_str text;      /* this one value of the list */
	sip_str transport; /* "UDP" */
	enum sip_transport transport_id;
	sip_str host;  /* sent-by, with brackets for IPv6 */
	uint16_t port; /* 0: not given */
	sip_str params;
	sip_str branch, received, maddr;
	bool has_rport; /* RFC 3581: present, with or without a value */
	uint16_t rport; /* 0: no value */
};

/* The whole text is one value, no list.  `fault` may be NULL. */
sip_err sip_via_parse(sip_str value, struct sip_via *via, struct sip_fault *fault);
