#include "net/tls_rules.h"

#include "base/str.h"

#include <openssl/evp.h>
#include <stdio.h>

/* ECDHE and an AEAD (RFC 9325 4.2); TLS 1.3 has no others. */
static const char CIPHERS[] = "ECDHE+AESGCM:ECDHE+CHACHA20";
static const char SUITES[] = "TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:"
			     "TLS_AES_128_GCM_SHA256";
/* Keys of 112 bits and more, so RSA of 2048, and no SHA-1 (RFC 9325 4.5). */
enum { SECURITY_LEVEL = 2 };

/* Of each there is a cipher of TLS 1.3, and two of TLS 1.2: the peer signs with ECDSA
 * or RSA. */
static const struct {
	int nid;
	const char *name;
} algorithms[] = {
	{ NID_aes_256_gcm, "AES-256-GCM" },
	{ NID_chacha20_poly1305, "ChaCha20-Poly1305" },
	{ NID_aes_128_gcm, "AES-128-GCM" },
};
enum { CIPHERS_OF_EACH = 3 };

/* Best first.  Those of finite fields are left out, which TLS 1.3 would allow: the
 * largest makes us work a hundred times as long as these do, for whoever says hello. */
static const struct {
	const char *name, *keys;
} groups[] = {
	{ "X25519", "X25519" }, { "P-256", "EC" }, { "X448", "X448" },
	{ "P-521", "EC" },      { "P-384", "EC" },
};

/* ECDSA, EdDSA and RSA, with SHA-256 and better (RFC 9325 4.5, RFC 8446 4.2.3). */
static const struct {
	const char *name, *keys;
	unsigned id;
} signatures[] = {
	{ "ecdsa_secp256r1_sha256", "EC", 0x0403 },
	{ "ecdsa_secp384r1_sha384", "EC", 0x0503 },
	{ "ecdsa_secp521r1_sha512", "EC", 0x0603 },
	{ "ed25519", "ED25519", 0x0807 },
	{ "ed448", "ED448", 0x0808 },
	{ "rsa_pss_pss_sha256", "RSA-PSS", 0x0809 },
	{ "rsa_pss_pss_sha384", "RSA-PSS", 0x080a },
	{ "rsa_pss_pss_sha512", "RSA-PSS", 0x080b },
	{ "rsa_pss_rsae_sha256", "RSA", 0x0804 },
	{ "rsa_pss_rsae_sha384", "RSA", 0x0805 },
	{ "rsa_pss_rsae_sha512", "RSA", 0x0806 },
	{ "rsa_pkcs1_sha256", "RSA", 0x0401 },
	{ "rsa_pkcs1_sha384", "RSA", 0x0501 },
	{ "rsa_pkcs1_sha512", "RSA", 0x0601 },
};

enum {
	LIST_MAX = 320,
	/* Of the record and the message, and a version and random bytes. */
	HELLO_HEADERS =
		SSL3_RT_HEADER_LENGTH + SSL3_HM_HEADER_LENGTH + 2 + SSL3_RANDOM_SIZE
};

static sip_err lacks(char why[NET_TLS_WHY_MAX], const char *what)
{
	/* It fits. */
	(void)snprintf(why, NET_TLS_WHY_MAX,
	               "OpenSSL has not made %s ready: memory is short, or its "
	               "configuration forbids it",
	               what);
	return SIP_ENOMEM;
}

/* Some builds of OpenSSL do without one, and that is all right. */
static bool has_algorithm(const char *name)
{
	EVP_CIPHER *cipher = EVP_CIPHER_fetch(NULL, name, NULL);

	EVP_CIPHER_free(cipher);
	return cipher != NULL;
}

static bool has_keys(const char *name)
{
	EVP_KEYMGMT *keys = EVP_KEYMGMT_fetch(NULL, name, NULL);

	EVP_KEYMGMT_free(keys);
	return keys != NULL;
}

static int count(const SSL_CTX *ctx, int nid)
{
	const STACK_OF(SSL_CIPHER) *ciphers = SSL_CTX_get_ciphers(ctx);
	int n = 0;

	for (int i = 0; i < sk_SSL_CIPHER_num(ciphers); i++) {
		if (SSL_CIPHER_get_cipher_nid(sk_SSL_CIPHER_value(ciphers, i)) == nid)
			n++;
	}
	return n;
}

static sip_err set_ciphers(SSL_CTX *ctx, char why[NET_TLS_WHY_MAX])
{
	if (SSL_CTX_set_cipher_list(ctx, CIPHERS) != 1 ||
	    SSL_CTX_set_ciphersuites(ctx, SUITES) != 1)
		return lacks(why, "ciphers");
	for (size_t i = 0; i < sizeof algorithms / sizeof algorithms[0]; i++) {
		const int found = count(ctx, algorithms[i].nid);

		if (found != CIPHERS_OF_EACH &&
		    (found > 0 || has_algorithm(algorithms[i].name)))
			return lacks(why, algorithms[i].name);
	}
	return SIP_OK;
}

/* Gives by how much the list is longer.  It fits. */
static size_t add_name(char list[LIST_MAX], size_t len, const char *name)
{
	return (size_t)snprintf(list + len, LIST_MAX - len, "%s%s", len > 0 ? ":" : "",
	                        name);
}

static sip_err set_groups(SSL_CTX *ctx, char why[NET_TLS_WHY_MAX])
{
	char list[LIST_MAX];
	size_t len = 0;

	for (size_t i = 0; i < sizeof groups / sizeof groups[0]; i++) {
		const size_t more = add_name(list, len, groups[i].name);

		if (SSL_CTX_set1_groups_list(ctx, list) == 1)
			len += more;
		else if (has_keys(groups[i].keys))
			return lacks(why, groups[i].name);
	}
	return len > 0 ? SIP_OK : lacks(why, "a curve");
}

/* ---- what it says hello with ---- */

/* Skips what has its length in front, of so many bytes. */
static bool skip(sip_str *bytes, size_t width)
{
	size_t len = 0;

	if (bytes->len < width)
		return false;
	for (size_t i = 0; i < width; i++)
		len = len << 8 | (uint8_t)bytes->p[i];
	if (bytes->len - width < len)
		return false;
	*bytes = sip_str_of(bytes->p + width + len, bytes->len - width - len);
	return true;
}

/* The value of the extension in a record with a ClientHello (RFC 8446 4.1.2, 4.2). */
static sip_str find_extension(sip_str hello, unsigned type)
{
	sip_str left;

	if (hello.len < HELLO_HEADERS)
		return SIP_STR("");
	left = sip_str_of(hello.p + HELLO_HEADERS, hello.len - HELLO_HEADERS);
	/* The session, the ciphers, the compressions. */
	if (!skip(&left, 1) || !skip(&left, 2) || !skip(&left, 1) || left.len < 2)
		return SIP_STR("");
	left = sip_str_of(left.p + 2, left.len - 2);
	while (left.len >= 4) {
		const char *at = left.p;
		const unsigned found = (unsigned)(uint8_t)at[0] << 8 | (uint8_t)at[1];

		left = sip_str_of(at + 2, left.len - 2);
		if (!skip(&left, 2))
			break;
		if (found == type)
			return sip_str_of(at + 4, (size_t)(left.p - at) - 4);
	}
	return SIP_STR("");
}

static bool offers(sip_str list, unsigned id)
{
	for (size_t i = 2; i + 1 < list.len; i += 2) { /* behind its length */
		if (((unsigned)(uint8_t)list.p[i] << 8 | (uint8_t)list.p[i + 1]) == id)
			return true;
	}
	return false;
}

/* What it would sign and verify with can be seen nowhere else. */
static sip_err check_hello(SSL *ssl, BIO *out, char why[NET_TLS_WHY_MAX])
{
	char *p = NULL;
	long len;
	sip_str list;

	SSL_set_connect_state(ssl);
	(void)SSL_do_handshake(ssl); /* waits for the other side, for ever */
	len = BIO_get_mem_data(out, &p);
	list = find_extension(sip_str_of(p, len > 0 ? (size_t)len : 0),
	                      TLSEXT_TYPE_signature_algorithms);
	for (size_t i = 0; i < sizeof signatures / sizeof signatures[0]; i++) {
		if (!offers(list, signatures[i].id) && has_keys(signatures[i].keys))
			return lacks(why, signatures[i].name);
	}
	return SIP_OK;
}

static sip_err set_signatures(SSL_CTX *ctx, char why[NET_TLS_WHY_MAX])
{
	char list[LIST_MAX] = "";
	size_t len = 0;
	BIO *in, *out;
	SSL *ssl;
	sip_err err;

	for (size_t i = 0; i < sizeof signatures / sizeof signatures[0]; i++)
		len += add_name(list, len, signatures[i].name);
	if (SSL_CTX_set1_sigalgs_list(ctx, list) != 1)
		return lacks(why, "signatures");
	ssl = SSL_new(ctx);
	in = BIO_new(BIO_s_mem());
	out = BIO_new(BIO_s_mem());
	if (!ssl || !in || !out) {
		BIO_free(in);
		BIO_free(out);
		SSL_free(ssl);
		return net_tls_no_memory(why);
	}
	SSL_set_bio(ssl, in, out);
	err = check_hello(ssl, out, why);
	SSL_free(ssl);
	return err;
}

sip_err net_tls_rules_set(SSL_CTX *ctx, char why[NET_TLS_WHY_MAX])
{
	sip_err err;

	/* These two cannot fail: they give what is set then. */
	(void)SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
	                                       SSL_OP_CIPHER_SERVER_PREFERENCE);
	(void)SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
	if (SSL_CTX_get_security_level(ctx) < SECURITY_LEVEL)
		SSL_CTX_set_security_level(ctx, SECURITY_LEVEL);
	if (SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) != 1)
		return lacks(why, "TLS 1.2");
	err = set_ciphers(ctx, why);
	if (err == SIP_OK)
		err = set_groups(ctx, why);
	return err == SIP_OK ? set_signatures(ctx, why) : err;
}
