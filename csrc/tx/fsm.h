#pragma once
/* What the four tables are made of, and their interpreter.
 *
 * A cell is a next state and up to six actions.  The interpreter sets the state
 * first and then runs the actions from left to right.  An empty cell means "absorb
 * the event and stay".  Entering ST_TERMINATED stops every timer, in one place.
 * Reliable transports are not branches in a table: ARM_A, ARM_E, ARM_G and ARM_V
 * do nothing there, and ARM_D, ARM_I, ARM_J and ARM_K arm zero.
 */
#include "tx/tx.h"

/* clang-format off */
#define SIP_TX_STATE_MAP(X) \
	X(CALLING, "calling") X(TRYING, "trying") X(PROCEEDING, "proceeding") \
	X(ACCEPTED, "accepted") X(COMPLETED, "completed") X(CONFIRMED, "confirmed") \
	X(TERMINATED, "terminated")

/* The timers of RFC 3261 table 4 and RFC 6026, and four without a letter there:
 * V: 100 to a request nobody has answered; R: a 2xx that is repeated; P: 64*T1 after
 * a CANCEL.  Slot: which of the two timers of a transaction it uses. */
#define SIP_TX_TIMER_MAP(X) \
	X(A, resend) X(B, expire) X(D, expire) X(E, resend) X(F, expire) X(G, resend) \
	X(H, expire) X(I, expire) X(J, expire) X(K, expire) X(L, expire) X(M, expire) \
	X(R, resend) X(V, resend) X(P, expire)

#define SIP_TX_EVENT_MAP(X) \
	X(START) X(RESTART) X(1XX) X(2XX) X(300_699) \
	X(REQUEST) X(ACK) X(TU_1XX) X(TU_2XX) X(TU_2XX_REPEAT) X(TU_300_699) X(ACKED) \
	X(CANCEL_SENT) X(SEND_FAILED)

#define SIP_TX_ACTION_MAP(X) \
	X(SEND)         /* the request again, or the last response */ \
	X(RESPOND)      /* the response at hand: keep it and send it */ \
	X(RESPOND_ONCE) /* send it, and keep what there was to be sent again */ \
	X(SEND_100)     /* make a 100 and respond with it */ \
	X(SEND_ACK)     /* the ACK to the 300-699 at hand (17.1.1.3) */ \
	X(PASS)         /* the message at hand goes up */ \
	X(FAIL_TIMEOUT) X(FAIL_SEND) \
	X(FAIL_NO_ACK)  /* when a 2xx is still being repeated */ \
	X(STOP)         /* both timers */ \
	X(STOP_RESEND)
/* clang-format on */

enum sip_tx_state {
	ST_NONE, /* so that an empty cell is recognisable */
#define SIP_X(name, text) ST_##name,
	SIP_TX_STATE_MAP(SIP_X)
#undef SIP_X
		ST_COUNT
};

enum sip_tx_timer {
	TIMER_NONE,
#define SIP_X(letter, slot) TIMER_##letter,
	SIP_TX_TIMER_MAP(SIP_X)
#undef SIP_X
		TIMER_COUNT
};

enum sip_tx_event {
#define SIP_X(name) EV_##name,
	SIP_TX_EVENT_MAP(SIP_X)
#undef SIP_X
#define SIP_X(letter, slot) EV_TIMER_##letter,
		SIP_TX_TIMER_MAP(SIP_X)
#undef SIP_X
			EV_COUNT
};

enum sip_tx_action {
	ACT_NONE,
#define SIP_X(name) name,
	SIP_TX_ACTION_MAP(SIP_X)
#undef SIP_X
#define SIP_X(letter, slot) ARM_##letter,
		SIP_TX_TIMER_MAP(SIP_X)
#undef SIP_X
			ACT_COUNT
};

enum { SIP_FSM_ACTIONS = 5 };

struct sip_fsm_cell {
	uint8_t next; /* ST_NONE: absorb and stay */
	uint8_t actions[SIP_FSM_ACTIONS];
};

struct sip_fsm {
	const char *name;
	struct sip_fsm_cell cells[ST_COUNT][EV_COUNT];
};

extern const struct sip_fsm sip_ict, sip_nict, sip_ist, sip_nist;

/* One transition.  `msg`: the message at hand; `bytes`: the response that the user
 * sends.  Both may be NULL, both are borrowed. */
void sip_fsm_step(struct sip_tx *tx, enum sip_tx_event event, struct sip_msg *msg,
                  struct sip_buf *bytes);

/* Where in a transaction the timer of this letter is. */
size_t sip_tx_timer_offset(unsigned timer);

/* Names, for diagrams and logs. */
const char *sip_fsm_state_name(unsigned state);
const char *sip_fsm_event_name(unsigned event);
const char *sip_fsm_action_name(unsigned action);
