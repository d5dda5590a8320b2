/* nonce.c - text, MAC and the counts of nonces. */
#include "auth/nonce.h"

#include <assert.h>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/params.h>

/* Six bytes of milliseconds last for 8900 years; 128 bits of MAC are what RFC 2104 5
 * allows to cut SHA-256 to, and more than anybody can guess in a nonce's lifetime. */
enum { TIME_BYTES = 6, MAC_BYTES = 16 };
enum { SEEN_BYTES = TIME_BYTES + SIP_NONCE_SALT, RAW_BYTES = SEEN_BYTES + MAC_BYTES };
enum { REALM_MAX = 1024, WINDOW = 64 };

static_assert(RAW_BYTES % 3 == 0 && RAW_BYTES / 3 * 4 == SIP_NONCE_LEN,
              "a nonce is whole groups of base64");

struct used { /* one nonce that somebody has authenticated with */
	struct sip_node node;
	struct sip_link link;
	unsigned char raw[RAW_BYTES];
	uint32_t highest; /* count */
	uint64_t window;  /* bit i: highest - i was used */
};

/* --- text ------------------------------------------------------------------------- */

/* RFC 4648 5: needs no quotes anywhere, so no peer can get them wrong. */
static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
			     "0123456789-_";

static void encode(const unsigned char raw[RAW_BYTES], char out[SIP_NONCE_LEN])
{
	for (size_t i = 0; i < RAW_BYTES; i += 3, out += 4) {
		const uint32_t bits =
			(uint32_t)raw[i] << 16 | (uint32_t)raw[i + 1] << 8 | raw[i + 2];

		for (int k = 0; k < 4; k++)
			out[k] = digits[bits >> (18 - 6 * k) & 63];
	}
}

static int digit_of(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '-' ? 62 : c == '_' ? 63 : -1;
}

/* Every text stands for other bytes, so a nonce has one spelling only. */
static bool decode(sip_str text, unsigned char raw[RAW_BYTES])
{
	if (text.len != SIP_NONCE_LEN)
		return false;
	for (size_t i = 0; i < SIP_NONCE_LEN; i += 4, raw += 3) {
		uint32_t bits = 0;

		for (size_t k = 0; k < 4; k++) {
			const int digit = digit_of(text.p[i + k]);

			if (digit < 0)
				return false;
			bits = bits << 6 | (uint32_t)digit;
		}
		raw[0] = (unsigned char)(bits >> 16);
		raw[1] = (unsigned char)(bits >> 8);
		raw[2] = (unsigned char)bits;
	}
	return true;
}

/* The time goes out under a mask that the salt makes with a key: how long we have run
 * is nobody's business.  The MAC is what keeps it from being changed. */
static uint64_t mask_of(const struct sip_nonces *nonces,
                        const unsigned char raw[RAW_BYTES])
{
	return sip_hash(&nonces->time_key, raw + TIME_BYTES, SIP_NONCE_SALT);
}

static void put_time(const struct sip_nonces *nonces, unsigned char raw[RAW_BYTES],
                     uint64_t ms)
{
	ms ^= mask_of(nonces, raw);
	for (int i = TIME_BYTES - 1; i >= 0; i--, ms >>= 8)
		raw[i] = (unsigned char)ms;
}

static uint64_t time_of(const struct sip_nonces *nonces,
                        const unsigned char raw[RAW_BYTES])
{
	const uint64_t whole = (UINT64_C(1) << 8 * TIME_BYTES) - 1;
	uint64_t ms = 0;

	for (int i = 0; i < TIME_BYTES; i++)
		ms = ms << 8 | raw[i];
	return ms ^ (mask_of(nonces, raw) & whole);
}

/* --- MAC -------------------------------------------------------------------------- */

/* A key made of the secret, which may have other uses. */
static bool derive_key(sip_str secret, const char *purpose,
                       unsigned char key[EVP_MAX_MD_SIZE], unsigned int *len)
{
	return secret.len <= INT32_MAX &&
	       HMAC(EVP_sha256(), secret.p, (int)secret.len,
	            (const unsigned char *)purpose, strlen(purpose), key, len) != NULL;
}

/* HMAC-SHA-256, keyed once: to begin again with the same key costs a seventh of HMAC(),
 * and whoever is flooded with requests makes and judges a nonce for each. */
static EVP_MAC_CTX *mac_new(const unsigned char *key, size_t len)
{
	char sha256[] = "SHA256";
	const OSSL_PARAM params[] = { OSSL_PARAM_construct_utf8_string(
					      OSSL_MAC_PARAM_DIGEST, sha256, 0),
		                      OSSL_PARAM_construct_end() };
	EVP_MAC *hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	EVP_MAC_CTX *mac = hmac ? EVP_MAC_CTX_new(hmac) : NULL;

	EVP_MAC_free(hmac); /* the context keeps it */
	if (mac && !EVP_MAC_init(mac, key, len, params)) {
		EVP_MAC_CTX_free(mac);
		mac = NULL;
	}
	return mac;
}

static sip_err seal(const struct sip_nonces *nonces, const unsigned char *raw,
                    sip_str realm, unsigned char mac[EVP_MAX_MD_SIZE])
{
	size_t len = 0;

	if (realm.len > REALM_MAX)
		return SIP_EINVAL;
	if (!EVP_MAC_init(nonces->mac, NULL, 0, NULL) ||
	    !EVP_MAC_update(nonces->mac, raw, SEEN_BYTES) ||
	    !EVP_MAC_update(nonces->mac, (const unsigned char *)realm.p, realm.len) ||
	    !EVP_MAC_final(nonces->mac, mac, &len, EVP_MAX_MD_SIZE) || len < MAC_BYTES)
		return SIP_ENOMEM;
	return SIP_OK;
}

/* --- the counts ------------------------------------------------------------------- */

/* The MAC is a keyed hash already: who does not know the key cannot choose it. */
static uint64_t hash_of(const unsigned char raw[RAW_BYTES])
{
	uint64_t hash;

	memcpy(&hash, raw + SEEN_BYTES, sizeof hash);
	return hash;
}

static struct used *find(const struct sip_nonces *nonces,
                         const unsigned char raw[RAW_BYTES])
{
	struct sip_node *node = sip_map_first(&nonces->map, hash_of(raw));

	for (; node; node = sip_map_next(node)) {
		struct used *used = SIP_CONTAINER(node, struct used, node);

		if (memcmp(used->raw, raw, RAW_BYTES) == 0)
			return used;
	}
	return NULL;
}

static void forget(struct sip_nonces *nonces, struct used *used)
{
	sip_map_remove(&nonces->map, &used->node);
	sip_list_remove(&used->link);
	sip_free(nonces->alloc, used, sizeof *used);
}

/* The clock of whoever had the secret before us may have been another. */
static bool is_old(const struct sip_nonces *nonces, const unsigned char raw[RAW_BYTES],
                   uint64_t now_ms)
{
	const uint64_t issued_ms = time_of(nonces, raw);

	return issued_ms > now_ms || now_ms - issued_ms >= nonces->lifetime_ms;
}

/* A nonce that is not in the table and was issued before the horizon may have been
 * used, and nobody knows how. */
static bool is_lost(const struct sip_nonces *nonces, const unsigned char raw[RAW_BYTES])
{
	return time_of(nonces, raw) < nonces->horizon_ms && !find(nonces, raw);
}

/* Drop those that are too old to be used again, then as many as the limit asks for. */
static void make_room(struct sip_nonces *nonces, uint64_t now_ms)
{
	while (!sip_list_empty(&nonces->in_use)) {
		struct used *oldest =
			SIP_CONTAINER(nonces->in_use.next, struct used, link);
		const uint64_t after_ms = time_of(nonces, oldest->raw) + 1;

		if (!is_old(nonces, oldest->raw, now_ms)) {
			if (nonces->map.count < nonces->limit)
				return;
			if (nonces->horizon_ms < after_ms)
				nonces->horizon_ms = after_ms;
		}
		forget(nonces, oldest);
	}
}

static sip_err remember(struct sip_nonces *nonces, const unsigned char raw[RAW_BYTES],
                        uint32_t nc, uint64_t now_ms)
{
	struct used *used;
	sip_err err;

	make_room(nonces, now_ms);
	used = sip_alloc(nonces->alloc, sizeof *used);
	if (!used)
		return SIP_ENOMEM;
	*used = (struct used){ .highest = nc > 0 ? nc : UINT32_MAX,
		               .window = nc > 0 ? 1 : UINT64_MAX };
	memcpy(used->raw, raw, RAW_BYTES);
	err = sip_map_insert(&nonces->map, &used->node, hash_of(raw));
	if (err != SIP_OK) {
		sip_free(nonces->alloc, used, sizeof *used);
		return err;
	}
	sip_list_insert(&nonces->in_use, &used->link);
	return SIP_OK;
}

/* UDP may reorder, so what is a little late is still good (RFC 7616 3.4, nc). */
static enum sip_nonce_verdict count(struct used *used, uint32_t nc)
{
	uint32_t back;

	if (nc == 0)
		return SIP_NONCE_REPLAYED;
	if (nc > used->highest) {
		const uint32_t ahead = nc - used->highest;

		used->window = ahead < WINDOW ? used->window << ahead | 1 : 1;
		used->highest = nc;
		return SIP_NONCE_GOOD;
	}
	back = used->highest - nc;
	if (back >= WINDOW)
		return SIP_NONCE_STALE;
	if (used->window >> back & 1)
		return SIP_NONCE_REPLAYED;
	used->window |= UINT64_C(1) << back;
	return SIP_NONCE_GOOD;
}

/* --- all of them ------------------------------------------------------------------ */

sip_err sip_nonces_init(struct sip_nonces *nonces, struct sip_alloc *alloc,
                        sip_str secret, uint64_t lifetime_ms, uint32_t limit,
                        uint64_t now_ms)
{
	unsigned char key[EVP_MAX_MD_SIZE];
	unsigned int key_len = 0;

	memset(nonces, 0, sizeof *nonces);
	sip_list_init(&nonces->in_use);
	sip_map_init(&nonces->map, alloc);
	if (derive_key(secret, "luasip nonce times", key, &key_len) &&
	    key_len >= sizeof nonces->time_key)
		memcpy(&nonces->time_key, key, sizeof nonces->time_key);
	if (derive_key(secret, "luasip nonces", key, &key_len))
		nonces->mac = mac_new(key, key_len);
	OPENSSL_cleanse(key, sizeof key);
	if (!nonces->mac)
		return SIP_ENOMEM;
	nonces->alloc = alloc;
	nonces->lifetime_ms = lifetime_ms;
	nonces->limit = limit;
	nonces->horizon_ms = now_ms;
	return SIP_OK;
}

void sip_nonces_fini(struct sip_nonces *nonces)
{
	while (!sip_list_empty(&nonces->in_use))
		forget(nonces, SIP_CONTAINER(nonces->in_use.next, struct used, link));
	sip_map_fini(&nonces->map);
	EVP_MAC_CTX_free(nonces->mac);
	nonces->mac = NULL;
}

sip_err sip_nonces_issue(const struct sip_nonces *nonces, sip_str realm,
                         uint64_t now_ms, const unsigned char salt[SIP_NONCE_SALT],
                         char out[SIP_NONCE_LEN])
{
	unsigned char raw[RAW_BYTES], mac[EVP_MAX_MD_SIZE];
	sip_err err;

	memcpy(raw + TIME_BYTES, salt, SIP_NONCE_SALT);
	put_time(nonces, raw, now_ms);
	err = seal(nonces, raw, realm, mac);
	if (err != SIP_OK)
		return err;
	memcpy(raw + SEEN_BYTES, mac, MAC_BYTES);
	encode(raw, out);
	return SIP_OK;
}

bool sip_nonce_salt(sip_str nonce, unsigned char salt[SIP_NONCE_SALT])
{
	unsigned char raw[RAW_BYTES];

	if (!decode(nonce, raw))
		return false;
	memcpy(salt, raw + TIME_BYTES, SIP_NONCE_SALT);
	return true;
}

sip_err sip_nonces_judge(const struct sip_nonces *nonces, sip_str nonce, sip_str realm,
                         uint64_t now_ms, enum sip_nonce_verdict *verdict)
{
	unsigned char raw[RAW_BYTES], mac[EVP_MAX_MD_SIZE];
	sip_err err;

	if (!decode(nonce, raw)) {
		*verdict = SIP_NONCE_FORGED;
		return SIP_OK;
	}
	err = seal(nonces, raw, realm, mac);
	if (err != SIP_OK)
		return err;
	if (CRYPTO_memcmp(mac, raw + SEEN_BYTES, MAC_BYTES) != 0)
		*verdict = SIP_NONCE_FORGED;
	else if (is_old(nonces, raw, now_ms) || is_lost(nonces, raw))
		*verdict = SIP_NONCE_STALE;
	else
		*verdict = SIP_NONCE_GOOD;
	return SIP_OK;
}

sip_err sip_nonces_use(struct sip_nonces *nonces, sip_str nonce, uint32_t nc,
                       uint64_t now_ms, enum sip_nonce_verdict *verdict)
{
	unsigned char raw[RAW_BYTES];
	struct used *used;
	sip_err err = SIP_OK;

	if (!decode(nonce, raw))
		return SIP_EINVAL;
	if (is_old(nonces, raw, now_ms) || is_lost(nonces, raw)) {
		*verdict = SIP_NONCE_STALE;
		return SIP_OK;
	}
	used = find(nonces, raw);
	if (!used)
		err = remember(nonces, raw, nc, now_ms);
	if (err == SIP_OK)
		*verdict = used ? count(used, nc) : SIP_NONCE_GOOD;
	return err;
}
