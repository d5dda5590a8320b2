#pragma once
/* What a session has seen: written by the engine once a beat, read by the desk. */
#include <stdatomic.h>
#include <stdint.h>

/* clang-format off */
#define MEDIA_GAUGE_MAP(X)                                                              \
	X(sent)            /* RTP packets */                                                \
	X(sent_octets)     /* of payload */                                                 \
	X(received)        /* RTP packets taken */                                          \
	X(received_octets)                                                                  \
	X(lost)            /* expected and never seen (RFC 3550 A.3) */                     \
	X(late)            /* came after their instant */                                   \
	X(duplicates)                                                                       \
	X(concealed)       /* beats filled in because a packet was missing */               \
	X(jitter_us)       /* RFC 3550 A.8 */                                               \
	X(delay_us)        /* of the playout buffer */                                      \
	X(garbage)         /* no RTP or RTCP at all */                                      \
	X(unknown_payload) /* of a type nobody agreed on */                                 \
	X(strangers)       /* from a source that is not the peer */                         \
	X(flood)           /* more than one beat may bring */                               \
	X(unwanted)        /* while our direction excludes receiving */                     \
	X(collisions)      /* the peer had our SSRC */                                      \
	X(source_changes)  /* the peer's address or SSRC */                                 \
	X(digits)          /* received */                                                   \
	X(digits_lost)     /* received, and no room to report them */                       \
	X(pressed)         /* sent */                                                       \
	X(underruns)       /* beats of a play that had nothing to play */                   \
	X(record_lost)     /* samples a slow disk had no room for */                        \
	X(rtcp_sent)                                                                        \
	X(rtcp_received)                                                                    \
	X(rtt_us)          /* from the peer's reports, 0: not known */                      \
	X(remote_lost)     /* what the peer says it lost */                                 \
	X(remote_jitter_us)
/* clang-format on */

#define MEDIA_GAUGE_ENUM(name) MEDIA_GAUGE_##name,
enum media_gauge { MEDIA_GAUGE_MAP(MEDIA_GAUGE_ENUM) MEDIA_GAUGES };
#undef MEDIA_GAUGE_ENUM

struct media_gauges {
	_Atomic uint64_t value[MEDIA_GAUGES];
};
