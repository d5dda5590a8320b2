/* l_test_rtcp.c - RTCP for specs. */
#include "bind/l_test.h"

#include "media/rtcp.h"

static lua_Integer field(lua_State *L, int arg, const char *name)
{
	lua_Integer value;

	lua_getfield(L, arg, name);
	value = luaL_optinteger(L, -1, 0);
	lua_pop(L, 1);
	return value;
}

/* The string stays in its table, so it may be borrowed. */
static sip_str text_field(lua_State *L, int arg, const char *name)
{
	size_t len = 0;
	const char *text;

	lua_getfield(L, arg, name);
	text = luaL_optlstring(L, -1, "", &len);
	lua_pop(L, 1);
	return sip_str_of(text, len);
}

static void read_block(lua_State *L, int arg, struct rtp_control_block *block)
{
	*block = (struct rtp_control_block){
		.ssrc = (uint32_t)field(L, arg, "ssrc"),
		.fraction_lost = (uint8_t)field(L, arg, "fraction_lost"),
		.lost = (int32_t)field(L, arg, "lost"),
		.seq = (uint32_t)field(L, arg, "seq"),
		.jitter = (uint32_t)field(L, arg, "jitter"),
		.last_sr = (uint32_t)field(L, arg, "last_sr"),
		.delay = (uint32_t)field(L, arg, "delay"),
	};
}

static void set_integer(lua_State *L, const char *name, lua_Integer value)
{
	lua_pushinteger(L, value);
	lua_setfield(L, -2, name);
}

static void push_block(lua_State *L, const struct rtp_control_block *block)
{
	lua_newtable(L);
	set_integer(L, "ssrc", block->ssrc);
	set_integer(L, "fraction_lost", block->fraction_lost);
	set_integer(L, "lost", block->lost);
	set_integer(L, "seq", block->seq);
	set_integer(L, "jitter", block->jitter);
	set_integer(L, "last_sr", block->last_sr);
	set_integer(L, "delay", block->delay);
}

/* write{ssrc, sender = {...}, blocks = {...}, cname, bye, reason} -> bytes | nil, err
 */
static int l_rtcp_write(lua_State *L)
{
	struct rtp_control_block blocks[RTP_CONTROL_BLOCKS + 1];
	struct rtp_control_report report = {
		.ssrc = (uint32_t)field(L, 1, "ssrc"),
		.blocks = blocks,
		.cname = text_field(L, 1, "cname"),
		.reason = text_field(L, 1, "reason"),
	};
	uint8_t bytes[1400];
	size_t len;
	sip_err err;

	lua_getfield(L, 1, "bye");
	report.bye = lua_toboolean(L, -1);
	lua_getfield(L, 1, "sender");
	report.has_sender = lua_istable(L, -1);
	if (report.has_sender) {
		const int at = lua_gettop(L);

		report.sender.ntp = (uint64_t)field(L, at, "ntp");
		report.sender.timestamp = (uint32_t)field(L, at, "timestamp");
		report.sender.packets = (uint32_t)field(L, at, "packets");
		report.sender.octets = (uint32_t)field(L, at, "octets");
	}
	lua_getfield(L, 1, "blocks");
	if (lua_istable(L, -1)) {
		const int at = lua_gettop(L);

		report.block_count = (unsigned)lua_rawlen(L, at);
		luaL_argcheck(L, report.block_count <= RTP_CONTROL_BLOCKS + 1, 1,
		              "blocks");
		for (unsigned i = 0; i < report.block_count; i++) {
			lua_rawgeti(L, at, i + 1);
			read_block(L, lua_gettop(L), &blocks[i]);
		}
	}
	err = rtp_control_write(bytes, sizeof bytes, &report, &len);
	if (err) {
		luaL_pushfail(L);
		lua_pushstring(L, sip_err_name(err));
		return 2;
	}
	lua_pushlstring(L, (const char *)bytes, len);
	return 1;
}

static void push_part(lua_State *L, const struct rtp_control_part *part)
{
	struct rtp_control_sender sender;
	struct rtp_control_block block;
	sip_str cname;
	uint32_t ssrc;

	lua_newtable(L);
	set_integer(L, "type", part->type);
	set_integer(L, "ssrc", part->ssrc);
	if (rtp_control_sender_of(part, &sender)) {
		lua_newtable(L);
		set_integer(L, "ntp", (lua_Integer)sender.ntp);
		set_integer(L, "timestamp", sender.timestamp);
		set_integer(L, "packets", sender.packets);
		set_integer(L, "octets", sender.octets);
		lua_setfield(L, -2, "sender");
	}
	for (unsigned i = 0; i <= RTP_CONTROL_BLOCKS; i++) {
		if (rtp_control_block_at(part, i, &block)) {
			push_block(L, &block);
			lua_rawseti(L, -2, i + 1);
		} else if (rtp_control_cname_at(part, i, &ssrc, &cname)) {
			lua_pushfstring(L, "%I ", (LUAI_UACINT)ssrc);
			lua_pushlstring(L, cname.len ? cname.p : "", cname.len);
			lua_concat(L, 2);
			lua_rawseti(L, -2, i + 1);
		} else if (rtp_control_bye_at(part, i, &ssrc)) {
			lua_pushinteger(L, ssrc);
			lua_rawseti(L, -2, i + 1);
		}
	}
}

/* parse(bytes) -> array of parts | nil, why */
static int l_rtcp_parse(lua_State *L)
{
	struct rtp_control_part part = { 0 };
	const char *why;

	part.rest = (const uint8_t *)luaL_checklstring(L, 1, &part.rest_len);
	if (rtp_control_check(part.rest, part.rest_len, &why)) {
		luaL_pushfail(L);
		lua_pushstring(L, why);
		return 2;
	}
	lua_newtable(L);
	for (int i = 1; rtp_control_next(&part); i++) {
		push_part(L, &part);
		lua_rawseti(L, -2, i);
	}
	return 1;
}

/* block(ssrc, seqs, last_sr, last_sr_us, now_us, more) -> block, and another after the
 * numbers in `more`: a source that heard these. */
static int l_rtcp_block(lua_State *L)
{
	struct rtp_source source;
	struct rtp_control_block block;
	const uint32_t last_sr = (uint32_t)luaL_checkinteger(L, 3);
	const uint64_t last_sr_us = (uint64_t)luaL_checkinteger(L, 4);
	const uint64_t now_us = (uint64_t)luaL_checkinteger(L, 5);
	const int lists[] = { 2, 6 };

	for (int list = 0; list < 2; list++) {
		const lua_Integer count = (lua_Integer)lua_rawlen(L, lists[list]);

		for (lua_Integer i = 1; i <= count; i++) {
			uint16_t seq;

			lua_rawgeti(L, lists[list], i);
			seq = (uint16_t)luaL_checkinteger(L, -1);
			lua_pop(L, 1);
			if (list == 0 && i == 1)
				rtp_source_init(&source,
				                (uint32_t)luaL_checkinteger(L, 1), seq,
				                1);
			(void)rtp_source_check(&source, seq); /* the numbers are good */
		}
		rtp_control_block_of(&source, last_sr, last_sr_us, now_us, &block);
		push_block(L, &block);
	}
	return 2;
}

static int l_rtcp_ntp(lua_State *L)
{
	lua_pushinteger(
		L, (lua_Integer)rtp_control_ntp((uint64_t)luaL_checkinteger(L, 1)));
	return 1;
}

/* round_trip(last_sr, delay, now_ntp) -> us | nil */
static int l_rtcp_round_trip(lua_State *L)
{
	const struct rtp_control_block block = {
		.last_sr = (uint32_t)luaL_checkinteger(L, 1),
		.delay = (uint32_t)luaL_checkinteger(L, 2),
	};
	uint64_t us;

	if (!rtp_control_round_trip(&block, (uint64_t)luaL_checkinteger(L, 3), &us))
		return 0;
	lua_pushinteger(L, (lua_Integer)us);
	return 1;
}

/* interval(unit, {members, senders, we_sent, initial, saw}) -> us */
static int l_rtcp_interval(lua_State *L)
{
	struct rtp_control_pace pace;
	const lua_Integer saw = field(L, 2, "saw");

	rtp_control_pace_init(&pace);
	if (field(L, 2, "members") > 0)
		pace.members = (unsigned)field(L, 2, "members");
	if (field(L, 2, "senders") > 0)
		pace.senders = (unsigned)field(L, 2, "senders");
	pace.we_sent = field(L, 2, "quiet") == 0;
	pace.initial = field(L, 2, "initial") != 0;
	for (int i = 0; i < 200 && saw > 0; i++)
		rtp_control_pace_saw(&pace, (size_t)saw);
	lua_pushinteger(
		L, (lua_Integer)rtp_control_interval_us(&pace, luaL_checknumber(L, 1)));
	return 1;
}

static const luaL_Reg functions[] = {
	{ "write", l_rtcp_write },
	{ "parse", l_rtcp_parse },
	{ "block", l_rtcp_block },
	{ "ntp", l_rtcp_ntp },
	{ "round_trip", l_rtcp_round_trip },
	{ "interval", l_rtcp_interval },
	{ NULL, NULL },
};

int l_test_rtcp(lua_State *L)
{
	luaL_newlib(L, functions);
	return 1;
}
