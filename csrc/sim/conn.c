/* conn.c - connections of the simulated network: opened half a round trip later, in
 * order, repaired where segments are lost, and closed at both ends. */
#include "sim/item.h"

enum { REPAIR_US = 200000, REPAIRS_MAX = 8 };

/* Bytes that wait for their connection. */
struct sim_unsent {
	struct sim_unsent *next;
	size_t len;
	char bytes[];
};

static void drop_first_unsent(struct sim_item *item)
{
	struct sim_unsent *unsent = item->first_unsent;

	item->first_unsent = unsent->next;
	sip_free(item->wire->host->world->alloc, unsent, sizeof *unsent + unsent->len);
}

/* ---- steps ---- */

struct step {
	struct sim_task task;
	void (*then)(struct sim_item *item, struct step *step);
	uint32_t id;  /* of the item it is about; it may be gone by then */
	bool crosses; /* the network: it does not reach a host that is down */
	sip_err err;
	char why[SIM_WHY_MAX];
	size_t len;
	char bytes[];
};

static void miss(struct sim_item *item, const struct step *step);

static void run_step(struct sim_task *task)
{
	struct step *step = (struct step *)(void *)task;
	struct sim_item *item = sim_item_find(task->world, step->id);

	if (item && step->crosses && item->wire->host->down)
		miss(item, step);
	else if (item)
		step->then(item, step);
}

static void cross(struct step *step)
{
	if (step)
		step->crosses = true;
}

static struct step *later(struct sim_item *item, uint64_t delay_us, size_t len,
                          void (*then)(struct sim_item *item, struct step *step))
{
	struct sim_world *world = item->wire->host->world;
	struct step *step;
	uint64_t due = world->now_us + delay_us;

	if (due < item->last_due_us)
		due = item->last_due_us;
	step = sim_task_new(world, sizeof *step + len, due - world->now_us, run_step);
	if (!step)
		return NULL;
	item->last_due_us = due;
	step->then = then;
	step->id = item->id;
	return step;
}

static void then_opened(struct sim_item *item, struct step *step)
{
	struct sip_wire_event event = { .kind = SIP_WIRE_OPENED,
		                        .path = item->path,
		                        .names = sip_str_of(step->bytes, step->len) };

	if (item->accepted && sip_transport_is_web(item->transport))
		event.handshake.target =
			item->target ? sip_buf_str(item->target) : SIP_STR("/");
	item->open = true;
	while (item->first_unsent) {
		struct sim_unsent *unsent = item->first_unsent;

		/* What has no memory left is lost with the connection below it. */
		(void)sim_conn_send(item, sip_str_of(unsent->bytes, unsent->len));
		drop_first_unsent(item);
	}
	sim_item_emit(item, &event);
}

/* The end of an end: CLOSED exactly once, and the item is gone before it is told. */
static void then_closed(struct sim_item *item, struct step *step)
{
	struct sim_wire *wire = item->wire;
	const struct sip_wire_event event = { .kind = SIP_WIRE_CLOSED,
		                              .path = item->path,
		                              .err = step->err,
		                              .why = step->why };

	sim_item_free(item);
	wire->host->touched = true;
	wire->sink->event(wire->sink, &event);
}

static void then_bytes(struct sim_item *item, struct step *step)
{
	const struct sip_wire_event event = { .kind = SIP_WIRE_BYTES,
		                              .path = item->path,
		                              .bytes = sip_str_of(step->bytes,
		                                                  step->len) };

	if (!item->closing)
		sim_item_emit(item, &event);
}

/* Is one of the two hosts down? */
static bool cut_off(const struct sim_item *item)
{
	const struct sim_host *host = item->wire->host,
			      *far = sim_host_at(host->world, &item->path.remote);

	return host->down || !far || far->down;
}

/* Retransmission in the network below: each lost segment costs its repair time, and
 * a dead link costs the connection. */
static bool stream_delay(struct sim_item *item, uint64_t *delay_us)
{
	struct sim_world *world = item->wire->host->world;
	const bool dead = cut_off(item);
	uint64_t delay, sum = 0;
	bool again;

	for (int i = 0; i < REPAIRS_MAX; i++) {
		if (!dead && sim_link_draw(world, &item->path.local, &item->path.remote,
		                           &delay, &again)) {
			*delay_us = sum + delay;
			return true;
		}
		sum += (uint64_t)REPAIR_US << i;
	}
	*delay_us = sum;
	return false;
}

static struct step *end_later(struct sim_item *item, uint64_t delay_us, sip_err err,
                              const char *what)
{
	struct step *step = later(item, delay_us, 0, then_closed);

	if (!step)
		return NULL;
	step->err = err;
	sim_why(step->why, what, &item->path.remote, "");
	return step;
}

/* Nobody answers, from now on. */
static void time_out(struct sim_item *item, uint32_t after_ms)
{
	end_later(item, after_ms * UINT64_C(1000), SIP_EWIRE, "timed out: ");
}

/* What does not reach its host costs the connection: who has sent it gives up after a
 * while, and here nobody knows, until something is sent.  A connection that was yet to
 * be opened is given up here. */
static void miss(struct sim_item *item, const struct step *step)
{
	struct sim_item *peer = sim_item_find(item->wire->host->world, item->peer);

	item->peer = 0;
	if (!item->open)
		time_out(item, item->wire->open_ms);
	if (!peer)
		return;
	peer->peer = 0;
	if (step->then == then_bytes)
		time_out(peer, peer->wire->unheard_ms);
}

static struct sim_item *conn_new(struct sim_wire *wire, enum sip_transport transport,
                                 const struct sip_addr *local,
                                 const struct sip_addr *remote)
{
	struct sim_item *item = sim_item_new(wire, SIM_CONN);

	if (!item)
		return NULL;
	wire->host->sockets++;
	item->transport = transport;
	item->path = (struct sip_path){ transport, item->id, *local, *remote };
	return item;
}

/* ---- TLS, as far as it is seen from above ---- */

/* Why the two ends cannot come together, or NULL. */
static const char *mismatch(const struct sim_item *item,
                            const struct sim_item *listener, sip_str server_name)
{
	const struct sim_host *host = listener->wire->host;

	const bool secure = sip_transport_info(item->transport)->secure;

	if (item->transport != listener->transport) {
		if (secure != sip_transport_info(listener->transport)->secure)
			return secure ? "no TLS is spoken by " : "closed by ";
		return sip_transport_is_web(item->transport) ? "no WebSocket with "
		                                             : "closed by ";
	}
	if (secure && server_name.len > 0 && host->names_len > 0 &&
	    !sip_str_has_line(sip_str_of(host->names, host->names_len), server_name))
		return "the certificate is for others: ";
	return NULL;
}

/* Tell an end that it is open, and who has proven to be at the other one.  Without
 * names of its own a host proves what it is asked for. */
static bool open_later(struct sim_item *item, uint64_t delay_us,
                       const struct sim_host *peer, sip_str asked)
{
	const bool own = peer->names_len > 0;
	const sip_str names = own ? sip_str_of(peer->names, peer->names_len) : asked;
	const bool told = sip_transport_info(item->transport)->secure && names.len > 0;
	struct step *step = later(item, delay_us, names.len + 1, then_opened);

	cross(step);
	if (step && told) {
		memcpy(step->bytes, names.p, names.len);
		step->bytes[names.len] = '\n';
		step->len = own ? names.len : names.len + 1;
	}
	return step != NULL;
}

/* The far end of an `open`, half a round trip later. */
static void then_arrive(struct sim_item *item, struct step *step)
{
	struct sim_world *world = item->wire->host->world;
	struct sim_place *place = sim_place_find(world, SIM_STREAM, &item->path.remote);
	struct sim_item *listener = place ? sim_item_find(world, place->owner) : NULL;
	const struct sim_host *host = sim_host_at(world, &item->path.remote);
	const sip_str server_name = sip_str_of(step->bytes, step->len);
	struct sim_item *far;
	uint64_t back = 0;

	if (!host || host->down) {
		time_out(item, item->wire->open_ms);
		return;
	}
	if (!stream_delay(item, &back)) {
		end_later(item, back, SIP_EWIRE, "timed out: ");
		return;
	}
	if (!listener) {
		cross(end_later(item, back, SIP_EWIRE, "connection refused by "));
		return;
	}
	if (mismatch(item, listener, server_name)) {
		cross(end_later(item, back, SIP_EWIRE,
		                mismatch(item, listener, server_name)));
		return;
	}
	far = conn_new(listener->wire, item->transport, &item->path.remote,
	               &item->path.local);
	if (!far || !open_later(far, 0, item->wire->host, SIP_STR("")) ||
	    !open_later(item, back, host, server_name)) {
		end_later(item, back, SIP_EWIRE, "out of memory at ");
		return;
	}
	far->accepted = true;
	if (item->wire->target)
		far->target = sip_buf_ref(item->wire->target);
	far->peer = item->id;
	item->peer = far->id;
}

sip_err sim_conn_open(struct sim_wire *wire, enum sip_transport transport,
                      const struct sip_addr *from, const struct sip_addr *remote,
                      sip_str server_name, uint32_t *id)
{
	struct sim_item *item;
	struct step *step = NULL;
	uint64_t delay;

	item = conn_new(wire, transport, from, remote);
	if (!item)
		return SIP_ENOMEM;
	*id = item->id;
	if (!sim_host_at(wire->host->world, remote) || !stream_delay(item, &delay)) {
		time_out(item, item->wire->open_ms);
		return SIP_OK;
	}
	step = later(item, delay, server_name.len, then_arrive);
	if (!step) {
		end_later(item, 0, SIP_EWIRE, "out of memory at ");
		return SIP_OK;
	}
	step->len = server_name.len;
	if (server_name.len > 0)
		memcpy(step->bytes, server_name.p, server_name.len);
	return SIP_OK;
}

/* ---- bytes ---- */

static sip_err keep_unsent(struct sim_item *item, sip_str bytes)
{
	struct sim_unsent *unsent =
		sip_alloc(item->wire->host->world->alloc, sizeof *unsent + bytes.len);
	struct sim_unsent **last = &item->first_unsent;

	if (!unsent)
		return SIP_ENOMEM;
	unsent->next = NULL;
	unsent->len = bytes.len;
	memcpy(unsent->bytes, bytes.p, bytes.len);
	while (*last)
		last = &(*last)->next;
	*last = unsent;
	return SIP_OK;
}

sip_err sim_conn_send(struct sim_item *item, sip_str bytes)
{
	struct sim_item *peer = sim_item_find(item->wire->host->world, item->peer);
	uint64_t delay = 0;
	struct step *step;

	if (!item->open)
		return keep_unsent(item, bytes);
	if (!peer) {
		end_later(item, 0, SIP_EWIRE, "connection reset by ");
		return SIP_EWIRE;
	}
	if (!stream_delay(item, &delay)) {
		end_later(item, delay, SIP_EWIRE, "timed out: ");
		return SIP_OK;
	}
	step = later(peer, delay, bytes.len, then_bytes);
	cross(step);
	if (!step)
		return SIP_ENOMEM;
	step->len = bytes.len;
	memcpy(step->bytes, bytes.p, bytes.len);
	return SIP_OK;
}

/* ---- the end ---- */

void sim_conn_close(struct sim_item *item)
{
	struct sim_item *peer;
	uint64_t delay = 0;

	if (item->closing)
		return;
	item->closing = true;
	peer = sim_item_find(item->wire->host->world, item->peer);
	if (peer && stream_delay(item, &delay)) {
		peer->peer = 0;
		cross(end_later(peer, delay, SIP_OK, "closed by "));
	}
	end_later(item, 0, SIP_OK, "closed to ");
}

void sim_conn_reset(struct sim_item *item)
{
	struct sim_item *peer = sim_item_find(item->wire->host->world, item->peer);

	if (!peer)
		return;
	peer->peer = 0;
	if (!cut_off(item))
		cross(end_later(peer, 0, SIP_EWIRE, "connection reset by "));
}

void sim_conn_fini(struct sim_item *item)
{
	while (item->first_unsent)
		drop_first_unsent(item);
	item->wire->host->sockets--;
}
