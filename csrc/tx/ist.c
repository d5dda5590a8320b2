/* INVITE server transaction.
 *
 * RFC 3261 17.2.1 and its figure 7, as replaced by RFC 6026 8.5 and 8.7 (the
 * Accepted state and timer L; an ACK there goes up) and 8.8 (a failed send is
 * reported and changes nothing).  Timer R repeats a 2xx on behalf of the user until
 * its ACK has come (13.3.1.4), on streams too.  Another 2xx goes out beside it, or is
 * repeated in its place; timer L is that of the first.
 */
#include "tx/fsm.h"

const struct sip_fsm sip_ist = { "ist", {
	[ST_PROCEEDING] = {
		[EV_START]          = { ST_PROCEEDING, { ARM_V, PASS } },
		[EV_REQUEST]        = { ST_PROCEEDING, { SEND } },
		[EV_TIMER_V]        = { ST_PROCEEDING, { SEND_100 } },
		[EV_TU_1XX]         = { ST_PROCEEDING, { STOP_RESEND, RESPOND } },
		[EV_TU_2XX]         = { ST_ACCEPTED,   { STOP, ARM_L, RESPOND } },
		[EV_TU_2XX_REPEAT]  = { ST_ACCEPTED,   { STOP, ARM_R, ARM_L, RESPOND } },
		[EV_TU_300_699]     = { ST_COMPLETED,  { STOP, ARM_G, ARM_H, RESPOND } },
		[EV_SEND_FAILED]    = { ST_PROCEEDING, { FAIL_SEND } },
	},
	[ST_ACCEPTED] = { /* repeated INVITEs are absorbed */
		[EV_TU_2XX]         = { ST_ACCEPTED,   { RESPOND_ONCE } },
		[EV_TU_2XX_REPEAT]  = { ST_ACCEPTED,   { STOP_RESEND, ARM_R, RESPOND } },
		[EV_ACK]            = { ST_ACCEPTED,   { PASS } },
		[EV_ACKED]          = { ST_ACCEPTED,   { STOP_RESEND } },
		[EV_TIMER_R]        = { ST_ACCEPTED,   { SEND, ARM_R } },
		[EV_TIMER_L]        = { ST_TERMINATED, { FAIL_NO_ACK } },
		[EV_SEND_FAILED]    = { ST_ACCEPTED,   { FAIL_SEND } },
	},
	[ST_COMPLETED] = {
		[EV_REQUEST]        = { ST_COMPLETED,  { SEND } },
		[EV_TIMER_G]        = { ST_COMPLETED,  { SEND, ARM_G } },
		[EV_ACK]            = { ST_CONFIRMED,  { STOP, ARM_I } },
		[EV_TIMER_H]        = { ST_TERMINATED, { FAIL_TIMEOUT } },
		[EV_SEND_FAILED]    = { ST_COMPLETED,  { FAIL_SEND } },
	},
	[ST_CONFIRMED] = { /* repeated ACKs are absorbed */
		[EV_TIMER_I]        = { ST_TERMINATED, { ACT_NONE } },
	},
} };
