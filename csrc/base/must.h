#pragma once
/* Protocol invariants (doc/design.md: two kinds of assertion).
 *
 * `assert` is for memory and ownership and stays on in every build.  `sip_must`
 * is for protocol state: it aborts where SIP_MUST_ABORTS is defined (debug,
 * sanitizer, fuzzing and test builds); in release it evaluates to false, and the
 * caller ends that one transaction or call and counts it.
 *
 *	if (!sip_must(tx->state != ST_NONE))
 *		return SIP_ESTATE;
 */
#include <stdbool.h>
#include <stdlib.h>

#ifdef SIP_MUST_ABORTS
#define sip_must(cond) ((cond) ? true : (abort(), false))
#else
#define sip_must(cond) (cond)
#endif
