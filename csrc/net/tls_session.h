#pragma once
/* Sessions of ours with servers, for resumption.  Who is resumed is not verified again,
 * so one is found only for the peer that it was verified for, by the same rules.
 */
#include "base/addr.h"
#include "base/str.h"

#include <openssl/ssl.h>

enum { NET_TLS_SESSIONS = 64, NET_TLS_SESSION_NAME_MAX = 256 };

struct net_tls_peer {
	sip_str name; /* empty: whoever has the address */
	const struct sip_addr *remote;
	bool web; /* verified as on the web */
};

struct net_tls_session {
	SSL_SESSION *session; /* NULL: this place is free */
	struct sip_addr remote;
	bool web;
	size_t name_len;
	char name[NET_TLS_SESSION_NAME_MAX];
};

struct net_tls_sessions {
	struct net_tls_session list[NET_TLS_SESSIONS]; /* a ring: the oldest one goes */
	unsigned next;
};

/* Gives a reference, or NULL. */
SSL_SESSION *net_tls_sessions_take(struct net_tls_sessions *sessions,
                                   const struct net_tls_peer *peer);
/* Takes the caller's reference. */
void net_tls_sessions_keep(struct net_tls_sessions *sessions,
                           const struct net_tls_peer *peer, SSL_SESSION *session);
void net_tls_sessions_forget(struct net_tls_sessions *sessions); /* all of them */
