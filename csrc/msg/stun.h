#pragma once
/* STUN as SIP's keep-alive uses it (RFC 5626 8, RFC 8489): Binding requests and their
 * answers, no authentication, FINGERPRINT where it is.  A pure codec.
 */
#include "base/addr.h"
#include "base/err.h"

enum {
	SIP_STUN_BYTES_MAX = 548, /* more is no keep-alive: not looked at */
	SIP_STUN_ID_LEN = 12,
	SIP_STUN_UNKNOWN_MAX = 8, /* that are named in a 420 */
	SIP_STUN_WRITE_MAX = 96,
};

/* As in bits 4 and 8 of the type. */
enum sip_stun_class {
	SIP_STUN_REQUEST,
	SIP_STUN_INDICATION,
	SIP_STUN_SUCCESS,
	SIP_STUN_ERROR,
};

struct sip_stun {
	enum sip_stun_class class;
	uint16_t method; /* 1: Binding */
	uint8_t id[SIP_STUN_ID_LEN];
	struct sip_addr mapped; /* XOR-MAPPED-ADDRESS; family 0: none */
	uint16_t error;         /* ERROR-CODE; 0: none */
	bool fingerprint;
	/* Attributes that had to be understood and were not (6.3.1). */
	uint16_t unknown[SIP_STUN_UNKNOWN_MAX];
	unsigned unknown_count;
};

/* Whether a datagram is one of these and no SIP: by its first octet (RFC 5626 8). */
bool sip_stun_is(sip_str datagram);

/* SIP_ESYNTAX: not STUN, broken, or with a wrong fingerprint: to be dropped. */
sip_err sip_stun_parse(sip_str datagram, struct sip_stun *stun);

/* Gives the length. */
size_t sip_stun_write(const struct sip_stun *stun, char out[SIP_STUN_WRITE_MAX]);
