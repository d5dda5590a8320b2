/* l_body.c - what a message carries, as Lua tables.
 *
 * A body is asked for seldom and wanted whole, so it does become a table; its parts are
 * tables in it.  Nothing here owns anything outside Lua: any step may raise.
 */
#include "bind/l_body.h"

#include <lauxlib.h>

#include "base/map.h"
#include "bind/l_msg.h"
#include "bind/l_str.h"
#include "bind/l_uri.h"
#include "bind/l_write.h"
#include "msg/multipart.h"
#include "msg/scan.h"

/* --- reading ------------------------------------------------------------------------
 */

struct reading {
	const struct sip_msg *msg;
	unsigned left; /* parts that there may be yet */
	struct sip_refusal refusal;
};

/* What the headers of a part, or of the message, say of a body. */
struct description {
	sip_str type, disposition, id, encoding;
};

static void set_lower(lua_State *L, const char *key, sip_str text)
{
	l_push_lower(L, text);
	lua_setfield(L, -2, key);
}

/* A value on one line: each line end with the blanks around it is one SP. */
static void push_unfolded(lua_State *L, sip_str value)
{
	luaL_Buffer buffer;
	char *out = luaL_buffinitsize(L, &buffer, value.len);

	for (size_t i = 0; i < value.len; i++)
		out[i] = value.p[i] == '\r' || value.p[i] == '\n' ? ' ' : value.p[i];
	luaL_pushresultsize(&buffer, sip_unfold(sip_str_of(out, value.len), out));
}

/* Are the bytes what they are called with this Content-Transfer-Encoding or
 * Content-Encoding (RFC 2045 6.2, RFC 3261 20.12)? */
static bool is_plain(sip_str encoding)
{
	static const char *const plain[] = { "7bit", "8bit", "binary", "identity" };

	for (size_t i = 0; i < sizeof plain / sizeof plain[0]; i++) {
		if (sip_str_ieq(encoding, sip_str_of(plain[i], strlen(plain[i]))))
			return true;
	}
	return encoding.len == 0;
}

/* Add a header to the flat list on top, and to the description. */
static void add_header(lua_State *L, struct description *description, sip_str name,
                       sip_str value)
{
	lua_Integer n = (lua_Integer)lua_rawlen(L, -1);

	l_push_str(L, name);
	lua_rawseti(L, -2, ++n);
	push_unfolded(L, value);
	lua_rawseti(L, -2, ++n);
	if (sip_str_ieq(name, SIP_STR("Content-Transfer-Encoding")) ||
	    sip_str_ieq(name, SIP_STR("Content-Encoding"))) {
		if (!is_plain(value))
			description->encoding = value;
		return;
	}
	switch ((int)sip_header_find(name)) {
	case SIP_H_CONTENT_TYPE:
		description->type = value;
		break;
	case SIP_H_CONTENT_DISPOSITION:
		description->disposition = value;
		break;
	case SIP_H_CONTENT_ID:
		description->id = value;
		break;
	default:
		break;
	}
}

/* Set `type` and `params`: text/plain when there is none, or none that can be read (RFC
 * 2045 5.2). */
static void set_type(lua_State *L, sip_str value, struct sip_media_type *type)
{
	if (!sip_media_type_parse(value, type))
		*type = (struct sip_media_type){ SIP_STR("text"), SIP_STR("plain"),
			                         SIP_STR("") };
	l_push_lower(L, type->type);
	lua_pushliteral(L, "/");
	l_push_lower(L, type->subtype);
	lua_concat(L, 3);
	lua_setfield(L, -2, "type");
	l_push_params(L, type->params);
	lua_setfield(L, -2, "params");
}

/* Set `disposition`, its parameters and `handling`; by default as RFC 3261 20.11 and
 * RFC 3204 5.2 say. */
static void set_disposition(lua_State *L, sip_str value,
                            const struct sip_media_type *type)
{
	const bool is_sdp = sip_str_ieq(type->type, SIP_STR("application")) &&
	                    sip_str_ieq(type->subtype, SIP_STR("sdp"));
	struct sip_disposition disposition;

	if (!sip_disposition_parse(value, &disposition))
		disposition =
			(struct sip_disposition){ .type = is_sdp ? SIP_STR("session")
			                                         : SIP_STR("render") };
	set_lower(L, "disposition", disposition.type);
	lua_pushstring(L, disposition.optional ? "optional" : "required");
	lua_setfield(L, -2, "handling");
	l_push_params(L, disposition.params);
	lua_setfield(L, -2, "disposition_params");
}

static bool set_parts(lua_State *L, struct reading *reading,
                      const struct sip_media_type *type, sip_str bytes, unsigned depth);

/* Fill the part on top, of which the headers are read.  False: refused. */
static bool fill(lua_State *L, struct reading *reading,
                 const struct description *description, sip_str body, unsigned depth)
{
	struct sip_media_type type;
	sip_str id = description->id;

	set_type(L, description->type, &type);
	set_disposition(L, description->disposition, &type);
	if (id.len > 2 && id.p[0] == '<' && id.p[id.len - 1] == '>') {
		l_push_str(L, sip_str_of(id.p + 1, id.len - 2));
		lua_setfield(L, -2, "id");
	}
	if (description->encoding.len > 0)
		set_lower(L, "encoding", description->encoding);
	l_push_str(L, body);
	lua_setfield(L, -2, "body");
	return !sip_media_type_is_multipart(&type) ||
	       set_parts(L, reading, &type, body, depth + 1);
}

/* Push the list of a part's headers.  False: refused. */
static bool push_headers(lua_State *L, struct reading *reading,
                         struct description *description, sip_str head)
{
	sip_str name, value;
	sip_err err;

	lua_newtable(L);
	for (;;) {
		const char *const at = head.p;
		err = sip_part_field(&head, &name, &value, &reading->refusal);
		if (err == SIP_EMORE)
			return true;
		if (err) {
			reading->refusal.at = (uint32_t)(at - reading->msg->body.p);
			return false;
		}
		add_header(L, description, name, value);
	}
}

/* Read the parts of a body into `parts` of the part on top. */
static bool set_parts(lua_State *L, struct reading *reading,
                      const struct sip_media_type *type, sip_str bytes, unsigned depth)
{
	const uint32_t base = (uint32_t)(bytes.p - reading->msg->body.p);
	struct sip_refusal *const refusal = &reading->refusal;
	struct sip_multipart reader;
	struct sip_part part;
	lua_Integer n = 0;
	sip_err err;

	luaL_checkstack(L, 12, "parts in parts");
	if (depth > reading->msg->depth_max) {
		*refusal =
			(struct sip_refusal){ base, "parts in parts, too deep", 413 };
		return false;
	}
	err = sip_multipart_init(&reader, type->params, bytes, &reading->left, refusal);
	lua_newtable(L);
	while (!err && (err = sip_multipart_next(&reader, &part, refusal)) == SIP_OK) {
		struct description description = { 0 };

		lua_createtable(L, 0, 8);
		if (!push_headers(L, reading, &description, part.head))
			return false;
		lua_setfield(L, -2, "headers");
		if (!fill(L, reading, &description, part.body, depth))
			return false;
		lua_rawseti(L, -2, ++n);
	}
	if (err != SIP_EMORE) {
		refusal->at += base;
		return false;
	}
	lua_setfield(L, -2, "parts");
	return true;
}

/* Push the whole as one part, whose headers are those of the message that are about
 * its body; nil when there is none; nil and the refusal.  Gives how many. */
static int push_content(lua_State *L, const struct sip_msg *msg)
{
	struct reading reading = { .msg = msg, .left = msg->parts_max };
	struct description description = { 0 };
	const int top = lua_gettop(L);

	if (msg->body.len == 0) {
		lua_pushnil(L);
		return 1;
	}
	lua_createtable(L, 0, 8);
	lua_newtable(L);
	for (unsigned i = 0; i < msg->header_count; i++) {
		const struct sip_header *header = &msg->headers[i];
		sip_str name =
			sip_str_of(msg->bytes + header->name_at, header->name_len);

		if (header->id != SIP_H_OTHER)
			name = sip_header_name((enum sip_header_id)header->id);
		if (name.len > 8 &&
		    sip_str_ieq(sip_str_of(name.p, 8), SIP_STR("Content-")) &&
		    header->id != SIP_H_CONTENT_LENGTH)
			add_header(L, &description, name,
			           sip_header_value(msg, header));
	}
	lua_setfield(L, -2, "headers");
	if (fill(L, &reading, &description, msg->body, 0))
		return 1;
	lua_settop(L, top);
	lua_pushnil(L);
	l_push_refusal(L, &reading.refusal);
	return 2;
}

static int l_content(lua_State *L)
{
	const struct sip_msg *msg = l_peek_msg(L, 1);

	return msg ? push_content(L, msg) : l_msg_gone(L);
}

/* Replace the part on top by the first one of this type among it and those in it, or
 * by nil.  A tree is no deeper than SIP_BODY_DEPTH_MAX. */
static void find_part(lua_State *L, sip_str wanted)
{
	sip_str type;

	lua_getfield(L, -1, "type");
	type = l_check_str(L, -1);
	lua_pop(L, 1); /* the part keeps it */
	if (sip_str_ieq(type, wanted))
		return;
	if (lua_getfield(L, -1, "parts") == LUA_TTABLE) {
		luaL_checkstack(L, 4, "parts in parts");
		for (lua_Integer i = 1; lua_rawgeti(L, -1, i) != LUA_TNIL; i++) {
			find_part(L, wanted);
			if (!lua_isnil(L, -1)) {
				lua_replace(L, -3);
				lua_pop(L, 1);
				return;
			}
			lua_pop(L, 1);
		}
		lua_pop(L, 1);
	}
	lua_pop(L, 2);
	lua_pushnil(L);
}

static int l_part(lua_State *L)
{
	const struct sip_msg *msg = l_peek_msg(L, 1);
	const sip_str wanted = l_check_str(L, 2);
	int count;

	if (!msg)
		return l_msg_gone(L);
	count = push_content(L, msg);
	if (count == 1 && !lua_isnil(L, -1))
		find_part(L, wanted);
	return count;
}

/* --- writing ------------------------------------------------------------------------
 */

/* The parts at `list`: their number, and an array that is pushed and borrows from it.
 */
struct written {
	const struct sip_field *fields;
	unsigned field_count;
	sip_str body;
};

enum { WRITTEN_MAX = 1000 }; /* each takes a place on Lua's stack */

static unsigned read_parts(lua_State *L, int list, struct written **parts)
{
	const size_t count = lua_rawlen(L, list);

	luaL_argcheck(L, count > 0, list, "a multipart body wants a part");
	luaL_argcheck(L, count <= WRITTEN_MAX, list, "too many parts");
	luaL_checkstack(L, (int)count + 8, "too many parts");
	*parts = lua_newuserdatauv(L, count * sizeof **parts, 0);
	for (size_t i = 0; i < count; i++) {
		struct written *part = &(*parts)[i];
		int at;

		lua_rawgeti(L, list, (lua_Integer)i + 1);
		luaL_checktype(L, -1, LUA_TTABLE);
		at = lua_gettop(L);
		part->body = l_opt_field(L, at, "body");
		part->field_count = l_check_fields(L, at, "headers", &part->fields);
		if (part->field_count > 0) /* the array stays, the part is the list's */
			lua_remove(L, at);
		else
			lua_settop(L, at - 1);
	}
	return (unsigned)count;
}

static void write_parts(struct sip_out *out, sip_str boundary,
                        const struct written *parts, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		sip_write_delimiter(out, boundary, i == 0);
		for (unsigned j = 0; j < parts[i].field_count; j++)
			sip_write_field(out, &parts[i].fields[j]);
		sip_out_lit(out, "\r\n");
		sip_out_str(out, parts[i].body);
	}
	sip_write_close_delimiter(out, boundary);
}

static bool is_free(sip_str boundary, const struct written *parts, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		if (sip_boundary_is_in(boundary, parts[i].body))
			return false;
	}
	return true;
}

enum { MADE_LEN = 13 }; /* of a boundary that was made: 64 bits */

/* The given boundary, or one that no part holds: made of what they hold, so that
 * nobody can put it into a part on purpose, and the same for the same parts. */
static sip_str choose_boundary(lua_State *L, sip_str given, char text[MADE_LEN],
                               const struct written *parts, unsigned count)
{
	static const char letters[] = "0123456789abcdefghijklmnopqrstuv";
	struct sip_hash_key key = { { 0, 0 } };
	uint64_t hash;

	if (given.len > 0) {
		if (!sip_boundary_is_good(given))
			luaL_error(L, "this boundary has a character that none may "
			              "have, or is too long");
		if (!is_free(given, parts, count))
			luaL_error(L, "the boundary stands in a part");
		return given;
	}
	do {
		for (unsigned i = 0; i < count; i++)
			key.k[0] = sip_hash(&key, parts[i].body.p, parts[i].body.len);
		key.k[1]++;
		hash = key.k[0];
		for (size_t i = 0; i < MADE_LEN; i++, hash >>= 5)
			text[i] = letters[hash & 31];
	} while (!is_free(sip_str_of(text, MADE_LEN), parts, count));
	return sip_str_of(text, MADE_LEN);
}

/* core.write_multipart { boundary, { headers, body } ... } -> bytes, boundary */
static int l_write_multipart(lua_State *L)
{
	struct written *parts;
	unsigned count;
	sip_str boundary;
	char text[MADE_LEN];
	struct sip_out out;
	luaL_Buffer buffer;
	size_t len;

	luaL_checktype(L, 1, LUA_TTABLE);
	lua_settop(L, 1);
	boundary = l_opt_field(L, 1, "boundary");
	count = read_parts(L, 1, &parts);
	boundary = choose_boundary(L, boundary, text, parts, count);
	sip_out_init(&out, NULL, 0);
	write_parts(&out, boundary, parts, count);
	if (out.why)
		return luaL_error(L, "refused: %s", out.why);
	len = out.len;
	sip_out_init(&out, luaL_buffinitsize(L, &buffer, len), len);
	write_parts(&out, boundary, parts, count);
	luaL_pushresultsize(&buffer, out.len);
	l_push_str(L, boundary);
	return 2;
}

void l_body_methods(lua_State *L)
{
	static const luaL_Reg methods[] = {
		{ "content", l_content },
		{ "part", l_part },
		{ NULL, NULL },
	};

	luaL_setfuncs(L, methods, 0);
}

void l_body_open(lua_State *L)
{
	lua_pushcfunction(L, l_write_multipart);
	lua_setfield(L, -2, "write_multipart");
}
