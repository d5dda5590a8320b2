#pragma once
/* What the files of this folder share; nobody else includes it. */
#include "base/map.h"
#include "base/timer.h"
#include "sim/world.h"

enum { SIM_LINKS = 64, SIM_ADDRESSES = 4, SIM_CERTIFICATE = 512 };

/* Something that happens at an instant.  Its owner is a bigger struct of `size` bytes
 * that begins with it; `run` is called once and the world frees it afterwards. */
struct sim_task {
	struct sip_timer timer;
	struct sim_world *world;
	void (*run)(struct sim_task *task);
	size_t size;
};

struct sim_name;

struct sim_world {
	struct sip_alloc *alloc;
	struct sip_seeded_random random;
	struct sip_timers tasks; /* in microseconds here */
	uint64_t now_us;
	uint32_t last_id;
	struct sip_hash_key key;
	struct sip_link hosts;
	struct sip_map places; /* sim_place by address */
	struct sip_map items;  /* sockets and connections by id */
	struct sip_map wires;  /* by id */
	struct sip_link held;  /* datagrams that wait to be chosen, as they were sent */
	size_t held_count;
	uint32_t held_id;
	bool holds;
	struct sim_link links[SIM_LINKS];
	unsigned link_count;
	struct sim_name *names; /* in the order in which they are answered */
	uint64_t lookups;
};

struct sim_file {
	struct sim_file *next;
	size_t path_len, len, cap;
	char *bytes;
	char path[];
};

struct sim_fs {
	struct sip_files files;
	struct sim_file *first;
	uint64_t free_bytes, delay_us;
	struct sim_file *handles[256];
	struct sip_file_req *owed; /* no memory for their tasks; by wire_data */
};

struct sim_media;

struct sim_host {
	struct sim_world *world;
	struct sip_link link;
	struct sip_addr addrs[SIM_ADDRESSES];
	unsigned addr_count;
	struct sip_seeded_random random;
	struct sim_fs fs;
	struct sim_media *media;
	size_t sockets;
	uint16_t next_port;
	bool touched, down;
	uint16_t names_len;          /* of its certificate */
	char names[SIM_CERTIFICATE]; /* each ended by a line feed; none: any */
};

/* What can be sent to: a datagram socket, a listener, an RTP port.  One for each
 * address of its host when it was bound to the wildcard. */
enum sim_class { SIM_DATAGRAM, SIM_STREAM };

struct sim_place {
	struct sip_node node;
	enum sim_class class;
	struct sip_addr addr;
	struct sim_host *host;
	uint32_t owner; /* an id of whoever added it */
	/* A datagram arrives. */
	void (*receive)(struct sim_place *place, const struct sip_addr *from,
	                const struct sip_addr *to, sip_str bytes);
};

/* A task of `size` bytes, zeroed, that runs after `delay_us`; NULL: out of memory. */
void *sim_task_new(struct sim_world *world, size_t size, uint64_t delay_us,
                   void (*run)(struct sim_task *task));

sip_err sim_place_add(struct sim_place *place);
void sim_place_remove(struct sim_place *place);
struct sim_place *sim_place_find(struct sim_world *world, enum sim_class class,
                                 const struct sip_addr *addr);
struct sim_host *sim_host_at(struct sim_world *world, const struct sip_addr *addr);
/* An unused port of this class on that address. */
uint16_t sim_host_free_port(struct sim_host *host, enum sim_class class,
                            const struct sip_addr *addr);

/* Send a datagram through the links: lost, delayed, doubled.  `refused` is called
 * at the sender when the host is there and nobody listens; may be NULL. */
void sim_datagram(struct sim_host *from_host, const struct sip_addr *from,
                  const struct sip_addr *to, sip_str bytes, uint32_t wire_id);

/* How one packet from here to there fares: false when it is lost. */
bool sim_link_draw(struct sim_world *world, const struct sip_addr *from,
                   const struct sip_addr *to, uint64_t *delay_us, bool *again);

void sim_wire_refused(struct sim_world *world, uint32_t wire_id,
                      const struct sip_addr *local, const struct sip_addr *remote);

/* A question of a wire; its answer comes later, if that wire is still there. */
sip_err sim_names_ask(struct sim_world *world, uint32_t wire_id, sip_str name,
                      enum sip_record_type type, uint64_t token);
void sim_names_free(struct sim_world *world);
void sim_wire_records(struct sim_world *world, uint32_t wire_id,
                      const struct sip_wire_event *event);

void sim_files_run_owed(struct sim_host *host);
void sim_fs_init(struct sim_host *host);
void sim_fs_fini(struct sim_host *host);
void sim_media_free(struct sim_host *host);
/* A file is done: the desk is to be asked for what happened. */
void sim_media_look(struct sim_host *host);
