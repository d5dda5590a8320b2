#include "base/wire.h"

#include <assert.h>

#define SIP_TRANSPORT_ROW(name, via, uri, reliable, secure, port)                      \
	[name] = { { "" via, sizeof(via) - 1 },                                        \
		   { "" uri, sizeof(uri) - 1 },                                        \
		   reliable,                                                           \
		   secure,                                                             \
		   port },

static const struct sip_transport_info transports[] = { SIP_TRANSPORT_MAP(
	SIP_TRANSPORT_ROW) };

const struct sip_transport_info *sip_transport_info(enum sip_transport transport)
{
	assert(transport >= SIP_UDP && transport <= SIP_WSS);
	return &transports[transport];
}

bool sip_transport_is_web(enum sip_transport transport)
{
	return transport == SIP_WS || transport == SIP_WSS;
}

enum sip_transport sip_transport_find(sip_str name)
{
	for (int t = SIP_UDP; t <= SIP_WSS; t++) {
		if (sip_str_ieq(name, transports[t].via))
			return (enum sip_transport)t;
	}
	return SIP_TRANSPORT_NONE;
}
