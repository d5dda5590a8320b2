/* l_test_rtp.c - RTP packets, sources and telephone events for specs. */
#include "bind/l_test.h"

#include "media/dtmf_event.h"
#include "media/rtp.h"

#include <lauxlib.h>

#define L_SOURCE "sip.test.RtpSource"
#define L_CONFLICTS "sip.test.RtpConflicts"
#define L_DTMF_TX "sip.test.DtmfTx"
#define L_DTMF_RX "sip.test.DtmfRx"

static void set_integer(lua_State *L, const char *name, lua_Integer value)
{
	lua_pushinteger(L, value);
	lua_setfield(L, -2, name);
}

static void set_bytes(lua_State *L, const char *name, const uint8_t *bytes, size_t len)
{
	lua_pushlstring(L, (const char *)bytes, len);
	lua_setfield(L, -2, name);
}

static lua_Integer field(lua_State *L, int arg, const char *name)
{
	lua_Integer value;

	lua_getfield(L, arg, name);
	value = lua_isboolean(L, -1) ? lua_toboolean(L, -1) : luaL_optinteger(L, -1, 0);
	lua_pop(L, 1);
	return value;
}

/* parse(bytes) -> table | nil, why */
static int l_rtp_parse(lua_State *L)
{
	size_t len;
	const uint8_t *bytes = (const uint8_t *)luaL_checklstring(L, 1, &len);
	struct rtp_packet packet;
	const char *why;

	if (rtp_packet_parse(bytes, len, &packet, &why)) {
		luaL_pushfail(L);
		lua_pushstring(L, why);
		return 2;
	}
	lua_newtable(L);
	set_integer(L, "seq", packet.seq);
	set_integer(L, "payload_type", packet.payload_type);
	set_integer(L, "timestamp", packet.timestamp);
	set_integer(L, "ssrc", packet.ssrc);
	lua_pushboolean(L, packet.marker);
	lua_setfield(L, -2, "marker");
	lua_newtable(L);
	for (unsigned i = 0; i < packet.csrc_count; i++) {
		lua_pushinteger(L, rtp_packet_csrc(&packet, i));
		lua_rawseti(L, -2, i + 1);
	}
	lua_setfield(L, -2, "csrc");
	if (packet.has_extension) {
		set_integer(L, "extension_profile", packet.extension_profile);
		set_bytes(L, "extension", packet.extension, packet.extension_len);
	}
	set_bytes(L, "payload", packet.payload, packet.payload_len);
	return 1;
}

/* header{seq, payload_type, marker, timestamp, ssrc} -> bytes */
static int l_rtp_header(lua_State *L)
{
	uint8_t header[RTP_HEADER_LEN];
	struct rtp_packet packet = {
		.seq = (uint16_t)field(L, 1, "seq"),
		.payload_type = (uint8_t)field(L, 1, "payload_type"),
		.marker = field(L, 1, "marker") != 0,
		.timestamp = (uint32_t)field(L, 1, "timestamp"),
		.ssrc = (uint32_t)field(L, 1, "ssrc"),
	};
	const size_t len = rtp_packet_write_header(header, &packet);

	lua_pushlstring(L, (const char *)header, len);
	return 1;
}

static int l_rtp_is_control(lua_State *L)
{
	size_t len;
	const char *bytes = luaL_checklstring(L, 1, &len);

	lua_pushboolean(L, rtp_packet_is_control((const uint8_t *)bytes, len));
	return 1;
}

/* source(ssrc, seq, probation) -> Source */
static int l_rtp_source(lua_State *L)
{
	struct rtp_source *source = lua_newuserdatauv(L, sizeof *source, 0);

	rtp_source_init(source, (uint32_t)luaL_checkinteger(L, 1),
	                (uint16_t)luaL_checkinteger(L, 2),
	                (uint8_t)luaL_checkinteger(L, 3));
	luaL_setmetatable(L, L_SOURCE);
	return 1;
}

/* source:check(seq) -> "take", "probation", "jump" or "restart" */
static int l_source_check(lua_State *L)
{
	static const char *const names[] = { "take", "probation", "jump", "restart" };
	struct rtp_source *source = luaL_checkudata(L, 1, L_SOURCE);

	lua_pushstring(
		L, names[rtp_source_check(source, (uint16_t)luaL_checkinteger(L, 2))]);
	return 1;
}

static int l_source_arrive(lua_State *L)
{
	rtp_source_arrive(luaL_checkudata(L, 1, L_SOURCE),
	                  (uint32_t)luaL_checkinteger(L, 2),
	                  (uint32_t)luaL_checkinteger(L, 3));
	return 0;
}

/* source:stats() -> extended seq, received, lost, jitter */
static int l_source_stats(lua_State *L)
{
	const struct rtp_source *source = luaL_checkudata(L, 1, L_SOURCE);

	lua_pushinteger(L, rtp_source_seq(source));
	lua_pushinteger(L, source->received);
	lua_pushinteger(L, rtp_source_lost(source));
	lua_pushinteger(L, rtp_source_jitter(source));
	return 4;
}

static int l_rtp_conflicts(lua_State *L)
{
	struct rtp_conflicts *conflicts = lua_newuserdatauv(L, sizeof *conflicts, 0);

	*conflicts = (struct rtp_conflicts){ 0 };
	luaL_setmetatable(L, L_CONFLICTS);
	return 1;
}

/* conflicts:check(ours, ssrc, ip, port, rtcp, now_us) -> "none", "new" or "loop";
 * an address is forgotten after 50 s. */
static int l_conflicts_check(lua_State *L)
{
	static const char *const names[] = { "none", "new", "loop" };
	struct rtp_conflicts *conflicts = luaL_checkudata(L, 1, L_CONFLICTS);
	struct sip_addr from = { 0 };
	size_t len;
	const char *ip = luaL_checklstring(L, 4, &len);

	luaL_argcheck(L, sip_addr_parse(sip_str_of(ip, len), &from), 4, "no address");
	from.port = (uint16_t)luaL_checkinteger(L, 5);
	lua_pushstring(
		L,
		names[rtp_conflicts_check(
			conflicts, (uint32_t)luaL_checkinteger(L, 2),
			(uint32_t)luaL_checkinteger(L, 3), &from, lua_toboolean(L, 6),
			(uint64_t)luaL_checkinteger(L, 7), 50000000)]);
	return 1;
}

/* dtmf_tx(step, events) -> DtmfTx at 8000 Hz */
static int l_rtp_dtmf_tx(lua_State *L)
{
	const uint32_t step = (uint32_t)luaL_checkinteger(L, 1);
	const uint32_t events = (uint32_t)luaL_optinteger(L, 2, RTP_DTMF_ALL);
	struct rtp_dtmf_tx *tx = lua_newuserdatauv(L, sizeof *tx, 0);

	rtp_dtmf_tx_init(tx, step, 8000, events);
	luaL_setmetatable(L, L_DTMF_TX);
	return 1;
}

static unsigned check_event(lua_State *L, int arg)
{
	const int event = rtp_dtmf_event_of(luaL_checkstring(L, arg)[0]);

	luaL_argcheck(L, event >= 0, arg, "no digit");
	return (unsigned)event;
}

/* tx:press(digit, duration | nil, gap) -> "ok" or the name of an error */
static int l_dtmf_tx_press(lua_State *L)
{
	struct rtp_dtmf_tx *tx = luaL_checkudata(L, 1, L_DTMF_TX);
	const uint32_t duration =
		lua_isnil(L, 3) ? RTP_DTMF_HELD : (uint32_t)luaL_checkinteger(L, 3);

	lua_pushstring(
		L, sip_err_name(rtp_dtmf_tx_press(tx, check_event(L, 2), duration,
	                                          (uint32_t)luaL_optinteger(L, 4, 0))));
	return 1;
}

static int l_dtmf_tx_release(lua_State *L)
{
	lua_pushboolean(L, rtp_dtmf_tx_release(luaL_checkudata(L, 1, L_DTMF_TX),
	                                       (uint32_t)luaL_optinteger(L, 2, 0)));
	return 1;
}

static int l_dtmf_tx_clear(lua_State *L)
{
	rtp_dtmf_tx_clear(luaL_checkudata(L, 1, L_DTMF_TX));
	return 0;
}

static int l_dtmf_tx_busy(lua_State *L)
{
	lua_pushboolean(L, rtp_dtmf_tx_busy(luaL_checkudata(L, 1, L_DTMF_TX)));
	return 1;
}

/* tx:step(timestamp) -> array of { payload =, marker =, timestamp =, digit =,
 * finish =, volume =, duration = } */
static int l_dtmf_tx_step(lua_State *L)
{
	struct rtp_dtmf_tx *tx = luaL_checkudata(L, 1, L_DTMF_TX);
	struct rtp_dtmf_out out[RTP_DTMF_OUT];
	const unsigned count =
		rtp_dtmf_tx_step(tx, (uint32_t)luaL_checkinteger(L, 2), out);

	lua_newtable(L);
	for (unsigned i = 0; i < count; i++) {
		struct rtp_dtmf_payload payload;
		char digit;

		if (rtp_dtmf_parse(out[i].payload, RTP_DTMF_LEN, &payload))
			return luaL_error(L, "what was written is not read");
		digit = rtp_dtmf_digit_of(payload.event);
		lua_newtable(L);
		set_bytes(L, "payload", out[i].payload, RTP_DTMF_LEN);
		set_bytes(L, "digit", (const uint8_t *)&digit, 1);
		set_integer(L, "timestamp", out[i].timestamp);
		set_integer(L, "volume", payload.volume);
		set_integer(L, "duration", payload.duration);
		lua_pushboolean(L, out[i].marker);
		lua_setfield(L, -2, "marker");
		lua_pushboolean(L, payload.end);
		lua_setfield(L, -2, "finish");
		lua_rawseti(L, -2, i + 1);
	}
	return 1;
}

/* dtmf_rx(events) -> DtmfRx at 8000 Hz */
static int l_rtp_dtmf_rx(lua_State *L)
{
	const uint32_t events = (uint32_t)luaL_optinteger(L, 1, RTP_DTMF_ALL);
	struct rtp_dtmf_rx *rx = lua_newuserdatauv(L, sizeof *rx, 0);

	rtp_dtmf_rx_init(rx, 8000, events);
	luaL_setmetatable(L, L_DTMF_RX);
	return 1;
}

static void push_report(lua_State *L, const struct rtp_dtmf_report *report)
{
	lua_pushfstring(L, "%s %c %d", report->what == RTP_DTMF_BEGIN ? "begin" : "end",
	                rtp_dtmf_digit_of(report->event), (int)report->duration);
}

/* rx:feed(now_us, timestamp, marker, payload) -> "begin 5 160", ... */
static int l_dtmf_rx_feed(lua_State *L)
{
	struct rtp_dtmf_rx *rx = luaL_checkudata(L, 1, L_DTMF_RX);
	struct rtp_dtmf_report reports[RTP_DTMF_REPORTS];
	size_t len;
	const char *payload = luaL_checklstring(L, 5, &len);
	const unsigned count =
		rtp_dtmf_rx_feed(rx, (uint64_t)luaL_checkinteger(L, 2),
	                         (uint32_t)luaL_checkinteger(L, 3), lua_toboolean(L, 4),
	                         (const uint8_t *)payload, len, reports);

	for (unsigned i = 0; i < count; i++)
		push_report(L, &reports[i]);
	return (int)count;
}

static int l_dtmf_rx_advance(lua_State *L)
{
	struct rtp_dtmf_report report;

	if (!rtp_dtmf_rx_advance(luaL_checkudata(L, 1, L_DTMF_RX),
	                         (uint64_t)luaL_checkinteger(L, 2), &report))
		return 0;
	push_report(L, &report);
	return 1;
}

static int l_dtmf_rx_reset(lua_State *L)
{
	struct rtp_dtmf_report report;

	if (!rtp_dtmf_rx_reset(luaL_checkudata(L, 1, L_DTMF_RX), &report))
		return 0;
	push_report(L, &report);
	return 1;
}

static int l_rtp_dtmf_events(lua_State *L)
{
	size_t len;
	const char *text = luaL_checklstring(L, 1, &len);

	lua_pushinteger(L, rtp_dtmf_events_of(sip_str_of(text, len)));
	return 1;
}

static const luaL_Reg functions[] = {
	{ "parse", l_rtp_parse },
	{ "header", l_rtp_header },
	{ "is_control", l_rtp_is_control },
	{ "source", l_rtp_source },
	{ "conflicts", l_rtp_conflicts },
	{ "dtmf_tx", l_rtp_dtmf_tx },
	{ "dtmf_rx", l_rtp_dtmf_rx },
	{ "dtmf_events", l_rtp_dtmf_events },
	{ NULL, NULL },
};

static const luaL_Reg source_methods[] = {
	{ "check", l_source_check },
	{ "arrive", l_source_arrive },
	{ "stats", l_source_stats },
	{ NULL, NULL },
};

static const luaL_Reg conflicts_methods[] = {
	{ "check", l_conflicts_check },
	{ NULL, NULL },
};

static const luaL_Reg dtmf_tx_methods[] = {
	{ "press", l_dtmf_tx_press }, { "release", l_dtmf_tx_release },
	{ "clear", l_dtmf_tx_clear }, { "busy", l_dtmf_tx_busy },
	{ "step", l_dtmf_tx_step },   { NULL, NULL },
};

static const luaL_Reg dtmf_rx_methods[] = {
	{ "feed", l_dtmf_rx_feed },
	{ "advance", l_dtmf_rx_advance },
	{ "reset", l_dtmf_rx_reset },
	{ NULL, NULL },
};

int l_test_rtp(lua_State *L)
{
	l_test_class(L, L_SOURCE, source_methods);
	l_test_class(L, L_CONFLICTS, conflicts_methods);
	l_test_class(L, L_DTMF_TX, dtmf_tx_methods);
	l_test_class(L, L_DTMF_RX, dtmf_rx_methods);
	luaL_newlib(L, functions);
	return 1;
}
