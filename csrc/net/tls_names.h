#pragma once
/* The SIP identities of a certificate, and their comparison (RFC 5922 7.1, 7.2).
 *
 * Names are one text, in lower case, each ended by a line feed: that is how they go
 * through the seam.  Addresses are among them (RFC 5280 4.2.1.6), for who is called by
 * one.
 */
#include "base/str.h"

#include <openssl/x509.h>

enum { NET_TLS_NAMES_MAX = 2048 }; /* what does not fit is left out */

/* Gives the length of what was written. */
size_t net_tls_names(X509 *cert, char out[NET_TLS_NAMES_MAX]);
