#pragma once
/* Errors: zero or negative, returned; results go through out-parameters, written
 * only on success.  One list, so that the C names, the numbers and the names
 * that Lua sees cannot drift apart.
 */

/* clang-format off */
#define SIP_ERR_MAP(X)                                                          \
	X(SIP_EMORE,   -1, "more")      /* not an error: feed me more bytes */      \
	X(SIP_ESYNTAX, -2, "syntax")    /* malformed; the parser says where */      \
	X(SIP_EINVAL,  -3, "invalid")   /* an argument makes no sense */            \
	X(SIP_ELIMIT,  -4, "limit")     /* a bound in limits.h was reached */       \
	X(SIP_ENOMEM,  -5, "no_memory")                                             \
	X(SIP_ESTATE,  -6, "state")     /* not allowed in this state */             \
	X(SIP_EGONE,   -7, "gone")      /* the object has ended */                  \
	X(SIP_ETIME,   -8, "timeout")                                               \
	X(SIP_EWIRE,   -9, "wire")      /* the transport failed */
/* clang-format on */

#define SIP_ERR_ENUM(name, number, text) name = (number),
typedef enum sip_err { SIP_OK = 0, SIP_ERR_MAP(SIP_ERR_ENUM) } sip_err;
#undef SIP_ERR_ENUM

/* The name that logs and Lua use: "syntax", "limit" ...; "ok" for SIP_OK. */
const char *sip_err_name(sip_err err);
