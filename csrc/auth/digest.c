/* digest.c - hashes and credentials. */
#include "auth/digest.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static const struct {
	sip_str name;
	enum sip_digest_hash hash;
} algorithms[] = {
	{ { "MD5", 3 }, SIP_DIGEST_MD5 },
	{ { "SHA-256", 7 }, SIP_DIGEST_SHA256 },
	{ { "SHA-512-256", 11 }, SIP_DIGEST_SHA512_256 },
};

bool sip_digest_algorithm(sip_str name, enum sip_digest_hash *hash, bool *session)
{
	const sip_str suffix = SIP_STR("-sess");

	if (name.len == 0)
		name = algorithms[0].name;
	*session = name.len > suffix.len &&
	           sip_str_ieq(sip_str_of(name.p + name.len - suffix.len, suffix.len),
	                       suffix);
	if (*session)
		name.len -= suffix.len;
	for (size_t i = 0; i < COUNT(algorithms); i++) {
		if (sip_str_ieq(name, algorithms[i].name)) {
			*hash = algorithms[i].hash;
			return true;
		}
	}
	return false;
}

sip_err sip_hasher_init(struct sip_hasher *hasher)
{
	static const char *const names[] = {
		[SIP_DIGEST_MD5] = "MD5",
		[SIP_DIGEST_SHA256] = "SHA2-256",
		[SIP_DIGEST_SHA512_256] = "SHA2-512/256",
	};

	memset(hasher, 0, sizeof *hasher);
	for (size_t i = 0; i < COUNT(names); i++)
		hasher->hashes[i] = EVP_MD_fetch(NULL, names[i], NULL);
	hasher->context = EVP_MD_CTX_new();
	return hasher->context ? SIP_OK : SIP_ENOMEM;
}

void sip_hasher_fini(struct sip_hasher *hasher)
{
	for (size_t i = 0; i < COUNT(hasher->hashes); i++)
		EVP_MD_free(hasher->hashes[i]);
	EVP_MD_CTX_free(hasher->context);
	memset(hasher, 0, sizeof *hasher);
}

static bool update(EVP_MD_CTX *ctx, const sip_str *parts, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (i > 0 && !EVP_DigestUpdate(ctx, ":", 1))
			return false;
		if (parts[i].len > 0 &&
		    !EVP_DigestUpdate(ctx, parts[i].p, parts[i].len))
			return false;
	}
	return true;
}

static void write_hex(struct sip_digest *digest, const unsigned char *bytes,
                      unsigned int len)
{
	static const char digits[] = "0123456789abcdef";

	digest->len = (size_t)len * 2;
	for (unsigned int i = 0; i < len; i++) {
		digest->hex[2 * i] = digits[bytes[i] >> 4];
		digest->hex[2 * i + 1] = digits[bytes[i] & 15];
	}
}

sip_err sip_digest_of(const struct sip_hasher *hasher, enum sip_digest_hash hash,
                      const sip_str *parts, size_t count, struct sip_digest *digest)
{
	unsigned char bytes[EVP_MAX_MD_SIZE];
	unsigned int len = 0;
	EVP_MD_CTX *ctx = hasher->context;
	sip_err err = SIP_EINVAL;

	if (hasher->hashes[hash] &&
	    EVP_DigestInit_ex(ctx, hasher->hashes[hash], NULL) &&
	    update(ctx, parts, count) && EVP_DigestFinal_ex(ctx, bytes, &len) &&
	    len <= sizeof digest->hex / 2) {
		write_hex(digest, bytes, len);
		err = SIP_OK;
	}
	OPENSSL_cleanse(bytes, sizeof bytes);
	return err;
}

static sip_str str_of(const struct sip_digest *digest)
{
	return sip_str_of(digest->hex, digest->len);
}

/* H(A1) (RFC 7616 3.4.2).  With "-sess" the hash of user, realm and password is
 * itself the first part, in hexadecimal. */
static sip_err hash_a1(const struct sip_hasher *hasher,
                       const struct sip_digest_input *in, struct sip_digest *ha1)
{
	const sip_str secret[] = { in->username, in->realm, in->password };
	sip_str given = in->ha1;
	struct sip_digest first = { 0, { 0 } };
	sip_err err = SIP_OK;

	if (given.len == 0) {
		err = sip_digest_of(hasher, in->hash, secret, COUNT(secret), &first);
		given = str_of(&first);
	}
	if (given.len > sizeof ha1->hex)
		return SIP_EINVAL;
	if (err == SIP_OK && in->session) {
		const sip_str parts[] = { given, in->nonce, in->cnonce };

		err = sip_digest_of(hasher, in->hash, parts, COUNT(parts), ha1);
	} else if (err == SIP_OK) {
		ha1->len = given.len;
		memcpy(ha1->hex, given.p, given.len);
	}
	OPENSSL_cleanse(&first, sizeof first);
	return err;
}

/* H(A2) (RFC 7616 3.4.3).  An empty body has a hash too (RFC 8760 2.6). */
static sip_err hash_a2(const struct sip_hasher *hasher,
                       const struct sip_digest_input *in, struct sip_digest *ha2)
{
	struct sip_digest body = { 0, { 0 } };
	sip_err err = SIP_OK;

	if (in->qop == SIP_DIGEST_QOP_AUTH_INT)
		err = sip_digest_of(hasher, in->hash, &in->body, 1, &body);
	if (err == SIP_OK) {
		const sip_str parts[] = { in->method, in->uri, str_of(&body) };

		err = sip_digest_of(hasher, in->hash, parts, body.len > 0 ? 3 : 2, ha2);
	}
	return err;
}

static const sip_str qop_names[] = { { "", 0 }, { "auth", 4 }, { "auth-int", 8 } };

static void write_nc(char nc[8], uint32_t value)
{
	for (int i = 7; i >= 0; i--, value >>= 4)
		nc[i] = "0123456789abcdef"[value & 15];
}

sip_err sip_digest_response(const struct sip_hasher *hasher,
                            const struct sip_digest_input *in,
                            struct sip_digest *response)
{
	struct sip_digest ha1 = { 0, { 0 } }, ha2 = { 0, { 0 } };
	char digits[8];
	sip_str nc = in->nc_text;
	sip_err err = hash_a1(hasher, in, &ha1);

	if (nc.len == 0) {
		write_nc(digits, in->nc);
		nc = sip_str_of(digits, sizeof digits);
	}

	if (err == SIP_OK)
		err = hash_a2(hasher, in, &ha2);
	if (err == SIP_OK && in->qop == SIP_DIGEST_QOP_NONE) {
		const sip_str parts[] = { str_of(&ha1), in->nonce, str_of(&ha2) };

		err = sip_digest_of(hasher, in->hash, parts, COUNT(parts), response);
	} else if (err == SIP_OK) {
		const sip_str parts[] = {
			str_of(&ha1), in->nonce,          nc,
			in->cnonce,   qop_names[in->qop], str_of(&ha2),
		};

		err = sip_digest_of(hasher, in->hash, parts, COUNT(parts), response);
	}
	OPENSSL_cleanse(&ha1, sizeof ha1);
	return err;
}

/* Digits in capitals are no LHEX (RFC 7616 3.4), and are understood all the same. */
sip_err sip_digest_verify(const struct sip_hasher *hasher,
                          const struct sip_digest_input *in, sip_str response,
                          bool *right)
{
	struct sip_digest wanted;
	char given[sizeof wanted.hex];
	sip_err err = sip_digest_response(hasher, in, &wanted);

	if (err != SIP_OK)
		return err;
	*right = false;
	if (response.len == wanted.len) {
		for (size_t i = 0; i < response.len; i++) {
			const char c = response.p[i];

			given[i] = (char)(c >= 'A' && c <= 'F' ? c | 0x20 : c);
		}
		*right = CRYPTO_memcmp(given, wanted.hex, wanted.len) == 0;
	}
	OPENSSL_cleanse(&wanted, sizeof wanted);
	return SIP_OK;
}

/* --- credentials --------------------------------------------------------------------
 */

/* A quoted-string: quote and backslash are escaped, control characters have no
 * form in it (RFC 3261 25.1). */
static void write_quoted(struct sip_out *out, const char *name, sip_str s)
{
	sip_out_bytes(out, name, strlen(name));
	sip_out_lit(out, "=\"");
	for (size_t i = 0; i < s.len; i++) {
		const unsigned char c = (unsigned char)s.p[i];

		if ((c < ' ' && c != '\t') || c == 0x7f) {
			if (!out->why)
				out->why = "credentials hold a control character";
			return;
		}
		if (c == '"' || c == '\\')
			sip_out_lit(out, "\\");
		sip_out_bytes(out, s.p + i, 1);
	}
	sip_out_lit(out, "\"");
}

static void write_token(struct sip_out *out, const char *name, sip_str s)
{
	sip_out_bytes(out, name, strlen(name));
	sip_out_lit(out, "=");
	sip_out_value(out, s, "credentials hold a control character");
}

static void write_nonces(struct sip_out *out, const struct sip_digest_input *in)
{
	char nc[8];

	if (in->qop == SIP_DIGEST_QOP_NONE && !in->session)
		return;
	write_quoted(out, ", cnonce", in->cnonce);
	if (in->qop == SIP_DIGEST_QOP_NONE)
		return;
	write_nc(nc, in->nc);
	write_token(out, ", qop", qop_names[in->qop]);
	write_token(out, ", nc", sip_str_of(nc, sizeof nc));
}

/* What is quoted and what never is: RFC 7616 3.4, and for uri RFC 3261 22.4. */
sip_err sip_digest_write(const struct sip_hasher *hasher, struct sip_out *out,
                         const struct sip_digest_credentials *c)
{
	const struct sip_digest_input *in = &c->input;
	const sip_str name[] = { in->username, in->realm };
	struct sip_digest response, userhash;
	sip_err err = sip_digest_response(hasher, in, &response);

	if (err == SIP_OK && c->userhash)
		err = sip_digest_of(hasher, in->hash, name, COUNT(name), &userhash);
	if (err != SIP_OK)
		return err;
	write_quoted(out, "Digest username", c->userhash ? str_of(&userhash) : name[0]);
	write_quoted(out, ", realm", in->realm);
	write_quoted(out, ", nonce", in->nonce);
	write_quoted(out, ", uri", in->uri);
	write_quoted(out, ", response", str_of(&response));
	if (c->algorithm.len > 0)
		write_token(out, ", algorithm", c->algorithm);
	write_nonces(out, in);
	if (c->opaque.p)
		write_quoted(out, ", opaque", c->opaque);
	if (c->userhash)
		sip_out_lit(out, ", userhash=true");
	return SIP_OK;
}
