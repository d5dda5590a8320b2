/* l_test_event.c - what a bare wire has told: noted while its loop is polled, pushed
 * afterwards. */
#include "bind/l_names.h"
#include "bind/l_str.h"
#include "bind/l_test_net.h"

#include <string.h>

struct seen {
	struct seen *next;
	struct sip_wire_event event;
	char why[400];
	char names[256];
	size_t names_len;
	char origin[256], target[256], cookie[256]; /* each with a NUL */
	struct sip_record records[SIP_RECORDS_MAX];
	size_t size;
	char bytes[];
};

/* What does not fit is left out. */
static void keep_text(char kept[256], sip_str text)
{
	if (text.len > 0 && text.len < 256)
		memcpy(kept, text.p, text.len);
}

void l_test_event_note(struct l_test_net *net, const struct sip_wire_event *event)
{
	const size_t size = sizeof(struct seen) + event->bytes.len;
	struct seen *seen = sip_alloc0(&net->heap, size);

	if (!seen)
		return;
	seen->size = size;
	seen->event = *event;
	if (event->why)
		strncpy(seen->why, event->why, sizeof seen->why - 1);
	if (event->names.len > 0 && event->names.len <= sizeof seen->names) {
		seen->names_len = event->names.len;
		memcpy(seen->names, event->names.p, event->names.len);
	}
	keep_text(seen->target, event->handshake.target);
	keep_text(seen->origin, event->handshake.origin);
	keep_text(seen->cookie, event->handshake.cookie);
	if (event->record_count > 0)
		memcpy(seen->records, event->records,
		       event->record_count * sizeof *event->records);
	if (event->bytes.len > 0)
		memcpy(seen->bytes, event->bytes.p, event->bytes.len);
	*net->last = seen;
	net->last = &seen->next;
}

static void set_addr(lua_State *L, const char *field, const struct sip_addr *addr)
{
	char text[SIP_ADDR_TEXT_MAX];

	if (addr->family == 0)
		return;
	lua_pushlstring(L, text, sip_addr_write(addr, text));
	lua_setfield(L, -2, field);
}

static void set_records(lua_State *L, const struct seen *seen)
{
	lua_newtable(L);
	for (size_t i = 0; i < seen->event.record_count; i++) {
		const struct sip_record *record = &seen->records[i];

		l_push_record(L, record);
		if (!lua_istable(L, -1)) {
			lua_newtable(L);
			lua_insert(L, -2);
			lua_setfield(L, -2, "host");
		}
		lua_pushinteger(L, record->ttl_s);
		lua_setfield(L, -2, "ttl");
		lua_seti(L, -2, (lua_Integer)i + 1);
	}
	lua_setfield(L, -2, "records");
	if (seen->event.record_count == 0) {
		lua_pushinteger(L, seen->event.ttl_s);
		lua_setfield(L, -2, "ttl");
	}
}

static void set_text(lua_State *L, const char *field, const char *text)
{
	if (!text[0])
		return;
	lua_pushstring(L, text);
	lua_setfield(L, -2, field);
}

static void push_seen(lua_State *L, const struct seen *seen)
{
	static const char *const kinds[] = {
		[SIP_WIRE_OPENED] = "opened", [SIP_WIRE_BYTES] = "bytes",
		[SIP_WIRE_FAILED] = "failed", [SIP_WIRE_DRAINED] = "drained",
		[SIP_WIRE_CLOSED] = "closed", [SIP_WIRE_RECORDS] = "records",
		[SIP_WIRE_NOTICE] = "notice", [SIP_WIRE_REFUSED] = "refused",
	};
	const struct sip_wire_event *event = &seen->event;

	lua_newtable(L);
	lua_pushstring(L, kinds[event->kind]);
	lua_setfield(L, -2, "kind");
	lua_pushinteger(L, event->path.id);
	lua_setfield(L, -2, "id");
	lua_pushinteger(L, (lua_Integer)event->token);
	lua_setfield(L, -2, "token");
	set_addr(L, "from", &event->path.remote);
	set_addr(L, "at", &event->path.local);
	if (event->err != SIP_OK) {
		lua_pushstring(L, sip_err_name(event->err));
		lua_setfield(L, -2, "err");
	}
	if (event->why) {
		lua_pushstring(L, seen->why);
		lua_setfield(L, -2, "why");
	}
	if (seen->names_len > 0) {
		lua_pushlstring(L, seen->names, seen->names_len);
		lua_setfield(L, -2, "names");
	}
	set_text(L, "target", seen->target);
	set_text(L, "origin", seen->origin);
	set_text(L, "cookie", seen->cookie);
	if (event->kind == SIP_WIRE_BYTES) {
		lua_pushlstring(L, seen->bytes, event->bytes.len);
		lua_setfield(L, -2, "bytes");
	}
	if (event->kind == SIP_WIRE_RECORDS)
		set_records(L, seen);
}

lua_Integer l_test_events_push(lua_State *L, const struct l_test_net *net,
                               lua_Integer n)
{
	for (const struct seen *seen = net->first; seen; seen = seen->next) {
		push_seen(L, seen);
		lua_seti(L, -2, ++n);
	}
	return n;
}

void l_test_events_drop(struct l_test_net *net)
{
	while (net->first) {
		struct seen *seen = net->first;

		net->first = seen->next;
		sip_free(&net->heap, seen, seen->size);
	}
	net->last = &net->first;
}
