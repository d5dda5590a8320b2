/* via_write.c - Via lines: of requests that we send, and marked with where one came
 * from. */
#include "msg/write.h"

/* A name in sent-by, another address than the source's (18.2.1), or one that the
 * request claims itself; always with rport (RFC 3581 4). */
bool sip_via_mark_init(struct sip_via_mark *mark, const struct sip_via *via,
                       const struct sip_addr *source)
{
	/* By a WebSocket nobody is found at his own port, asked or not (RFC 7118 5.3).
	 */
	const bool rport = via->has_rport || sip_transport_is_web(via->transport_id);
	struct sip_addr host;

	*mark = (struct sip_via_mark){ .rport = rport ? source->port : 0 };
	if (!rport && via->received.len == 0 && sip_addr_parse(via->host, &host) &&
	    sip_addr_same_host(&host, source))
		return false;
	mark->received =
		sip_str_of(mark->text, sip_addr_write_host(source, mark->text, false));
	return true;
}

/* What the request claimed under these names is left out. */
void sip_write_marked_via(struct sip_out *out, const struct sip_msg *req,
                          const struct sip_via *via, sip_str received, uint16_t rport,
                          uint32_t keep_s)
{
	const struct sip_header *header = &req->headers[req->first[SIP_H_VIA] - 1];
	const char *const line_end = req->bytes + header->value_at + header->value_len;
	const char *const text_end = via->text.p + via->text.len;
	sip_str params = via->params, name, value;

	sip_out_lit(out, "Via: ");
	if (params.len == 0) {
		sip_out_str(out, via->text);
	} else {
		sip_out_bytes(out, via->text.p, (size_t)(params.p - 1 - via->text.p));
		while (sip_param_next(&params, &name, &value)) {
			if ((rport && sip_str_ieq(name, SIP_STR("rport"))) ||
			    (received.len && sip_str_ieq(name, SIP_STR("received"))) ||
			    (keep_s && sip_str_ieq(name, SIP_STR("keep"))))
				continue;
			sip_out_lit(out, ";");
			sip_out_str(out, name);
			if (value.len > 0) {
				sip_out_lit(out, "=");
				sip_out_str(out, value);
			}
		}
	}
	if (received.len > 0) {
		sip_out_lit(out, ";received=");
		sip_out_value(out, received, "received with CR, LF or NUL");
	}
	if (rport) {
		sip_out_lit(out, ";rport=");
		sip_out_u64(out, rport);
	}
	if (keep_s) {
		sip_out_lit(out, ";keep=");
		sip_out_u64(out, keep_s);
	}
	sip_out_bytes(out, text_end, (size_t)(line_end - text_end));
	sip_out_lit(out, "\r\n");
}

void sip_write_via(struct sip_out *out, enum sip_transport transport, sip_str sent_by,
                   sip_str branch, sip_str params)
{
	sip_out_lit(out, "Via: SIP/2.0/");
	sip_out_str(out, sip_transport_info(transport)->via);
	sip_out_lit(out, " ");
	sip_out_value(out, sent_by, "sent-by with CR, LF or NUL");
	sip_out_value(out, params, "a parameter with CR, LF or NUL");
	if (branch.len > 0) {
		sip_out_lit(out, ";branch=");
		sip_out_value(out, branch, "a branch with CR, LF or NUL");
	}
	sip_out_lit(out, "\r\n");
}
