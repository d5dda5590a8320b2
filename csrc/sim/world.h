#pragma once
/* A simulated world: one clock, one seed, hosts, links between them, faults.
 *
 * It implements the same seams as net (base/wire.h, base/file.h, the ports of media),
 * and is driven by instants: sim_world_next says when something is due, and
 * sim_world_run moves the clock there and does it.  Everything that two runs of one
 * seed do is the same, to the byte.
 */
#include "base/alloc.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/random.h"
#include "base/wire.h"

struct sim_world;
struct sim_host;

sip_err sim_world_new(struct sip_alloc *alloc, uint64_t seed, struct sim_world **world);
void sim_world_free(struct sim_world *world); /* after the wires of its hosts */

uint64_t sim_world_now_us(const struct sim_world *world);
/* When the network, a file or media has something; SIP_NEVER: nothing. */
uint64_t sim_world_next_us(const struct sim_world *world);
/* Move the clock to `to_us`, which is not later than sim_world_next_us, and do all
 * that is due then.  Hosts that were touched say so (sim_host_take_touched). */
void sim_world_run(struct sim_world *world, uint64_t to_us);
/* Packets and completions under way. */
size_t sim_world_pending(const struct sim_world *world);
struct sip_random *sim_world_random(struct sim_world *world);

/* How packets fare from one address to another; later rules win.  An address of
 * family 0 is any.  Delays in microseconds; the rest are probabilities. */
struct sim_link {
	struct sip_addr from, to;
	uint64_t delay_us;
	uint64_t reorder_us; /* up to so much later, for those that are reordered */
	double loss, duplicate, reorder;
};
sip_err sim_world_link(struct sim_world *world, const struct sim_link *link);

/* Hold datagrams: each that is sent from now on stays under way until somebody says
 * what becomes of it.  Links have no say in that. */
void sim_world_hold(struct sim_world *world, bool hold);
struct sim_flying {
	uint32_t id;
	struct sip_addr from, to;
	sip_str bytes; /* borrowed */
};
/* The one that was sent next after `id` (0: the first) and is still under way. */
bool sim_world_flying(const struct sim_world *world, uint32_t id,
                      struct sim_flying *flying);
/* It arrives; `keep`: a copy stays under way.  False: there is none. */
bool sim_world_deliver(struct sim_world *world, uint32_t id, bool keep);
bool sim_world_lose(struct sim_world *world, uint32_t id);

/* ---- names ---- */

/* One more record of a name.  What has none is answered as such, at once. */
sip_err sim_world_record(struct sim_world *world, sip_str name,
                         const struct sip_record *record);
/* One of its addresses, for a minute. */
sip_err sim_world_name(struct sim_world *world, sip_str name,
                       const struct sip_addr *addr);
/* How questions for a name fare. */
struct sim_question {
	enum sip_record_type type; /* NONE: any */
	uint32_t ttl_s;            /* of what it has not got */
	uint64_t delay_us;
	bool fails; /* no answer, after that delay */
};
sip_err sim_world_question(struct sim_world *world, sip_str name,
                           const struct sim_question *question);
void sim_world_forget(struct sim_world *world, sip_str name);
/* How many questions have been asked. */
uint64_t sim_world_lookups(const struct sim_world *world);

/* ---- hosts ---- */

sip_err sim_host_new(struct sim_world *world, const struct sip_addr *addr,
                     struct sim_host **host);
sip_err sim_host_add_address(struct sim_host *host, const struct sip_addr *addr);
struct sip_random *sim_host_random(struct sim_host *host);
/* Has it been given anything since the last time this was asked? */
bool sim_host_take_touched(struct sim_host *host);
/* While down, nothing reaches it and nothing it sends arrives. */
void sim_host_set_down(struct sim_host *host, bool down);

/* A wire of its own for each stack. */
sip_err sim_wire_new(struct sim_host *host, const struct sip_limits *limits,
                     struct sip_wire_sink *sink, struct sip_wire **wire);
void sim_wire_free(struct sip_wire *wire);
/* A datagram of any bytes, from an address that need not be the host's. */
void sim_host_send(struct sim_host *host, const struct sip_addr *from,
                   const struct sip_addr *to, sip_str bytes);
/* Sockets and connections that are open on this host. */
size_t sim_host_sockets(const struct sim_host *host);

/* ---- files: in memory, over the real ones, which are only read ---- */

struct sip_files *sim_host_files(struct sim_host *host);
sip_err sim_host_write_file(struct sim_host *host, sip_str path, sip_str bytes);
/* The bytes of a file in memory; p is NULL when there is none.  Borrowed. */
sip_str sim_host_read_file(struct sim_host *host, sip_str path);
/* How many more bytes its disk takes; UINT64_MAX: no bound. */
/* The identities of its certificate, each ended by a line feed.  Without any it proves
 * to be whoever is asked for.  SIP_ELIMIT: too many. */
sip_err sim_host_set_certificate(struct sim_host *host, sip_str names);
void sim_host_set_disk(struct sim_host *host, uint64_t free_bytes);
/* How long each file operation takes. */
void sim_host_set_disk_delay(struct sim_host *host, uint64_t delay_us);

/* ---- media: the same engine, advanced inline (doc/design.md) ---- */

struct media_desk;
/* Made when first asked for; NULL when memory is short. */
struct media_desk *sim_host_desk(struct sim_host *host);
/* When the signalling side is to look at what the engine reported; SIP_NEVER. */
uint64_t sim_host_media_due_us(const struct sim_host *host);
void sim_host_media_seen(struct sim_host *host);
