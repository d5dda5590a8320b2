#pragma once
/* The real wire: one libuv loop, and on it the seams of base/wire.h and base/file.h.
 *
 * Nothing of SIP is in here.  A loop belongs to one thread and is driven by turns:
 * net_loop_poll waits for the network and hands what came to the sinks, whoever
 * drives then does its work, and net_loop_flush sends the datagrams of that turn in
 * batches.  Sinks may use every operation of their wire while they are called.
 */
#include "base/alloc.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/timer.h"
#include "base/tls.h"
#include "base/wire.h"

struct net_loop;

/* Where a loop has its time from, when that is not the machine's clock: it is polled
 * without waiting then, and asked for its deadline (net_loop_wait_ms) instead. */
struct net_clock {
	uint64_t (*now_ms)(const struct net_clock *clock);
};

/* `why` is readable when it fails (too many open files, say).  SIGPIPE is ignored
 * from then on, unless the program has a handler: a peer that resets a connection
 * must not end the process.  `clock` is NULL for the machine's, and lives as long. */
sip_err net_loop_new(struct sip_alloc *alloc, const struct net_clock *clock,
                     struct net_loop **loop, const char **why);
/* Closes everything without events, except that file requests still out are
 * finished (their owners must be alive); wires that remain answer SIP_EGONE. */
void net_loop_free(struct net_loop *loop);

/* A monotonic clock, the same for all loops of a process. */
uint64_t net_now_ms(void);
uint64_t net_unix_ms(void); /* since 1970; 0: not known */
/* What the clock of this loop says. */
uint64_t net_loop_now_ms(const struct net_loop *loop);
/* The processor time of the calling thread. */
uint64_t net_cpu_us(void);

/* Wait at most `wait_ms` (SIP_NEVER: until something happens), feed the sinks. */
void net_loop_poll(struct net_loop *loop, uint64_t wait_ms);
/* The two steps of its wait: somebody else may have the processor between them. */
void net_loop_arm(struct net_loop *loop, uint64_t wait_ms);
void net_loop_wait(struct net_loop *loop);
/* Send the datagrams that were queued; failures come back in the next poll. */
void net_loop_flush(struct net_loop *loop);
/* End the wait of net_loop_poll, from any thread; several may count as one. */
void net_loop_wake(struct net_loop *loop);

/* For other loops: poll this descriptor for reading, and call net_loop_poll(loop, 0)
 * when it is ready or after so many milliseconds (SIP_NEVER: no such limit). */
int net_loop_fd(const struct net_loop *loop);
uint64_t net_loop_wait_ms(const struct net_loop *loop);

/* Watch SIGINT and SIGTERM; NULL stops watching.  Called from net_loop_poll. */
sip_err net_loop_signals(struct net_loop *loop,
                         void (*fn)(void *data, const char *name), void *data);

/* Name servers, "192.0.2.1:53,[2001:db8::1]:53"; SIP_EINVAL when it is no such list,
 * SIP_ESTATE while questions are out. */
sip_err net_loop_name_servers(struct net_loop *loop, const char *list);

/* The files of this loop, alive as long as it is. */
struct sip_files *net_loop_files(struct net_loop *loop);

/* A wire of its own for each stack.  `limits` is copied. */
sip_err net_wire_new(struct net_loop *loop, const struct sip_limits *limits,
                     struct sip_wire_sink *sink, struct sip_wire **wire);
/* What its TLS is made of, before it listens or opens; without it servers are verified
 * by the system's CAs, and nobody can listen.  `why` names the file that is wrong. */
sip_err net_wire_tls(struct sip_wire *wire, const struct sip_tls_config *config,
                     const char **why);
/* Pages of which origins may open WebSockets to us (RFC 6455 10.2), each ended by a
 * line feed; "*" is any.  Without this: those of the host that they ask. */
sip_err net_wire_origins(struct sip_wire *wire, sip_str origins);
/* Closes its sockets and connections; no event comes any more. */
void net_wire_free(struct sip_wire *wire);
/* Connections and datagram sockets that are open. */
size_t net_wire_count(const struct sip_wire *wire);
