#include "base/err.h"

const char *sip_err_name(sip_err err)
{
	switch (err) {
	case SIP_OK:
		return "ok";
#define SIP_ERR_CASE(name, number, text)                                               \
	case name:                                                                     \
		return text;
		SIP_ERR_MAP(SIP_ERR_CASE)
#undef SIP_ERR_CASE
	}
	return "unknown";
}
