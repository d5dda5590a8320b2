#include "msg/upgrade.h"

#include "msg/scan.h"

static sip_err refuse(struct sip_refusal *refusal, uint16_t status, const char *why)
{
	*refusal = (struct sip_refusal){ .why = why, .status = status };
	return status == 431 ? SIP_ELIMIT : SIP_ESYNTAX;
}

/* ---- the first line ---- */

static bool starts_with(sip_str s, const char *text)
{
	const size_t len = strlen(text);

	return s.len >= len && memcmp(s.p, text, len) == 0;
}

static bool ends_with(sip_str s, const char *text)
{
	const size_t len = strlen(text);

	return s.len >= len && memcmp(s.p + s.len - len, text, len) == 0;
}

static bool is_version(sip_str s)
{
	return s.len == 8 && starts_with(s, "HTTP/") && sip_is(s.p[5], SIP_C_DIGIT) &&
	       s.p[6] == '.' && sip_is(s.p[7], SIP_C_DIGIT);
}

/* Of those that are versions. */
static bool is_1_1(sip_str version)
{
	return version.p[5] == '1' && version.p[7] != '0';
}

/* A token of SIP has fewer letters (RFC 7230 3.2.6). */
static const char *scan_token(const char *p, const char *end)
{
	static const char others[] = { '#', '$', '&', '^', '|' };

	while (p < end &&
	       (sip_is(*p, SIP_C_TOKEN) || memchr(others, *p, sizeof others)))
		p++;
	return p;
}

/* Printable, without spaces. */
static bool is_visible(sip_str s)
{
	for (size_t i = 0; i < s.len; i++) {
		if (s.p[i] <= ' ' || s.p[i] > '~')
			return false;
	}
	return s.len > 0;
}

/* Cut off what is before the next space; false when there is none. */
static bool next_word(sip_str *line, sip_str *word)
{
	const char *space = memchr(line->p, ' ', line->len);

	if (!space)
		return false;
	*word = sip_span(line->p, space);
	*line = sip_span(space + 1, line->p + line->len);
	return true;
}

static sip_err check_request_line(sip_str line, struct sip_refusal *refusal)
{
	sip_str rest = line, method, target;

	if (ends_with(line, " SIP/2.0") || starts_with(line, "SIP/2.0 "))
		return refuse(refusal, 400, "it speaks SIP without a WebSocket");
	if (!next_word(&rest, &method) || !next_word(&rest, &target) ||
	    method.len == 0 || scan_token(method.p, target.p - 1) != target.p - 1 ||
	    !is_visible(target) || !is_version(rest))
		return refuse(refusal, 400, "it does not speak HTTP");
	if (!is_1_1(rest))
		return refuse(refusal, 505, "its HTTP is not that of version 1.1");
	if (!sip_str_eq(method, SIP_STR("GET")))
		return refuse(refusal, 405, "its method is not GET");
	return SIP_OK;
}

static bool read_status(sip_str line, uint16_t *status)
{
	sip_str rest = line, version;
	uint64_t value;

	if (!next_word(&rest, &version) || !is_version(version) || rest.len < 3 ||
	    (rest.len > 3 && rest.p[3] != ' ') ||
	    !sip_str_to_u64(sip_str_of(rest.p, 3), 999, &value) || value < 100)
		return false;
	*status = (uint16_t)value;
	return true;
}

static sip_err check_status_line(sip_str line, struct sip_refusal *refusal)
{
	uint16_t status = 0;

	if (starts_with(line, "SIP/2.0 "))
		return refuse(refusal, 0, "it speaks SIP without a WebSocket");
	if (!read_status(line, &status))
		return refuse(refusal, 0, "it does not speak HTTP");
	if (status != 101)
		return refuse(refusal, status, "it does not switch protocols");
	if (!is_1_1(line))
		return refuse(refusal, 101, "its HTTP is not that of version 1.1");
	return SIP_OK;
}

static sip_err check_line(enum sip_upgrade_side side, sip_str line,
                          struct sip_refusal *refusal)
{
	return side == SIP_UPGRADE_SERVER ? check_request_line(line, refusal)
	                                  : check_status_line(line, refusal);
}

/* ---- where the head ends ---- */

/* What can be no HTTP is not waited for. */
static sip_err check_first_byte(enum sip_upgrade_side side, char c,
                                struct sip_refusal *refusal)
{
	const uint16_t status = side == SIP_UPGRADE_SERVER ? 400 : 0;

	if (c == 0x16 || c == 0x15) /* a record of a handshake, or an alert */
		return refuse(refusal, status, "it speaks TLS where none is wanted");
	if (c == '\r')
		return refuse(refusal, status, "it speaks SIP without a WebSocket");
	return scan_token(&c, &c + 1) != &c
	               ? SIP_OK
	               : refuse(refusal, status, "it does not speak HTTP");
}

sip_err sip_upgrade_find(enum sip_upgrade_side side, uint32_t *seen, sip_str unread,
                         size_t *len, struct sip_refusal *refusal)
{
	const uint16_t status = side == SIP_UPGRADE_SERVER ? 400 : 0;
	const char *p = unread.p + *seen, *const end = unread.p + unread.len;
	sip_err err = SIP_OK;

	if (*seen == 0 && unread.len > 0)
		err = check_first_byte(side, *unread.p, refusal);
	while (err == SIP_OK && p < end) {
		const char *line_end = memchr(p, '\n', (size_t)(end - p));

		if (!line_end)
			break;
		if (line_end == unread.p || line_end[-1] != '\r')
			return refuse(refusal, status,
			              "a line of its head does not end as it should");
		if (*seen == 0)
			err = check_line(side, sip_span(unread.p, line_end - 1),
			                 refusal);
		if (line_end - p == 1 && *seen > 0) {
			*len = (size_t)(line_end + 1 - unread.p);
			return *len > SIP_UPGRADE_HEAD_MAX
			               ? refuse(refusal, 431, "its head is too long")
			               : SIP_OK;
		}
		p = line_end + 1;
		*seen = (uint32_t)(p - unread.p); /* whole lines */
	}
	if (err == SIP_OK && unread.len > SIP_UPGRADE_HEAD_MAX)
		return refuse(refusal, 431, "its head is too long");
	return err == SIP_OK ? SIP_EMORE : err;
}

/* ---- header fields ---- */

/* What is to be known of both heads. */
struct fields {
	unsigned host_count, key_count, version_count, origin_count, accept_count,
		protocol_count, upgrade_count, cookie_count;
	bool has_websocket, has_upgrade, has_sip, has_body, has_extensions;
	sip_str host, key, version, origin, accept, protocol, upgrade, cookie;
};

static bool list_has(sip_str list, sip_str word, bool any_case)
{
	const char *p = list.p, *const end = list.p + list.len;

	while (p < end) {
		const char *comma = memchr(p, ',', (size_t)(end - p));
		const char *stop = comma ? comma : end;
		const sip_str item = sip_str_trim(sip_span(p, stop));

		if (any_case ? sip_str_ieq(item, word) : sip_str_eq(item, word))
			return true;
		p = stop + 1;
	}
	return false;
}

static void keep(sip_str value, sip_str *kept, unsigned *count)
{
	*kept = value;
	(*count)++;
}

static void take_field(struct fields *fields, sip_str name, sip_str value)
{
	if (sip_str_ieq(name, SIP_STR("Host")))
		keep(value, &fields->host, &fields->host_count);
	else if (sip_str_ieq(name, SIP_STR("Origin")))
		keep(value, &fields->origin, &fields->origin_count);
	else if (sip_str_ieq(name, SIP_STR("Sec-WebSocket-Key")))
		keep(value, &fields->key, &fields->key_count);
	else if (sip_str_ieq(name, SIP_STR("Sec-WebSocket-Version")))
		keep(value, &fields->version, &fields->version_count);
	else if (sip_str_ieq(name, SIP_STR("Sec-WebSocket-Accept")))
		keep(value, &fields->accept, &fields->accept_count);
	else if (sip_str_ieq(name, SIP_STR("Sec-WebSocket-Protocol")))
		keep(value, &fields->protocol, &fields->protocol_count);
	else if (sip_str_ieq(name, SIP_STR("Upgrade")))
		keep(value, &fields->upgrade, &fields->upgrade_count);
	else if (sip_str_ieq(name, SIP_STR("Cookie")))
		keep(value, &fields->cookie, &fields->cookie_count);
	if (sip_str_ieq(name, SIP_STR("Sec-WebSocket-Protocol")) &&
	    list_has(value, SIP_STR("sip"), false))
		fields->has_sip = true;
	else if (sip_str_ieq(name, SIP_STR("Upgrade")) &&
	         list_has(value, SIP_STR("websocket"), true))
		fields->has_websocket = true;
	else if (sip_str_ieq(name, SIP_STR("Connection")) &&
	         list_has(value, SIP_STR("upgrade"), true))
		fields->has_upgrade = true;
	else if (sip_str_ieq(name, SIP_STR("Transfer-Encoding")) ||
	         (sip_str_ieq(name, SIP_STR("Content-Length")) &&
	          !sip_str_eq(value, SIP_STR("0"))))
		fields->has_body = true;
	else if (sip_str_ieq(name, SIP_STR("Sec-WebSocket-Extensions")))
		fields->has_extensions = true;
}

static bool is_value(sip_str value)
{
	for (size_t i = 0; i < value.len; i++) {
		const unsigned char c = (unsigned char)value.p[i];

		if ((c < ' ' && c != '\t') || c == 0x7f)
			return false;
	}
	return true;
}

/* The lines behind the first one.  No blank before a colon and no folded line: what
 * others read in more than one way is not read at all (RFC 7230 3.2.4). */
static bool read_fields(sip_str head, struct fields *fields)
{
	const char *p = memchr(head.p, '\n', head.len), *const end = head.p + head.len;

	*fields = (struct fields){ 0 };
	for (p = p ? p + 1 : end; end - p > 2;) {
		const char *line_end = memchr(p, '\n', (size_t)(end - p));
		const char *stop = line_end ? line_end - 1 : end;
		const char *colon = scan_token(p, stop);
		sip_str value;

		if (colon == p || colon >= stop || *colon != ':')
			return false;
		value = sip_str_trim(sip_span(colon + 1, stop));
		if (!is_value(value))
			return false;
		take_field(fields, sip_span(p, colon), value);
		p = stop + 2 < end ? stop + 2 : end;
	}
	return true;
}

/* Base64 of 16 bytes. */
static bool is_key(sip_str key)
{
	if (key.len != SIP_UPGRADE_KEY_LEN || !ends_with(key, "=="))
		return false;
	for (size_t i = 0; i < key.len - 2; i++) {
		if (!sip_is(key.p[i], SIP_C_ALPHA | SIP_C_DIGIT) && key.p[i] != '+' &&
		    key.p[i] != '/')
			return false;
	}
	return true;
}

/* The first line has been checked. */
static sip_str target_of(sip_str head)
{
	sip_str rest = head, method, target = SIP_STR("");

	(void)(next_word(&rest, &method) && next_word(&rest, &target));
	return target;
}

sip_err sip_upgrade_read_request(sip_str head, struct sip_upgrade *upgrade,
                                 struct sip_refusal *refusal)
{
	struct fields fields;

	if (!read_fields(head, &fields))
		return refuse(refusal, 400, "a line of its head is no header field");
	if (fields.has_body)
		return refuse(refusal, 400, "it announces a body");
	if (fields.host_count != 1 || !is_visible(fields.host))
		return refuse(refusal, 400, "it has no Host, or several");
	if (!fields.has_websocket || !fields.has_upgrade)
		return refuse(refusal, 426, "it does not ask for a WebSocket");
	if (fields.version_count != 1 || !sip_str_eq(fields.version, SIP_STR("13")))
		return refuse(refusal, 426, "its Sec-WebSocket-Version is not 13");
	if (fields.key_count != 1 || !is_key(fields.key))
		return refuse(refusal, 400,
		              "its Sec-WebSocket-Key is not 16 bytes in base64");
	if (!fields.has_sip)
		return refuse(refusal, 400,
		              "sip is not among its Sec-WebSocket-Protocol");
	if (fields.origin_count > 1)
		return refuse(refusal, 400, "it has several Origins");
	if (fields.origin_count == 1 && !is_visible(fields.origin))
		return refuse(refusal, 400,
		              "its Origin is none"); /* nor no browser's */
	if (fields.cookie_count > 1) /* which of them would count? (RFC 6265 5.4) */
		return refuse(refusal, 400, "it has several Cookies");
	*upgrade = (struct sip_upgrade){
		.host = fields.host,
		.key = fields.key,
		.said = { target_of(head), fields.origin, fields.cookie },
	};
	return SIP_OK;
}

sip_err sip_upgrade_read_response(sip_str head, sip_str accept,
                                  struct sip_refusal *refusal)
{
	struct fields fields;

	if (!read_fields(head, &fields))
		return refuse(refusal, 101, "a line of its head is no header field");
	if (fields.upgrade_count != 1 || !fields.has_upgrade ||
	    !sip_str_ieq(fields.upgrade, SIP_STR("websocket")))
		return refuse(refusal, 101, "it switches to something else");
	if (fields.accept_count != 1 || !sip_str_eq(fields.accept, accept))
		return refuse(refusal, 101, "its Sec-WebSocket-Accept is wrong");
	if (fields.protocol_count != 1 || !sip_str_eq(fields.protocol, SIP_STR("sip")))
		return refuse(refusal, 101, "its Sec-WebSocket-Protocol is not sip");
	if (fields.has_extensions)
		return refuse(refusal, 101,
		              "it wants extensions that were not offered");
	return SIP_OK;
}

/* ---- origins ---- */

/* Without its port. */
static sip_str host_of(sip_str authority)
{
	const char *p = authority.p, *const end = authority.p + authority.len;
	const char *stop = memchr(p, *p == '[' ? ']' : ':', authority.len);

	if (authority.len > 0 && *p == '[')
		return stop ? sip_span(p, stop + 1) : authority;
	return stop ? sip_span(p, stop) : sip_span(p, end);
}

bool sip_upgrade_is_same_host(const struct sip_upgrade *upgrade)
{
	const sip_str origin = upgrade->said.origin;
	size_t skip = 0;

	if (starts_with(origin, "http://"))
		skip = 7;
	else if (starts_with(origin, "https://"))
		skip = 8;
	return skip > 0 && skip < origin.len &&
	       sip_str_ieq(host_of(sip_str_of(origin.p + skip, origin.len - skip)),
	                   host_of(upgrade->host));
}
