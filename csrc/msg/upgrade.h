#pragma once
/* The opening handshake that makes a WebSocket for SIP of a connection (RFC 6455 4, RFC
 * 7118 4.1), as a pure codec: two heads of HTTP, read and written.
 *
 * The hash that proves that the server has understood is made elsewhere and passed in.
 * A server serves every path; compression and other extensions are never agreed on.
 */
#include "base/out.h"
#include "base/wire.h"
#include "msg/message.h"

enum {
	SIP_UPGRADE_KEY_LEN = 24, /* of 16 bytes as base64 */
	SIP_UPGRADE_ACCEPT_LEN = 28,
	SIP_UPGRADE_HEAD_MAX = 8192, /* bytes that are read: 431 to more */
	SIP_UPGRADE_TARGET_MAX = 512,
	SIP_UPGRADE_OUT_MAX = 1024, /* bytes that are written, with a host and that */
};

enum sip_upgrade_side { SIP_UPGRADE_SERVER, SIP_UPGRADE_CLIENT };

/* Find the end of the peer's head in what it has sent so far; `side` is ours, `seen` is
 * kept between calls and begins as 0.  SIP_OK: its length.  SIP_EMORE.  Else it is no
 * such head and never will be: `refusal` has the status to answer with (RFC 7231 6.5,
 * RFC 6585 5) and why. */
sip_err sip_upgrade_find(enum sip_upgrade_side side, uint32_t *seen, sip_str unread,
                         size_t *len, struct sip_refusal *refusal);

struct sip_upgrade {  /* borrowed from the head */
	sip_str host; /* with its port */
	sip_str key;  /* SIP_UPGRADE_KEY_LEN */
	struct sip_handshake said;
};

/* A whole head of a client; all that RFC 6455 4.2.1 and RFC 7118 4.1 ask of it. */
sip_err sip_upgrade_read_request(sip_str head, struct sip_upgrade *upgrade,
                                 struct sip_refusal *refusal);
/* A whole head of a server (4.1); `accept` is what it must prove, and the status of the
 * refusal is its own. */
sip_err sip_upgrade_read_response(sip_str head, sip_str accept,
                                  struct sip_refusal *refusal);
/* Does this origin belong to the host that was asked (a scheme, and any port)? */
bool sip_upgrade_is_same_host(const struct sip_upgrade *upgrade);

/* `target`: a path, and a query. */
void sip_upgrade_write_request(struct sip_out *out, sip_str target, sip_str host,
                               sip_str key);
void sip_upgrade_write_accept(struct sip_out *out, sip_str accept);
void sip_upgrade_write_refusal(struct sip_out *out, const struct sip_refusal *refusal);
