#pragma once
/* Methods.  Their names are case-sensitive (RFC 3261 7.1). */
#include "base/str.h"

/* clang-format off */
#define SIP_METHOD_MAP(X) \
	X(INVITE) X(ACK) X(CANCEL) X(BYE) X(OPTIONS) X(REGISTER) X(PRACK) X(UPDATE) \
	X(INFO) X(MESSAGE) X(SUBSCRIBE) X(NOTIFY) X(REFER) X(PUBLISH)
/* clang-format on */

#define SIP_METHOD_ENUM(name) SIP_M_##name,
enum sip_method { SIP_M_OTHER, SIP_METHOD_MAP(SIP_METHOD_ENUM) SIP_M_COUNT };
#undef SIP_METHOD_ENUM

enum sip_method sip_method_find(sip_str name);
sip_str sip_method_name(enum sip_method method); /* not for SIP_M_OTHER */
