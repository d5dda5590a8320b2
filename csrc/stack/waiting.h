#pragma once
/* Who is handled at once, and who has to wait: when many quiet addresses send together,
 * those who have proved themselves do not wait for them.  Of the files of this folder
 * and nobody else. */
#include "stack/state.h"

/* Does this datagram, of a source without standing, have to wait, or is it dropped? */
bool sip_stack_must_wait(struct sip_stack *stack, struct sip_source *source,
                         const struct sip_path *path, sip_str bytes);
/* A datagram of this source, or NULL, that has been admitted (stack.c). */
void sip_stack_datagram(struct sip_stack *stack, struct sip_source *source,
                        const struct sip_path *path, sip_str bytes);
/* Handle what may be handled in this turn. */
void sip_stack_serve_strangers(struct sip_stack *stack);
/* Handle what this source has sent before it had standing: what it sends now must not
 * overtake that (12.2.2).  Sources and the room for events are to be asked for anew. */
void sip_stack_catch_up(struct sip_stack *stack, const struct sip_addr *remote);
/* Who sent this has the secret that was sent to `to`, and nobody else: it is there, and
 * wanted. */
void sip_stack_stand(struct sip_stack *stack, const struct sip_addr *from,
                     const struct sip_addr *to);
