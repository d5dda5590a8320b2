#pragma once
/* The values of From, To, Contact, Route and their kin (RFC 3261 20.10, 20.20), and
 * of CSeq.  `fault` may be NULL everywhere. */
#include "msg/method.h"
#include "msg/param.h"

struct sip_name_addr {
	sip_str text;    /* this one value */
	sip_str display; /* without quotes, escapes kept; empty: none */
	sip_str uri;
	sip_str params; /* the header's parameters, not the URI's */
	sip_str tag;    /* From, To; empty: none */
};

/* The whole text is one value: a name-addr, or an addr-spec, whose parameters are the
 * header's and whose URI then holds no ";", "?" or ","; or "*" (of Contact). */
sip_err sip_name_addr_parse(sip_str value, struct sip_name_addr *addr,
                            struct sip_fault *fault);

struct sip_cseq {
	uint32_t number;
	enum sip_method method;
	sip_str method_name;
};

sip_err sip_cseq_parse(sip_str value, struct sip_cseq *cseq, struct sip_fault *fault);
