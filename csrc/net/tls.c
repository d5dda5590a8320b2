#include "net/tls.h"

#include "net/tls_state.h"

#include <assert.h>
#include <openssl/err.h>

/* ---- callbacks and sessions ---- */

int net_tls_asked(SSL *ssl, void *data)
{
	struct net_tls *tls = SSL_get_app_data(ssl);

	(void)data;
	tls->asked = true;
	return 1; /* goes on with the one of the context, or with none */
}

static struct net_tls_peer peer_of(const struct net_tls *tls)
{
	return (struct net_tls_peer){ sip_str_of(tls->name, tls->name_len),
		                      &tls->remote, tls->web };
}

int net_tls_resumable(struct net_tls *tls, SSL_SESSION *session)
{
	const struct net_tls_peer peer = peer_of(tls);
	struct net_tls_sessions *sessions =
		net_tls_context_sessions(tls->context, tls->ssl);

	if (!sessions)
		return 0;
	net_tls_sessions_keep(sessions, &peer, session);
	return 1;
}

/* As whom we have known the peer before. */
static bool resume(struct net_tls *tls)
{
	const struct net_tls_peer peer = peer_of(tls);
	struct net_tls_sessions *sessions =
		net_tls_context_sessions(tls->context, tls->ssl);
	SSL_SESSION *session = sessions ? net_tls_sessions_take(sessions, &peer) : NULL;
	const bool ok = !session || SSL_set_session(tls->ssl, session) == 1;

	SSL_SESSION_free(session);
	return ok;
}

/* ---- life ---- */

static bool set_up_client(struct net_tls *tls)
{
	SSL_set_connect_state(tls->ssl);
	return tls->name_len == 0 || SSL_set_tlsext_host_name(tls->ssl, tls->name) == 1;
}

struct net_tls *net_tls_new(struct sip_alloc *alloc, struct net_tls_context *context,
                            bool server, sip_str name, const struct sip_addr *remote)
{
	struct net_tls *tls = sip_alloc0(alloc, sizeof *tls);

	if (!tls)
		return NULL;
	assert(name.len <= NET_TLS_NAME_MAX); /* its caller has refused longer ones */
	tls->alloc = alloc;
	tls->protocol = "sip/2";
	tls->context = net_tls_context_ref(context);
	tls->server = server;
	if (remote)
		tls->remote = *remote;
	tls->name_len = (uint8_t)name.len;
	memcpy(tls->name, name.p, name.len);
	ERR_clear_error();
	tls->ssl = net_tls_context_ssl(context, server);
	tls->in = BIO_new(BIO_s_mem());
	tls->out = BIO_new(BIO_s_mem());
	if (!tls->ssl || !tls->in || !tls->out) {
		BIO_free(tls->in);
		BIO_free(tls->out);
		SSL_free(tls->ssl);
		net_tls_context_unref(context);
		sip_free(alloc, tls, sizeof *tls);
		return NULL;
	}
	SSL_set_bio(tls->ssl, tls->in, tls->out);
	if (server)
		SSL_set_accept_state(tls->ssl);
	if (SSL_set_app_data(tls->ssl, tls) != 1 || (!server && !set_up_client(tls))) {
		net_tls_free(tls);
		return NULL;
	}
	return tls;
}

void net_tls_free(struct net_tls *tls)
{
	if (!tls)
		return;
	SSL_free(tls->ssl);
	net_tls_context_unref(tls->context);
	sip_free(tls->alloc, tls->names, tls->names_len);
	sip_free(tls->alloc, tls, sizeof *tls);
}

void net_tls_set_protocol(struct net_tls *tls, const char *protocol)
{
	tls->protocol = protocol;
}

const char *net_tls_protocol(const struct net_tls *tls)
{
	return tls->protocol;
}

void net_tls_for_web(struct net_tls *tls)
{
	tls->web = true;
	tls->protocol = "http/1.1";
}

void net_tls_set_remote(struct net_tls *tls, const struct sip_addr *remote)
{
	tls->remote = *remote;
}

/* ---- bytes ---- */

static bool begins_with(sip_str bytes, const char *text)
{
	const size_t len = strlen(text);

	return bytes.len >= len && memcmp(bytes.p, text, len) == 0;
}

static bool contains(sip_str bytes, const char *text)
{
	for (size_t i = 0; i < bytes.len; i++) {
		if (begins_with(sip_str_of(bytes.p + i, bytes.len - i), text))
			return true;
	}
	return false;
}

/* A peer that speaks something else is told from one whose TLS is wrong. */
static bool is_tls(struct net_tls *tls, sip_str bytes)
{
	const uint8_t type = (uint8_t)bytes.p[0];
	const char *end = memchr(bytes.p, '\n', bytes.len);
	const sip_str line =
		sip_str_of(bytes.p, end ? (size_t)(end - bytes.p) : bytes.len);

	if (type == SSL3_RT_HANDSHAKE || type == SSL3_RT_ALERT)
		return true;
	if (contains(line, "HTTP/"))
		net_tls_blame(tls, tls->server ? "%s speaks HTTP to our TLS port"
		                               : "%s speaks HTTP, and no TLS");
	else if (contains(line, "SIP/2.0") || begins_with(bytes, "\r\n"))
		net_tls_blame(tls, tls->server ? "%s speaks plain SIP to our TLS port"
		                               : "%s speaks plain SIP, and no TLS");
	else
		net_tls_blame(tls, tls->server ? "%s does not speak TLS to our TLS port"
		                               : "%s does not speak TLS");
	return false;
}

static enum net_tls_state shake(struct net_tls *tls)
{
	int result;

	ERR_clear_error();
	result = SSL_do_handshake(tls->ssl);
	if (result == 1) {
		tls->ready = true;
		net_tls_learn_names(tls);
		return NET_TLS_READY;
	}
	if (SSL_get_error(tls->ssl, result) == SSL_ERROR_WANT_READ)
		return NET_TLS_HANDSHAKE;
	return net_tls_fail(tls);
}

/* The one protocol, with its length in front. */
static bool ask_for_protocol(struct net_tls *tls)
{
	const size_t len = strlen(tls->protocol);
	unsigned char list[32];

	assert(len < sizeof list);
	list[0] = (unsigned char)len;
	memcpy(list + 1, tls->protocol, len);
	return SSL_set_alpn_protos(tls->ssl, list, (unsigned)len + 1) == 0;
}

enum net_tls_state net_tls_start(struct net_tls *tls)
{
	if (tls->server)
		return NET_TLS_HANDSHAKE;
	ERR_clear_error();
	return ask_for_protocol(tls) && resume(tls) ? shake(tls) : net_tls_fail(tls);
}

enum net_tls_state net_tls_feed(struct net_tls *tls, sip_str bytes)
{
	assert(bytes.len > 0 && bytes.len <= NET_TLS_PIECE);
	if (tls->failed)
		return NET_TLS_FAILED;
	if (!tls->heard && !is_tls(tls, bytes)) {
		tls->failed = true;
		return NET_TLS_FAILED;
	}
	tls->heard = true;
	if (BIO_write(tls->in, bytes.p, (int)bytes.len) != (int)bytes.len)
		return net_tls_fail(tls);
	return tls->ready ? NET_TLS_READY : shake(tls);
}

enum net_tls_state net_tls_read(struct net_tls *tls, char *out, size_t size,
                                size_t *len)
{
	int result;

	*len = 0;
	if (tls->failed)
		return NET_TLS_FAILED;
	ERR_clear_error();
	if (SSL_read_ex(tls->ssl, out, size, len) == 1)
		return NET_TLS_READY;
	*len = 0;
	result = SSL_get_error(tls->ssl, 0);
	if (result == SSL_ERROR_WANT_READ)
		return NET_TLS_READY;
	return result == SSL_ERROR_ZERO_RETURN ? NET_TLS_CLOSED : net_tls_fail(tls);
}

enum net_tls_state net_tls_write(struct net_tls *tls, sip_str bytes)
{
	size_t len;

	if (tls->failed)
		return NET_TLS_FAILED;
	assert(tls->ready);
	ERR_clear_error();
	if (bytes.len == 0 || SSL_write_ex(tls->ssl, bytes.p, bytes.len, &len) == 1)
		return NET_TLS_READY;
	return net_tls_fail(tls);
}

void net_tls_end(struct net_tls *tls)
{
	if (!tls->ready || tls->failed)
		return;
	ERR_clear_error();
	(void)SSL_shutdown(tls->ssl); /* ours alone: the peer's is not waited for */
	ERR_clear_error();
}

sip_str net_tls_pending(struct net_tls *tls)
{
	char *p = NULL;
	const long len = BIO_get_mem_data(tls->out, &p);

	return sip_str_of(p, (size_t)len);
}

void net_tls_sent(struct net_tls *tls)
{
	(void)BIO_reset(tls->out); /* cannot fail: it is in memory */
}

sip_str net_tls_peer_names(const struct net_tls *tls)
{
	return sip_str_of(tls->names, tls->names_len);
}

bool net_tls_heard(const struct net_tls *tls)
{
	return tls->heard;
}

const char *net_tls_why(const struct net_tls *tls)
{
	return tls->why;
}
