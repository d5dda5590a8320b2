#pragma once
/* What the files of net share; nobody else includes it. */
#include "base/buf.h"
#include "base/list.h"
#include "base/map.h"
#include "net/net.h"
#include "net/sockaddr.h"

#include <uv.h>

enum {
	NET_LOOP_WHY_MAX = 320,   /* of what operations say at once */
	NET_BATCH = 32,           /* datagrams of one system call */
	NET_DATAGRAM_MAX = 65536, /* more than any datagram can be */
	NET_SCRATCH = NET_BATCH * NET_DATAGRAM_MAX,
	NET_LINGER_MS = 1000,        /* for the peer's end, once ours is sent */
	NET_LINGER_QUEUED_MS = 32000 /* for what is queued, once we want to close */
};

/* An event owed: made during an operation, told in the next poll. */
struct net_later {
	struct sip_link link;
	struct net_wire *wire; /* NULL: nobody waits for it any more */
	struct sip_wire_event event;
	char why[NET_WHY_MAX];
	void (*release)(struct net_loop *loop, struct net_later *later);
};

struct net_dns;
struct net_tls_context;

struct net_files {
	struct sip_files files;
	struct net_loop *loop;
	struct sip_file_req *failed; /* memory was short: chained by wire_data */
	size_t pending;
	char why[64];
};

struct net_loop {
	struct sip_alloc *alloc;
	const struct net_clock *clock; /* NULL: the machine's */
	uv_loop_t uv;
	uv_timer_t alarm;
	uv_async_t wake;
	uv_signal_t sigint, sigterm;
	bool fresh; /* handles have changed since libuv last looked */
	void (*on_signal)(void *data, const char *name);
	void *signal_data;
	struct sip_timers timers; /* lingering connections */
	struct sip_link wires;
	struct sip_link later;
	struct sip_link unsent; /* datagram sockets with something queued */
	struct net_send *spare; /* empty send slots */
	unsigned spare_count;
	struct net_dns *dns; /* made when first asked */
	struct net_files files;
	char *scratch; /* where everything is received; NET_SCRATCH bytes, when needed
	                */
	uint32_t last_id;
	char why[NET_LOOP_WHY_MAX];
};

struct net_wire {
	struct sip_wire wire;
	struct net_loop *loop; /* NULL: it has been freed */
	struct sip_alloc *alloc;
	struct sip_link link;
	struct sip_limits limits;
	struct sip_wire_sink *sink;
	struct sip_map items; /* by id */
	size_t connection_count;
	struct net_tls_context *tls; /* NULL: nothing has been said about it */
	struct sip_buf *origins;     /* NULL: nothing has been said about them */
	struct sip_buf *target;      /* of our WebSockets; NULL: "/" */
	struct sip_link handshakes;  /* begun by peers, the oldest first */
	size_t handshake_count;
	uint64_t notice_ms; /* of the first one of a second's notices */
	unsigned notices;
};

enum { NET_NOTICES = 10 }; /* in a second */

enum net_kind { NET_UDP, NET_LISTENER, NET_CONNECTION };

/* What has an id: the head of net_udp, net_listener and net_conn. */
struct net_item {
	struct sip_node node;
	struct net_wire *wire; /* NULL: closing, nobody is told */
	uint32_t id;
	enum net_kind kind;
};

sip_err net_item_add(struct net_wire *wire, struct net_item *item, enum net_kind kind);
void net_item_remove(struct net_item *item); /* may have been already */
struct net_item *net_item_find(const struct net_wire *wire, uint32_t id);

void net_wire_detach(struct net_wire *wire); /* everything closes without a word */
void net_emit(struct net_wire *wire, const struct sip_wire_event *event);
/* A line for the log, if there have not been too many of late. */
void net_notice(struct net_wire *wire, const struct sip_path *path, const char *why);
/* Somebody who has connected was refused; `path`: without an address, by the bound of
 * all. */
void net_refused(struct net_wire *wire, const struct sip_path *path);
void net_owe(struct net_loop *loop, struct net_later *later);
char *net_scratch(struct net_loop *loop); /* NULL: no memory */
/* So many connections, or half of the files that may be open: the others are for
 * calls, which no stranger may keep from having any. */
uint32_t net_connections_max(uint32_t wanted);

sip_err net_udp_listen(struct net_wire *wire, struct sip_addr *at, uint32_t *id,
                       int *status);
sip_err net_udp_send(struct net_item *item, const struct sip_path *path, sip_str bytes,
                     uint64_t token);
void net_udp_flush(struct net_loop *loop);
void net_udp_close(struct net_item *item);
void net_udp_fini(struct net_loop *loop);

sip_err net_tcp_listen(struct net_wire *wire, enum sip_transport transport,
                       struct sip_addr *at, uint32_t *id, int *status);
void net_tcp_unlisten(struct net_item *item);
/* NOLINTNEXTLINE(readability-function-size): the seam has six parameters */
sip_err net_tcp_open(struct net_wire *wire, enum sip_transport transport,
                     const struct sip_addr *local, const struct sip_addr *remote,
                     sip_str server_name, uint32_t *id);
sip_err net_tcp_send(struct net_item *item, sip_str bytes, uint64_t token);
void net_tcp_close(struct net_item *item);   /* orderly */
void net_tcp_abandon(struct net_item *item); /* at once */
void net_tcp_expire(struct net_loop *loop, uint64_t now_ms);

sip_err net_dns_lookup(struct net_wire *wire, sip_str name, enum sip_record_type type,
                       uint64_t token);
sip_err net_dns_servers(struct net_loop *loop, const char *list);
void net_dns_forget(struct net_wire *wire);
void net_dns_close(struct net_loop *loop);
void net_dns_fini(struct net_loop *loop);

void net_files_init(struct net_loop *loop);
void net_files_deliver(struct net_files *files);
bool net_files_pending(const struct net_files *files); /* some request is out */
bool net_files_owed(const struct net_files *files);
