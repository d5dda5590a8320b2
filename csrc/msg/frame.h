#pragma once
/* Messages out of a stream (RFC 3261 18.3), as a pure codec.
 *
 * Three answers: a whole message, more bytes wanted, or malformed.  Bytes already
 * looked at are not looked at again: `seen` is kept between calls.
 */
#include "base/limits.h"
#include "msg/message.h"

struct sip_frame {
	uint32_t seen;     /* bytes of the head already searched */
	uint32_t head_len; /* with the empty line; 0: it is not there yet */
	uint32_t body_len;
	bool crlf; /* the last thing given was one CRLF: another makes it a ping */
};

enum sip_frame_kind { SIP_FRAME_MESSAGE, SIP_FRAME_PING, SIP_FRAME_PONG };

/* Look at the unread bytes of a stream.  SIP_OK: the first `len` bytes are one message,
 * or a ping (CRLFCRLF), or a pong (CRLF, RFC 5626 4.4.1; before a message it means
 * nothing, RFC 3261 7.5), and the frame is ready for what follows them.  A ping that
 * came in two pieces is a pong and a ping.
 * SIP_EMORE: feed more, from the same start.  SIP_ESYNTAX, SIP_ELIMIT: `refusal`; the
 * connection cannot be used any more; the first `len` bytes are the head, for an
 * answer, or 0.  A refusal without a status: it is another protocol, which no answer
 * would be understood in. */
sip_err sip_frame_feed(struct sip_frame *frame, const struct sip_limits *limits,
                       sip_str unread, enum sip_frame_kind *kind, size_t *len,
                       struct sip_refusal *refusal);
