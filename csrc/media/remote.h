#pragma once
/* The other end of a session, as it was agreed on. */
#include "base/addr.h"

enum media_codec { MEDIA_CODEC_NONE, MEDIA_PCMU, MEDIA_PCMA };

enum media_direction { /* ours: bit 0 sends, bit 1 receives */
	               MEDIA_INACTIVE = 0,
	               MEDIA_SENDONLY = 1,
	               MEDIA_RECVONLY = 2,
	               MEDIA_SENDRECV = 3,
};

enum { MEDIA_PT_NONE = 255 };

/* What offer and answer agreed on (RFC 3264): the types we write are the peer's
 * choice, the types we read are ours. */
struct media_remote {
	struct sip_addr rtp;
	struct sip_addr rtcp; /* family 0: the port above `rtp` (RFC 3550 11) */
	enum media_codec codec;
	enum media_direction direction;
	uint8_t payload_type,
		dtmf_payload_type; /* written; DTMF may be MEDIA_PT_NONE */
	uint8_t receive_payload_type, receive_dtmf_payload_type;
	uint16_t ptime_ms; /* 10 ... 120 */
};
