/* TLS: bytes of a stranger to either end, two ends with some bits of what they say
 * turned, and the names in a certificate.  The first byte chooses. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "net/tls.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

enum { ROUNDS = 64 };

struct ends {
	struct sip_alloc alloc;
	struct net_tls_context *context;
	struct sip_addr addr;
	char cert[64], key[64];
};

static void must(bool ok)
{
	if (!ok)
		abort();
}

static X509 *self_signed(EVP_PKEY *key)
{
	X509 *cert = X509_new();
	X509_EXTENSION *names = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name,
	                                            "URI:sip:a.example,DNS:b.example");

	must(cert && names && X509_set_version(cert, 2) == 1);
	must(ASN1_INTEGER_set(X509_get_serialNumber(cert), 1) == 1);
	must(X509_gmtime_adj(X509_getm_notBefore(cert), -86400) != NULL);
	must(X509_gmtime_adj(X509_getm_notAfter(cert), 86400) != NULL);
	must(X509_set_pubkey(cert, key) == 1);
	must(X509_add_ext(cert, names, -1) == 1);
	must(X509_sign(cert, key, EVP_sha256()) > 0);
	X509_EXTENSION_free(names);
	return cert;
}

static FILE *temporary(char path[64])
{
	int fd;

	(void)snprintf(path, 64, "/tmp/luasip-fuzz-XXXXXX");
	fd = mkstemp(path);
	must(fd >= 0);
	return fdopen(fd, "w");
}

static void make_ends(struct ends *ends)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *cert = self_signed(key);
	FILE *cert_file = temporary(ends->cert), *key_file = temporary(ends->key);
	const struct sip_tls_pair pair = { NULL, ends->cert, ends->key };
	const struct sip_tls_config config = { .ca = ends->cert,
		                               .clients = SIP_TLS_OPTIONAL,
		                               .pairs = &pair,
		                               .pair_count = 1 };
	char why[NET_TLS_WHY_MAX];

	must(PEM_write_X509(cert_file, cert) == 1 && fclose(cert_file) == 0);
	must(PEM_write_PrivateKey(key_file, key, NULL, NULL, 0, NULL, NULL) == 1);
	must(fclose(key_file) == 0);
	X509_free(cert);
	EVP_PKEY_free(key);
	sip_alloc_init(&ends->alloc);
	must(sip_addr_parse(SIP_STR("192.0.2.1"), &ends->addr));
	must(net_tls_context_new(&ends->alloc, &config, &ends->context, why) == SIP_OK);
	(void)unlink(ends->cert); /* they have been read */
	(void)unlink(ends->key);
}

/* Read what there is; what a filter says must make sense. */
static enum net_tls_state drain(struct net_tls *tls, enum net_tls_state state)
{
	char plain[2048];
	size_t len = 1;

	while (state == NET_TLS_READY && len > 0)
		state = net_tls_read(tls, plain, sizeof plain, &len);
	must(state != NET_TLS_FAILED || net_tls_why(tls)[0] != '\0');
	return state;
}

static void feed_stranger(struct net_tls *tls, sip_str bytes)
{
	enum net_tls_state state = net_tls_start(tls);

	while (bytes.len > 0 && state != NET_TLS_FAILED && state != NET_TLS_CLOSED) {
		const size_t len = bytes.len < 97 ? bytes.len : 97;

		state = drain(tls, net_tls_feed(tls, sip_str_of(bytes.p, len)));
		net_tls_sent(tls);
		bytes = sip_str_of(bytes.p + len, bytes.len - len);
	}
}

/* Three bytes of the script: where in all that is said, and which bits. */
struct script {
	const uint8_t *at, *end;
	size_t said;
};

static enum net_tls_state carry(struct net_tls *from, struct net_tls *to,
                                struct script *script)
{
	const sip_str pending = net_tls_pending(from);
	enum net_tls_state state = NET_TLS_HANDSHAKE;
	char bytes[NET_TLS_PIECE];

	for (size_t done = 0; done < pending.len && state != NET_TLS_FAILED;) {
		const size_t left = pending.len - done;
		const size_t len = left < sizeof bytes ? left : sizeof bytes;

		memcpy(bytes, pending.p + done, len);
		for (const uint8_t *s = script->at; s + 3 <= script->end; s += 3) {
			const size_t where = (size_t)s[0] << 8 | s[1];

			if (where >= script->said && where < script->said + len)
				bytes[where - script->said] ^= (char)s[2];
		}
		script->said += len;
		done += len;
		state = drain(to, net_tls_feed(to, sip_str_of(bytes, len)));
	}
	net_tls_sent(from);
	return state;
}

static void converse(struct net_tls *client, struct net_tls *server,
                     struct script script)
{
	bool spoken = false;

	(void)net_tls_start(client); /* says hello */
	for (int i = 0; i < ROUNDS; i++) {
		const enum net_tls_state there = carry(client, server, &script);
		const enum net_tls_state here = carry(server, client, &script);

		if (here == NET_TLS_FAILED || there == NET_TLS_FAILED)
			return;
		if (here == NET_TLS_READY && !spoken) {
			spoken = true;
			(void)net_tls_write(client, SIP_STR("OPTIONS sip:a SIP/2.0"));
		}
		if (net_tls_pending(client).len == 0)
			break;
	}
	if (script.at + 3 > script.end) /* nobody has touched it */
		must(spoken && sip_str_has_line(net_tls_peer_names(client),
		                                SIP_STR("a.example")));
}

static void read_names(const uint8_t *data, size_t size)
{
	char names[NET_TLS_NAMES_MAX];
	X509 *cert = d2i_X509(NULL, &data, (long)size);
	size_t len;

	if (!cert)
		return;
	len = net_tls_names(cert, names);
	must(len <= sizeof names && (len == 0 || names[len - 1] == '\n'));
	(void)sip_str_has_line(sip_str_of(names, len), SIP_STR("a.example"));
	X509_free(cert);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct ends ends;
	const sip_str name = SIP_STR("a.example");
	struct net_tls *client, *server;

	if (!ends.context)
		make_ends(&ends);
	if (size == 0)
		return 0;
	if (data[0] % 4 == 3) {
		read_names(data + 1, size - 1);
		return 0;
	}
	client = net_tls_new(&ends.alloc, ends.context, false, name, &ends.addr);
	server = net_tls_new(&ends.alloc, ends.context, true, SIP_STR(""), &ends.addr);
	must(client && server);
	if (data[0] % 4 == 0)
		feed_stranger(server, sip_str_of((const char *)data + 1, size - 1));
	else if (data[0] % 4 == 1)
		feed_stranger(client, sip_str_of((const char *)data + 1, size - 1));
	else
		converse(client, server, (struct script){ data + 1, data + size, 0 });
	net_tls_free(client);
	net_tls_free(server);
	return 0;
}
