/* INVITE client transaction.
 *
 * RFC 3261 17.1.1.2 and its figure 5, as replaced by RFC 6026 8.4 (the Accepted
 * state and timer M).  This table is the whole behaviour; tx/fsm.c only interprets
 * it.  Timer P abandons an INVITE whose CANCEL brought no final (9.1).
 */
#include "tx/fsm.h"

const struct sip_fsm sip_ict = { "ict", {
	[ST_CALLING] = {
		[EV_START]       = { ST_CALLING,    { ARM_A, ARM_B, SEND } },
		[EV_RESTART]     = { ST_CALLING,    { ARM_A, SEND } },
		[EV_TIMER_A]     = { ST_CALLING,    { SEND, ARM_A } },
		[EV_1XX]         = { ST_PROCEEDING, { STOP, PASS } },
		[EV_2XX]         = { ST_ACCEPTED,   { STOP, ARM_M, PASS } },
		[EV_300_699]     = { ST_COMPLETED,  { STOP, SEND_ACK, ARM_D, PASS } },
		[EV_TIMER_B]     = { ST_TERMINATED, { FAIL_TIMEOUT } },
		[EV_SEND_FAILED] = { ST_TERMINATED, { FAIL_SEND } },
	},
	[ST_PROCEEDING] = {
		[EV_1XX]         = { ST_PROCEEDING, { PASS } },
		[EV_2XX]         = { ST_ACCEPTED,   { STOP, ARM_M, PASS } },
		[EV_300_699]     = { ST_COMPLETED,  { STOP, SEND_ACK, ARM_D, PASS } },
		[EV_CANCEL_SENT] = { ST_PROCEEDING, { ARM_P } },
		[EV_TIMER_P]     = { ST_TERMINATED, { FAIL_TIMEOUT } },
		[EV_SEND_FAILED] = { ST_TERMINATED, { FAIL_SEND } },
	},
	[ST_ACCEPTED] = { /* RFC 6026 7.2: every 2xx, repeated or forked, goes up */
		[EV_2XX]         = { ST_ACCEPTED,   { PASS } },
		[EV_TIMER_M]     = { ST_TERMINATED, { ACT_NONE } },
	},
	[ST_COMPLETED] = { /* a repeated final is answered here, never passed */
		[EV_300_699]     = { ST_COMPLETED,  { SEND_ACK } },
		[EV_SEND_FAILED] = { ST_TERMINATED, { FAIL_SEND } },
		[EV_TIMER_D]     = { ST_TERMINATED, { ACT_NONE } },
	},
} };
