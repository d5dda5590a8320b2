/* A stream: what is cut from it does not depend on how it arrives.  The first byte
 * seeds the sizes of the pieces. */
#include <stdlib.h>

#include "msg/frame.h"

enum { CUTS_MAX = 256 };

struct cuts {
	size_t count;
	size_t ends[CUTS_MAX]; /* of messages */
	sip_err err;           /* that ended the stream, SIP_EMORE: none */
};

/* Feed the whole in pieces: `seed` 0 is one piece. */
static void cut(sip_str stream, unsigned seed, struct cuts *cuts)
{
	const struct sip_limits limits = SIP_LIMITS_DEFAULT;
	struct sip_frame frame = { 0 };
	size_t used = 0, have = seed ? 0 : stream.len;

	*cuts = (struct cuts){ .err = SIP_EMORE };
	for (;;) {
		struct sip_refusal refusal = { 0 };
		enum sip_frame_kind kind;
		size_t len;
		const sip_err err = sip_frame_feed(
			&frame, &limits, sip_str_of(stream.p + used, have - used),
			&kind, &len, &refusal);

		if (len > have - used)
			abort();
		if (err == SIP_OK) {
			if (len == 0)
				abort();
			used += len;
			if (kind == SIP_FRAME_MESSAGE && cuts->count < CUTS_MAX)
				cuts->ends[cuts->count++] = used;
			continue;
		}
		if (err != SIP_EMORE || have == stream.len) {
			cuts->err = err;
			return;
		}
		seed = seed * 1103515245u + 12345u;
		have += 1 + (seed >> 16) % 97;
		if (have > stream.len)
			have = stream.len;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cuts whole, pieces;
	sip_str stream;

	if (size == 0)
		return 0;
	stream = sip_str_of((const char *)data + 1, size - 1);
	cut(stream, 0, &whole);
	cut(stream, data[0] + 1u, &pieces);
	if (whole.count != pieces.count ||
	    memcmp(whole.ends, pieces.ends, whole.count * sizeof *whole.ends) != 0)
		abort();
	if (whole.err != pieces.err)
		abort();
	return 0;
}
