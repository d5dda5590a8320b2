#pragma once
/* What TLS is allowed to be: versions, ciphers and curves (RFC 9325 3, 4).
 *
 * OpenSSL leaves out of an SSL_CTX, without a word, what it had no memory to look up.
 * Handshakes would fail for as long as that lives, so one that is not whole is none.
 */
#include "net/tls_files.h"

/* SIP_ENOMEM: it lacks something, and `why` says what. */
sip_err net_tls_rules_set(SSL_CTX *ctx, char why[NET_TLS_WHY_MAX]);
