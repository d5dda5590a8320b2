#pragma once
/* Writing messages into a sip_out.  Nothing here allocates; values with CR, LF or
 * NUL are refused by the sip_out (see base/out.h).
 */
#include "base/out.h"
#include "msg/message.h"

struct sip_field {
	sip_str name, value;
};

/* A response to `req` (RFC 3261 8.2.6): all Via, From, To, Call-ID and CSeq of the
 * request; Record-Route for 101-299 when `record_route`; Timestamp for 100. */
struct sip_response_spec {
	uint16_t status;
	sip_str reason;    /* empty: the standard phrase */
	sip_str to_tag;    /* added when the request's To has none; empty: none */
	sip_str received;  /* for the top Via (18.2.1); empty: none */
	uint16_t rport;    /* for the top Via when it has an rport (RFC 3581 4) */
	uint32_t delay_ms; /* put behind the Timestamp of a 100 (8.2.6.1) */
	bool record_route;
	uint32_t keep_s; /* for the top Via that offers keep-alives (RFC 6223); 0: none
	                  */
	const struct sip_field *fields; /* in order, after those of the request */
	unsigned field_count;
	sip_str body; /* Content-Length is written always, Content-Type is a field */
};
void sip_write_response(struct sip_out *out, struct sip_msg *req,
                        const struct sip_response_spec *spec);

/* What the topmost Via of a request is marked with (RFC 3261 18.2.1, RFC 3581 4). */
struct sip_via_mark {
	sip_str received; /* empty: none */
	uint16_t rport;   /* 0: none */
	char text[SIP_ADDR_TEXT_MAX];
};
/* For a request that came from `source`.  False: nothing to mark. */
bool sip_via_mark_init(struct sip_via_mark *mark, const struct sip_via *via,
                       const struct sip_addr *source);
/* The line of the topmost Via with these marks; `via` is its first value. */
void sip_write_marked_via(struct sip_out *out, const struct sip_msg *req,
                          const struct sip_via *via, sip_str received, uint16_t rport,
                          uint32_t keep_s);

/* A request without its top Via, which depends on the path it takes; `via_at` is
 * where one belongs.  Max-Forwards and Content-Length are added when no field
 * has them. */
struct sip_request_spec {
	sip_str method, uri;
	const struct sip_field
		*fields; /* From, To, Call-ID, CSeq, Contact ... in order */
	unsigned field_count;
	sip_str raw; /* well-formed header lines, each with CRLF, put before `fields` */
	sip_str body;
	bool keep; /* its Via offers keep-alives (RFC 6223 4.3) */
};
void sip_write_request(struct sip_out *out, const struct sip_request_spec *spec,
                       size_t *via_at);

/* A message/sipfrag (RFC 3420 2): a request line when there is a method, a status line
 * when there is a status, else headers alone.  A body has a Content-Length and wants a
 * Content-Type among the fields; without one no empty line follows. */
struct sip_fragment_spec {
	sip_str method, uri;
	uint16_t status;
	sip_str reason; /* empty: the standard phrase */
	const struct sip_field *fields;
	unsigned field_count;
	sip_str body;
};
void sip_write_fragment(struct sip_out *out, const struct sip_fragment_spec *spec);

/* One Via line with CRLF: "Via: SIP/2.0/UDP host:port;rport;branch=...".  `params`:
 * those before the branch, each with its semicolon. */
void sip_write_via(struct sip_out *out, enum sip_transport transport, sip_str sent_by,
                   sip_str branch, sip_str params);

/* ACK to a 300-699 (17.1.1.3) and CANCEL (9.1), from the INVITE as it was sent. */
void sip_write_ack(struct sip_out *out, struct sip_msg *invite,
                   struct sip_msg *response);
void sip_write_cancel(struct sip_out *out, struct sip_msg *invite);

/* Pieces: refusals are left in `out`. */
void sip_write_request_line(struct sip_out *out, sip_str method, sip_str uri);
void sip_write_field(struct sip_out *out, const struct sip_field *field);
