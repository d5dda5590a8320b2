#pragma once
/* What a simulated wire consists of: sockets, listeners and ends of connections, each
 * found by its id, for what happens to it is later and it may be gone by then. */
#include "base/buf.h"
#include "sim/state.h"

enum { SIM_WHY_MAX = 128 };

enum sim_kind { SIM_SOCKET, SIM_LISTENER, SIM_CONN };

struct sim_wire {
	struct sip_wire wire;
	struct sim_host *host;
	struct sip_wire_sink *sink;
	uint32_t id;
	struct sip_node node; /* by id, so that a late packet finds nobody */
	struct sip_link items;
	uint32_t open_ms, unheard_ms; /* after which a connection is given up */
	struct sip_buf *target;       /* of its WebSockets; NULL: "/" */
	char why[SIM_WHY_MAX];
};

struct sim_unsent;

/* A socket, a listener or one end of a connection. */
struct sim_item {
	struct sip_link link;
	struct sip_node node;
	struct sim_wire *wire;
	enum sim_kind kind;
	enum sip_transport transport;
	uint32_t id;
	struct sip_path path;            /* of a connection */
	uint32_t peer;                   /* its other end, 0: none any more */
	uint64_t last_due_us;            /* bytes never overtake bytes */
	struct sim_unsent *first_unsent; /* until the connection is there */
	struct sip_buf *target;          /* that was asked for; NULL: "/" */
	bool open, closing, accepted;
	struct sim_place places[SIM_ADDRESSES];
	unsigned place_count;
};

struct sim_item *sim_item_find(struct sim_world *world, uint32_t id);
struct sim_item *sim_item_new(struct sim_wire *wire, enum sim_kind kind);
void sim_item_free(struct sim_item *item);
/* Tell the user of its wire. */
void sim_item_emit(struct sim_item *item, const struct sip_wire_event *event);

/* The same words as the real wire has: scripts show them. */
void sim_why(char why[SIM_WHY_MAX], const char *head, const struct sip_addr *addr,
             const char *tail);

/* conn.c: connect from this address; OPENED or CLOSED follows. */
sip_err sim_conn_open(struct sim_wire *wire, enum sip_transport transport,
                      const struct sip_addr *from, const struct sip_addr *remote,
                      sip_str server_name, uint32_t *id);
sip_err sim_conn_send(struct sim_item *item, sip_str bytes);
void sim_conn_close(struct sim_item *item);
void sim_conn_reset(struct sim_item *item); /* its process has ended */
void sim_conn_fini(struct sim_item *item);  /* what waits for it is gone */
