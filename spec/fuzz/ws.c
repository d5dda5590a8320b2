/* WebSocket: what is read from a stream does not depend on how it arrives, neither
 * frames nor the heads of a handshake.  The first byte chooses what it is and seeds the
 * sizes of the pieces. */
#include <stdlib.h>

#include "msg/upgrade.h"
#include "msg/ws.h"

enum { MESSAGE_MAX = 3000, OUT_MAX = 65536 };

/* What has been read, as text. */
struct said {
	size_t len;
	sip_err err;
	uint16_t status;
	char text[OUT_MAX];
};

static void must(bool ok)
{
	if (!ok)
		abort();
}

static void say(struct said *said, unsigned kind, unsigned code, sip_str bytes)
{
	if (said->len + bytes.len + 4 > sizeof said->text)
		return;
	said->text[said->len++] = (char)kind;
	said->text[said->len++] = (char)(code >> 8);
	said->text[said->len++] = (char)code;
	if (bytes.len > 0)
		memcpy(said->text + said->len, bytes.p, bytes.len);
	said->len += bytes.len;
}

static size_t next_size(unsigned *seed)
{
	*seed = *seed * 1103515245u + 12345u;
	return 1 + (*seed >> 16) % 97;
}

/* `seed` 0 is one piece. */
static void read_frames(sip_str stream, bool masked, unsigned seed, struct said *said)
{
	struct sip_limits limits = SIP_LIMITS_DEFAULT;
	struct sip_alloc alloc;
	struct sip_ws ws;

	limits.message_bytes = MESSAGE_MAX;
	said->len = 0;
	said->err = SIP_EMORE;
	said->status = 0;
	sip_alloc_init(&alloc);
	sip_ws_init(&ws, &alloc, masked);
	while (stream.len > 0 && said->err == SIP_EMORE) {
		size_t size = seed ? next_size(&seed) : stream.len;
		sip_str piece;

		size = size < stream.len ? size : stream.len;
		piece = sip_str_of(stream.p, size);
		stream = sip_str_of(stream.p + size, stream.len - size);
		while (piece.len > 0) {
			struct sip_refusal refusal = { 0 };
			struct sip_ws_item item = { 0 };
			const sip_err err =
				sip_ws_feed(&ws, &limits, &piece, &item, &refusal);

			must(alloc.used <= 2 * MESSAGE_MAX);
			if (err == SIP_EMORE)
				break;
			if (err != SIP_OK) {
				must(refusal.why && refusal.status >= 1002);
				said->err = err;
				said->status = refusal.status;
				break;
			}
			must(item.bytes.len <= MESSAGE_MAX);
			must(item.opcode != SIP_WS_TEXT || sip_utf8_is(item.bytes));
			say(said, item.opcode, item.code, item.bytes);
		}
	}
	must(alloc.count <= 1);
	sip_ws_fini(&ws);
	must(alloc.count == 0);
}

/* What was read is read again when it is written. */
static void write_again(const struct said *said, bool masked)
{
	const uint8_t mask[4] = { 0x11, 0, 0xff, 0x80 };
	const size_t half = said->len < MESSAGE_MAX ? said->len : MESSAGE_MAX;
	static char frame[MESSAGE_MAX + SIP_WS_HEAD_MAX];
	const size_t head =
		sip_ws_write_head(frame, SIP_WS_BINARY, half, masked ? mask : NULL);
	static struct said again;

	if (masked)
		sip_ws_mask(frame + head, sip_str_of(said->text, half), mask, 0);
	else
		memcpy(frame + head, said->text, half);
	read_frames(sip_str_of(frame, head + half), masked, 0, &again);
	must(again.len == half + 3 && memcmp(again.text + 3, said->text, half) == 0);
}

static void read_head(sip_str stream, enum sip_upgrade_side side, unsigned seed,
                      struct said *said)
{
	struct sip_refusal refusal = { 0 };
	struct sip_upgrade upgrade;
	uint32_t seen = 0;
	size_t have = 0, len = 0;

	said->len = 0;
	said->status = 0;
	do {
		have += seed ? next_size(&seed) : stream.len;
		have = have < stream.len ? have : stream.len;
		said->err = sip_upgrade_find(side, &seen, sip_str_of(stream.p, have),
		                             &len, &refusal);
	} while (said->err == SIP_EMORE && have < stream.len);
	if (said->err == SIP_OK) {
		must(len <= have && len >= 4);
		say(said, 0, (unsigned)len, SIP_STR(""));
	}
	if (said->err == SIP_OK && side == SIP_UPGRADE_SERVER) {
		said->err = sip_upgrade_read_request(sip_str_of(stream.p, len),
		                                     &upgrade, &refusal);
		if (said->err == SIP_OK) {
			must(upgrade.key.len == SIP_UPGRADE_KEY_LEN);
			say(said, 1, sip_upgrade_is_same_host(&upgrade), upgrade.host);
			must(upgrade.said.target.len > 0);
			say(said, 2, 0, upgrade.said.origin);
			say(said, 4, 0, upgrade.said.target);
			say(said, 5, 0, upgrade.said.cookie);
			say(said, 3, 0, upgrade.key);
		}
	} else if (said->err == SIP_OK) {
		said->err = sip_upgrade_read_response(
			sip_str_of(stream.p, len),
			SIP_STR("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), &refusal);
	}
	if (said->err != SIP_OK && said->err != SIP_EMORE) {
		must(refusal.why != NULL);
		said->status = refusal.status;
	}
}

/* Whatever is wrong with a head can be answered. */
static void answer(const struct said *said)
{
	const struct sip_refusal refusal = { .why = "it is wrong",
		                             .status = said->status };
	char text[SIP_UPGRADE_OUT_MAX];
	struct sip_out out;

	sip_out_init(&out, text, sizeof text);
	sip_upgrade_write_refusal(&out, &refusal);
	must(sip_out_end(&out) == SIP_OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct said whole, pieces;
	sip_str stream;

	if (size == 0)
		return 0;
	stream = sip_str_of((const char *)data + 1, size - 1);
	if (data[0] & 2) {
		const enum sip_upgrade_side side =
			data[0] & 1 ? SIP_UPGRADE_SERVER : SIP_UPGRADE_CLIENT;

		read_head(stream, side, 0, &whole);
		read_head(stream, side, data[0], &pieces);
		answer(&whole);
	} else {
		read_frames(stream, data[0] & 1, 0, &whole);
		read_frames(stream, data[0] & 1, data[0] + 1u, &pieces);
		write_again(&whole, data[0] & 1);
	}
	must(whole.err == pieces.err && whole.status == pieces.status);
	must(whole.len == pieces.len &&
	     memcmp(whole.text, pieces.text, whole.len) == 0);
	return 0;
}
