#include "net/tls_context.h"

#include "net/tls.h"
#include "net/tls_rules.h"

#include <assert.h>
#include <openssl/err.h>
#include <openssl/rand.h>
#include <stdio.h>

enum { TICKET_KEYS_MAX = 128 };

struct pair {
	char *domain, *cert, *key; /* the domain may be NULL */
	struct net_tls_stamp cert_stamp, key_stamp;
};

struct net_tls_context {
	struct sip_alloc *alloc;
	unsigned refs;
	char *ca;
	struct net_tls_stamp ca_stamp;
	bool unverified;
	bool doubted; /* the files are read again before the next handshake */
	bool behind;  /* they have changed, and what they were before is in use */
	enum sip_tls_clients clients;
	struct pair pairs[SIP_TLS_PAIRS];
	size_t pair_count;
	SSL_CTX *servers[SIP_TLS_PAIRS];
	SSL_CTX *client;
	struct net_tls_sessions sessions;
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

/* ---- files ---- */

static bool renew_stamps(struct net_tls_context *context)
{
	bool changed = net_tls_stamp_renew(&context->ca_stamp, context->ca);

	for (size_t i = 0; i < context->pair_count; i++) {
		struct pair *pair = &context->pairs[i];

		changed = net_tls_stamp_renew(&pair->cert_stamp, pair->cert) || changed;
		changed = net_tls_stamp_renew(&pair->key_stamp, pair->key) || changed;
	}
	return changed;
}

/* ---- one SSL_CTX ---- */

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
	if (!context->unverified)
		SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, net_tls_verify);
	SSL_CTX_set_cert_cb(ctx, net_tls_asked, NULL);
	/* Cannot fail: it gives what was set before. */
	(void)SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT |
	                                                  SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(ctx, on_new_session);
}

static sip_err make_ctx(struct net_tls_context *context, const struct pair *pair,
                        bool server, SSL_CTX **out, char why[NET_TLS_WHY_MAX])
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_method());
	sip_err err;

	if (!ctx)
		return net_tls_no_memory(why);
	err = net_tls_rules_set(ctx, why);
	if (err == SIP_OK && pair)
		err = net_tls_files_pair(ctx, pair->cert, pair->key, why);
	if (err == SIP_OK &&
	    (server ? context->clients != SIP_TLS_NOT_ASKED : !context->unverified))
		err = net_tls_files_ca(ctx, context->ca, server, why);
	/* What seems to be wrong with a file may be that. */
	if (net_tls_was_short())
		err = net_tls_no_memory(why);
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
	net_tls_sessions_forget(
		&context->sessions); /* with whom is perhaps no longer trusted */
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
		return net_tls_no_memory(why);
	context->alloc = alloc;
	context->refs = 1;
	err = copy_config(context, config) ? SIP_OK : net_tls_no_memory(why);
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
	net_tls_sessions_forget(&context->sessions);
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

bool net_tls_context_has_cert(const struct net_tls_context *context)
{
	return context->pair_count > 0;
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
	if (changed || err == SIP_OK)
		context->behind = err != SIP_OK;
	/* What memory was short for, and what can be used because it is in use, is read
	 * until it could be; what has changed and cannot be used once more, because
	 * OpenSSL does not always say that memory was short.  It is told once. */
	context->doubted =
		err == SIP_ENOMEM || (err != SIP_OK && (changed || !context->behind));
	return err == SIP_OK || !changed;
}

SSL *net_tls_context_ssl(const struct net_tls_context *context, bool server)
{
	return SSL_new(server ? context->servers[0] : context->client);
}

struct net_tls_sessions *net_tls_context_sessions(struct net_tls_context *context,
                                                  const SSL *ssl)
{
	return SSL_get_SSL_CTX(ssl) == context->client ? &context->sessions : NULL;
}
