#include "msg/ws.h"

#include <assert.h>

enum { JOINED_MIN = 512, FIN = 0x80, RESERVED = 0x70, OPCODE = 0x0f, MASKED = 0x80 };

/* ---- UTF-8 ---- */

/* The first byte of a character says how many follow, and where the second may lie, so
 * that nothing is written longer than need be and no surrogate is (RFC 3629 4). */
static bool begin_character(struct sip_utf8 *utf8, uint8_t c)
{
	utf8->low = c == 0xe0 ? 0xa0 : c == 0xf0 ? 0x90 : 0x80;
	utf8->high = c == 0xed ? 0x9f : c == 0xf4 ? 0x8f : 0xbf;
	if (c >= 0xc2 && c <= 0xdf)
		utf8->left = 1;
	else if (c >= 0xe0 && c <= 0xef)
		utf8->left = 2;
	else if (c >= 0xf0 && c <= 0xf4)
		utf8->left = 3;
	return c < 0x80 || utf8->left > 0;
}

/* Eight letters of ASCII at once. */
static const char *skip_ascii(const char *p, const char *end)
{
	uint64_t eight;

	while (end - p >= (ptrdiff_t)sizeof eight) {
		memcpy(&eight, p, sizeof eight);
		if (eight & 0x8080808080808080u)
			break;
		p += sizeof eight;
	}
	return p;
}

bool sip_utf8_feed(struct sip_utf8 *utf8, sip_str bytes)
{
	const char *p = bytes.p, *const end = p + bytes.len;

	while (p < end) {
		const uint8_t c = (uint8_t)*p;

		if (utf8->left > 0) {
			if (c < utf8->low || c > utf8->high)
				return false;
			*utf8 = (struct sip_utf8){ (uint8_t)(utf8->left - 1), 0x80,
				                   0xbf };
			p++;
		} else if (c < 0x80) {
			p = skip_ascii(p + 1, end);
		} else if (begin_character(utf8, c)) {
			p++;
		} else {
			return false;
		}
	}
	return true;
}

bool sip_utf8_is(sip_str text)
{
	struct sip_utf8 utf8 = { 0 };

	return sip_utf8_feed(&utf8, text) && utf8.left == 0;
}

/* ---- life ---- */

void sip_ws_init(struct sip_ws *ws, struct sip_alloc *alloc, bool masked)
{
	*ws = (struct sip_ws){ .alloc = alloc, .masked = masked };
}

static void drop_joined(struct sip_ws *ws)
{
	sip_free(ws->alloc, ws->joined, ws->joined_cap);
	ws->joined = NULL;
	ws->joined_len = ws->joined_cap = 0;
	ws->delivered = false;
}

void sip_ws_fini(struct sip_ws *ws)
{
	drop_joined(ws);
}

bool sip_ws_is_within(const struct sip_ws *ws)
{
	return ws->message || ws->head_len > 0;
}

uint32_t sip_ws_held(const struct sip_ws *ws)
{
	return ws->delivered ? 0 : ws->joined_cap;
}

/* ---- heads of frames ---- */

static sip_err refuse(struct sip_refusal *refusal, uint16_t code, const char *why)
{
	*refusal = (struct sip_refusal){ .why = why, .status = code };
	return code == SIP_WS_TOO_LARGE      ? SIP_ELIMIT
	       : code == SIP_WS_OUT_OF_ORDER ? SIP_ENOMEM
	                                     : SIP_ESYNTAX;
}

static bool is_control(uint8_t opcode)
{
	return (opcode & 8) != 0;
}

/* How long the head is, as far as its first two bytes say. */
static uint8_t head_size(const struct sip_ws *ws)
{
	const uint8_t len = ws->head[1] & 0x7f;

	return (uint8_t)(2 +
	                 (len == 126   ? 2
	                  : len == 127 ? 8
	                               : 0) +
	                 (ws->masked ? 4 : 0));
}

/* What is wrong with the first two bytes is said at once: the rest of such a head may
 * never come. */
static sip_err check_start(const struct sip_ws *ws, struct sip_refusal *refusal)
{
	const uint8_t opcode = ws->head[0] & OPCODE;
	const uint8_t len = ws->head[1] & 0x7f;
	const bool final = ws->head[0] & FIN, masked = ws->head[1] & MASKED;

	if (ws->head[0] & RESERVED)
		return refuse(refusal, SIP_WS_BROKEN,
		              "a reserved bit of a frame is set");
	if ((opcode > SIP_WS_BINARY && opcode < SIP_WS_CLOSE) || opcode > SIP_WS_PONG)
		return refuse(refusal, SIP_WS_BROKEN,
		              "a frame is of no kind that is known");
	if (masked != ws->masked)
		return refuse(refusal, SIP_WS_BROKEN,
		              masked ? "a frame of a server is masked"
		                     : "a frame of a client is not masked");
	if (is_control(opcode) && (!final || len > SIP_WS_CONTROL_MAX))
		return refuse(refusal, SIP_WS_BROKEN,
		              final ? "a control frame is too long"
		                    : "a control frame is in pieces");
	if (opcode == SIP_WS_CONTINUATION && !ws->message)
		return refuse(refusal, SIP_WS_BROKEN,
		              "a frame continues a message that has not begun");
	if ((opcode == SIP_WS_TEXT || opcode == SIP_WS_BINARY) && ws->message)
		return refuse(refusal, SIP_WS_BROKEN,
		              "a message begins within another one");
	return SIP_OK;
}

/* The length in its shortest form (5.2); UINT64_MAX when it is not. */
static uint64_t payload_length(const struct sip_ws *ws)
{
	const uint8_t first = ws->head[1] & 0x7f;
	const unsigned count = first == 126 ? 2 : first == 127 ? 8 : 0;
	uint64_t len = 0;

	for (unsigned i = 0; i < count; i++)
		len = len << 8 | ws->head[2 + i];
	if (count == 0)
		return first;
	return len < 126 || (count == 8 && (len <= UINT16_MAX || len >> 63))
	               ? UINT64_MAX
	               : len;
}

static sip_err begin_payload(struct sip_ws *ws, const struct sip_limits *limits,
                             struct sip_refusal *refusal)
{
	const uint64_t len = payload_length(ws);

	if (len == UINT64_MAX)
		return refuse(refusal, SIP_WS_BROKEN,
		              "the length of a frame is not written as short as can "
		              "be");
	ws->opcode = ws->head[0] & OPCODE;
	ws->final = ws->head[0] & FIN;
	if (!is_control(ws->opcode) && (len > limits->message_bytes ||
	                                len + ws->joined_len > limits->message_bytes))
		return refuse(refusal, SIP_WS_TOO_LARGE, "a message is too long");
	if (ws->masked)
		memcpy(ws->mask, ws->head + ws->head_len - 4, 4);
	if (ws->opcode == SIP_WS_TEXT || ws->opcode == SIP_WS_BINARY) {
		ws->message = ws->opcode;
		ws->utf8 = (struct sip_utf8){ 0 };
	}
	ws->left = (uint32_t)len;
	ws->at = 0;
	ws->in_payload = true;
	ws->control_len = 0;
	return SIP_OK;
}

static sip_err take_head(struct sip_ws *ws, const struct sip_limits *limits,
                         sip_str *bytes, struct sip_refusal *refusal)
{
	while (bytes->len > 0) {
		ws->head[ws->head_len++] = (uint8_t)*bytes->p;
		*bytes = sip_str_of(bytes->p + 1, bytes->len - 1);
		if (ws->head_len == 2) {
			const sip_err err = check_start(ws, refusal);

			if (err != SIP_OK)
				return err;
		}
		if (ws->head_len >= 2 && ws->head_len == head_size(ws))
			return begin_payload(ws, limits, refusal);
	}
	return SIP_EMORE;
}

/* ---- payloads ---- */

void sip_ws_mask(char *to, sip_str from, const uint8_t mask[4], size_t at)
{
	uint64_t eight, key = 0;
	uint8_t turned[8];
	size_t i = 0;

	for (size_t k = 0; k < sizeof turned; k++)
		turned[k] = mask[(at + k) & 3];
	memcpy(&key, turned, sizeof key);
	for (; from.len - i >= sizeof eight; i += sizeof eight) {
		memcpy(&eight, from.p + i, sizeof eight);
		eight ^= key;
		memcpy(to + i, &eight, sizeof eight);
	}
	for (; i < from.len; i++)
		to[i] = (char)(from.p[i] ^ turned[i & 7]);
}

/* Room for `len` bytes more: what a message needs that has come whole, and else twice
 * what there was. */
static bool make_room(struct sip_ws *ws, uint32_t len)
{
	const uint32_t need = ws->joined_len + len;
	uint32_t cap = ws->joined_cap * 2;
	char *grown;

	if (need <= ws->joined_cap)
		return true;
	if (!ws->joined && ws->final && len == ws->left)
		cap = len;
	else if (cap < JOINED_MIN)
		cap = JOINED_MIN;
	if (cap < need)
		cap = need;
	grown = sip_realloc(ws->alloc, ws->joined, ws->joined_cap, cap);
	if (!grown)
		return false;
	ws->joined = grown;
	ws->joined_cap = cap;
	return true;
}

static sip_err take_payload(struct sip_ws *ws, sip_str *bytes,
                            struct sip_refusal *refusal)
{
	const uint32_t len = bytes->len < ws->left ? (uint32_t)bytes->len : ws->left;
	const sip_str part = sip_str_of(bytes->p, len);
	char *to;

	if (len == 0)
		return SIP_OK;
	if (is_control(ws->opcode)) {
		to = ws->control + ws->control_len;
		ws->control_len = (uint8_t)(ws->control_len + len);
	} else if (make_room(ws, len)) {
		to = ws->joined + ws->joined_len;
		ws->joined_len += len;
	} else {
		return refuse(refusal, SIP_WS_OUT_OF_ORDER, "no memory");
	}
	if (ws->masked)
		sip_ws_mask(to, part, ws->mask, ws->at);
	else
		memcpy(to, part.p, len);
	ws->at += len;
	ws->left -= len;
	*bytes = sip_str_of(bytes->p + len, bytes->len - len);
	if (!is_control(ws->opcode) && ws->message == SIP_WS_TEXT &&
	    !sip_utf8_feed(&ws->utf8, sip_str_of(to, len)))
		return refuse(refusal, SIP_WS_NOT_UTF8, "a text is not UTF-8");
	return SIP_OK;
}

/* A code that somebody may send (7.4). */
static bool is_code(unsigned code)
{
	return (code >= 1000 && code <= 1014 && code != 1004 && code != 1005 &&
	        code != 1006) ||
	       (code >= 3000 && code <= 4999);
}

static sip_err read_close(const struct sip_ws *ws, struct sip_ws_item *item,
                          struct sip_refusal *refusal)
{
	const uint8_t *p = (const uint8_t *)ws->control;

	item->code = SIP_WS_NO_CODE;
	if (ws->control_len == 0)
		return SIP_OK;
	if (ws->control_len < 2 || !is_code((unsigned)p[0] << 8 | p[1]))
		return refuse(refusal, SIP_WS_BROKEN,
		              "a Close has a code that nobody may send");
	item->code = (uint16_t)(p[0] << 8 | p[1]);
	item->bytes = sip_str_of(ws->control + 2, ws->control_len - 2u);
	if (!sip_utf8_is(item->bytes))
		return refuse(refusal, SIP_WS_NOT_UTF8,
		              "the reason of a Close is not UTF-8");
	return SIP_OK;
}

/* The frame is complete.  SIP_EMORE: its message is not. */
static sip_err end_frame(struct sip_ws *ws, struct sip_ws_item *item,
                         struct sip_refusal *refusal)
{
	ws->in_payload = false;
	ws->head_len = 0;
	*item = (struct sip_ws_item){ .opcode = ws->opcode };
	if (is_control(ws->opcode)) {
		item->bytes = sip_str_of(ws->control, ws->control_len);
		return ws->opcode == SIP_WS_CLOSE ? read_close(ws, item, refusal)
		                                  : SIP_OK;
	}
	if (!ws->final)
		return SIP_EMORE;
	item->opcode = ws->message;
	item->bytes = ws->joined ? sip_str_of(ws->joined, ws->joined_len) : SIP_STR("");
	ws->message = 0;
	ws->delivered = true;
	if (item->opcode == SIP_WS_TEXT && ws->utf8.left > 0)
		return refuse(refusal, SIP_WS_NOT_UTF8, "a text is not UTF-8");
	return SIP_OK;
}

sip_err sip_ws_feed(struct sip_ws *ws, const struct sip_limits *limits, sip_str *bytes,
                    struct sip_ws_item *item, struct sip_refusal *refusal)
{
	sip_err err;

	if (ws->delivered)
		drop_joined(ws);
	do {
		err = SIP_OK;
		if (!ws->in_payload)
			err = take_head(ws, limits, bytes, refusal);
		if (err == SIP_OK)
			err = take_payload(ws, bytes, refusal);
		if (err == SIP_OK && ws->left > 0)
			return SIP_EMORE;
		if (err == SIP_OK)
			err = end_frame(ws, item, refusal);
	} while (err == SIP_EMORE && bytes->len > 0);
	return err;
}

/* ---- writing ---- */

size_t sip_ws_write_head(char head[SIP_WS_HEAD_MAX], enum sip_ws_opcode opcode,
                         size_t len, const uint8_t mask[4])
{
	const size_t more = len < 126 ? 0 : len <= UINT16_MAX ? 2 : 8;
	const uint8_t masked = mask ? MASKED : 0;

	assert(len <= UINT32_MAX);
	head[0] = (char)(FIN | opcode);
	head[1] = (char)(masked | (more == 0 ? len : more == 2 ? 126 : 127));
	for (size_t i = 0; i < more; i++)
		head[2 + i] = (char)((uint64_t)len >> 8 * (more - 1 - i));
	if (mask)
		memcpy(head + 2 + more, mask, 4);
	return 2 + more + (mask ? 4 : 0);
}
