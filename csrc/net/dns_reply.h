#pragma once
/* Replies of name servers, read (RFC 1035 4.1): pure, of bytes that anybody may have
 * sent. */
#include "base/str.h"
#include "base/wire.h"

/* The records of one type that the reply has for the name that was asked, or for the
 * name that it stands for (CNAME).  False: it is no reply.  Without any, `ttl_s` is for
 * how long that is so (RFC 2308 5); 0: not said. */
bool net_dns_reply(sip_str reply, enum sip_record_type type,
                   struct sip_record records[SIP_RECORDS_MAX], size_t *count,
                   uint32_t *ttl_s);
