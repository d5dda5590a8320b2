#include "net/tls_context.h"

#include "net/tls.h"

#include <assert.h>
#include <openssl/err.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>

/* ECDHE and an AEAD (RFC 9325 4.2); TLS 1.3 has no others. */
static const char CIPHERS[] = "ECDHE+AESGCM:ECDHE+CHACHA20";
/* Keys of 112 bits and more, so RSA of 2048, and no SHA-1 (RFC 9325 4.5). */
enum { SECURITY_LEVEL = 2 };

enum { SESSIONS = 64, SESSION_NAME_MAX = 256, TICKET_KEYS_MAX = 128 };

/* What a file was when it was read. */
struct stamp {
	dev_t dev;
	ino_t ino;
	off_t size;
	struct timespec changed;
};

struct pair {
	char *domain, *cert, *key; /* the domain may be NULL */
	struct stamp cert_stamp, key_stamp;
};

struct session {
	SSL_SESSION *session;
	struct sip_addr remote;
	size_t name_len;
	char name[SESSION_NAME_MAX];
};

struct net_tls_context {
	struct sip_alloc *alloc;
	unsigned refs;
	char *ca;
	struct stamp ca_stamp;
	bool unverified, doubted;
	enum sip_tls_clients clients;
	struct pair pairs[SIP_TLS_PAIRS];
	size_t pair_count;
	SSL_CTX *servers[SIP_TLS_PAIRS];
	SSL_CTX *client;
	struct session sessions[SESSIONS]; /* a ring: the oldest one goes */
	unsigned next_session;
	uint64_t tickets_ms; /* the age of the keys of tickets counts from here */
};

/* ---- texts ---- */

static char *copy_text(struct sip_alloc *alloc, const char *text)
{
	const size_t size = strlen(text) + 1;
	char *copy = sip_alloc(alloc, size);

	if (copy)
		memcpy(copy, text, size);
	return copy;
}

static void free_text(struct sip_alloc *alloc, char *text)
{
	if (text)
		sip_free(alloc, text, strlen(text) + 1);
}

static sip_err refuse(char why[NET_TLS_WHY_MAX], const char *option, const char *path,
                      const char *what)
{
	/* What does not fit is cut. */
	(void)snprintf(why, NET_TLS_WHY_MAX, "%s: %s: %s", option, path, what);
	return SIP_EINVAL;
}

static sip_err no_memory(char why[NET_TLS_WHY_MAX])
{
	(void)snprintf(why, NET_TLS_WHY_MAX, "no memory"); /* it fits */
	return SIP_ENOMEM;
}

/* ---- files ---- */

static struct stamp stamp_of(const char *path)
{
	struct stamp stamp = { 0 };
	struct stat info;

	if (path && stat(path, &info) == 0) {
		stamp.dev = info.st_dev;
		stamp.ino = info.st_ino;
		stamp.size = info.st_size;
#ifdef __APPLE__
		stamp.changed = info.st_mtimespec;
#else
		stamp.changed = info.st_mtim;
#endif
	}
	return stamp;
}

static bool same_stamp(const struct stamp *a, const struct stamp *b)
{
	return a->dev == b->dev && a->ino == b->ino && a->size == b->size &&
	       a->changed.tv_sec == b->changed.tv_sec &&
	       a->changed.tv_nsec == b->changed.tv_nsec;
}

/* Has the file changed since?  From here on it is as it is. */
static bool renew_stamp(struct stamp *stamp, const char *path)
{
	const struct stamp found = stamp_of(path);
	const bool changed = !same_stamp(stamp, &found);

	*stamp = found;
	return changed;
}

static bool renew_stamps(struct net_tls_context *context)
{
	bool changed = renew_stamp(&context->ca_stamp, context->ca);

	for (size_t i = 0; i < context->pair_count; i++) {
		struct pair *pair = &context->pairs[i];

		changed = renew_stamp(&pair->cert_stamp, pair->cert) || changed;
		changed = renew_stamp(&pair->key_stamp, pair->key) || changed;
	}
	return changed;
}

static sip_err check_readable(const char *option, const char *path,
                              char why[NET_TLS_WHY_MAX])
{
	char error[64];

	if (access(path, R_OK) == 0)
		return SIP_OK;
	return refuse(
		why, option, path,
		uv_strerror_r(uv_translate_sys_error(errno), error, sizeof error));
}

/* ---- one SSL_CTX ---- */

static int no_passphrase(char *buf, int size, int writing, void *data)
{
	(void)buf;
	(void)size;
	(void)writing;
	*(bool *)data = true;
	return -1; /* nobody is there who could be asked */
}

static sip_err check_dates(const char *path, const X509 *cert,
                           char why[NET_TLS_WHY_MAX])
{
	char what[96], date[NET_TLS_DATE_MAX];

	if (X509_cmp_current_time(X509_get0_notAfter(cert)) < 0) {
		net_tls_date(X509_get0_notAfter(cert), date);
		(void)snprintf(what, sizeof what, "expired on %s", date); /* it fits */
		return refuse(why, "cert", path, what);
	}
	if (X509_cmp_current_time(X509_get0_notBefore(cert)) > 0) {
		net_tls_date(X509_get0_notBefore(cert), date);
		(void)snprintf(what, sizeof what, "is not valid before %s",
		               date); /* it fits */
		return refuse(why, "cert", path, what);
	}
	return SIP_OK;
}

static sip_err use_pair(SSL_CTX *ctx, const struct pair *pair,
                        char why[NET_TLS_WHY_MAX])
{
	sip_err err = check_readable("cert", pair->cert, why);
	char what[NET_TLS_WHY_MAX / 2];
	bool asked = false;

	if (err == SIP_OK)
		err = check_readable("key", pair->key, why);
	if (err != SIP_OK)
		return err;
	if (SSL_CTX_use_certificate_chain_file(ctx, pair->cert) != 1)
		return refuse(why, "cert", pair->cert,
		              ERR_GET_LIB(ERR_peek_error()) == ERR_LIB_SSL
		                      ? "the certificate cannot be used: its key is "
		                        "too short, or its signature too weak"
		                      : "no certificate in PEM form is in it");
	SSL_CTX_set_default_passwd_cb(ctx, no_passphrase);
	SSL_CTX_set_default_passwd_cb_userdata(ctx, &asked);
	if (SSL_CTX_use_PrivateKey_file(ctx, pair->key, SSL_FILETYPE_PEM) != 1) {
		if (asked)
			return refuse(why, "key", pair->key,
			              "it is encrypted, and nobody can be asked for "
			              "its passphrase");
		if (ERR_GET_LIB(ERR_peek_last_error()) != ERR_LIB_X509)
			return refuse(why, "key", pair->key,
			              "no key in PEM form is in it");
		/* What does not fit is cut. */
		(void)snprintf(what, sizeof what,
		               "the key does not belong to the certificate %s",
		               pair->cert);
		return refuse(why, "key", pair->key, what);
	}
	SSL_CTX_set_default_passwd_cb_userdata(ctx, NULL);
	return check_dates(pair->cert, SSL_CTX_get0_certificate(ctx), why);
}

static sip_err use_ca(const struct net_tls_context *context, SSL_CTX *ctx, bool server,
                      char why[NET_TLS_WHY_MAX])
{
	struct stat info;
	STACK_OF(X509_NAME) * names;
	sip_err err;

	if (!context->ca)
		return SSL_CTX_set_default_verify_paths(ctx) == 1 ? SIP_OK
		                                                  : no_memory(why);
	err = check_readable("ca", context->ca, why);
	if (err != SIP_OK)
		return err;
	if (stat(context->ca, &info) == 0 && S_ISDIR(info.st_mode))
		return SSL_CTX_load_verify_dir(ctx, context->ca) == 1
		               ? SIP_OK
		               : refuse(why, "ca", context->ca, "cannot be used");
	if (SSL_CTX_load_verify_file(ctx, context->ca) != 1)
		return refuse(why, "ca", context->ca,
		              "no certificate in PEM form is in it");
	if (!server)
		return SIP_OK;
	names = SSL_load_client_CA_file(context->ca);
	if (!names)
		return no_memory(why);
	SSL_CTX_set_client_CA_list(ctx, names); /* takes them */
	return SIP_OK;
}

/* A key whose strength could not be found out counts as one of none. */
static bool has_key(X509 *x509)
{
	EVP_PKEY *key = X509_get0_pubkey(x509);

	return key && EVP_PKEY_get_security_bits(key) > 0;
}

/* What OpenSSL finds out about a certificate when it first needs it is found out here:
 * for want of memory in a handshake it would take it for broken, and for ever. */
static bool look_at_all(SSL_CTX *ctx)
{
	X509_STORE *store = SSL_CTX_get_cert_store(ctx);
	const STACK_OF(X509_OBJECT) *objects = X509_STORE_get0_objects(store);
	bool whole = true;

	for (int i = 0; i < sk_X509_OBJECT_num(objects); i++) {
		X509 *x509 = X509_OBJECT_get0_X509(sk_X509_OBJECT_value(objects, i));

		if (x509 && (X509_check_purpose(x509, -1, 0) != 1 || !has_key(x509)))
			whole = false;
	}
	return whole;
}

static int on_server_name(SSL *ssl, int *alert, void *data)
{
	const struct net_tls_context *context = data;
	const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);

	(void)alert;
	for (size_t i = 1; name && i < context->pair_count; i++) {
		const char *domain = context->pairs[i].domain;

		if (domain && sip_str_ieq(sip_str_of(domain, strlen(domain)),
		                          sip_str_of(name, strlen(name))))
			return SSL_set_SSL_CTX(ssl, context->servers[i])
			               ? SSL_TLSEXT_ERR_OK
			               : SSL_TLSEXT_ERR_ALERT_FATAL;
	}
	return name ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_NOACK;
}

/* A browser that was sent here must not speak to a phone system (RFC 9325 3.8). */
static int on_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len,
                   const unsigned char *in, unsigned in_len, void *data)
{
	const char *protocol = net_tls_protocol(SSL_get_app_data(ssl));
	const size_t len = strlen(protocol);

	(void)data;
	for (unsigned i = 0; i < in_len; i += 1u + in[i]) {
		if (in[i] == len && len < in_len - i &&
		    memcmp(in + i + 1, protocol, len) == 0) {
			*out = in + i + 1;
			*out_len = in[i];
			return SSL_TLSEXT_ERR_OK;
		}
	}
	return SSL_TLSEXT_ERR_ALERT_FATAL;
}

/* The session is ours to keep: 1 takes its reference. */
static int on_new_session(SSL *ssl, SSL_SESSION *session)
{
	return net_tls_resumable(SSL_get_app_data(ssl), session);
}

static void set_common(SSL_CTX *ctx)
{
	/* None of these can fail: the values are ours. */
	(void)SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
	(void)SSL_CTX_set_cipher_list(ctx, CIPHERS);
	(void)SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
	                                       SSL_OP_CIPHER_SERVER_PREFERENCE);
	(void)SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
	if (SSL_CTX_get_security_level(ctx) < SECURITY_LEVEL)
		SSL_CTX_set_security_level(ctx, SECURITY_LEVEL);
}

static void set_server(struct net_tls_context *context, SSL_CTX *ctx)
{
	static const unsigned char id[] = "luasip";
	int mode = SSL_VERIFY_NONE;

	if (context->clients != SIP_TLS_NOT_ASKED)
		mode = SSL_VERIFY_PEER;
	if (context->clients == SIP_TLS_REQUIRED)
		mode |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
	SSL_CTX_set_verify(ctx, mode, net_tls_verify);
	/* Cannot fail: the text is short enough.  Sessions live in tickets alone. */
	(void)SSL_CTX_set_session_id_context(ctx, id, sizeof id - 1);
	(void)SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	(void)SSL_CTX_set_tlsext_servername_callback(ctx, on_server_name);
	(void)SSL_CTX_set_tlsext_servername_arg(ctx, context);
	SSL_CTX_set_alpn_select_cb(ctx, on_alpn, NULL);
}

static void set_client(const struct net_tls_context *context, SSL_CTX *ctx)
{
	SSL_CTX_set_verify(ctx, context->unverified ? SSL_VERIFY_NONE : SSL_VERIFY_PEER,
	                   net_tls_verify);
	/* Cannot fail: it gives what was set before. */
	(void)SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT |
	                                                  SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(ctx, on_new_session);
}

static sip_err make_ctx(struct net_tls_context *context, const struct pair *pair,
                        bool server, SSL_CTX **out, char why[NET_TLS_WHY_MAX])
{
	SSL_CTX *ctx = SSL_CTX_new(server ? TLS_server_method() : TLS_client_method());
	sip_err err = SIP_OK;

	if (!ctx)
		return no_memory(why);
	set_common(ctx);
	if (pair)
		err = use_pair(ctx, pair, why);
	if (err == SIP_OK &&
	    (server ? context->clients != SIP_TLS_NOT_ASKED : !context->unverified))
		err = use_ca(context, ctx, server, why);
	/* Of the system's there may be odd ones. */
	if (err == SIP_OK && !look_at_all(ctx) && context->ca)
		err = refuse(why, "ca", context->ca,
		             "a certificate in it is broken, or memory is short");
	if (err == SIP_OK && net_tls_was_short())
		err = no_memory(why);
	if (err != SIP_OK) {
		SSL_CTX_free(ctx);
		return err;
	}
	if (server)
		set_server(context, ctx);
	else
		set_client(context, ctx);
	*out = ctx;
	return SIP_OK;
}

/* ---- all of them ---- */

static void forget_sessions(struct net_tls_context *context)
{
	for (unsigned i = 0; i < SESSIONS; i++) {
		SSL_SESSION_free(context->sessions[i].session);
		context->sessions[i].session = NULL;
	}
}

static void free_ctxs(SSL_CTX *servers[SIP_TLS_PAIRS], SSL_CTX *client)
{
	for (size_t i = 0; i < SIP_TLS_PAIRS; i++)
		SSL_CTX_free(servers[i]);
	SSL_CTX_free(client);
}

/* All or none: what is in use stays when anything is wrong. */
static sip_err read_files(struct net_tls_context *context, char why[NET_TLS_WHY_MAX])
{
	SSL_CTX *servers[SIP_TLS_PAIRS] = { NULL };
	SSL_CTX *client = NULL;
	sip_err err;

	ERR_clear_error();
	err = make_ctx(context, context->pair_count > 0 ? &context->pairs[0] : NULL,
	               false, &client, why);
	for (size_t i = 0; err == SIP_OK && i < context->pair_count; i++)
		err = make_ctx(context, &context->pairs[i], true, &servers[i], why);
	ERR_clear_error();
	if (err != SIP_OK) {
		free_ctxs(servers, client);
		return err;
	}
	free_ctxs(context->servers, context->client);
	memcpy(context->servers, servers, sizeof servers);
	context->client = client;
	forget_sessions(context); /* with whom is perhaps no longer trusted */
	return SIP_OK;
}

static bool copy_config(struct net_tls_context *context,
                        const struct sip_tls_config *config)
{
	bool ok = true;

	context->unverified = config->unverified;
	context->clients = config->clients;
	context->pair_count = config->pair_count;
	if (config->ca)
		ok = (context->ca = copy_text(context->alloc, config->ca)) != NULL;
	for (size_t i = 0; i < config->pair_count; i++) {
		const struct sip_tls_pair *from = &config->pairs[i];
		struct pair *pair = &context->pairs[i];

		pair->cert = copy_text(context->alloc, from->cert);
		pair->key = copy_text(context->alloc, from->key);
		if (from->domain)
			pair->domain = copy_text(context->alloc, from->domain);
		ok = ok && pair->cert && pair->key && (pair->domain || !from->domain);
	}
	return ok;
}

sip_err net_tls_context_new(struct sip_alloc *alloc,
                            const struct sip_tls_config *config,
                            struct net_tls_context **out, char why[NET_TLS_WHY_MAX])
{
	struct net_tls_context *context = sip_alloc0(alloc, sizeof *context);
	sip_err err;

	assert(config->pair_count <= SIP_TLS_PAIRS);
	if (!context)
		return no_memory(why);
	context->alloc = alloc;
	context->refs = 1;
	err = copy_config(context, config) ? SIP_OK : no_memory(why);
	if (err == SIP_OK) {
		(void)renew_stamps(context); /* they are all new */
		err = read_files(context, why);
	}
	if (err != SIP_OK) {
		net_tls_context_unref(context);
		return err;
	}
	*out = context;
	return SIP_OK;
}

struct net_tls_context *net_tls_context_ref(struct net_tls_context *context)
{
	context->refs++;
	return context;
}

void net_tls_context_unref(struct net_tls_context *context)
{
	if (!context || --context->refs > 0)
		return;
	forget_sessions(context);
	free_ctxs(context->servers, context->client);
	free_text(context->alloc, context->ca);
	for (size_t i = 0; i < context->pair_count; i++) {
		free_text(context->alloc, context->pairs[i].domain);
		free_text(context->alloc, context->pairs[i].cert);
		free_text(context->alloc, context->pairs[i].key);
	}
	sip_free(context->alloc, context, sizeof *context);
}

bool net_tls_context_serves(const struct net_tls_context *context)
{
	return context->servers[0] != NULL;
}

const char *net_tls_context_cert(const struct net_tls_context *context)
{
	return context->pair_count > 0 ? context->pairs[0].cert : "(there is none)";
}

/* Whoever has such a key reads what was said before in sessions of TLS 1.2 that were
 * resumed, so it is forgotten in time (RFC 9325 3.4).  Without new ones the old stay.
 */
static void renew_tickets(struct net_tls_context *context)
{
	unsigned char keys[TICKET_KEYS_MAX];

	for (size_t i = 0; i < context->pair_count; i++) {
		SSL_CTX *ctx = context->servers[i];
		const long len = SSL_CTX_get_tlsext_ticket_keys(ctx, NULL, 0);

		if (len > 0 && len <= TICKET_KEYS_MAX &&
		    RAND_bytes(keys, (int)len) == 1)
			(void)SSL_CTX_set_tlsext_ticket_keys(ctx, keys, len);
	}
	OPENSSL_cleanse(keys, sizeof keys);
	ERR_clear_error();
}

void net_tls_context_age(struct net_tls_context *context, uint64_t now_ms,
                         uint32_t ticket_ms)
{
	if (now_ms - context->tickets_ms < ticket_ms)
		return;
	context->tickets_ms = now_ms;
	renew_tickets(context);
}

void net_tls_context_doubt(struct net_tls_context *context)
{
	context->doubted = true;
}

bool net_tls_context_refresh(struct net_tls_context *context, char why[NET_TLS_WHY_MAX])
{
	const bool changed = renew_stamps(context);
	sip_err err;

	if (!changed && !context->doubted)
		return true;
	err = read_files(context, why);
	/* What was doubted stays so until it could be read; what has changed and cannot
	 * be used is told once. */
	context->doubted = err != SIP_OK && !changed;
	return err == SIP_OK || !changed;
}

SSL *net_tls_context_ssl(const struct net_tls_context *context, bool server)
{
	return SSL_new(server ? context->servers[0] : context->client);
}

/* ---- sessions ---- */

static struct session *find_session(struct net_tls_context *context, sip_str name,
                                    const struct sip_addr *remote)
{
	for (unsigned i = 0; i < SESSIONS; i++) {
		struct session *session = &context->sessions[i];

		if (session->session && sip_addr_eq(&session->remote, remote) &&
		    sip_str_eq(sip_str_of(session->name, session->name_len), name))
			return session;
	}
	return NULL;
}

SSL_SESSION *net_tls_session_take(struct net_tls_context *context, sip_str name,
                                  const struct sip_addr *remote)
{
	struct session *kept = find_session(context, name, remote);
	SSL_SESSION *session = kept ? kept->session : NULL;

	if (kept) /* a ticket is used once (RFC 8446 C.4) */
		kept->session = NULL;
	return session;
}

void net_tls_session_keep(struct net_tls_context *context, sip_str name,
                          const struct sip_addr *remote, SSL_SESSION *session)
{
	struct session *kept = find_session(context, name, remote);

	if (name.len > SESSION_NAME_MAX) {
		SSL_SESSION_free(session);
		return;
	}
	if (!kept)
		kept = &context->sessions[context->next_session++ % SESSIONS];
	SSL_SESSION_free(kept->session);
	kept->session = session;
	kept->remote = *remote;
	kept->name_len = name.len;
	memcpy(kept->name, name.p, name.len);
}
