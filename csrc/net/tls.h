#pragma once
/* TLS as a filter over bytes: one per connection, without a socket.
 *
 * What comes from the peer is fed in, what is for the user is read, what is to go to
 * the peer is pending.  A peer that is not who it should be ends the handshake, and
 * `why` says so in a sentence that names it (RFC 5922 7.3).
 */
#include "net/tls_context.h"
#include "net/tls_names.h"

enum net_tls_state {
	NET_TLS_HANDSHAKE,
	NET_TLS_READY,
	NET_TLS_CLOSED, /* the peer has said goodbye */
	NET_TLS_FAILED, /* for good; what is pending tells the peer */
};

/* Fed at a time, so that an idle connection holds no large buffers. */
enum { NET_TLS_PIECE = 4096 };

struct net_tls;

/* `name` is whom a client wants to reach; empty: whoever has the address. */
struct net_tls *net_tls_new(struct sip_alloc *alloc, struct net_tls_context *context,
                            bool server, sip_str name, const struct sip_addr *remote);
void net_tls_free(struct net_tls *tls);

/* What is spoken above, as it is registered with IANA (RFC 7301): "sip/2" unless told
 * otherwise, before anything else.  A client asks for it; a server speaks nothing else
 * with whoever asks. */
void net_tls_set_protocol(struct net_tls *tls, const char *protocol);
/* It carries a WebSocket: "http/1.1", and servers are verified as on the web (RFC 7118
 * 9.1). */
void net_tls_for_web(struct net_tls *tls);

/* The server's end knows its peer only once that has come. */
void net_tls_set_remote(struct net_tls *tls, const struct sip_addr *remote);

enum net_tls_state net_tls_start(struct net_tls *tls); /* says hello, as a client */
/* At most NET_TLS_PIECE bytes; what they say is to be read until there is no more. */
enum net_tls_state net_tls_feed(struct net_tls *tls, sip_str bytes);
/* `len` is 0 when there is no more for now. */
enum net_tls_state net_tls_read(struct net_tls *tls, char *out, size_t size,
                                size_t *len);
/* Once it is ready. */
enum net_tls_state net_tls_write(struct net_tls *tls, sip_str bytes);
void net_tls_end(struct net_tls *tls); /* says goodbye */

/* For the peer; borrowed until the next call. */
sip_str net_tls_pending(struct net_tls *tls);
void net_tls_sent(struct net_tls *tls); /* all of it */

/* The verified identities of the peer, as in tls_names.h; empty: none. */
sip_str net_tls_peer_names(const struct net_tls *tls);
bool net_tls_heard(const struct net_tls *tls);      /* anything at all */
const char *net_tls_why(const struct net_tls *tls); /* empty: nothing is wrong */
/* What only its user knows, `%s` being the peer; the first reason stays. */
void net_tls_blame(struct net_tls *tls, const char *format);

/* For tls_context.c: callbacks of OpenSSL. */
enum { NET_TLS_DATE_MAX = 48 };
void net_tls_date(const ASN1_TIME *time, char out[NET_TLS_DATE_MAX]);
int net_tls_verify(int ok, X509_STORE_CTX *store);
int net_tls_asked(SSL *ssl, void *data); /* for a certificate of ours */
int net_tls_resumable(struct net_tls *tls, SSL_SESSION *session); /* 1: keeps it */
const char *net_tls_protocol(const struct net_tls *tls);
/* Was memory short since OpenSSL's queue of errors was emptied?  It is empty then. */
bool net_tls_was_short(void);
