#include "net/tls_names.h"

#include "base/addr.h"
#include "msg/uri.h"

#include <openssl/x509v3.h>

struct names {
	char *p;
	size_t len;
};

static bool is_name(sip_str name)
{
	for (size_t i = 0; i < name.len; i++) {
		const char c = name.p[i];

		if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') &&
		    !(c >= '0' && c <= '9') && c != '-' && c != '.' && c != '_')
			return false; /* a wildcard too: none is ever matched */
	}
	return name.len > 0;
}

static void add(struct names *names, sip_str name)
{
	if (names->len + name.len + 1 > NET_TLS_NAMES_MAX)
		return;
	for (size_t i = 0; i < name.len; i++) {
		const char c = name.p[i];

		names->p[names->len++] = (char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
	}
	names->p[names->len++] = '\n';
}

static sip_str text_of(const ASN1_STRING *text)
{
	return sip_str_of((const char *)ASN1_STRING_get0_data(text),
	                  (size_t)ASN1_STRING_length(text));
}

/* A URI with a user is that user's, and no domain's. */
static void add_uris(struct names *names, const GENERAL_NAMES *alts)
{
	for (int i = 0; i < sk_GENERAL_NAME_num(alts); i++) {
		const GENERAL_NAME *alt = sk_GENERAL_NAME_value(alts, i);
		struct sip_uri uri;

		if (alt->type == GEN_URI &&
		    sip_uri_parse(text_of(alt->d.uniformResourceIdentifier), &uri, NULL,
		                  NULL) == SIP_OK &&
		    uri.scheme == SIP_URI_SIP && !uri.has_user && is_name(uri.host))
			add(names, uri.host);
	}
}

static void add_dns(struct names *names, const GENERAL_NAMES *alts)
{
	for (int i = 0; i < sk_GENERAL_NAME_num(alts); i++) {
		const GENERAL_NAME *alt = sk_GENERAL_NAME_value(alts, i);

		if (alt->type == GEN_DNS && is_name(text_of(alt->d.dNSName)))
			add(names, text_of(alt->d.dNSName));
	}
}

static void add_addresses(struct names *names, const GENERAL_NAMES *alts)
{
	for (int i = 0; i < sk_GENERAL_NAME_num(alts); i++) {
		const GENERAL_NAME *alt = sk_GENERAL_NAME_value(alts, i);
		char text[SIP_ADDR_TEXT_MAX];
		struct sip_addr addr = { 0 };
		sip_str bytes;

		if (alt->type != GEN_IPADD)
			continue;
		bytes = text_of(alt->d.iPAddress);
		if (bytes.len != 4 && bytes.len != 16)
			continue;
		addr.family = bytes.len == 4 ? 4 : 6;
		memcpy(addr.ip, bytes.p, bytes.len);
		add(names, sip_str_of(text, sip_addr_write_host(&addr, text, false)));
	}
}

static void add_common_name(struct names *names, X509 *cert)
{
	const X509_NAME *subject = X509_get_subject_name(cert);
	const int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
	const X509_NAME_ENTRY *entry = X509_NAME_get_entry(subject, at);
	sip_str text;

	if (!entry)
		return;
	text = text_of(X509_NAME_ENTRY_get_data(entry));
	if (is_name(text))
		add(names, text);
}

size_t net_tls_names(X509 *cert, char out[NET_TLS_NAMES_MAX])
{
	struct names names = { out, 0 };
	int critical = -1;
	GENERAL_NAMES *alts =
		X509_get_ext_d2i(cert, NID_subject_alt_name, &critical, NULL);

	if (alts) {
		add_uris(&names, alts);
		if (names.len == 0)
			add_dns(&names, alts);
		add_addresses(&names, alts);
		GENERAL_NAMES_free(alts);
	} else if (critical == -1) { /* it is not there, rather than broken */
		add_common_name(&names, cert);
	}
	return names.len;
}
