/* Replies of name servers: whatever is read has texts that end, hosts that may be
 * asked for, and no more records than one answer may have. */
#include "net/dns_reply.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_text(const char *text, size_t size)
{
	const char *end = memchr(text, '\0', size);

	if (!end)
		abort();
	for (; text < end; text++) {
		if (*text < ' ' || *text > '~')
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const enum sip_record_type types[] = { SIP_RECORD_A, SIP_RECORD_AAAA,
		                                      SIP_RECORD_SRV,
		                                      SIP_RECORD_NAPTR };
	char *bytes = malloc(size > 0 ? size : 1); /* so that one past it is noticed */

	if (!bytes)
		abort();
	memcpy(bytes, data, size);
	for (size_t t = 0; t < sizeof types / sizeof *types; t++) {
		struct sip_record records[SIP_RECORDS_MAX];
		size_t count = 0;
		uint32_t ttl_s = 0;

		if (!net_dns_reply(sip_str_of(bytes, size), types[t], records, &count,
		                   &ttl_s))
			continue;
		if (count > SIP_RECORDS_MAX || ttl_s > INT32_MAX)
			abort();
		for (size_t i = 0; i < count; i++) {
			const struct sip_record *record = &records[i];

			if (record->type != types[t] || record->ttl_s > INT32_MAX)
				abort();
			check_text(record->target, sizeof record->target);
			check_text(record->flags, sizeof record->flags);
			check_text(record->service, sizeof record->service);
		}
	}
	free(bytes);
	return 0;
}
