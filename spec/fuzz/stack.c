/* A stack in a simulated world, driven by a script of bytes: packets made from a
 * dictionary and spoilt, raw bytes, time, answers, requests of its own, requests and
 * responses passed on with and without transactions, hosts that go down, and memory
 * that fails once.  No order of these may crash it; and when the script is over,
 * everything that it started is over 200 virtual seconds later, and nothing is left; or
 * all of it ends in the middle, and nothing is left either. */
#include "sim/world.h"
#include "stack/forward.h"
#include "stack/keepalive.h"
#include "stack/reply.h"
#include "stack/token.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { TX_MAX = 32, HEARD_MAX = 8, CONNS = 4, BYTES_MAX = 4096, OPS_MAX = 200 };
enum { TLS_PORT = 5061, WS_PORT = 5062 };

struct heard {
	struct sip_path path;
	size_t len;
	char bytes[BYTES_MAX];
};

/* A request that was passed on: the response goes back through the server. */
struct pair {
	uint64_t client; /* its serial */
	struct sip_tx *server;
};

struct fuzz {
	const uint8_t *data;
	size_t size, at;
	struct sip_alloc heap;
	struct sip_failing_alloc failing;
	struct sim_world *world;
	struct sim_host *near_host, *far_host;
	unsigned lookups;
	struct sip_wire_sink near_sink, far_sink;
	struct sip_wire *near, *far;
	struct sip_stack *stack;
	struct sip_addr near_at, far_at;
	uint32_t far_socket, conns[CONNS];
	struct sip_tx *txs[TX_MAX];
	struct pair pairs[TX_MAX];
	unsigned tx_count, pair_count, heard_at;
	bool settling, relays, abrupt;
	uint64_t way_kept; /* the id of the last keep-alive */
	struct heard heard[HEARD_MAX];
};

#define must(cond) ((cond) ? (void)0 : fail(#cond, __LINE__))

static void fail(const char *what, int line)
{
	fprintf(stderr, "stack.c:%d: %s\n", line, what);
	abort();
}

static unsigned take(struct fuzz *f)
{
	return f->at < f->size ? f->data[f->at++] : 0;
}

static uint64_t now_ms(const struct fuzz *f)
{
	return sim_world_now_us(f->world) / 1000;
}

static void near_event(struct sip_wire_sink *sink, const struct sip_wire_event *event)
{
	struct fuzz *f = SIP_CONTAINER(sink, struct fuzz, near_sink);

	if (f->stack)
		sip_stack_input(f->stack, now_ms(f), event);
}

static void far_event(struct sip_wire_sink *sink, const struct sip_wire_event *event)
{
	struct fuzz *f = SIP_CONTAINER(sink, struct fuzz, far_sink);
	struct heard *heard = &f->heard[f->heard_at % HEARD_MAX];

	if (event->kind == SIP_WIRE_OPENED)
		f->conns[event->path.id % CONNS] = event->path.id;
	if (event->kind != SIP_WIRE_BYTES || event->bytes.len > BYTES_MAX)
		return;
	f->heard_at++;
	heard->path = event->path;
	heard->len = event->bytes.len;
	memcpy(heard->bytes, event->bytes.p, event->bytes.len);
}

static void forget(struct fuzz *f, unsigned i)
{
	sip_tx_unref(f->txs[i]);
	f->txs[i] = f->txs[--f->tx_count];
}

static void keep(struct fuzz *f, struct sip_tx *tx)
{
	if (f->tx_count == TX_MAX)
		return;
	f->txs[f->tx_count++] = sip_tx_ref(tx);
}

static void answer(struct sip_stack *stack, struct sip_tx *tx, uint16_t status,
                   bool until_ack)
{
	const struct sip_response_spec spec = { .status = status };
	const char *why;

	(void)sip_stack_respond(stack, tx, &spec, until_ack, &why); /* or refused */
}

/* The way to the other end of a call comes back as it was put into a token, and a token
 * of which a letter is another leads nowhere. */
static void check_token(struct fuzz *f, struct sip_msg *request)
{
	struct sip_way way = {
		.target = { .transport = SIP_TCP, .remote = f->far_at, .flow = 7 },
		.sole = true
	};
	char mark[SIP_SEAL_LEN], token[SIP_TOKEN_MAX], params[160];
	struct sip_way back;
	sip_str all;
	size_t len;

	if (!sip_msg_from(request))
		return;
	if (request->len % 2) { /* with the address of ours */
		way.target.transport = SIP_UDP;
		way.target.local = f->far_at;
		way.target.local.port = 0;
	}
	len = sip_stack_token(f->stack, request, false, &way, token);
	sip_stack_mark(f->stack, request, mark);
	must(sip_stack_is_marked(f->stack, request, sip_str_of(mark, sizeof mark)));
	all.p = params;
	all.len = (size_t)snprintf(params, sizeof params, "lr;mark=%.*s;callee=%.*s",
	                           (int)sizeof mark, mark, (int)len, token);
	must(sip_stack_token_way(f->stack, request, all, &back));
	must(back.target.flow == 7 && back.sole &&
	     sip_addr_eq(&back.target.remote, &f->far_at) &&
	     sip_addr_eq(&back.target.local, &way.target.local));
	params[all.len - len] = params[all.len - len] == 'a' ? 'b' : 'a';
	must(!sip_stack_token_way(f->stack, request, all, &back));
}

/* What nobody keeps is answered at once: a user owes each request an answer. */
static void on_request(struct fuzz *f, struct sip_tx *tx)
{
	const bool late = tx->serial % 5 == 0 || f->tx_count == TX_MAX || f->settling;

	check_token(f, tx->request);
	for (unsigned tries = 0; late && tries < 2 && !tx->final; tries++)
		answer(f->stack, tx, 404, false); /* memory fails but once */
	if (!late)
		keep(f, tx);
}

/* ---- passing on ---- */

static const struct sip_edit edits[] = {
	{ SIP_EDIT_SET, { "X-One", 5 }, { "1", 1 } },
	{ SIP_EDIT_FIRST, { "Record-Route", 12 }, { "<sip:us;lr>", 11 } },
	{ SIP_EDIT_REMOVE, { "Timestamp", 9 }, { "", 0 } },
	{ SIP_EDIT_ADD, { "Record-Route", 12 }, { "<sip:we;lr>", 11 } },
};

static struct sip_forward_spec forward_spec(unsigned how)
{
	return (struct sip_forward_spec){ .max_forwards = how & 1 ? 9 : -1,
		                          .edits = edits,
		                          .edit_count = (how & 7) % 5 };
}

/* Where the far host listens; over TLS it is wanted by a name, or by none. */
static struct sip_target target_of(const struct fuzz *f, unsigned how)
{
	struct sip_target target = { .transport = how & 128 ? SIP_TCP : SIP_UDP,
		                     .remote = f->far_at };

	if (how & 64) {
		target.transport = SIP_TLS;
		target.remote.port = TLS_PORT;
		target.server_name = how & 128 ? SIP_STR("far.example") : SIP_STR("");
	}
	return target;
}

/* A response that was astray has three places, one of each kind. */
static void give_back(struct fuzz *f, const struct sip_event *event)
{
	const struct sip_target target = target_of(f, (unsigned)event->token * 64 + 64);
	const char *why = NULL;

	must(event->msg && !sip_msg_is_request(event->msg));
	if (event->token < 3 &&
	    sip_stack_return(f->stack, event->msg, &target, (unsigned)event->token + 1,
	                     &why) != SIP_OK)
		must(why != NULL);
}

static void forward(struct fuzz *f, struct sip_tx *tx, unsigned how)
{
	const struct sip_target target = target_of(f, how);
	const struct sip_forward_spec spec = forward_spec(how);
	struct sip_tx *client;
	const char *why = NULL;

	if (f->pair_count == TX_MAX || f->tx_count == TX_MAX)
		return;
	if (sip_stack_forward(f->stack, tx->request, &spec, SIP_STR("tail"), &target,
	                      &client, &why) != SIP_OK) {
		must(why != NULL);
		return;
	}
	f->pairs[f->pair_count++] = (struct pair){ client->serial, sip_tx_ref(tx) };
	keep(f, client);
	sip_tx_unref(client);
}

/* The user is done with what it has forwarded. */
static void hand_over(struct fuzz *f, struct sip_tx *client)
{
	for (unsigned i = 0; i < f->pair_count; i++) {
		if (f->pairs[i].client == client->serial)
			(void)sip_stack_hand_over(client, f->pairs[i].server);
	}
}

static void pass(struct fuzz *f, struct sip_msg *msg, unsigned how)
{
	const struct sip_target target = target_of(f, how);
	const struct sip_forward_spec spec = forward_spec(how);
	char branch[SIP_STATELESS_BRANCH_LEN], again[SIP_STATELESS_BRANCH_LEN];
	const char *why = NULL;

	if (!sip_stack_stateless_branch(f->stack, msg, branch))
		return;
	must(sip_stack_stateless_branch(f->stack, msg, again));
	must(memcmp(branch, again, sizeof branch) == 0);
	if (sip_stack_pass(f->stack, msg, &spec, sip_str_of(branch, sizeof branch),
	                   &target, &why) != SIP_OK)
		must(why != NULL);
}

static void bring_back(struct fuzz *f, const struct sip_event *event)
{
	const char *why = NULL;

	for (unsigned i = 0; i < f->pair_count; i++) {
		if (f->pairs[i].client == event->tx->serial &&
		    !f->pairs[i].server->ended &&
		    sip_stack_relay(f->stack, f->pairs[i].server, event->msg, edits,
		                    event->msg->status % 4, &why) != SIP_OK)
			must(why != NULL);
	}
}

static void drain(struct fuzz *f)
{
	struct sip_event event;

	while (sip_stack_next_event(f->stack, &event)) {
		must(event.kind == SIP_EVENT_ASTRAY ||
		     (event.kind == SIP_EVENT_RECORDS ||
		      event.kind == SIP_EVENT_KEPT) == (event.token != 0));
		if (event.kind == SIP_EVENT_ASTRAY)
			give_back(f, &event);
		f->lookups -= event.kind == SIP_EVENT_RECORDS;
		if (event.kind == SIP_EVENT_REQUEST)
			on_request(f, event.tx);
		if (event.kind == SIP_EVENT_CANCEL)
			answer(f->stack, event.tx, 487, false);
		if (event.kind == SIP_EVENT_ACK && event.tx)
			sip_tx_acked(event.tx);
		if (event.kind == SIP_EVENT_ACK && f->relays)
			pass(f, event.msg, 1);
		if (event.kind == SIP_EVENT_RESPONSE)
			bring_back(f, &event);
		sip_event_fini(&event);
	}
}

/* Everything up to an instant, in order. */
static void run(struct fuzz *f, uint64_t until_us)
{
	for (unsigned turns = 0; turns < 200000; turns++) {
		uint64_t due = sip_stack_deadline(f->stack), net;

		due = due == SIP_NEVER ? due : due * 1000;
		net = sim_world_next_us(f->world);
		due = due < net ? due : net;
		if (due < sim_world_now_us(f->world))
			due = sim_world_now_us(f->world);
		if (due > until_us) {
			sim_world_run(f->world, until_us);
			return;
		}
		sim_world_run(f->world, due);
		sip_stack_advance(f->stack, now_ms(f));
		drain(f);
	}
	fail("it comes to rest", __LINE__);
}

/* ---- packets ---- */

static const char *const methods[] = { "INVITE",  "ACK",     "CANCEL",  "BYE",
	                               "OPTIONS", "MESSAGE", "UNKNOWN", "invite" };

enum { ROUTE_MAX = 128 };

/* A Route that we have made, as one who is in the dialog has it. */
static const char *own_route(struct fuzz *f, unsigned c, char route[ROUTE_MAX])
{
	char text[32], mark[SIP_SEAL_LEN];
	const int len =
		snprintf(text, sizeof text, "c%u\n%u", (c >> 3) & 1, (c >> 2) & 1);

	sip_stack_seal(f->stack, sip_str_of(text, (size_t)len), mark);
	snprintf(route, ROUTE_MAX, "Route: <sip:192.0.2.2;lr;mark=%.*s>%s%s\r\n",
	         (int)sizeof mark, mark, c & 1 ? ",<sip:192.0.2.1;lr>" : "",
	         c & 64 ? ",<sip:192.0.2.7;lr>" : "");
	return route;
}

static size_t make_request(struct fuzz *f, char *out, bool stream, bool scanner)
{
	static const char *const hosts[] = {
		"192.0.2.1",     "192.0.2.1:5061",  "10.0.0.1",
		"phone.example", "192.0.2.1;rport", "192.0.2.1;maddr=192.0.2.7"
	};
	static const char *const cookies[] = { "z9hG4bK", "z9hG4bK", "", "z9hG4bK-a-" };
	const unsigned a = take(f), b = take(f), c = take(f);
	const char *const method = methods[a & 7];
	char route[ROUTE_MAX];
	const int len = snprintf(
		out, BYTES_MAX,
		"%s sip:x@%s SIP/2.0\r\nVia: SIP/2.0/%s %s;branch=%s%u\r\n"
		"From: <sip:y@192.0.2.1>;tag=%u\r\nTo: <sip:x@192.0.2.2>%s\r\n"
		"Call-ID: c%u\r\nCSeq: %u %s\r\n%s%s%sMax-Forwards: 70\r\nX-Pad: "
		"%*s\r\n"
		"Content-Length: %u\r\n\r\n%.*s",
		method, b & 128 ? "192.0.2.1;transport=udp" : "192.0.2.2",
		stream ? "TCP" : "UDP", hosts[b % 6], cookies[(b >> 3) & 3],
		(b >> 5) & 3, (c >> 2) & 1, c & 2 ? ";tag=z" : "", (c >> 3) & 1,
		(c >> 4) & 3, c & 128 ? methods[(a >> 4) & 7] : method,
		c & 64 ? "Timestamp: 4.2\r\nRecord-Route: <sip:p;lr>\r\n" : "",
		b & 128 ? own_route(f, c, route) : "",
		scanner ? "User-Agent: a SIPvicious\r\n" : "", a >= 0xe0 ? 2500 : 1,
		"x", (a >> 3) & 1 ? 4 : 0, (int)((a >> 3) & 1 ? 4 : 0), "body");

	return (size_t)len;
}

/* A response to something that was heard. */
static size_t make_response(struct fuzz *f, char *out)
{
	static const uint16_t statuses[] = { 100, 180, 183, 200, 202, 302, 486, 487 };
	const unsigned a = take(f);
	const struct heard *heard = &f->heard[(a >> 3) % HEARD_MAX];
	const struct sip_limits limits = SIP_LIMITS_DEFAULT;
	struct sip_response_spec spec = { .status = statuses[a & 7] };
	struct sip_refusal refusal;
	struct sip_msg *msg = NULL;
	struct sip_out written;

	sip_out_init(&written, out, BYTES_MAX);
	if (sip_msg_parse(&f->heap, &limits, sip_str_of(heard->bytes, heard->len), true,
	                  &msg, &refusal) != SIP_OK ||
	    !sip_msg_is_request(msg)) {
		sip_msg_unref(msg);
		return 0;
	}
	spec.to_tag = a & 64 ? SIP_STR("t1") : SIP_STR("t2");
	sip_write_response(&written, msg, &spec);
	sip_msg_unref(msg);
	return sip_out_end(&written) == SIP_OK ? written.len : 0;
}

static size_t spoil(struct fuzz *f, char *out, size_t len)
{
	for (unsigned n = take(f) & 3; n > 0 && len > 0; n--) {
		const unsigned at = take(f) | (take(f) & 7) << 8;

		out[at % len] = (char)take(f);
		if (at % 17 == 0)
			len = at % len;
	}
	return len;
}

static size_t make_raw(struct fuzz *f, char *out)
{
	const unsigned len = take(f);

	for (unsigned i = 0; i < len; i++)
		out[i] = (char)take(f);
	return len;
}

/* A packet to the stack: a datagram, or a piece of a stream. */
static void op_packet(struct fuzz *f, unsigned op)
{
	char bytes[BYTES_MAX];
	const unsigned how = take(f), conn = how % CONNS;
	const bool stream = how & 4;
	struct sip_path path = { SIP_UDP, f->far_socket, f->far_at, f->near_at };
	size_t len = op == 0   ? make_request(f, bytes, stream, how & 64)
	             : op == 1 ? make_response(f, bytes)
	                       : make_raw(f, bytes);

	if (how & 8)
		len = spoil(f, bytes, len);
	if (stream)
		path = (struct sip_path){ .transport = SIP_TCP, .id = f->conns[conn] };
	if (stream && path.id && how & 16) /* a ping, and the rest in two pieces */
		(void)f->far->ops->send(f->far, &path, SIP_STR("\r\n\r\n"), 0);
	if (stream && path.id && how & 32) {
		(void)f->far->ops->send(f->far, &path, sip_str_of(bytes, len / 2), 0);
		run(f, sim_world_now_us(f->world) + 1000);
		memmove(bytes, bytes + len / 2, len - len / 2);
		len -= len / 2;
	}
	if (!stream || path.id)
		(void)f->far->ops->send(f->far, &path, sip_str_of(bytes, len), 0);
}

static void op_conn(struct fuzz *f)
{
	const unsigned how = take(f), conn = how % CONNS;
	struct sip_addr to = f->near_at;

	if (how & 24)
		to.port = how & 8 ? TLS_PORT : WS_PORT;
	if (how & 4) {
		f->far->ops->close(f->far, f->conns[conn]);
		f->conns[conn] = 0;
	} else {
		(void)f->far->ops->open(f->far,
		                        how & 8    ? SIP_TLS
		                        : how & 16 ? SIP_WS
		                                   : SIP_TCP,
		                        &f->far_at, &to, SIP_STR(""), &f->conns[conn]);
	}
}

/* ---- what the user of the stack does ---- */

static void op_request(struct fuzz *f)
{
	static const struct sip_field fields[] = {
		{ { "From", 4 }, { "<sip:x@192.0.2.2>;tag=x", 23 } },
		{ { "To", 2 }, { "<sip:y@192.0.2.1>", 17 } },
		{ { "Call-ID", 7 }, { "ours", 4 } },
	};
	static const char body[1300];
	const unsigned how = take(f);
	const sip_str method = how & 1 ? SIP_STR("INVITE") : SIP_STR("OPTIONS");
	struct sip_field all[4] = { fields[0],
		                    fields[1],
		                    fields[2],
		                    { SIP_STR("CSeq"),
		                      how & 1 ? SIP_STR("1 INVITE")
		                              : SIP_STR("1 OPTIONS") } };
	const struct sip_request_spec spec = { .method = method,
		                               .uri = SIP_STR("sip:y@192.0.2.1"),
		                               .fields = all,
		                               .field_count = 4,
		                               .body = how & 8 ? sip_str_of(body, 1300)
		                                               : SIP_STR("") };
	struct sip_target target = target_of(f, (how & 2 ? 128 : 0) | (how & 64));
	struct sip_sent sent = { 0 };
	struct sip_tx *tx = NULL;
	const char *why = NULL;

	if (how & 32) /* some connection, or none any more */
		target.flow = take(f);
	if (how & 4)
		target.remote.port = 5999;
	if (how & 16) {
		if (sip_stack_send(f->stack, &spec, &target, &sent, &why) == SIP_OK)
			(void)sip_stack_send_again(f->stack, &sent); /* either way */
		sip_sent_fini(&sent);
		return;
	}
	if (f->tx_count == TX_MAX)
		return;
	if (sip_stack_request(f->stack, &spec, &target, &tx, &why) != SIP_OK) {
		must(why != NULL);
		return;
	}
	keep(f, tx);
	sip_tx_unref(tx);
}

static void op_tx(struct fuzz *f)
{
	static const uint16_t statuses[] = { 100, 180, 200, 200, 302, 408, 486, 503 };
	const unsigned how = take(f), which = take(f);
	struct sip_tx *tx = f->tx_count ? f->txs[which % f->tx_count] : NULL;

	if (!tx || tx->ended)
		return;
	if (sip_tx_is_client(tx) && how & 1)
		hand_over(f, tx);
	else if (sip_tx_is_client(tx))
		(void)sip_stack_cancel(f->stack, tx); /* or refused */
	else if (how & 32 && tx->request && how & 16)
		forward(f, tx, how);
	else if (how & 32 && tx->request) {
		pass(f, tx->request, how);
		(void)sip_stack_drop(f->stack, tx); /* or memory fails */
	} else if (how & 16)
		sip_tx_acked(tx);
	else
		answer(f->stack, tx, statuses[how & 7], how & 8);
}

static void op_time(struct fuzz *f)
{
	static const uint32_t steps_ms[] = { 0,    1,    200,  500,   1000,  3500,
		                             4000, 5000, 9999, 31999, 32000, 60000 };

	run(f, sim_world_now_us(f->world) + steps_ms[take(f) % 12] * UINT64_C(1000));
}

/* What only asks. */
static void look(struct fuzz *f)
{
	const struct sip_target target = target_of(f, 0);
	struct sip_path path = { .transport = SIP_TLS };
	const struct sip_keep_spec keep_spec = {
		.target = target, .low_ms = 1000, .high_ms = 2000, .answered = true
	};
	struct sip_local local;
	const char *why;
	uint64_t id;

	must(sip_stack_local(f->stack, &target, &local) == SIP_OK);
	must(local.host_len > 0 && local.port == f->near_at.port);
	if (sip_stack_keep(f->stack, &keep_spec, &id, &why) == SIP_OK)
		must(id != 0);
	must(sip_stack_is_own(f->stack, &f->near_at));
	must(!sip_stack_is_own(f->stack, &f->far_at));
	for (path.id = 1; path.id < 100; path.id++) {
		const sip_str names = sip_stack_peer_names(f->stack, &path);

		must(names.len == 0 || names.p[names.len - 1] == '\n');
	}
}

/* Keep a way open, and let go of the one before. */
static void op_keep(struct fuzz *f, unsigned how)
{
	struct sip_keep_spec spec = { .target = target_of(f, how & 0xc0),
		                      .low_ms = 1000,
		                      .high_ms = 4000,
		                      .answered = how & 1 };
	const char *why = NULL;

	spec.target.flow = spec.target.transport == SIP_UDP ? 0 : how & 63;
	sip_stack_keep_end(f->stack, f->way_kept);
	if (sip_stack_keep(f->stack, &spec, &f->way_kept, &why) != SIP_OK)
		must(why != NULL);
}

static void op_world(struct fuzz *f)
{
	const unsigned how = take(f);
	const struct sim_link link = { .delay_us = (how & 3) * 20000u,
		                       .loss = how & 4 ? 0.3 : 0,
		                       .duplicate = how & 8 ? 0.3 : 0,
		                       .reorder = how & 16 ? 0.3 : 0,
		                       .reorder_us = 300000 };

	must(sim_world_link(f->world, &link) == SIP_OK);
	sim_host_set_down(f->far_host, (how & 0xc0) == 0x40);
	sim_host_set_down(f->near_host, (how & 0xc0) == 0x80);
	look(f);
	if (how & 32 && sip_stack_lookup(f->stack, SIP_STR("phone.example"),
	                                 SIP_RECORD_A, 7) == SIP_OK)
		f->lookups++;
}

/* ---- life ---- */

/* Two hosts, of which the far one has a socket, and takes connections. */
static void make_world(struct fuzz *f, unsigned first)
{
	const struct sip_limits limits = SIP_LIMITS_DEFAULT;
	struct sip_addr secure;
	const char *why;
	uint32_t listener;

	sip_alloc_init(&f->heap);
	sip_failing_alloc_init(&f->failing, &f->heap);
	f->near_sink.event = near_event;
	f->far_sink.event = far_event;
	must(sip_addr_parse(SIP_STR("192.0.2.2"), &f->near_at));
	must(sip_addr_parse(SIP_STR("192.0.2.1"), &f->far_at));
	must(sim_world_new(&f->heap, first, &f->world) == SIP_OK);
	must(sim_host_new(f->world, &f->near_at, &f->near_host) == SIP_OK);
	must(sim_host_new(f->world, &f->far_at, &f->far_host) == SIP_OK);
	must(sim_wire_new(f->near_host, &limits, &f->near_sink, &f->near) == SIP_OK);
	must(sim_wire_new(f->far_host, &limits, &f->far_sink, &f->far) == SIP_OK);
	must(sim_world_name(f->world, SIP_STR("phone.example"), &f->far_at) == SIP_OK);
	f->near_at.port = f->far_at.port = 5060;
	must(f->far->ops->listen(f->far, SIP_UDP, &f->far_at, &f->far_socket, &why) ==
	     SIP_OK);
	must(f->far->ops->listen(f->far, SIP_TCP, &f->far_at, &listener, &why) ==
	     SIP_OK);
	secure = f->far_at;
	secure.port = TLS_PORT;
	must(f->far->ops->listen(f->far, SIP_TLS, &secure, &listener, &why) == SIP_OK);
	if (first & 64)
		must(sim_host_set_certificate(f->far_host,
		                              SIP_STR("far.example\na\n")) == SIP_OK);
}

/* The near one listens at its address, or at any. */
static void listen_all(struct fuzz *f, bool anywhere)
{
	struct sip_addr at = f->near_at;
	const char *why;

	if (anywhere)
		must(sip_addr_parse(SIP_STR("0.0.0.0"), &at));
	at.port = f->near_at.port;
	must(sip_stack_listen(f->stack, SIP_UDP, &at, NULL, &why) == SIP_OK);
	must(sip_stack_listen(f->stack, SIP_TCP, &at, NULL, &why) == SIP_OK);
	at.port = TLS_PORT;
	must(sip_stack_listen(f->stack, SIP_TLS, &at, NULL, &why) == SIP_OK);
	at.port = WS_PORT;
	must(sip_stack_listen(f->stack, SIP_WS, &at, NULL, &why) == SIP_OK);
}

/* So few that each rule is reached. */
static void limit_sources(struct sip_limits *limits)
{
	limits->sources = 1;
	limits->source_messages = 4;
	limits->source_invites = limits->source_registers = limits->source_others = 1;
	limits->source_refusals = limits->source_repeats = limits->source_malformed = 1;
	limits->source_failures = 1;
	limits->source_connections = 3;
	limits->source_half_open = 2;
	limits->source_unread_bytes = 4096;
	limits->unread_bytes = 6144;
}

static bool start(struct fuzz *f)
{
	struct sip_stack_opts opts = { .timing = SIP_TIMING_DEFAULT,
		                       .limits = SIP_LIMITS_DEFAULT };
	const unsigned first = take(f);

	f->abrupt = first & 128;
	make_world(f, first);
	opts.alloc = &f->failing.alloc;
	opts.wire = f->near;
	opts.random = sim_host_random(f->near_host);
	opts.limits.stream_idle_ms = 60000;
	opts.limits.transactions = first & 1 ? 6 : 1000;
	opts.limits.connections = 4;
	if (first & 1)
		limit_sources(&opts.limits);
	opts.scanners = SIP_STR("sipvicious\nx\n");
	opts.watched = first & 2;
	opts.relay = f->relays = first & 8;
	opts.advertise = first & 32 ? SIP_STR("gate.example") : SIP_STR("");
	if (sip_stack_new(&opts, 0, &f->stack) != SIP_OK)
		return false;
	sip_stack_relaying(f->stack, first & 16);
	listen_all(f, first & 64);
	f->failing.fail_at = first & 4 ? 1 + take(f) : 0;
	f->failing.calls = 0;
	f->failing.sticky = 0;
	return true;
}

/* The user answers what it owes, gives up what it waits for, and goes. */
static void settle(struct fuzz *f)
{
	struct sip_stack_stats stats;

	f->failing.fail_at = 0;
	f->settling = true;
	sip_stack_keep_end(f->stack, f->way_kept);
	sim_host_set_down(f->near_host, false);
	sim_host_set_down(f->far_host, false);
	for (unsigned i = 0; i < f->tx_count; i++) {
		struct sip_tx *tx = f->txs[i];

		if (tx->ended)
			continue;
		if (sip_tx_is_client(tx))
			(void)sip_stack_cancel(f->stack, tx); /* or it is over */
		else if (!tx->final)
			answer(f->stack, tx, 500, false);
	}
	run(f, sim_world_now_us(f->world) + UINT64_C(200000000));
	sip_stack_stats(f->stack, &stats);
	must(stats.transactions == 0);
	must(stats.timers == 0);
	must(stats.connections == 0);
	must(sim_host_sockets(f->near_host) == 4); /* those that listen */
	must(f->lookups == 0);
	must(stats.events == 0);
	must(sip_stack_deadline(f->stack) == SIP_NEVER);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz *f = calloc(1, sizeof *f);

	must(f != NULL);
	f->data = data;
	f->size = size;
	must(start(f));
	for (unsigned ops = 0; f->at < f->size && ops < OPS_MAX; ops++) {
		const unsigned op = take(f) % 10;

		if (op < 3)
			op_packet(f, op);
		else if (op == 3)
			op_conn(f);
		else if (op == 4)
			op_request(f);
		else if (op == 5 || op == 6)
			op_tx(f);
		else if (op == 7)
			op_time(f);
		else if (op == 8)
			op_world(f);
		else
			op_keep(f, take(f));
		run(f, sim_world_now_us(f->world));
	}
	if (!f->abrupt)
		settle(f);
	while (f->tx_count)
		forget(f, 0);
	while (f->pair_count)
		sip_tx_unref(f->pairs[--f->pair_count].server);
	sip_stack_free(f->stack);
	f->stack = NULL;
	sim_wire_free(f->near);
	sim_wire_free(f->far);
	sim_world_free(f->world);
	must(f->failing.alloc.used == 0 && f->failing.alloc.count == 0);
	must(f->heap.used == 0 && f->heap.count == 0);
	free(f);
	return 0;
}
