/* Non-INVITE client transaction: RFC 3261 17.1.2.2 and its figure 6.
 *
 * Timer E goes on after a provisional, at T2 once it has fired there; timer F is
 * the end whatever came before (RFC 4320 4.2).
 */
#include "tx/fsm.h"

const struct sip_fsm sip_nict = { "nict", {
	[ST_TRYING] = {
		[EV_START]       = { ST_TRYING,     { ARM_E, ARM_F, SEND } },
		[EV_RESTART]     = { ST_TRYING,     { ARM_E, SEND } },
		[EV_TIMER_E]     = { ST_TRYING,     { SEND, ARM_E } },
		[EV_1XX]         = { ST_PROCEEDING, { PASS } },
		[EV_2XX]         = { ST_COMPLETED,  { STOP, ARM_K, PASS } },
		[EV_300_699]     = { ST_COMPLETED,  { STOP, ARM_K, PASS } },
		[EV_TIMER_F]     = { ST_TERMINATED, { FAIL_TIMEOUT } },
		[EV_SEND_FAILED] = { ST_TERMINATED, { FAIL_SEND } },
	},
	[ST_PROCEEDING] = {
		[EV_TIMER_E]     = { ST_PROCEEDING, { SEND, ARM_E } },
		[EV_1XX]         = { ST_PROCEEDING, { PASS } },
		[EV_2XX]         = { ST_COMPLETED,  { STOP, ARM_K, PASS } },
		[EV_300_699]     = { ST_COMPLETED,  { STOP, ARM_K, PASS } },
		[EV_TIMER_F]     = { ST_TERMINATED, { FAIL_TIMEOUT } },
		[EV_SEND_FAILED] = { ST_TERMINATED, { FAIL_SEND } },
	},
	[ST_COMPLETED] = { /* repeated finals are absorbed */
		[EV_TIMER_K]     = { ST_TERMINATED, { ACT_NONE } },
	},
} };
