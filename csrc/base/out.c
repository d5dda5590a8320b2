#include "base/out.h"

void sip_out_u64(struct sip_out *out, uint64_t value)
{
	char digits[20];

	sip_out_bytes(out, digits, sip_u64_write(digits, value));
}

void sip_out_value(struct sip_out *out, sip_str s, const char *what)
{
	if (!out->why && sip_str_breaks_lines(s))
		out->why = what;
	sip_out_str(out, s);
}

sip_err sip_out_end(const struct sip_out *out)
{
	if (out->why)
		return SIP_EINVAL;
	return out->len > out->cap ? SIP_ELIMIT : SIP_OK;
}
