/* l_test_file.c - the files of a bare loop for specs: methods of "sip.test.Net". */
#include "bind/l_str.h"
#include "bind/l_test_net.h"

#include <string.h>

struct file_call {
	struct sip_file_req req;
	struct l_test_net *net;
	struct file_call *next;
	uint64_t token;
	const char *name;
	char why[200];
	size_t size;
	char bytes[];
};

static void push_call(lua_State *L, const struct file_call *call)
{
	lua_newtable(L);
	lua_pushliteral(L, "file");
	lua_setfield(L, -2, "kind");
	lua_pushstring(L, call->name);
	lua_setfield(L, -2, "op");
	lua_pushinteger(L, (lua_Integer)call->token);
	lua_setfield(L, -2, "token");
	if (call->req.err != SIP_OK) {
		lua_pushstring(L, sip_err_name(call->req.err));
		lua_setfield(L, -2, "err");
		lua_pushstring(L, call->why);
		lua_setfield(L, -2, "why");
		return;
	}
	lua_pushinteger(L, call->req.file);
	lua_setfield(L, -2, "file");
	lua_pushinteger(L, (lua_Integer)call->req.size);
	lua_setfield(L, -2, "size");
	lua_pushlstring(L, call->bytes, call->req.len);
	lua_setfield(L, -2, "bytes");
}

lua_Integer l_test_files_push(lua_State *L, const struct l_test_net *net, lua_Integer n)
{
	for (const struct file_call *call = net->file_first; call; call = call->next) {
		push_call(L, call);
		lua_seti(L, -2, ++n);
	}
	return n;
}

void l_test_files_drop(struct l_test_net *net)
{
	while (net->file_first) {
		struct file_call *call = net->file_first;

		net->file_first = call->next;
		sip_free(&net->heap, call, call->size);
	}
	net->file_last = &net->file_first;
}

static void on_file(struct sip_file_req *req)
{
	struct file_call *call = (struct file_call *)(void *)req;

	if (req->why)
		strncpy(call->why, req->why, sizeof call->why - 1);
	*call->net->file_last = call;
	call->net->file_last = &call->next;
}

static struct file_call *file_call(lua_State *L, struct l_test_net *net,
                                   const char *name, uint64_t token, size_t len)
{
	const size_t size = sizeof(struct file_call) + len;
	struct file_call *call = sip_alloc0(&net->heap, size);

	if (!call) {
		luaL_error(L, "no memory");
		return NULL; /* never reached */
	}
	call->req.done = on_file;
	call->req.bytes = call->bytes;
	call->req.len = len;
	call->net = net;
	call->name = name;
	call->token = token;
	call->size = size;
	return call;
}

/* net:file_open(path, "r"|"w", token) */
static int l_file_open(lua_State *L)
{
	struct l_test_net *net = l_test_net_check(L);
	const sip_str path = l_check_str(L, 2);
	const bool write = *luaL_checkstring(L, 3) == 'w';
	const uint64_t token = (uint64_t)luaL_checkinteger(L, 4);
	struct sip_files *files = net_loop_files(net->loop);
	struct file_call *call = file_call(L, net, "open", token, 0);

	files->ops->open(files, path, write ? SIP_FILE_WRITE : SIP_FILE_READ,
	                 &call->req);
	return 0;
}

/* net:file_read(file, at, len, token) */
static int l_file_read(lua_State *L)
{
	struct l_test_net *net = l_test_net_check(L);
	const uint32_t file = (uint32_t)luaL_checkinteger(L, 2);
	const uint64_t at = (uint64_t)luaL_checkinteger(L, 3);
	const size_t len = (size_t)luaL_checkinteger(L, 4);
	const uint64_t token = (uint64_t)luaL_checkinteger(L, 5);
	struct sip_files *files = net_loop_files(net->loop);
	struct file_call *call = file_call(L, net, "read", token, len);

	call->req.file = file;
	call->req.at = at;
	files->ops->read(files, &call->req);
	return 0;
}

/* net:file_write(file, at, bytes, token) */
static int l_file_write(lua_State *L)
{
	struct l_test_net *net = l_test_net_check(L);
	const uint32_t file = (uint32_t)luaL_checkinteger(L, 2);
	const uint64_t at = (uint64_t)luaL_checkinteger(L, 3);
	const sip_str bytes = l_check_str(L, 4);
	const uint64_t token = (uint64_t)luaL_checkinteger(L, 5);
	struct sip_files *files = net_loop_files(net->loop);
	struct file_call *call = file_call(L, net, "write", token, bytes.len);

	if (call && bytes.len > 0)
		memcpy(call->bytes, bytes.p, bytes.len);
	call->req.file = file;
	call->req.at = at;
	files->ops->write(files, &call->req);
	return 0;
}

/* net:file_close(file, token) */
static int l_file_close(lua_State *L)
{
	struct l_test_net *net = l_test_net_check(L);
	const uint32_t file = (uint32_t)luaL_checkinteger(L, 2);
	const uint64_t token = (uint64_t)luaL_checkinteger(L, 3);
	struct sip_files *files = net_loop_files(net->loop);
	struct file_call *call = file_call(L, net, "close", token, 0);

	call->req.file = file;
	files->ops->close(files, &call->req);
	return 0;
}

const luaL_Reg l_test_file_methods[] = {
	{ "file_open", l_file_open },
	{ "file_read", l_file_read },
	{ "file_write", l_file_write },
	{ "file_close", l_file_close },
	{ NULL, NULL },
};
