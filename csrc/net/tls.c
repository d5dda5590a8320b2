#include "net/tls.h"

#include <assert.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <time.h>

enum { LABEL_MAX = 200, NAME_MAX_BYTES = 255 };

struct net_tls {
	struct sip_alloc *alloc;
	struct net_tls_context *context;
	SSL *ssl;
	BIO *in, *out; /* the SSL's */
	struct sip_addr remote;
	const char *protocol;
	bool server, web, ready, failed, heard;
	bool asked; /* for a certificate of ours */
	uint8_t name_len;
	char name[NAME_MAX_BYTES + 1];
	char *names; /* verified */
	size_t names_len;
	char why[NET_TLS_WHY_MAX];
};

/* ---- reasons ---- */

/* "sip.example (192.0.2.1:5061)" */
static const char *label(const struct net_tls *tls, char out[LABEL_MAX])
{
	char text[SIP_ADDR_TEXT_MAX];

	text[sip_addr_write(&tls->remote, text)] = '\0';
	if (tls->name_len > 0)
		/* What does not fit is cut. */
		(void)snprintf(out, LABEL_MAX, "%.*s (%s)", tls->name_len, tls->name,
		               text);
	else
		(void)snprintf(out, LABEL_MAX, "%s", text); /* it fits */
	return out;
}

void net_tls_blame(struct net_tls *tls, const char *format)
{
	char who[LABEL_MAX];

	if (!tls->why[0])
		/* What does not fit is cut.  Some name our certificate too. */
		(void)snprintf(tls->why, sizeof tls->why, format, label(tls, who),
		               net_tls_context_cert(tls->context));
}

/* %s: the peer, and our certificate. */
static const struct {
	int reason;
	const char *text;
} reasons[] = {
	{ SSL_R_UNSUPPORTED_PROTOCOL,
	  "%s has no TLS version that we have: TLS 1.2 or newer" },
	{ SSL_R_TLSV1_ALERT_PROTOCOL_VERSION,
	  "%s has no TLS version that we have: TLS 1.2 or newer" },
	{ SSL_R_NO_SHARED_CIPHER, "%s and we have no cipher in common" },
	{ SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE, "%s refused the handshake: no cipher in "
	                                       "common, or it does not serve the name "
	                                       "that we called it by" },
	{ SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE, "%s has shown no certificate" },
	{ SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED, "%s wants a certificate of ours" },
	{ SSL_R_TLSV1_ALERT_UNKNOWN_CA,
	  "%s does not trust whoever signed our certificate %s" },
	{ SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED,
	  "%s says that our certificate %s has expired" },
	{ SSL_R_SSLV3_ALERT_BAD_CERTIFICATE, "%s does not accept our certificate %s" },
	{ SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN,
	  "%s does not accept our certificate %s" },
	{ SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE,
	  "%s does not accept our certificate %s" },
	{ SSL_R_TLSV1_ALERT_ACCESS_DENIED, "%s does not let us in" },
	{ SSL_R_TLSV1_UNRECOGNIZED_NAME,
	  "%s has no certificate for the name that we called it by" },
	{ SSL_R_NO_APPLICATION_PROTOCOL, "%s wants to speak something else than SIP" },
	{ SSL_R_TLSV1_ALERT_NO_APPLICATION_PROTOCOL,
	  "%s speaks something else than SIP over TLS" },
	{ SSL_R_WRONG_VERSION_NUMBER, "%s does not speak TLS" },
	{ SSL_R_HTTP_REQUEST, "%s speaks HTTP to a TLS port" },
};

bool net_tls_was_short(void)
{
	unsigned long error;
	bool found = false;

	while ((error = ERR_get_error()) != 0)
		found = found || ERR_GET_REASON(error) == ERR_R_MALLOC_FAILURE;
	return found;
}

/* What a server says that has asked for a certificate of ours and is not content.  By
 * then ciphers and names are agreed upon. */
static const char *of_certificates(const struct net_tls *tls, int reason)
{
	switch (reason) {
	case SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE: /* all that TLS 1.2 says of none */
		return net_tls_context_has_cert(tls->context)
		               ? "%s does not accept our certificate %s"
		               : "%s wants a certificate of ours";
	case SSL_R_TLSV1_ALERT_UNKNOWN_CA:
	case SSL_R_SSLV3_ALERT_BAD_CERTIFICATE:
	case SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN:
	case SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE:
	case SSL_R_TLSV1_ALERT_ACCESS_DENIED:
		return net_tls_context_has_cert(tls->context)
		               ? NULL
		               : "%s wants a certificate of ours";
	default:
		return NULL;
	}
}

static enum net_tls_state fail(struct net_tls *tls)
{
	const unsigned long error = ERR_peek_last_error();
	const int reason =
		ERR_GET_LIB(error) == ERR_LIB_SSL ? ERR_GET_REASON(error) : 0;
	char format[NET_TLS_WHY_MAX];
	const char *text = ERR_reason_error_string(error);

	tls->failed = true;
	if (tls->asked && of_certificates(tls, reason))
		net_tls_blame(tls, of_certificates(tls, reason));
	for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++) {
		if (reason == reasons[i].reason)
			net_tls_blame(tls, reasons[i].text);
	}
	/* No text of OpenSSL's has a per cent sign in it. */
	(void)snprintf(format, sizeof format, "TLS with %%s: %s",
	               text ? text : "broken"); /* it fits */
	net_tls_blame(tls, format);
	if (net_tls_was_short())
		net_tls_context_doubt(tls->context);
	return NET_TLS_FAILED;
}

/* ---- certificates ---- */

void net_tls_date(const ASN1_TIME *time, char out[NET_TLS_DATE_MAX])
{
	struct tm tm = { 0 };

	(void)ASN1_TIME_to_tm(time, &tm); /* a broken one shows as 1900 */
	(void)snprintf(out, NET_TLS_DATE_MAX, "%04d-%02d-%02d", tm.tm_year + 1900,
	               tm.tm_mon + 1, tm.tm_mday); /* it fits */
}

/* The name that a certificate has for people, without what breaks lines. */
static void subject_of(const X509_NAME *name, char *out, size_t size)
{
	if (!X509_NAME_oneline(name, out, (int)size))
		out[0] = '\0';
	for (char *p = out; *p; p++) {
		if (*p < ' ' || *p == 127 || *p == '%')
			*p = '?';
	}
}

/* The peer's, or in its chain one of those above. */
static void blame_dates(struct net_tls *tls, bool above, const ASN1_TIME *time,
                        const char *what)
{
	char format[NET_TLS_WHY_MAX], date[NET_TLS_DATE_MAX];

	net_tls_date(time, date);
	/* It fits. */
	(void)snprintf(format, sizeof format, "the certificate of %s%%s %s %s",
	               above ? "an authority that stands for " : "", what, date);
	net_tls_blame(tls, format);
}

static void blame_certificate(struct net_tls *tls, X509_STORE_CTX *store)
{
	const X509 *cert = X509_STORE_CTX_get_current_cert(store);
	const int error = X509_STORE_CTX_get_error(store);
	const bool above = X509_STORE_CTX_get_error_depth(store) > 0;
	char format[NET_TLS_WHY_MAX], issuer[120];

	switch (error) {
	case X509_V_ERR_CERT_HAS_EXPIRED:
		blame_dates(tls, above, X509_get0_notAfter(cert), "expired on");
		return;
	case X509_V_ERR_CERT_NOT_YET_VALID:
		blame_dates(tls, above, X509_get0_notBefore(cert),
		            "is not valid before");
		return;
	case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
		net_tls_blame(tls, "the certificate of %s is signed by nobody but "
		                   "itself, and is not among those of tls.ca");
		return;
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
	case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
	case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
		subject_of(X509_get_issuer_name(cert), issuer, sizeof issuer);
		(void)snprintf(format, sizeof format,
		               "the certificate of %%s is signed by %s, who is not "
		               "among those of tls.ca",
		               issuer); /* it fits */
		break;
	default:
		(void)snprintf(format, sizeof format,
		               "the certificate of %%s is not accepted: %s",
		               X509_verify_cert_error_string(error)); /* it fits */
	}
	net_tls_blame(tls, format);
}

/* "a.example, b.example", or as many as fit. */
static void list_names(sip_str names, char *out, size_t size)
{
	size_t len = 0;

	for (size_t i = 0; i + 1 < names.len && len + 4 < size; i++) {
		if (names.p[i] == '\n')
			out[len++] = ',';
		out[len++] = names.p[i] == '\n' ? ' ' : names.p[i];
	}
	out[len] = '\0';
}

/* The rules of the web: a wildcard may stand for the first label, and a URI is nothing
 * (RFC 6455 4.1, RFC 6125 6.4.3). */
static bool is_right_web_server(const struct net_tls *tls, X509 *cert)
{
	char host[SIP_ADDR_TEXT_MAX];

	if (tls->name_len > 0)
		return X509_check_host(cert, tls->name, tls->name_len,
		                       X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS, NULL) == 1;
	host[sip_addr_write_host(&tls->remote, host, false)] = '\0';
	return X509_check_ip_asc(cert, host, 0) == 1;
}

/* RFC 5922 7.3: the server is authenticated for the domain that was asked for, or for
 * its address when it was called by that. */
static bool is_right_server(struct net_tls *tls, X509 *cert)
{
	char names[NET_TLS_NAMES_MAX], host[SIP_ADDR_TEXT_MAX], list[100];
	char format[NET_TLS_WHY_MAX];
	const sip_str found = sip_str_of(names, net_tls_names(cert, names));
	sip_str wanted = sip_str_of(tls->name, tls->name_len);

	if (wanted.len == 0)
		wanted = sip_str_of(host,
		                    sip_addr_write_host(&tls->remote, host, false));
	/* In its entirety; no wildcards (RFC 5922 7.2). */
	if (tls->web ? is_right_web_server(tls, cert) : sip_str_has_line(found, wanted))
		return true;
	list_names(found, list, sizeof list);
	(void)snprintf(format, sizeof format, "the certificate of %%s is for %s",
	               list[0] ? list : "no SIP domain"); /* it fits */
	net_tls_blame(tls, format);
	return false;
}

int net_tls_verify(int ok, X509_STORE_CTX *store)
{
	SSL *ssl =
		X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
	struct net_tls *tls = SSL_get_app_data(ssl);

	if (!ok) {
		blame_certificate(tls, store);
		return 0;
	}
	if (X509_STORE_CTX_get_error_depth(store) == 0 && !tls->server &&
	    !is_right_server(tls, X509_STORE_CTX_get_current_cert(store))) {
		X509_STORE_CTX_set_error(store, X509_V_ERR_HOSTNAME_MISMATCH);
		return 0;
	}
	return 1;
}

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

/* Without names nothing is lost but their use. */
static void learn_names(struct net_tls *tls)
{
	X509 *cert = SSL_get0_peer_certificate(tls->ssl);
	char names[NET_TLS_NAMES_MAX];
	size_t len;

	if (!cert || !(SSL_get_verify_mode(tls->ssl) & SSL_VERIFY_PEER) ||
	    SSL_get_verify_result(tls->ssl) != X509_V_OK)
		return;
	len = net_tls_names(cert, names);
	if (len == 0)
		return;
	tls->names = sip_alloc(tls->alloc, len);
	if (!tls->names)
		return;
	memcpy(tls->names, names, len);
	tls->names_len = len;
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
	assert(name.len <= NAME_MAX_BYTES); /* its caller has refused longer ones */
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
		learn_names(tls);
		return NET_TLS_READY;
	}
	if (SSL_get_error(tls->ssl, result) == SSL_ERROR_WANT_READ)
		return NET_TLS_HANDSHAKE;
	return fail(tls);
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
	return ask_for_protocol(tls) && resume(tls) ? shake(tls) : fail(tls);
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
		return fail(tls);
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
	return result == SSL_ERROR_ZERO_RETURN ? NET_TLS_CLOSED : fail(tls);
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
	return fail(tls);
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
