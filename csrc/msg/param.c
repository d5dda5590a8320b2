#include "msg/param.h"

#include "msg/scan.h"

sip_err sip_param_parse(const char **at, const char *end, sip_str *name, sip_str *value,
                        struct sip_fault *fault)
{
	const char *const start = sip_skip_blanks(*at, end);
	const char *p = sip_scan(start, end, SIP_C_TOKEN | SIP_C_PARAM);
	const char *from;

	*name = sip_span(start, p);
	*value = sip_str_of(p, 0);
	if (p == start) {
		*fault = (struct sip_fault){ "a parameter has no name", p };
		return SIP_ESYNTAX;
	}
	p = sip_skip_blanks(p, end);
	if (p < end && *p == '=') {
		from = p = sip_skip_blanks(p + 1, end);
		if (p < end && *p == '"') {
			p = sip_scan_quoted(p, end);
			if (!p) {
				*fault = (struct sip_fault){
					"a quoted string is not closed", from
				};
				return SIP_ESYNTAX;
			}
		} else {
			p = sip_scan(p, end, SIP_C_VALUE);
		}
		*value = sip_span(from, p);
		p = sip_skip_blanks(p, end);
	}
	*at = p;
	return SIP_OK;
}

bool sip_param_next(sip_str *params, sip_str *name, sip_str *value)
{
	const char *p = params->p, *end;
	struct sip_fault fault;

	if (params->len == 0)
		return false;
	end = p + params->len;
	while (p < end && (*p == ';' || sip_is(*p, SIP_C_BLANK)))
		p++;
	if (p == end || sip_param_parse(&p, end, name, value, &fault) != SIP_OK) {
		*params = sip_str_of(end, 0);
		return false;
	}
	/* What does not fit the grammar behind a value is skipped with it. */
	while (p < end && *p != ';')
		p++;
	*params = sip_span(p, end);
	return true;
}

bool sip_param_find(sip_str params, sip_str name, sip_str *value)
{
	sip_str found;

	while (sip_param_next(&params, &found, value)) {
		if (sip_str_ieq(found, name))
			return true;
	}
	return false;
}

size_t sip_unescape_quoted(sip_str inside, char *out)
{
	size_t n = 0;

	for (size_t i = 0; i < inside.len; i++) {
		if (inside.p[i] == '\\' && i + 1 < inside.len)
			i++;
		out[n++] = inside.p[i];
	}
	return n;
}

size_t sip_unquote(sip_str value, char *out)
{
	if (value.len >= 2 && value.p[0] == '"' && value.p[value.len - 1] == '"')
		return sip_unescape_quoted(sip_str_of(value.p + 1, value.len - 2), out);
	if (value.len > 0)
		memcpy(out, value.p, value.len);
	return value.len;
}

void sip_quote(struct sip_out *out, sip_str text, const char *what)
{
	const char *p = text.p, *const end = p + text.len;

	sip_out_lit(out, "\"");
	for (; p < end; p++) {
		if (*p == '"' || *p == '\\')
			sip_out_lit(out, "\\");
		sip_out_value(out, sip_str_of(p, 1), what);
	}
	sip_out_lit(out, "\"");
}
