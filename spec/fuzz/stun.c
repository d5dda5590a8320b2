/* STUN: what is read is written again as it was, as far as it is kept. */
#include <stdlib.h>
#include <string.h>

#include "msg/stun.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const sip_str datagram = sip_str_of((const char *)data, size);
	struct sip_stun stun, again;
	char bytes[SIP_STUN_WRITE_MAX];
	size_t len;

	if (sip_stun_parse(datagram, &stun) != SIP_OK)
		return 0;
	if (!sip_stun_is(datagram) && stun.method < 0x80)
		abort();
	if (stun.error == 0) /* they are named beside an error only */
		stun.unknown_count = 0;
	memset(stun.unknown + stun.unknown_count, 0,
	       sizeof stun.unknown - stun.unknown_count * sizeof *stun.unknown);
	len = sip_stun_write(&stun, bytes);
	if (len > sizeof bytes || len > SIP_STUN_BYTES_MAX)
		abort();
	if (sip_stun_parse(sip_str_of(bytes, len), &again) != SIP_OK ||
	    again.class != stun.class || again.method != stun.method ||
	    again.error != stun.error || again.fingerprint != stun.fingerprint ||
	    memcmp(again.id, stun.id, sizeof stun.id) != 0 ||
	    !sip_addr_eq(&again.mapped, &stun.mapped))
		abort();
	return 0;
}
