#pragma once
/* A connection, as the files that deal with one see it. */
#include "net/internal.h"

enum conn_state {
	CONN_NONE,
	CONN_OPENING,
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
	int status; /* why it closed, libuv's; 0: orderly */
};

struct net_write {
	uv_write_t req;
	struct net_conn *conn;
	uint64_t token;
	size_t len;
	char bytes[];
};

/* NULL: no memory.  Its socket is there, and goes nowhere yet. */
struct net_conn *net_conn_new(struct net_wire *wire);
/* The kernel has connected it. */
void net_conn_opened(struct net_conn *conn);
/* The end, whatever is still queued; the first status is the one that is told. */
void net_conn_finish(struct net_conn *conn, int status);
