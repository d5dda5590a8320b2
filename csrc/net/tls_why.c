/* tls_why.c - why a connection with TLS has failed, in a sentence that names the peer.
 */
#include "net/tls_state.h"

#include <openssl/err.h>
#include <stdio.h>

enum { LABEL_MAX = 200 };

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

enum net_tls_state net_tls_fail(struct net_tls *tls)
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
