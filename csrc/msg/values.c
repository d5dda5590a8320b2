#include "msg/message.h"
#include "msg/scan.h"

/* The comma that ends the first value, or `end`. */
static const char *find_comma(const char *p, const char *end)
{
	const char *close;

	if (!memchr(p, ',', (size_t)(end - p)))
		return end;
	for (; p < end && *p != ','; p++) {
		if (*p == '"')
			close = sip_scan_quoted(p, end);
		else if (*p == '<')
			close = memchr(p, '>', (size_t)(end - p));
		else
			continue;
		if (!close)
			return end;
		p = *p == '"' ? close - 1 : close;
	}
	return p;
}

bool sip_value_next(sip_str *list, sip_str *value)
{
	const char *p, *end, *comma;

	while (list->len > 0) {
		p = list->p;
		end = p + list->len;
		comma = find_comma(p, end);
		*value = sip_str_trim(sip_span(p, comma));
		*list = comma < end ? sip_span(comma + 1, end) : sip_str_of(end, 0);
		if (value->len > 0)
			return true;
	}
	return false;
}

void sip_values_init(struct sip_values *values, const struct sip_msg *msg,
                     enum sip_header_id id)
{
	const unsigned first = msg->first[id];

	*values = (struct sip_values){ .msg = msg, .id = id };
	values->at = id != SIP_H_OTHER && first ? first - 1u : msg->header_count;
}

void sip_values_init_named(struct sip_values *values, const struct sip_msg *msg,
                           sip_str name)
{
	const enum sip_header_id id = sip_header_find(name);

	sip_values_init(values, msg, id);
	if (id == SIP_H_OTHER) {
		values->name = name;
		values->at = 0;
	}
}

bool sip_values_next(struct sip_values *values, sip_str *value)
{
	const struct sip_msg *msg = values->msg;

	for (;;) {
		if (sip_value_next(&values->rest, value))
			return true;
		values->at = sip_msg_find(msg, values->id, values->name, values->at);
		if (values->at >= msg->header_count)
			return false;
		*value = sip_header_value(msg, &msg->headers[values->at++]);
		if (sip_header_kind(values->id) != SIP_HK_LIST)
			return true;
		values->rest = *value;
	}
}
