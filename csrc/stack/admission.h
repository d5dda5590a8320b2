#pragma once
/* What a source may, where messages and connections come in, and what becomes of what
 * is over that (RFC 3261 26.3.2.4).  Of the files of this folder and nobody else. */
#include "stack/state.h"

sip_err sip_stack_admission_init(struct sip_stack *stack,
                                 const struct sip_stack_opts *opts);
void sip_stack_admission_fini(struct sip_stack *stack);
/* A message of this source, or NULL, is to be read; false: it was not worth it. */
bool sip_stack_admit(struct sip_stack *stack, struct sip_source *source,
                     const struct sip_path *path, sip_str bytes);
/* It belongs to something that is there: it does not count. */
void sip_stack_admit_known(struct sip_stack *stack);
enum sip_admission { SIP_ADMITTED, SIP_REFUSED, SIP_DROPPED };
/* A request that belongs to nothing; refused: 503. */
enum sip_admission sip_stack_admit_new(struct sip_stack *stack,
                                       const struct sip_path *path,
                                       struct sip_msg *request);
/* False: not even worth an answer. */
bool sip_stack_admit_malformed(struct sip_stack *stack, const struct sip_path *path);
/* A 2xx whose transaction is gone is to go up. */
bool sip_stack_admit_stray(struct sip_stack *stack, const struct sip_path *path);
/* A response is to be sent again, without having been asked for. */
bool sip_stack_admit_repeat(struct sip_stack *stack, const struct sip_tx *tx);
/* A connection to us has been opened. */
bool sip_flow_admit(struct sip_stack *stack, struct sip_flow *flow);
void sip_flow_dismiss(struct sip_stack *stack, struct sip_flow *flow);
void sip_flow_heard(struct sip_flow *flow); /* a whole message */
/* The memory of its unread bytes changes from this to that. */
bool sip_flow_admit_unread(struct sip_stack *stack, struct sip_flow *flow,
                           uint32_t from, uint32_t to);
/* A rule has closed it. */
void sip_flow_stopped(struct sip_stack *stack, struct sip_flow *flow,
                      enum sip_rule rule);
/* The wire has refused a connection. */
void sip_flow_refused(struct sip_stack *stack, const struct sip_path *path);
/* What has come by a connection is of another protocol: told to the log, as seldom as
 * what the rules stop, and to whoever waits there; it is closed. */
void sip_flow_misread(struct sip_stack *stack, struct sip_flow *flow, const char *why);
/* So many datagrams of strangers were dropped.  `path`: of one that came, or NULL;
 * `source` and `unread`: of it, when it is among them; else NULL and empty. */
void sip_stack_lost(struct sip_stack *stack, struct sip_source *source,
                    const struct sip_path *path, sip_str unread, uint32_t count);
/* Why what has come is not answered, for the trace. */
void sip_stack_note(struct sip_stack *stack, const struct sip_path *path,
                    const char *why);
