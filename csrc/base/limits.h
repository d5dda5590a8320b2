#pragma once
/* Every bound of luasip, and the SIP answer to exceeding it.  A stack has its own
 * copy, so that a script may set them per endpoint.  doc/limits.md has the same rows,
 * spec/sim/limits_spec.lua and spec/wire/limits_spec.lua a case for each. */
#include <stdint.h>

/* clang-format off */
#define SIP_LIMIT_MAP(X)                                                                  \
	X(message_bytes,      65535)  /* 513; a stream is closed after it */                  \
	X(header_count,       256)    /* 400 */                                               \
	X(header_bytes,       32768)  /* 400: start line and headers together */              \
	X(uri_bytes,          8192)   /* 414 */                                               \
	X(sdp_lines,          2048)   /* 488 with a Warning */                                \
	X(sdp_media,          64)     /* 488 with a Warning */                                \
	X(body_parts,         64)     /* 413: of multipart bodies, those in parts too */      \
	X(body_depth,         4)      /* 413: parts in parts */                               \
	X(transactions,       2000000)/* 503 with Retry-After */                              \
	X(events,             65536)  /* 503: queued for scripts that do not keep up */       \
	X(nonces,             262144) /* 401, 407, stale=true: the oldest one goes */         \
	X(connections,        16384)  /* closed at once; 503 to whoever wants one */          \
	X(stream_queue_bytes, 1048576)/* per connection, 503 to whoever sends more */         \
	X(datagram_queue_bytes, 8388608) /* per socket, 503: the kernel takes no more */      \
	X(stream_idle_ms,     600000) /* closed; 64*T1 at the least, please (RFC 3261 18) */  \
	X(stream_open_ms,     20000)  /* closed: nobody answers while it opens */             \
	X(stream_unheard_ms,  32000)  /* closed: what we have sent is not acknowledged */     \
	X(stream_head_ms,     10000)  /* closed: half a message and silence */                \
	X(stream_keep_ms,     120000) /* closed: the keep-alives that it was asked for stop */ \
	X(keep_alives,        65536)  /* of ours; what is more has none */                    \
	X(tls_handshakes,     1024)   /* begun by peers, WebSocket's too: the oldest closes */ \
	X(tls_handshake_ms,   10000)  /* closed: the handshake is not over */                 \
	X(tls_ticket_ms,      86400000)/* a session is not resumed, but begun anew */         \
	X(stream_first_ms,    32000)  /* closed: accepted, and no message yet */              \
	X(unread_bytes,       67108864) /* closed: of messages that are not complete */       \
	/* Of one source, an IPv4 address or an IPv6 /64.  Each of these is off with 0. */    \
	X(sources,            16384)  /* whoever was heard least lately is forgotten */       \
	X(source_messages,    1000)   /* a second: dropped unread; a stream is closed */      \
	X(source_invites,     50)     /* a second, outside of dialogs: 503 */                 \
	X(source_registers,   50)     /* a second: 503 */                                     \
	X(source_others,      50)     /* a second, outside of dialogs: 503 */                 \
	X(source_refusals,    5)      /* a second, of these over UDP: no answer */            \
	X(source_repeats,     20)     /* a second, of responses over UDP: not repeated */     \
	X(source_malformed,   10)     /* a second: no answer; a stream is closed */           \
	X(source_failures,    20)     /* a minute, of wrong passwords: 503 to credentials */  \
	X(source_connections, 1024)   /* closed at once */                                    \
	X(source_half_open,   128)    /* closed at once: no message, no TLS yet */            \
	X(source_unread_bytes, 1048576) /* closed */                                          \
	/* Datagrams of all who have no standing (stack/source.h). */                         \
	X(strangers,          8192)   /* wait: dropped; 0: nobody waits */                    \
	X(strangers_bytes,    8388608)/* the same, in memory */
/* clang-format on */

enum { SIP_BODY_DEPTH_MAX = 16 }; /* parts are read by recursion: no limit says more */

#define SIP_LIMIT_FIELD(name, value) uint32_t name;
struct sip_limits {
	SIP_LIMIT_MAP(SIP_LIMIT_FIELD)
};
#undef SIP_LIMIT_FIELD

#define SIP_LIMIT_VALUE(name, value) .name = (value),
#define SIP_LIMITS_DEFAULT ((struct sip_limits){ SIP_LIMIT_MAP(SIP_LIMIT_VALUE) })

/* Of what we wrote ourselves and read again: what may come in, with a Via and edits. */
#define SIP_LIMITS_OWN                                                                 \
	((struct sip_limits){ .message_bytes = 131072,                                 \
	                      .header_count = 384,                                     \
	                      .header_bytes = 131072,                                  \
	                      .body_parts = 1024,                                      \
	                      .body_depth = SIP_BODY_DEPTH_MAX,                        \
	                      .uri_bytes = 131072 })
