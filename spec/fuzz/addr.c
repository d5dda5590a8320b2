/* Addresses as text: what parses is written, and parses again to the same value. */
#include "base/addr.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char text[SIP_ADDR_TEXT_MAX];
	struct sip_addr addr, again;

	if (!sip_addr_parse(sip_str_of((const char *)data, size), &addr))
		return 0;
	for (int brackets = 0; brackets < 2; brackets++) {
		const size_t len = sip_addr_write_host(&addr, text, brackets != 0);

		if (len > sizeof text ||
		    !sip_addr_parse(sip_str_of(text, len), &again) ||
		    !sip_addr_eq(&addr, &again))
			abort();
	}
	return 0;
}
