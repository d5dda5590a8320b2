#pragma once
/* What an endpoint says about TLS: files and whom to ask for a certificate.  A value
 * that borrows; a wire copies what it needs.  No TLS is in here.
 */
#include <stdbool.h>
#include <stddef.h>

/* Whether those who connect to us are asked for a certificate (RFC 5922 7.4). */
enum sip_tls_clients {
	SIP_TLS_NOT_ASKED,
	SIP_TLS_OPTIONAL, /* who shows one must show a good one */
	SIP_TLS_REQUIRED,
};

/* A certificate with its chain, and its key: PEM files. */
struct sip_tls_pair {
	const char *domain; /* shown to who asks for this name; NULL: to all others */
	const char *cert, *key;
};

enum { SIP_TLS_PAIRS = 32 };

struct sip_tls_config {
	const char *ca;  /* a file or a folder of whom we trust; NULL: the system's */
	bool unverified; /* the certificates of servers are not looked at */
	enum sip_tls_clients clients;
	const struct sip_tls_pair *pairs; /* the first is the one for all others */
	size_t pair_count;                /* at most SIP_TLS_PAIRS */
};
