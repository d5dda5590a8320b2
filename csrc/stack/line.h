#pragma once
/* Where datagrams of strangers wait when more come than can be answered.
 *
 * Each source has its own queue, and those that wait have their turn one after the
 * other, with one datagram each: who sends thousands delays who sends one by one round.
 * Count and bytes are bounded; what is too much is taken from those who have most, in
 * pieces of 4 KB, so that a queue needs no bound of its own.  What has waited as long
 * as its sender waits before he repeats it is dropped (RFC 3261 17.1.1.2, 26.3.2.4).
 */
#include "base/limits.h"
#include "base/list.h"
#include "base/map.h"
#include "base/wire.h"

struct sip_source;

/* Whoever has this many pieces waiting or more is among those who have most. */
enum { SIP_LINE_RANKS = 64 };

struct sip_waiting {
	struct sip_waiting *next;
	struct sip_path path;
	uint64_t since_ms;
	size_t len;
	char bytes[];
};

struct sip_line {
	struct sip_alloc *alloc;
	struct sip_map map;                    /* queues, by their sources */
	struct sip_link turns;                 /* queues: whose turn it is, is first */
	struct sip_link ranks[SIP_LINE_RANKS]; /* queues, by what waits in them */
	unsigned most;                         /* no rank above it has any */
	uint32_t count, count_max;             /* 0: there is no line */
	size_t bytes, bytes_max;
	uint32_t patience_ms;
	/* Of who has it: */
	unsigned served;  /* strangers, in this turn */
	uint64_t handled; /* datagrams, of anybody */
	uint64_t told_ms; /* the log, of those that were dropped */
};

void sip_line_init(struct sip_line *line, struct sip_alloc *alloc,
                   const struct sip_limits *limits, uint32_t patience_ms);
void sip_line_fini(struct sip_line *line);

/* Let a datagram wait, of which the bytes are copied.  `dropped` is raised by those
 * that others, or this one, have lost for it.  False: it was this one. */
bool sip_line_add(struct sip_line *line, const struct sip_source *source,
                  const struct sip_path *path, sip_str bytes, uint64_t now_ms,
                  uint32_t *dropped);
/* Whose turn it is; NULL: nobody waits.  Gives what sip_line_free frees.  `dropped` is
 * raised by what has waited for too long. */
struct sip_waiting *sip_line_take(struct sip_line *line, uint64_t now_ms,
                                  uint32_t *dropped);
/* The same, of this source alone; NULL: nothing of it waits. */
struct sip_waiting *sip_line_take_of(struct sip_line *line,
                                     const struct sip_source *source, uint64_t now_ms,
                                     uint32_t *dropped);
void sip_line_free(struct sip_line *line, struct sip_waiting *waiting);
