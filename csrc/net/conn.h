#pragma once
/* A connection, as the files that deal with one see it. */
#include "net/internal.h"
#include "net/tls.h"

enum conn_state {
	CONN_NONE,
	CONN_OPENING,
	CONN_UPGRADING, /* bytes pass, and become a WebSocket */
	CONN_OPEN,
	CONN_ENDING, /* our end is being sent: what comes in is thrown away */
	CONN_CLOSED  /* handed to uv_close */
};

struct net_conn {
	struct net_item item;
	struct net_loop *loop;
	uv_tcp_t tcp;
	uv_connect_t connect;
	uv_shutdown_t shutdown;
	struct sip_timer linger;
	struct sip_path path;
	size_t queued;
	enum conn_state state;
	int status;                /* why it closed, libuv's; 0: orderly */
	bool connected;            /* by the kernel; handshakes are to follow */
	bool told;                 /* its user knows of it */
	bool end_next;             /* it is to be ended once the handshake is over */
	bool refused;              /* its source has too many half-open ones */
	struct net_tls *tls;       /* NULL: what is sent is what goes out */
	struct net_ws *ws;         /* NULL: what comes in is what is told */
	struct sip_link handshake; /* begun by a peer: in the order of beginning */
	struct net_write *first_held, **last_held; /* until the handshake is over */
};

struct net_write {
	uv_write_t req;
	struct net_write *next; /* while it is held */
	struct net_conn *conn;
	uint64_t token;
	size_t len;
	char bytes[];
};

/* NULL: no memory.  Its socket is there, and goes nowhere yet. */
struct net_conn *net_conn_new(struct net_wire *wire, enum sip_transport transport);
/* The kernel has connected it. */
void net_conn_opened(struct net_conn *conn);
/* The end, whatever is still queued; the first status is the one that is told. */
void net_conn_finish(struct net_conn *conn, int status);
/* The end in order. */
void net_conn_end(struct net_conn *conn);
void net_conn_opened_up(struct net_conn *conn); /* tells its user */
/* Ends it, or later, when what is queued has gone out or so much time has passed. */
void net_conn_linger(struct net_conn *conn, uint64_t delay_ms);
/* What was to be said to the peer has been put (libuv's `status`): our end of the
 * stream follows, and nothing more is read. */
void net_conn_part(struct net_conn *conn, int status);
/* What went wrong, in words. */
const char *net_conn_why(const struct net_conn *conn, int status,
                         char out[NET_WHY_MAX]);
void net_conn_emit_failed(struct net_conn *conn, uint64_t token, int status);
/* Hand bytes to the kernel, or queue them; libuv's status. */
int net_conn_put(struct net_conn *conn, sip_str bytes, uint64_t token);
/* Bytes can pass, through TLS if it has any; and here are some. */
void net_conn_ready(struct net_conn *conn);
void net_conn_bytes(struct net_conn *conn, sip_str bytes);

/* handshake.c: what TLS and WebSockets have in common.  `name` is empty for who has
 * connected to us. */
sip_err net_handshake_init(struct net_conn *conn, bool server, sip_str name);
void net_handshake_fini(struct net_conn *conn); /* held writes are told as failed */
void net_handshake_drop(struct net_conn *conn); /* likewise */
sip_err net_handshake_hold(struct net_conn *conn, sip_str bytes, uint64_t token);
void net_handshake_leave(struct net_conn *conn); /* is no peer's any more */
void net_handshake_share(struct net_conn *conn); /* its source may have too many */
void net_handshake_done(struct net_conn *conn);  /* it is open */
void net_handshake_expired(struct net_conn *conn);

/* secure.c: the same with TLS between. */
sip_err net_secure_init(struct net_conn *conn, bool server, sip_str name);
void net_secure_fini(struct net_conn *conn);
void net_secure_start(struct net_conn *conn); /* the kernel has connected it */
void net_secure_bytes(struct net_conn *conn, sip_str bytes);
sip_err net_secure_send(struct net_conn *conn, sip_str bytes, uint64_t token);
void net_secure_end(struct net_conn *conn);     /* says goodbye to the peer */
void net_secure_cut(struct net_conn *conn);     /* the peer's end has come */
void net_secure_expired(struct net_conn *conn); /* the handshake took too long */
/* Is there a certificate to listen with?  `why` when there is none. */
bool net_secure_serves(struct net_wire *wire, const char **why);

/* ws.c: the same with WebSocket above. */
sip_err net_ws_init(struct net_conn *conn, bool server, sip_str name);
void net_ws_fini(struct net_conn *conn);
void net_ws_bytes(struct net_conn *conn, sip_str bytes);
sip_err net_ws_send(struct net_conn *conn, sip_str message, uint64_t token);
void net_ws_end(struct net_conn *conn);     /* says goodbye to the peer */
void net_ws_overdue(struct net_conn *conn); /* half a message, and no more of it */
void net_ws_blame(struct net_conn *conn, const char *format);
const char *net_ws_why(const struct net_conn *conn); /* empty: nothing is wrong */

/* upgrade.c: the handshake of a WebSocket. */
void net_upgrade_start(struct net_conn *conn);   /* bytes can pass */
void net_upgrade_cut(struct net_conn *conn);     /* the peer's end has come */
void net_upgrade_expired(struct net_conn *conn); /* it took too long */
/* Of a client, borrowed, while its connection is told as opened. */
struct sip_handshake net_upgrade_said(const struct net_conn *conn);
