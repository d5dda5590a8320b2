#pragma once
/* A WebSocket on a connection, as ws.c (frames) and upgrade.c (the handshake before
 * them) see it. */
#include "msg/upgrade.h"
#include "msg/ws.h"
#include "net/conn.h"

struct net_ws {
	struct sip_ws reader;
	bool server, heard;
	uint32_t held;        /* of a message that is not complete, as its user knows */
	struct sip_buf *name; /* whom a client wants to reach, or NULL */
	const struct sip_handshake *said; /* while the user is told that it is open */
	char key[SIP_UPGRADE_KEY_LEN + 1];
	char *head; /* of the peer, until it is complete */
	uint32_t head_len, head_cap, head_seen;
	char why[NET_TLS_WHY_MAX];
};

/* Bytes of a head or a frame, through TLS if there is any; what cannot be sent closes.
 */
sip_err net_ws_put(struct net_conn *conn, sip_str bytes, uint64_t token);
/* What there was to be said to the peer has been; whoever waits is told at once. */
void net_ws_fail(struct net_conn *conn);

/* While it is CONN_UPGRADING; gives what follows the head of the peer. */
sip_str net_upgrade_bytes(struct net_conn *conn, sip_str bytes);
void net_upgrade_drop(struct net_conn *conn); /* what has come of the head */
