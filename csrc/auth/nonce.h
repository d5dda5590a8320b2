#pragma once
/* The nonces of a server: issued without being remembered, and impossible to forge.
 *
 * A nonce is the instant it was issued, masked, a salt, and a MAC over both and the
 * realm, in 40 characters of base64url.  Remembered are only those with which somebody
 * has authenticated, each with a window of the counts it was used with.  What is
 * forgotten too early, because the table is full, moves a horizon: unknown nonces from
 * before it are stale, so forgetting never lets anything be replayed.
 *
 * Time and chance come in as arguments.
 *
 * RFC 7616 3.3, 3.4 (nc), 5.4.
 */
#include "base/alloc.h"
#include "base/err.h"
#include "base/list.h"
#include "base/map.h"
#include "base/str.h"

enum { SIP_NONCE_LEN = 40, SIP_NONCE_SALT = 8 };

struct evp_mac_ctx_st; /* OpenSSL's EVP_MAC_CTX */

enum sip_nonce_verdict {
	SIP_NONCE_GOOD,
	SIP_NONCE_STALE,    /* ours, and too old, or no longer in the window */
	SIP_NONCE_FORGED,   /* not ours, or of another realm */
	SIP_NONCE_REPLAYED, /* this count was used before */
};

struct sip_nonces {
	struct sip_alloc *alloc;
	struct sip_map map;
	struct sip_link in_use;     /* by their first use, the oldest first */
	struct evp_mac_ctx_st *mac; /* holds the key */
	struct sip_hash_key time_key;
	uint64_t lifetime_ms;
	uint64_t horizon_ms; /* those issued before it are known, or stale */
	uint32_t limit;
};

/* `secret` should hold 16 bytes of chance at least.  What other holders of the same
 * secret issued before `now_ms` is stale: they alone know how it was used. */
sip_err sip_nonces_init(struct sip_nonces *nonces, struct sip_alloc *alloc,
                        sip_str secret, uint64_t lifetime_ms, uint32_t limit,
                        uint64_t now_ms);
void sip_nonces_fini(struct sip_nonces *nonces);

/* A nonce for this realm.  The salt only keeps nonces of one millisecond apart. */
sip_err sip_nonces_issue(const struct sip_nonces *nonces, sip_str realm,
                         uint64_t now_ms, const unsigned char salt[SIP_NONCE_SALT],
                         char out[SIP_NONCE_LEN]);

/* The salt that a nonce was issued with; false: it is none.  Says nothing of who has
 * made it. */
bool sip_nonce_salt(sip_str nonce, unsigned char salt[SIP_NONCE_SALT]);

/* Good, stale or forged?  Changes nothing. */
sip_err sip_nonces_judge(const struct sip_nonces *nonces, sip_str nonce, sip_str realm,
                         uint64_t now_ms, enum sip_nonce_verdict *verdict);

/* Use a nonce that was judged good, now that the response has proven right: good,
 * stale or replayed.  A count of 0: without one, for this single time (RFC 2069). */
sip_err sip_nonces_use(struct sip_nonces *nonces, sip_str nonce, uint32_t nc,
                       uint64_t now_ms, enum sip_nonce_verdict *verdict);
