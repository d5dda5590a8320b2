/* Session descriptions: what is read is written, and reads again as the same lines,
 * which are then written as the same bytes. */
#include "msg/sdp.h"
#include "msg/message.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct sip_limits limits = SIP_LIMITS_DEFAULT;

/* Read `bytes` to the end, writing each line into `out`.  False: refused. */
static bool copy(sip_str bytes, struct sip_out *out, char *letters, size_t *count)
{
	struct sip_sdp_reader reader;
	struct sip_sdp_line line;
	struct sip_refusal refusal;
	sip_err err;

	*count = 0;
	sip_sdp_reader_init(&reader, bytes, &limits);
	while ((err = sip_sdp_next(&reader, &line, &refusal)) == SIP_OK) {
		if (line.at >= bytes.len || *count >= limits.sdp_lines)
			abort();
		letters[(*count)++] = line.type;
		sip_sdp_write_line(out, &line);
	}
	if (err != SIP_EMORE && (refusal.at > bytes.len || !refusal.why))
		abort();
	return err == SIP_EMORE;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* Numbers lose leading zeros, lines gain a CR: never twice as long. */
	const size_t room = 2 * size + 16;
	char *bytes = malloc(size + 1), *first = malloc(room), *second = malloc(room);
	char *letters = malloc(2 * limits.sdp_lines);
	struct sip_out out, again;
	size_t count, count_again;

	if (!bytes || !first || !second || !letters)
		abort();
	memcpy(bytes, data, size);
	bytes = realloc(bytes,
	                size > 0 ? size : 1); /* so that one past it is noticed */
	sip_out_init(&out, first, room);
	sip_out_init(&again, second, room);
	if (copy(sip_str_of(bytes, size), &out, letters, &count)) {
		if (sip_out_end(&out) != SIP_OK ||
		    !copy(sip_str_of(first, out.len), &again,
		          letters + limits.sdp_lines, &count_again) ||
		    count != count_again ||
		    memcmp(letters, letters + limits.sdp_lines, count) != 0 ||
		    sip_out_end(&again) != SIP_OK ||
		    !sip_str_eq(sip_str_of(first, out.len),
		                sip_str_of(second, again.len)))
			abort();
	}
	free(bytes);
	free(first);
	free(second);
	free(letters);
	return 0;
}
