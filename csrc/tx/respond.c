/* respond.c - what the user of a server transaction sends (RFC 3261 8.2.6, 13.3.1.4,
 * 17.2; RFC 4320; RFC 6026). */
#include "tx/fsm.h"

#include <assert.h>

void sip_tx_write_response(struct sip_tx *tx, const struct sip_response_spec *given,
                           struct sip_out *out)
{
	struct sip_response_spec spec = *given;
	const struct sip_via *via = sip_msg_via(tx->request);
	struct sip_via_mark mark;

	if (spec.to_tag.len == 0 && spec.status > 100)
		spec.to_tag = sip_buf_str(tx->tag);
	spec.delay_ms = (uint32_t)(tx->layer->now_ms - tx->born_ms);
	if (via && sip_via_mark_init(&mark, via, &tx->path.remote)) {
		spec.received = mark.received;
		spec.rport = mark.rport;
	}
	sip_write_response(out, tx->request, &spec);
}

bool sip_tx_is_accepted(const struct sip_tx *tx)
{
	return tx->state == ST_ACCEPTED;
}

sip_err sip_tx_write_another(struct sip_tx *tx, const struct sip_response_spec *spec,
                             struct sip_out *out)
{
	const struct sip_limits limits = SIP_LIMITS_OWN;
	struct sip_refusal refusal;
	struct sip_msg *first;
	const sip_err err = sip_msg_parse(tx->alloc, &limits, sip_buf_str(tx->sent),
	                                  false, &first, &refusal);

	if (err == SIP_OK)
		sip_write_response(out, first, spec);
	sip_msg_unref(first);
	return err == SIP_OK || err == SIP_ENOMEM ? err : SIP_EINVAL;
}

static enum sip_tx_event answer_event(unsigned status, bool until_ack)
{
	if (status < 200)
		return EV_TU_1XX;
	if (status < 300)
		return until_ack ? EV_TU_2XX_REPEAT : EV_TU_2XX;
	return EV_TU_300_699;
}

sip_err sip_tx_respond(struct sip_tx *tx, unsigned status, struct sip_buf *bytes,
                       bool until_ack)
{
	assert(!sip_tx_is_client(tx));
	if (status < 100 || status > 699)
		return SIP_EINVAL;
	if (tx->kind == SIP_NIST && ((status > 100 && status < 200) || status == 408))
		return SIP_EINVAL;
	if (tx->state == ST_TERMINATED ||
	    (tx->final && (tx->state != ST_ACCEPTED || status < 200 || status > 299)))
		return SIP_ESTATE;
	/* Too early for a 100 over UDP (RFC 4320 4.1): timer V sends it. */
	if (tx->kind == SIP_NIST && status == 100 && tx->state == ST_TRYING &&
	    !sip_transport_info(tx->path.transport)->reliable)
		return SIP_OK;
	tx->last_status = (uint16_t)status;
	until_ack = until_ack && tx->kind == SIP_IST && status / 100 == 2;
	if (status >= 200) {
		tx->final = true;
		tx->until_ack = tx->until_ack || until_ack;
		sip_msg_unref(tx->request);
		tx->request = NULL;
	}
	sip_fsm_step(tx, answer_event(status, until_ack), NULL, bytes);
	return SIP_OK;
}

void sip_tx_acked(struct sip_tx *tx)
{
	tx->until_ack = false;
	if (!tx->ended)
		sip_fsm_step(tx, EV_ACKED, NULL, NULL);
}
