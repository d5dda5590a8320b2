#include "net/tls_session.h"

static struct net_tls_session *find(struct net_tls_sessions *sessions,
                                    const struct net_tls_peer *peer)
{
	for (unsigned i = 0; i < NET_TLS_SESSIONS; i++) {
		struct net_tls_session *session = &sessions->list[i];

		if (session->session && session->web == peer->web &&
		    sip_addr_eq(&session->remote, peer->remote) &&
		    sip_str_eq(sip_str_of(session->name, session->name_len),
		               peer->name))
			return session;
	}
	return NULL;
}

SSL_SESSION *net_tls_sessions_take(struct net_tls_sessions *sessions,
                                   const struct net_tls_peer *peer)
{
	struct net_tls_session *kept = find(sessions, peer);
	SSL_SESSION *session = kept ? kept->session : NULL;

	if (kept) /* a ticket is used once (RFC 8446 C.4) */
		kept->session = NULL;
	return session;
}

void net_tls_sessions_keep(struct net_tls_sessions *sessions,
                           const struct net_tls_peer *peer, SSL_SESSION *session)
{
	const sip_str name = peer->name;
	struct net_tls_session *kept = find(sessions, peer);

	if (name.len > NET_TLS_SESSION_NAME_MAX) {
		SSL_SESSION_free(session);
		return;
	}
	if (!kept)
		kept = &sessions->list[sessions->next++ % NET_TLS_SESSIONS];
	SSL_SESSION_free(kept->session);
	kept->session = session;
	kept->remote = *peer->remote;
	kept->web = peer->web;
	kept->name_len = name.len;
	memcpy(kept->name, name.p, name.len);
}

void net_tls_sessions_forget(struct net_tls_sessions *sessions)
{
	for (unsigned i = 0; i < NET_TLS_SESSIONS; i++) {
		SSL_SESSION_free(sessions->list[i].session);
		sessions->list[i].session = NULL;
	}
}
