#include "msg/forward.h"

/* Where the line of an edit goes. */
enum place {
	NOWHERE, /* a later edit of that name undoes it, or it adds no line */
	TOP,
	BEFORE, /* the line `at` */
	AFTER,
	END,
};

struct plan {
	const struct sip_edit *edit;
	enum sip_header_id id;
	enum place place;
	unsigned at;
	bool drops; /* the lines that came */
};

struct pass {
	struct sip_out *out;
	const struct sip_msg *msg;
	unsigned top; /* the first line that is no Via */
	unsigned count;
	struct plan plans[SIP_EDITS_MAX];
	const char *from; /* of bytes that are to be copied; NULL: none */
};

static void refuse(struct sip_out *out, const char *why)
{
	if (!out->why)
		out->why = why;
}

/* ---- where edits go ---- */

static bool same_name(const struct plan *plan, enum sip_header_id id, sip_str name)
{
	return plan->id == id &&
	       (id != SIP_H_OTHER || sip_str_ieq(plan->edit->name, name));
}

static bool is_reset(const struct plan *plan)
{
	return plan->edit->op == SIP_EDIT_SET || plan->edit->op == SIP_EDIT_REMOVE;
}

/* The edit behind which nothing of that name is as it was; NULL: there is none. */
static const struct plan *last_reset(const struct pass *pass, const struct plan *of)
{
	for (unsigned i = pass->count; i-- > 0;) {
		const struct plan *plan = &pass->plans[i];
		if (is_reset(plan) && same_name(plan, of->id, of->edit->name))
			return plan;
	}
	return NULL;
}

static void place(struct pass *pass, struct plan *plan)
{
	const struct sip_msg *msg = pass->msg;
	const sip_str name = plan->edit->name;
	const unsigned first = sip_msg_find(msg, plan->id, name, 0);
	const struct plan *reset = last_reset(pass, plan);
	const bool gone = first == msg->header_count ||
	                  (reset && reset->edit->op == SIP_EDIT_REMOVE);

	plan->drops = plan == reset;
	if ((reset && plan < reset) || plan->edit->op == SIP_EDIT_REMOVE)
		return;
	plan->at = first;
	if (plan->edit->op == SIP_EDIT_FIRST) {
		plan->place = gone ? TOP : BEFORE;
	} else if (gone) {
		plan->place = END;
	} else if (plan->edit->op == SIP_EDIT_SET) {
		plan->place = BEFORE;
	} else {
		plan->place = AFTER;
		for (unsigned i = first; !reset && i < msg->header_count;
		     i = sip_msg_find(msg, plan->id, name, i + 1))
			plan->at = i;
	}
}

static bool is_ours(enum sip_header_id id)
{
	return id == SIP_H_VIA || id == SIP_H_CONTENT_LENGTH ||
	       id == SIP_H_MAX_FORWARDS;
}

static void make_plans(struct pass *pass, const struct sip_edit *edits, unsigned count)
{
	if (count > SIP_EDITS_MAX) {
		refuse(pass->out, "too many edits");
		return;
	}
	for (unsigned i = 0; i < count; i++) {
		pass->plans[i] = (struct plan){ .edit = &edits[i],
			                        .id = sip_header_find(edits[i].name) };
		if (is_ours(pass->plans[i].id))
			refuse(pass->out, "an edit of Via, Content-Length or "
			                  "Max-Forwards");
	}
	pass->count = count;
	for (unsigned i = 0; i < count; i++)
		place(pass, &pass->plans[i]);
}

/* ---- lines ---- */

static const char *line_begin(const struct sip_msg *msg, unsigned at)
{
	/* The empty line is behind the last one. */
	return at < msg->header_count ? msg->bytes + msg->headers[at].name_at
	                              : msg->body.p - 2;
}

/* Copy what waits, up to here. */
static void flush(struct pass *pass, const char *to)
{
	if (pass->from)
		sip_out_bytes(pass->out, pass->from, (size_t)(to - pass->from));
	pass->from = NULL;
}

static void write_edit(struct pass *pass, const struct plan *plan, const char *to)
{
	const struct sip_field field = { plan->edit->name, plan->edit->value };

	flush(pass, to);
	sip_write_field(pass->out, &field);
}

/* Those of this place: "first" from the last to the first, the others in order. */
static void write_edits(struct pass *pass, enum place place, unsigned at,
                        const char *to)
{
	for (unsigned i = pass->count; i-- > 0;) {
		const struct plan *plan = &pass->plans[i];
		if (plan->place == place && plan->at == at &&
		    plan->edit->op == SIP_EDIT_FIRST)
			write_edit(pass, plan, to);
	}
	for (unsigned i = 0; i < pass->count; i++) {
		const struct plan *plan = &pass->plans[i];
		if (plan->place == place && (plan->at == at || place == END) &&
		    plan->edit->op != SIP_EDIT_FIRST)
			write_edit(pass, plan, to);
	}
}

static void write_top(struct pass *pass, const char *to)
{
	for (unsigned i = pass->count; i-- > 0;) {
		if (pass->plans[i].place == TOP)
			write_edit(pass, &pass->plans[i], to);
	}
}

static bool is_dropped(const struct pass *pass, const struct sip_header *header)
{
	const sip_str name =
		sip_str_of(pass->msg->bytes + header->name_at, header->name_len);

	for (unsigned i = 0; i < pass->count; i++) {
		if (pass->plans[i].drops &&
		    same_name(&pass->plans[i], (enum sip_header_id)header->id, name))
			return true;
	}
	return false;
}

/* A line as it came, or not at all. */
static void write_line(struct pass *pass, unsigned at)
{
	const char *const begin = line_begin(pass->msg, at);

	if (is_dropped(pass, &pass->msg->headers[at]))
		flush(pass, begin);
	else if (!pass->from)
		pass->from = begin;
}

static bool pass_init(struct pass *pass, struct sip_out *out, const struct sip_msg *msg)
{
	pass->out = out;
	pass->msg = msg;
	pass->count = 0;
	pass->from = NULL;
	pass->top = 0;
	while (pass->top < msg->header_count && msg->headers[pass->top].id == SIP_H_VIA)
		pass->top++;
	if (msg->refused || msg->fragment)
		refuse(out, msg->fragment ? "a fragment of a message"
		                          : "a message that was refused");
	return !msg->refused && !msg->fragment;
}

/* What follows the headers; they end at `to`. */
static void write_end(struct pass *pass)
{
	const struct sip_msg *msg = pass->msg;
	const char *const to = line_begin(msg, msg->header_count);

	flush(pass, to);
	write_edits(pass, END, 0, to);
	if (!msg->first[SIP_H_CONTENT_LENGTH]) {
		sip_out_lit(pass->out, "Content-Length: ");
		sip_out_u64(pass->out, msg->body.len);
		sip_out_lit(pass->out, "\r\n");
	}
	sip_out_lit(pass->out, "\r\n");
	sip_out_str(pass->out, msg->body);
}

/* ---- requests ---- */

static unsigned next_hops(struct sip_out *out, struct sip_msg *request, int wanted)
{
	const int64_t came = sip_msg_max_forwards(request);

	if (wanted > 255)
		refuse(out, "Max-Forwards is more than 255");
	if (wanted >= 0)
		return (unsigned)wanted;
	if (came == 0)
		refuse(out, "Max-Forwards is used up");
	return came < 0 ? 70 : (unsigned)came - 1;
}

static void write_hops(struct pass *pass, unsigned hops, const char *to)
{
	flush(pass, to);
	sip_out_lit(pass->out, "Max-Forwards: ");
	sip_out_u64(pass->out, hops);
	sip_out_lit(pass->out, "\r\n");
}

/* The line of the sender's Via: false when it stays as it is. */
static bool mark_via(struct pass *pass, struct sip_msg *request, unsigned at)
{
	const struct sip_via *via = sip_msg_via(request);
	struct sip_via_mark mark;

	if (at + 1u != request->first[SIP_H_VIA] || !via ||
	    request->path.transport == SIP_TRANSPORT_NONE ||
	    !sip_via_mark_init(&mark, via, &request->path.remote))
		return false;
	flush(pass, line_begin(request, at));
	sip_write_marked_via(pass->out, request, via, mark.received, mark.rport, 0);
	return true;
}

void sip_write_forward(struct sip_out *out, struct sip_msg *request,
                       const struct sip_forward_spec *spec, size_t *via_at)
{
	const unsigned hops_at = request->first[SIP_H_MAX_FORWARDS];
	struct pass pass;
	unsigned hops;

	*via_at = 0;
	if (!sip_msg_is_request(request)) {
		refuse(out, "a response is no request");
		return;
	}
	if (!pass_init(&pass, out, request))
		return;
	make_plans(&pass, spec->edits, spec->edit_count);
	hops = next_hops(out, request, spec->max_forwards);
	if (spec->uri.len > 0)
		sip_write_request_line(out, request->method_name, spec->uri);
	else
		sip_out_bytes(out, request->bytes,
		              (size_t)(line_begin(request, 0) - request->bytes));
	*via_at = out->len;
	for (unsigned i = 0;; i++) {
		const char *const begin = line_begin(request, i);

		if (i == pass.top) {
			write_top(&pass, begin);
			if (!hops_at)
				write_hops(&pass, hops, begin);
		}
		if (i == request->header_count)
			break;
		write_edits(&pass, BEFORE, i, begin);
		if (request->headers[i].id == SIP_H_MAX_FORWARDS) {
			flush(&pass, begin);
			if (i + 1u == hops_at)
				write_hops(&pass, hops, begin);
		} else if (!mark_via(&pass, request, i)) {
			write_line(&pass, i);
		}
		write_edits(&pass, AFTER, i, line_begin(request, i + 1));
	}
	write_end(&pass);
}

/* ---- responses ---- */

/* The line without its first value; nothing when it has no other. */
static void write_rest_of_via(struct pass *pass, const struct sip_header *header)
{
	const sip_str line = sip_header_value(pass->msg, header);
	sip_str list = line, value;

	(void)sip_value_next(&list, &value); /* ours */
	if (!sip_value_next(&list, &value))
		return;
	sip_out_bytes(pass->out, pass->msg->bytes + header->name_at,
	              header->value_at - header->name_at);
	sip_out_bytes(pass->out, value.p, (size_t)(line.p + line.len - value.p));
	sip_out_lit(pass->out, "\r\n");
}

void sip_write_relay(struct sip_out *out, const struct sip_msg *response,
                     const struct sip_edit *edits, unsigned edit_count)
{
	struct sip_values vias;
	struct pass pass;
	sip_str top;

	if (sip_msg_is_request(response) || sip_msg_via_count(response) < 2) {
		refuse(out, "not a response with a Via of another behind ours");
		return;
	}
	if (!pass_init(&pass, out, response))
		return;
	make_plans(&pass, edits, edit_count);
	sip_values_init(&vias, response, SIP_H_VIA); /* a line may hold none */
	(void)sip_values_next(&vias, &top);
	sip_out_bytes(out, response->bytes,
	              (size_t)(line_begin(response, 0) - response->bytes));
	for (unsigned i = 0;; i++) {
		const char *const begin = line_begin(response, i);

		if (i == pass.top)
			write_top(&pass, begin);
		if (i == response->header_count)
			break;
		write_edits(&pass, BEFORE, i, begin);
		if (i + 1 == vias.at) {
			flush(&pass, begin);
			write_rest_of_via(&pass, &response->headers[i]);
		} else {
			write_line(&pass, i);
		}
		write_edits(&pass, AFTER, i, line_begin(response, i + 1));
	}
	write_end(&pass);
}
