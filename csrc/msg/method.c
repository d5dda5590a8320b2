#include "msg/method.h"

#include <assert.h>

#define NAME(name) [SIP_M_##name] = { #name, sizeof(#name) - 1 },
static const sip_str names[SIP_M_COUNT] = { SIP_METHOD_MAP(NAME) };
#undef NAME

enum sip_method sip_method_find(sip_str name)
{
	for (enum sip_method m = SIP_M_OTHER + 1; m < SIP_M_COUNT; m++) {
		if (names[m].len == name.len && names[m].p[0] == name.p[0] &&
		    memcmp(names[m].p, name.p, name.len) == 0)
			return m;
	}
	return SIP_M_OTHER;
}

sip_str sip_method_name(enum sip_method method)
{
	assert(method > SIP_M_OTHER && method < SIP_M_COUNT);
	return names[method];
}
