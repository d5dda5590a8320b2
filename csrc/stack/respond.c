/* Answers of the user's, in a server transaction (RFC 3261 8.2.6, RFC 6223 4.4). */
#include "stack/state.h"

/* Who offers keep-alives for a registration or a dialog (RFC 6223 4.4) is asked for
 * them: over UDP as often as RFC 5626 4.4.2 has it. */
static uint32_t keep_wanted(struct sip_stack *stack, struct sip_tx *tx, uint16_t status)
{
	enum { UDP_KEEP_S = 29 };
	struct sip_msg *request = tx->request;
	const struct sip_via *via = sip_msg_via(request);
	const struct sip_name_addr *to = sip_msg_to(request);
	sip_str value = SIP_STR("");

	if (status / 100 != 2 || !via || !to || to->tag.len > 0 ||
	    (request->method != SIP_M_REGISTER && request->method != SIP_M_INVITE) ||
	    !sip_uri_param_find(via->params, SIP_STR("keep"), &value) || value.len > 0)
		return 0;
	return tx->path.transport == SIP_UDP ? UDP_KEEP_S
	                                     : stack->limits.stream_keep_ms / 1000;
}

/* Until the next REGISTER, the peer keeps its promise or is gone. */
static void expect_keep(struct sip_stack *stack, struct sip_tx *tx, uint16_t status,
                        uint32_t keep_s)
{
	struct sip_flow *flow = tx->path.transport == SIP_UDP
	                                ? NULL
	                                : sip_flow_find(stack, tx->path.id);

	if (flow && status / 100 == 2 && tx->request->method == SIP_M_REGISTER)
		sip_flow_expect(stack, flow, keep_s * 1000);
}

/* The tag of all responses from here on. */
static sip_err take_tag(struct sip_stack *stack, struct sip_tx *tx, sip_str given)
{
	struct sip_buf *tag;

	if (given.len == 0 || sip_str_eq(given, sip_buf_str(tx->tag)))
		return SIP_OK;
	if (tx->final)
		return SIP_EINVAL;
	tag = sip_buf_new(stack->alloc, given.p, given.len);
	if (!tag)
		return SIP_ENOMEM;
	sip_buf_unref(tx->tag);
	tx->tag = tag;
	return SIP_OK;
}

static sip_err write_answer(struct sip_stack *stack, struct sip_tx *tx,
                            const struct sip_response_spec *spec, struct sip_out *out,
                            const char **why)
{
	sip_err err = take_tag(stack, tx, spec->to_tag);

	*why = err == SIP_EINVAL ? "another 2xx has the tag of the first"
	                         : "out of memory";
	if (err != SIP_OK)
		return err;
	sip_out_init(out, stack->scratch, sizeof stack->scratch);
	if (tx->request)
		sip_tx_write_response(tx, spec, out);
	else
		err = sip_tx_write_another(tx, spec, out);
	if (err != SIP_OK)
		return err;
	err = sip_out_end(out);
	*why = out->why ? out->why : "the message is too large";
	return err;
}

sip_err sip_stack_respond(struct sip_stack *stack, struct sip_tx *tx,
                          const struct sip_response_spec *given, bool until_ack,
                          const char **why)
{
	struct sip_response_spec spec = *given;
	struct sip_out out;
	struct sip_buf *bytes;
	sip_err err;

	*why = "the transaction has had its final response";
	if (!tx->request && (!sip_tx_is_accepted(tx) || spec.status / 100 != 2))
		return SIP_ESTATE;
	if (tx->request) {
		spec.keep_s = keep_wanted(stack, tx, spec.status);
		expect_keep(stack, tx, spec.status, spec.keep_s);
	}
	err = write_answer(stack, tx, &spec, &out, why);
	if (err != SIP_OK)
		return err;
	bytes = sip_buf_new(stack->alloc, stack->scratch, out.len);
	*why = "out of memory";
	if (!bytes)
		return SIP_ENOMEM;
	*why = "RFC 4320 forbids this status for this method";
	err = sip_tx_respond(tx, spec.status, bytes, until_ack);
	sip_buf_unref(bytes);
	return err;
}
