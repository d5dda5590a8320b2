#pragma once
/* Certificates, keys and whom we trust, as files: read into an SSL_CTX, and looked at
 * whether they have changed since.  Each sentence of why one cannot be used names its
 * option and its path.  SIP_ENOMEM: perhaps it could another time.
 */
#include "base/err.h"

#include <openssl/ssl.h>
#include <stdbool.h>
#include <sys/stat.h>

enum { NET_TLS_WHY_MAX = 320 };

/* What a file was when it was read. */
struct net_tls_stamp {
	dev_t dev;
	ino_t ino;
	off_t size;
	struct timespec changed;
};

/* Has the file changed since?  From here on it is as it is.  Without a path it never
 * has. */
bool net_tls_stamp_renew(struct net_tls_stamp *stamp, const char *path);

/* Our certificate with its chain, and its key. */
sip_err net_tls_files_pair(SSL_CTX *ctx, const char *cert, const char *key,
                           char why[NET_TLS_WHY_MAX]);
/* Whom we trust: a file or a folder; NULL: whom the system trusts.  A server tells its
 * clients who is in a file. */
sip_err net_tls_files_ca(SSL_CTX *ctx, const char *ca, bool server,
                         char why[NET_TLS_WHY_MAX]);

sip_err net_tls_no_memory(char why[NET_TLS_WHY_MAX]);
