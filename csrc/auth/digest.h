#pragma once
/* Digest authentication: the hashes, and the value of an Authorization header.
 *
 * Nothing is remembered here: nonces, counts and whom to ask for a password are
 * the caller's.  The only place where OpenSSL's digests are used.
 *
 * RFC 7616 3.4, RFC 8760 2, RFC 2617 3.2.2, RFC 3261 22.4.
 */
#include "base/err.h"
#include "base/out.h"
#include "base/str.h"

enum sip_digest_hash {
	SIP_DIGEST_MD5,
	SIP_DIGEST_SHA256,
	SIP_DIGEST_SHA512_256,
};

enum sip_digest_qop {
	SIP_DIGEST_QOP_NONE, /* as RFC 2069: no cnonce, no nc */
	SIP_DIGEST_QOP_AUTH,
	SIP_DIGEST_QOP_AUTH_INT,
};

/* The hashes of this OpenSSL, fetched once: by their names, and under locks, that takes
 * longer than to hash what a response is made of. */
struct sip_hasher {
	struct evp_md_st *hashes[SIP_DIGEST_SHA512_256 + 1]; /* NULL: not allowed */
	struct evp_md_ctx_st *context;
};

sip_err sip_hasher_init(struct sip_hasher *hasher);
void sip_hasher_fini(struct sip_hasher *hasher);

struct sip_digest { /* in lower-case hexadecimal */
	size_t len;
	char hex[64];
};

struct sip_digest_input {
	enum sip_digest_hash hash;
	bool session; /* "-sess": A1 holds nonce and cnonce */
	enum sip_digest_qop qop;
	sip_str username, realm, password;
	sip_str ha1; /* in hexadecimal; when not empty, used instead of the three */
	sip_str nonce, cnonce;
	uint32_t nc;
	sip_str nc_text; /* as it was received; empty: nc in eight digits */
	sip_str method;  /* empty for rspauth (RFC 7616 3.5) */
	sip_str uri, body;
};

/* "SHA-256-sess" and its kin, without case; empty is MD5.  False: not known. */
bool sip_digest_algorithm(sip_str name, enum sip_digest_hash *hash, bool *session);

/* H() of the parts joined by colons.  SIP_EINVAL: this OpenSSL does not allow it. */
sip_err sip_digest_of(const struct sip_hasher *hasher, enum sip_digest_hash hash,
                      const sip_str *parts, size_t count, struct sip_digest *digest);

/* The response (RFC 7616 3.4.1), or the rspauth when the method is empty. */
sip_err sip_digest_response(const struct sip_hasher *hasher,
                            const struct sip_digest_input *input,
                            struct sip_digest *response);

/* Does the client's response prove that it knows the password?  Takes as long for a
 * wrong one as for the right one. */
sip_err sip_digest_verify(const struct sip_hasher *hasher,
                          const struct sip_digest_input *input, sip_str response,
                          bool *right);

/* Write the value of Authorization or Proxy-Authorization.  `algorithm` is named
 * as the challenge named it (empty: not at all); `opaque.p` NULL: there was none;
 * `userhash` sends the hash of the name (RFC 7616 3.4.4). */
struct sip_digest_credentials {
	struct sip_digest_input input;
	sip_str algorithm, opaque;
	bool userhash;
};
sip_err sip_digest_write(const struct sip_hasher *hasher, struct sip_out *out,
                         const struct sip_digest_credentials *credentials);
