/* Non-INVITE server transaction: RFC 3261 17.2.2 and its figure 8.
 *
 * RFC 4320 4.1: the only provisional is 100, and it is sent when a client's timer E
 * has reached T2 (timer V), over UDP not before.  A failed send is reported and changes
 * nothing (RFC 6026 8.8).
 */
#include "tx/fsm.h"

const struct sip_fsm sip_nist = { "nist", {
	[ST_TRYING] = { /* repeated requests are absorbed */
		[EV_START]       = { ST_TRYING,     { ARM_V, PASS } },
		[EV_TIMER_V]     = { ST_PROCEEDING, { SEND_100 } },
		[EV_TU_1XX]      = { ST_PROCEEDING, { STOP, RESPOND } },
		[EV_TU_2XX]      = { ST_COMPLETED,  { STOP, ARM_J, RESPOND } },
		[EV_TU_300_699]  = { ST_COMPLETED,  { STOP, ARM_J, RESPOND } },
	},
	[ST_PROCEEDING] = {
		[EV_REQUEST]     = { ST_PROCEEDING, { SEND } },
		[EV_TU_1XX]      = { ST_PROCEEDING, { RESPOND } },
		[EV_TU_2XX]      = { ST_COMPLETED,  { STOP, ARM_J, RESPOND } },
		[EV_TU_300_699]  = { ST_COMPLETED,  { STOP, ARM_J, RESPOND } },
		[EV_SEND_FAILED] = { ST_PROCEEDING, { FAIL_SEND } },
	},
	[ST_COMPLETED] = {
		[EV_REQUEST]     = { ST_COMPLETED,  { SEND } },
		[EV_TIMER_J]     = { ST_TERMINATED, { ACT_NONE } },
		[EV_SEND_FAILED] = { ST_COMPLETED,  { FAIL_SEND } },
	},
} };
