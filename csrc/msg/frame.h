#pragma once
/* Messages out of a stream (RFC 3261 18.3), as a pure codec.
 *
 * Three answers: a whole message, more bytes wanted, or malformed.  Bytes already
 * looked at are not looked at again: `seen` is kept between calls.
 */
#include "base/limits.h"
#include "msg/message.h"

struct sip_frame {
	uint32_t seen; /* bytes of the head already searched */
	uint32_t
		head_len; /* start line and headers with their empty line; 0: not yet */
	uint32_t body_len;
};

enum sip_frame_kind { SIP_FRAME_MESSAGE, SIP_FRAME_PING, SIP_FRAME_PONG };

/* Look at the unread bytes of a stream.  SIP_OK: `kind` and `len`: that many bytes
 * from `skip` on are one message, or a CRLFCRLF ping, or a CRLF pong (RFC 5626
 * 4.4.1; other leading CRLFs are skipped); the frame is ready for the next.
 * SIP_EMORE: feed more, from the same start.  SIP_ESYNTAX, SIP_ELIMIT: `refusal`; the
 * connection cannot be used any more; `len` bytes are the head, for an answer, or 0. */
sip_err sip_frame_feed(struct sip_frame *frame, const struct sip_limits *limits,
                       sip_str unread, enum sip_frame_kind *kind, size_t *skip,
                       size_t *len, struct sip_refusal *refusal);
