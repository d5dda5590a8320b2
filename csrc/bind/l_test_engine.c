/* l_test_engine.c - one engine with its desk, for specs: userdata "sip.test.End".
 *
 * Time, packets and files are the spec's: what is sent is kept until asked for, and
 * what is wanted of files waits until a function answers it.
 */
#include "base/list.h"
#include "bind/l_media.h"
#include "bind/l_test.h"
#include "media/desk.h"
#include "media/engine.h"

#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>

#define L_END "sip.test.End"

enum { SESSIONS = 4, PORTS = 16, PENDING = 64 };

struct sent {
	struct sent *next;
	uint32_t port;
	bool rtcp;
	struct sip_addr to;
	size_t len;
	char bytes[];
};

enum operation { OPEN_READ, OPEN_WRITE, READ, WRITE, CLOSE };

struct asked {
	enum operation operation;
	struct sip_file_req *req;
	char path[200];
};

struct l_end {
	struct sip_alloc heap;
	struct sip_failing_alloc alloc, engine_alloc;
	struct sip_seeded_random random;
	struct rtp_wire wire;
	struct media_ports ports;
	struct sip_files files;
	struct media_link link;
	struct rtp_engine *engine;
	struct media_desk *desk;
	struct sent *sent, **sent_tail;
	struct asked asked[PENDING];
	unsigned asked_count;
	bool port_used[PORTS];
	bool no_ports, woken, linked;
};

/* ---- the seams ---- */

static void wire_send(struct rtp_wire *wire, uint32_t port, bool rtcp,
                      const struct sip_addr *to, const void *bytes, size_t len)
{
	struct l_end *end = SIP_CONTAINER(wire, struct l_end, wire);
	struct sent *sent = sip_alloc(&end->heap, sizeof *sent + len);

	if (!sent)
		return;
	*sent = (struct sent){ .port = port, .rtcp = rtcp, .to = *to, .len = len };
	memcpy(sent->bytes, bytes, len);
	*end->sent_tail = sent;
	end->sent_tail = &sent->next;
}

static void wire_notify(struct rtp_wire *wire, bool reports)
{
	(void)wire;
	(void)reports;
}

static sip_err ports_open(struct media_ports *ports, const struct sip_addr *host,
                          uint32_t *port, struct sip_addr *bound, const char **why)
{
	struct l_end *end = SIP_CONTAINER(ports, struct l_end, ports);

	for (uint32_t i = 0; i < PORTS && !end->no_ports; i++) {
		if (end->port_used[i])
			continue;
		end->port_used[i] = true;
		*port = i;
		*bound = *host;
		bound->port = (uint16_t)(10000 + 2 * i);
		return SIP_OK;
	}
	*why = "no free RTP port";
	return SIP_EWIRE;
}

static void ports_close(struct media_ports *ports, uint32_t port)
{
	SIP_CONTAINER(ports, struct l_end, ports)->port_used[port] = false;
}

static void ports_wake(struct media_ports *ports)
{
	SIP_CONTAINER(ports, struct l_end, ports)->woken = true;
}

static void ask(struct sip_files *files, enum operation operation, sip_str path,
                struct sip_file_req *req)
{
	struct l_end *end = SIP_CONTAINER(files, struct l_end, files);
	struct asked *asked = &end->asked[end->asked_count++];

	if (end->asked_count > PENDING)
		abort();
	*asked = (struct asked){ .operation = operation, .req = req };
	if (path.len > 0 && path.len < sizeof asked->path)
		memcpy(asked->path, path.p, path.len);
}

static void files_open(struct sip_files *files, sip_str path, enum sip_file_mode mode,
                       struct sip_file_req *req)
{
	ask(files, mode == SIP_FILE_READ ? OPEN_READ : OPEN_WRITE, path, req);
}

static void files_read(struct sip_files *files, struct sip_file_req *req)
{
	ask(files, READ, (sip_str){ 0 }, req);
}

static void files_write(struct sip_files *files, struct sip_file_req *req)
{
	ask(files, WRITE, (sip_str){ 0 }, req);
}

static void files_close(struct sip_files *files, struct sip_file_req *req)
{
	ask(files, CLOSE, (sip_str){ 0 }, req);
}

static const struct rtp_wire_ops wire_ops = { wire_send, wire_notify };
static const struct media_ports_ops port_ops = { ports_open, ports_close, ports_wake };
static const struct sip_files_ops file_ops = { files_open, files_read, files_write,
	                                       files_close };

/* ---- the object ---- */

static struct l_end *check(lua_State *L)
{
	struct l_end *end = luaL_checkudata(L, 1, L_END);

	luaL_argcheck(L, end->engine && end->desk, 1, "it has ended");
	return end;
}

static bool end_start(struct l_end *end, uint64_t seed, size_t cache_bytes)
{
	sip_alloc_init(&end->heap);
	sip_failing_alloc_init(&end->alloc, &end->heap);
	sip_failing_alloc_init(&end->engine_alloc, &end->heap);
	sip_seeded_random_init(&end->random, seed);
	end->sent_tail = &end->sent;
	end->wire.ops = &wire_ops;
	end->ports.ops = &port_ops;
	end->files.ops = &file_ops;
	if (media_link_init(&end->link, &end->alloc.alloc))
		return false;
	end->linked = true;
	end->engine = rtp_engine_new(&(struct rtp_engine_config){
		.alloc = &end->engine_alloc.alloc,
		.random = &end->random.random,
		.wire = &end->wire,
		.link = &end->link,
		.sessions_max = SESSIONS,
		.ports_max = PORTS,
	});
	end->desk = media_desk_new(&(struct media_desk_config){
		.alloc = &end->alloc.alloc,
		.files = &end->files,
		.ports = &end->ports,
		.link = &end->link,
		.sessions_max = SESSIONS,
		.cache_bytes = cache_bytes,
	});
	return end->engine && end->desk;
}

/* engine.new{ seed, cache } -> End */
static int l_end_new(lua_State *L)
{
	struct l_end *end;
	lua_Integer seed, cache;

	luaL_checktype(L, 1, LUA_TTABLE);
	lua_getfield(L, 1, "seed");
	lua_getfield(L, 1, "cache");
	seed = luaL_optinteger(L, -2, 1);
	cache = luaL_optinteger(L, -1, 0);
	end = lua_newuserdatauv(L, sizeof *end, 1);
	memset(end, 0, sizeof *end);
	luaL_setmetatable(L, L_END);
	if (!end_start(end, (uint64_t)seed, (size_t)cache))
		return luaL_error(L, "no memory");
	l_media_push(L, end->desk);
	lua_setiuservalue(L, -2, 1);
	return 1;
}

static struct sent *sent_take(struct l_end *end)
{
	struct sent *sent = end->sent;

	if (sent) {
		end->sent = sent->next;
		if (!end->sent)
			end->sent_tail = &end->sent;
	}
	return sent;
}

/* end:finish() -> bytes and blocks that are still held; also __gc */
static int l_end_finish(lua_State *L)
{
	struct l_end *end = luaL_checkudata(L, 1, L_END);

	if (lua_getiuservalue(L, 1, 1) == LUA_TUSERDATA)
		l_media_detach(L, -1);
	for (struct sent *sent = sent_take(end); sent; sent = sent_take(end))
		sip_free(&end->heap, sent, sizeof *sent + sent->len);
	rtp_engine_free(end->engine);
	media_desk_free(end->desk);
	end->engine = NULL;
	end->desk = NULL;
	if (end->linked)
		media_link_fini(&end->link);
	end->linked = false;
	lua_pushinteger(L, (lua_Integer)end->heap.used);
	lua_pushinteger(L, (lua_Integer)end->heap.count);
	return 2;
}

/* end:media() -> sip.Media */
static int l_end_media(lua_State *L)
{
	(void)check(L); /* it has not ended */
	lua_getiuservalue(L, 1, 1);
	return 1;
}

/* end:advance(now_us) */
static int l_end_advance(lua_State *L)
{
	struct l_end *end = check(L);

	end->woken = false;
	rtp_engine_advance(end->engine, (uint64_t)luaL_checkinteger(L, 2));
	return 0;
}

/* end:deadline() -> us | nil, woken */
static int l_end_deadline(lua_State *L)
{
	const struct l_end *end = check(L);
	const uint64_t deadline = rtp_engine_deadline(end->engine);

	if (deadline == UINT64_MAX)
		lua_pushnil(L);
	else
		lua_pushinteger(L, (lua_Integer)deadline);
	lua_pushboolean(L, end->woken);
	return 2;
}

/* end:input(now_us, port, rtcp, host, host_port, bytes) */
static int l_end_input(lua_State *L)
{
	struct l_end *end = check(L);
	struct sip_addr from;
	size_t host_len, len;
	const char *host = luaL_checklstring(L, 5, &host_len);
	const char *bytes = luaL_checklstring(L, 7, &len);

	luaL_argcheck(L, sip_addr_parse(sip_str_of(host, host_len), &from), 5, "no IP");
	from.port = (uint16_t)luaL_checkinteger(L, 6);
	rtp_engine_input(end->engine, (uint64_t)luaL_checkinteger(L, 2),
	                 (uint32_t)((luaL_checkinteger(L, 3) - 10000) / 2),
	                 lua_toboolean(L, 4), &from, bytes, len);
	return 0;
}

/* end:sent() -> { port, rtcp, host, host_port, bytes } | nil: the oldest */
static int l_end_sent(lua_State *L)
{
	struct l_end *end = check(L);
	const struct sent *sent = end->sent;
	char host[SIP_ADDR_TEXT_MAX];

	if (!sent)
		return 0;
	lua_createtable(L, 0, 5);
	lua_pushinteger(L, 10000 + 2 * (lua_Integer)sent->port);
	lua_setfield(L, -2, "port");
	lua_pushboolean(L, sent->rtcp);
	lua_setfield(L, -2, "rtcp");
	lua_pushlstring(L, host, sip_addr_write_host(&sent->to, host, false));
	lua_setfield(L, -2, "host");
	lua_pushinteger(L, sent->to.port);
	lua_setfield(L, -2, "host_port");
	lua_pushlstring(L, sent->bytes, sent->len);
	lua_setfield(L, -2, "bytes");
	sip_free(&end->heap, sent_take(end), sizeof *sent + sent->len);
	return 1;
}

/* end:next(now_ms) -> what the dispatch function is called with; nothing: nothing */
static int l_end_next(lua_State *L)
{
	struct l_end *end = check(L);
	struct media_event event;

	if (!media_desk_next(end->desk, (uint64_t)luaL_checkinteger(L, 2), &event))
		return 0;
	lua_getiuservalue(L, 1, 1);
	return l_media_push_event(L, -1, &event);
}

/* end:asked() -> operation, path or file, at, bytes or length; the oldest */
static int l_end_asked(lua_State *L)
{
	static const char *const names[] = { "open", "create", "read", "write",
		                             "close" };
	const struct l_end *end = check(L);
	const struct asked *asked = &end->asked[0];

	if (end->asked_count == 0)
		return 0;
	lua_pushstring(L, names[asked->operation]);
	if (asked->operation <= OPEN_WRITE)
		lua_pushstring(L, asked->path);
	else
		lua_pushinteger(L, asked->req->file);
	lua_pushinteger(L, (lua_Integer)asked->req->at);
	if (asked->operation == WRITE)
		lua_pushlstring(L, asked->req->bytes, asked->req->len);
	else
		lua_pushinteger(L, (lua_Integer)asked->req->len);
	return 4;
}

/* end:answer{ why, file, size, version, bytes }: what end:asked() gave */
static int l_end_answer(lua_State *L)
{
	struct l_end *end = check(L);
	struct sip_file_req *req = end->asked[0].req;
	size_t len;
	const char *bytes;

	luaL_checktype(L, 2, LUA_TTABLE);
	luaL_argcheck(L, end->asked_count > 0, 1, "nothing was asked");
	lua_settop(L, 2);
	lua_getfield(L, 2, "why");
	lua_getfield(L, 2, "file");
	lua_getfield(L, 2, "size");
	lua_getfield(L, 2, "version");
	lua_getfield(L, 2, "bytes");
	bytes = luaL_optlstring(L, 7, "", &len);
	req->why = lua_tostring(L, 3);
	req->err = req->why ? SIP_EWIRE : SIP_OK;
	if (end->asked[0].operation <= OPEN_WRITE) {
		req->file = (uint32_t)luaL_optinteger(L, 4, 0);
		req->size = (uint64_t)luaL_optinteger(L, 5, 0);
		req->version = (uint64_t)luaL_optinteger(L, 6, 0);
	} else if (end->asked[0].operation == READ) {
		luaL_argcheck(L, len <= req->len, 2, "more than was asked for");
		memcpy(req->bytes, bytes, len);
		req->len = len;
	}
	end->asked_count--;
	memmove(end->asked, end->asked + 1, end->asked_count * sizeof end->asked[0]);
	req->done(req);
	return 0;
}

/* end:fail(n, engine): the n-th allocation from now on fails, once; 0: none */
static int l_end_fail(lua_State *L)
{
	struct l_end *end = check(L);
	struct sip_failing_alloc *alloc =
		lua_toboolean(L, 3) ? &end->engine_alloc : &end->alloc;

	alloc->calls = 0;
	alloc->fail_at = (uint64_t)luaL_checkinteger(L, 2);
	return 0;
}

/* end:failed() -> has the allocation that was to fail been reached */
static int l_end_failed(lua_State *L)
{
	const struct l_end *end = check(L);

	lua_pushboolean(L, end->alloc.fail_at > 0 &&
	                           end->alloc.calls >= end->alloc.fail_at);
	return 1;
}

/* end:held() -> bytes */
static int l_end_held(lua_State *L)
{
	lua_pushinteger(L, (lua_Integer)check(L)->heap.used);
	return 1;
}

/* end:no_ports(none) */
static int l_end_no_ports(lua_State *L)
{
	check(L)->no_ports = lua_toboolean(L, 2);
	return 0;
}

/* end:close(): every session */
static int l_end_close(lua_State *L)
{
	media_desk_close(check(L)->desk);
	return 0;
}

/* end:idle() -> of the desk, sessions in the engine, ports in use */
static int l_end_idle(lua_State *L)
{
	const struct l_end *end = check(L);
	lua_Integer used = 0;

	for (unsigned i = 0; i < PORTS; i++)
		used += end->port_used[i];
	lua_pushboolean(L, media_desk_idle(end->desk));
	lua_pushinteger(L, rtp_engine_sessions(end->engine));
	lua_pushinteger(L, used);
	return 3;
}

int l_test_engine(lua_State *L)
{
	static const luaL_Reg methods[] = {
		{ "finish", l_end_finish },     { "media", l_end_media },
		{ "advance", l_end_advance },   { "deadline", l_end_deadline },
		{ "input", l_end_input },       { "sent", l_end_sent },
		{ "next", l_end_next },         { "asked", l_end_asked },
		{ "answer", l_end_answer },     { "fail", l_end_fail },
		{ "no_ports", l_end_no_ports }, { "close", l_end_close },
		{ "idle", l_end_idle },         { "failed", l_end_failed },
		{ "held", l_end_held },         { NULL, NULL },
	};

	l_test_class(L, L_END, methods);
	luaL_getmetatable(L, L_END);
	lua_pushcfunction(L, l_end_finish);
	lua_setfield(L, -2, "__gc");
	lua_pop(L, 1);
	lua_newtable(L);
	lua_pushcfunction(L, l_end_new);
	lua_setfield(L, -2, "new");
	return 1;
}
