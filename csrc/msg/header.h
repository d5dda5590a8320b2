#pragma once
/* Header fields by name: one row per header.
 *
 * ONE: may stand once; LIST: a comma list, several lines equal one (RFC 3261
 * 7.3.1); MANY: may repeat, never combined (the four of authentication, and text
 * that may hold a comma).  The compact form is 0 where there is none.
 */
#include "base/str.h"

/* clang-format off */
#define SIP_HEADER_MAP(X)                                     \
	X(VIA,                  "Via",                  'v', LIST) \
	X(FROM,                 "From",                 'f', ONE)  \
	X(TO,                   "To",                   't', ONE)  \
	X(CALL_ID,              "Call-ID",              'i', ONE)  \
	X(CSEQ,                 "CSeq",                 0,   ONE)  \
	X(CONTACT,              "Contact",              'm', LIST) \
	X(MAX_FORWARDS,         "Max-Forwards",         0,   ONE)  \
	X(ROUTE,                "Route",                0,   LIST) \
	X(RECORD_ROUTE,         "Record-Route",         0,   LIST) \
	X(CONTENT_LENGTH,       "Content-Length",       'l', ONE)  \
	X(CONTENT_TYPE,         "Content-Type",         'c', ONE)  \
	X(CONTENT_ENCODING,     "Content-Encoding",     'e', LIST) \
	X(CONTENT_DISPOSITION,  "Content-Disposition",  0,   ONE)  \
	X(CONTENT_LANGUAGE,     "Content-Language",     0,   LIST) \
	X(CONTENT_ID,           "Content-ID",           0,   ONE)  \
	X(MIME_VERSION,         "MIME-Version",         0,   ONE)  \
	X(EXPIRES,              "Expires",              0,   ONE)  \
	X(MIN_EXPIRES,          "Min-Expires",          0,   ONE)  \
	X(ALLOW,                "Allow",                0,   LIST) \
	X(SUPPORTED,            "Supported",            'k', LIST) \
	X(REQUIRE,              "Require",              0,   LIST) \
	X(PROXY_REQUIRE,        "Proxy-Require",        0,   LIST) \
	X(UNSUPPORTED,          "Unsupported",          0,   LIST) \
	X(ACCEPT,               "Accept",               0,   LIST) \
	X(ACCEPT_ENCODING,      "Accept-Encoding",      0,   LIST) \
	X(ACCEPT_LANGUAGE,      "Accept-Language",      0,   LIST) \
	X(ACCEPT_CONTACT,       "Accept-Contact",       'a', LIST) \
	X(REJECT_CONTACT,       "Reject-Contact",       'j', LIST) \
	X(REQUEST_DISPOSITION,  "Request-Disposition",  'd', LIST) \
	X(AUTHORIZATION,        "Authorization",        0,   MANY) \
	X(PROXY_AUTHORIZATION,  "Proxy-Authorization",  0,   MANY) \
	X(WWW_AUTHENTICATE,     "WWW-Authenticate",     0,   MANY) \
	X(PROXY_AUTHENTICATE,   "Proxy-Authenticate",   0,   MANY) \
	X(AUTHENTICATION_INFO,  "Authentication-Info",  0,   LIST) \
	X(RSEQ,                 "RSeq",                 0,   ONE)  \
	X(RACK,                 "RAck",                 0,   ONE)  \
	X(EVENT,                "Event",                'o', ONE)  \
	X(ALLOW_EVENTS,         "Allow-Events",         'u', LIST) \
	X(SUBSCRIPTION_STATE,   "Subscription-State",   0,   ONE)  \
	X(REFER_TO,             "Refer-To",             'r', ONE)  \
	X(REFERRED_BY,          "Referred-By",          'b', ONE)  \
	X(REPLACES,             "Replaces",             0,   ONE)  \
	X(JOIN,                 "Join",                 0,   ONE)  \
	X(SESSION_EXPIRES,      "Session-Expires",      'x', ONE)  \
	X(MIN_SE,               "Min-SE",               0,   ONE)  \
	X(IDENTITY,             "Identity",             'y', LIST) \
	X(DATE,                 "Date",                 0,   ONE)  \
	X(TIMESTAMP,            "Timestamp",            0,   ONE)  \
	X(RETRY_AFTER,          "Retry-After",          0,   ONE)  \
	X(SUBJECT,              "Subject",              's', ONE)  \
	X(USER_AGENT,           "User-Agent",           0,   ONE)  \
	X(SERVER,               "Server",               0,   ONE)  \
	X(ORGANIZATION,         "Organization",         0,   ONE)  \
	X(PRIORITY,             "Priority",             0,   ONE)  \
	X(WARNING,              "Warning",              0,   LIST) \
	X(REASON,               "Reason",               0,   LIST) \
	X(IN_REPLY_TO,          "In-Reply-To",          0,   LIST) \
	X(REPLY_TO,             "Reply-To",             0,   ONE)  \
	X(ERROR_INFO,           "Error-Info",           0,   LIST) \
	X(ALERT_INFO,           "Alert-Info",           0,   LIST) \
	X(CALL_INFO,            "Call-Info",            0,   LIST) \
	X(PATH,                 "Path",                 0,   LIST) \
	X(SERVICE_ROUTE,        "Service-Route",        0,   LIST) \
	X(P_ASSERTED_IDENTITY,  "P-Asserted-Identity",  0,   LIST) \
	X(P_PREFERRED_IDENTITY, "P-Preferred-Identity", 0,   LIST) \
	X(PRIVACY,              "Privacy",              0,   ONE)  \
	X(HISTORY_INFO,         "History-Info",         0,   LIST) \
	X(DIVERSION,            "Diversion",            0,   LIST) \
	X(MAX_BREADTH,          "Max-Breadth",          0,   ONE)  \
	X(SIP_ETAG,             "SIP-ETag",             0,   ONE)  \
	X(SIP_IF_MATCH,         "SIP-If-Match",         0,   ONE)  \
	X(INFO_PACKAGE,         "Info-Package",         0,   ONE)  \
	X(RECV_INFO,            "Recv-Info",            0,   LIST)
/* clang-format on */

#define SIP_HEADER_ENUM(id, name, compact, kind) SIP_H_##id,
enum sip_header_id { SIP_H_OTHER, SIP_HEADER_MAP(SIP_HEADER_ENUM) SIP_H_COUNT };
#undef SIP_HEADER_ENUM

enum sip_header_kind { SIP_HK_ONE, SIP_HK_LIST, SIP_HK_MANY };

/* By long or compact name, without case; SIP_H_OTHER when it is not in the map. */
enum sip_header_id sip_header_find(sip_str name);
sip_str sip_header_name(enum sip_header_id id); /* the long form; not for OTHER */
enum sip_header_kind sip_header_kind(enum sip_header_id id); /* OTHER: MANY */
