#pragma once
/* Certificates, keys and whom we trust, made ready for handshakes (RFC 9325).
 *
 * One per wire, kept by its connections.  Files are looked at again before each
 * handshake and read anew when they have changed; what cannot be used then is told
 * once, and what was used before stays in use.
 */
#include "base/addr.h"
#include "base/alloc.h"
#include "base/err.h"
#include "base/tls.h"
#include "net/tls_files.h"
#include "net/tls_session.h"

struct net_tls_context;

/* `why` names the file, and is written when it fails. */
sip_err net_tls_context_new(struct sip_alloc *alloc,
                            const struct sip_tls_config *config,
                            struct net_tls_context **out, char why[NET_TLS_WHY_MAX]);
struct net_tls_context *net_tls_context_ref(struct net_tls_context *context);
void net_tls_context_unref(struct net_tls_context *context); /* NULL is fine */
/* Is there a certificate to listen with? */
bool net_tls_context_serves(const struct net_tls_context *context);
bool net_tls_context_has_cert(const struct net_tls_context *context);
/* The file of our certificate, for whoever is told that it was refused. */
const char *net_tls_context_cert(const struct net_tls_context *context);

/* Read what has changed.  False: it cannot be used, and `why` says so, once. */
bool net_tls_context_refresh(struct net_tls_context *context,
                             char why[NET_TLS_WHY_MAX]);
/* Memory was short during a handshake: OpenSSL may have taken a certificate of ours for
 * broken, and would for ever.  It is read again before the next one. */
void net_tls_context_doubt(struct net_tls_context *context);
/* Tickets for resumption are sealed with other keys from here on, when those are so
 * old. */
void net_tls_context_age(struct net_tls_context *context, uint64_t now_ms,
                         uint32_t ticket_ms);
/* An SSL for one connection; NULL: no memory. */
SSL *net_tls_context_ssl(const struct net_tls_context *context, bool server);

/* Sessions of ours with servers; NULL: this connection is of before files have changed,
 * and what it has verified may be trusted no longer. */
struct net_tls_sessions *net_tls_context_sessions(struct net_tls_context *context,
                                                  const SSL *ssl);
