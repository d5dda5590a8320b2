/* tls_verify.c - who the peer is, by its certificate: whether that is whom we wanted
 * (RFC 5922 7.3), and which names it has proven. */
#include "net/tls_state.h"

#include <openssl/x509v3.h>
#include <stdio.h>
#include <time.h>

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

/* Without names nothing is lost but their use. */
void net_tls_learn_names(struct net_tls *tls)
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
