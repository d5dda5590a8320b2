#pragma once
/* For fragment.c alone: what message.h has of it is what others use. */
#include "msg/message.h"

/* As sip_msg_parse, of what has an empty line behind its headers, and may have nothing
 * else.  Unchecked. */
sip_err sip_msg_parse_some(struct sip_alloc *alloc, const struct sip_limits *limits,
                           sip_str bytes, struct sip_msg **msg,
                           struct sip_refusal *refusal);
