#pragma once
/* One connection's TLS, for the files that it is made of: tls.c, tls_verify.c and
 * tls_why.c. */
#include "net/tls.h"

enum { NET_TLS_NAME_MAX = 255 };

struct net_tls {
	struct sip_alloc *alloc;
	struct net_tls_context *context;
	SSL *ssl;
	BIO *in, *out; /* the SSL's */
	struct sip_addr remote;
	const char *protocol;
	bool server, web, ready, failed, heard;
	bool asked; /* for a certificate of ours */
	uint8_t name_len;
	char name[NET_TLS_NAME_MAX + 1];
	char *names; /* verified */
	size_t names_len;
	char why[NET_TLS_WHY_MAX];
};

/* The end, with the reason that OpenSSL's queue of errors has when nothing better is
 * known.  Gives NET_TLS_FAILED. */
enum net_tls_state net_tls_fail(struct net_tls *tls);
/* After a handshake: the verified names of the peer. */
void net_tls_learn_names(struct net_tls *tls);
