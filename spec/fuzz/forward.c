/* Messages passed on: the first bytes are a list of edits and what else the writer is
 * told, the rest is a message.  What is taken for well formed can be passed on, what
 * was written parses, no line that was left alone has changed or moved, and of what was
 * edited there are the values that the edits make, one after the other. */
#include <stdio.h>
#include <stdlib.h>

#include "msg/forward.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { CAP = 300000, EDITS = 8, VALUES_MAX = 400 };

#define must(cond) ((cond) ? (void)0 : fail(#cond, __LINE__))

static void fail(const char *what, int line)
{
	fprintf(stderr, "forward.c:%d: %s\n", line, what);
	abort();
}

static const char *const names[] = { "X-One",   "x-two", "Supported", "k",
	                             "Contact", "m",     "Route",     "Record-Route",
	                             "Subject", "s",     "Call-ID",   "Server",
	                             "X",       "CSeq",  "t",         "From" };
static const char *const values[] = { "", "a", "<sip:p;lr>", "a, b", "\"q\"", "x y" };

static sip_str str(const char *text)
{
	return sip_str_of(text, strlen(text));
}

static sip_str name_of(const struct sip_msg *msg, unsigned i)
{
	return sip_str_of(msg->bytes + msg->headers[i].name_at,
	                  msg->headers[i].name_len);
}

static bool same_name(sip_str a, sip_str b)
{
	const enum sip_header_id id = sip_header_find(a);

	return id == sip_header_find(b) && (id != SIP_H_OTHER || sip_str_ieq(a, b));
}

static bool is_writers(enum sip_header_id id)
{
	return id == SIP_H_VIA || id == SIP_H_MAX_FORWARDS ||
	       id == SIP_H_CONTENT_LENGTH;
}

struct edits {
	struct sip_edit list[EDITS];
	unsigned count;
};

static bool is_edited(const struct edits *edits, sip_str name)
{
	for (unsigned i = 0; i < edits->count; i++) {
		if (same_name(edits->list[i].name, name))
			return true;
	}
	return false;
}

/* Lines that neither the writer nor an edit touches: the same, in the same order. */
static void check_untouched(const struct sip_msg *a, const struct sip_msg *b,
                            const struct edits *edits)
{
	unsigned j = 0;

	for (unsigned i = 0; i < a->header_count; i++) {
		const struct sip_header *header = &a->headers[i];

		if (is_writers((enum sip_header_id)header->id) ||
		    is_edited(edits, name_of(a, i)))
			continue;
		while (j < b->header_count &&
		       (is_writers((enum sip_header_id)b->headers[j].id) ||
		        is_edited(edits, name_of(b, j))))
			j++;
		must(j < b->header_count);
		must(sip_str_eq(name_of(a, i), name_of(b, j)));
		must(sip_str_eq(sip_header_value(a, header),
		                sip_header_value(b, &b->headers[j])));
		j++;
	}
	for (; j < b->header_count; j++)
		must(is_writers((enum sip_header_id)b->headers[j].id) ||
		     is_edited(edits, name_of(b, j)));
}

/* The values that the edits of one name make of those that came. */
static void check_edited(const struct sip_msg *a, const struct sip_msg *b,
                         const struct edits *edits, sip_str name)
{
	static sip_str wanted[VALUES_MAX];
	unsigned count = 0, j = 0;

	for (unsigned i = 0; i < a->header_count; i++) {
		if (same_name(name_of(a, i), name))
			wanted[count++] = sip_header_value(a, &a->headers[i]);
	}
	for (unsigned i = 0; i < edits->count; i++) {
		const struct sip_edit *edit = &edits->list[i];

		if (!same_name(edit->name, name))
			continue;
		if (edit->op == SIP_EDIT_SET || edit->op == SIP_EDIT_REMOVE)
			count = 0;
		if (edit->op == SIP_EDIT_FIRST)
			memmove(wanted + 1, wanted, count * sizeof *wanted);
		if (edit->op == SIP_EDIT_FIRST)
			wanted[0] = edit->value;
		else if (edit->op != SIP_EDIT_REMOVE)
			wanted[count] = edit->value;
		count += edit->op != SIP_EDIT_REMOVE;
	}
	for (unsigned i = 0; i < b->header_count; i++) {
		if (!same_name(name_of(b, i), name))
			continue;
		must(j < count);
		must(sip_str_eq(sip_header_value(b, &b->headers[i]), wanted[j]));
		j++;
	}
	must(j == count);
}

/* Everything of a message and of what was written of it. */
static void check(struct sip_alloc *heap, const struct sip_msg *a, sip_str written,
                  const struct edits *edits, int more_vias)
{
	const struct sip_limits limits = SIP_LIMITS_OWN;
	struct sip_refusal refusal;
	struct sip_msg *b = NULL;

	must(sip_msg_parse(heap, &limits, written, false, &b, &refusal) == SIP_OK);
	must((int)sip_msg_via_count(b) == (int)sip_msg_via_count(a) + more_vias);
	must(sip_str_eq(a->body, b->body));
	must(b->first[SIP_H_CONTENT_LENGTH] != 0);
	check_untouched(a, b, edits);
	for (unsigned i = 0; i < edits->count; i++)
		check_edited(a, b, edits, edits->list[i].name);
	sip_msg_unref(b);
}

static void forward(struct sip_alloc *heap, struct sip_msg *msg,
                    const struct edits *edits, unsigned how, char *bytes)
{
	static const char via[] = "Via: SIP/2.0/UDP 192.0.2.2;branch=z9hG4bKx\r\n";
	const size_t via_len = sizeof via - 1;
	struct sip_forward_spec spec = { .max_forwards = how & 1 ? 7 : -1,
		                         .edits = edits->list,
		                         .edit_count = edits->count };
	struct sip_out out;
	size_t at;

	if (how & 2)
		spec.uri = SIP_STR("sip:next@192.0.2.9");
	if (how & 4) {
		msg->path.transport = SIP_UDP;
		must(sip_addr_parse(SIP_STR("192.0.2.1"), &msg->path.remote));
		msg->path.remote.port = 5060;
	}
	sip_out_init(&out, bytes, CAP - via_len);
	sip_write_forward(&out, msg, &spec, &at);
	if (!(how & 1) && sip_msg_max_forwards(msg) == 0) {
		must(sip_out_end(&out) == SIP_EINVAL);
		return;
	}
	must(sip_out_end(&out) == SIP_OK);
	memmove(bytes + at + via_len, bytes + at, out.len - at);
	memcpy(bytes + at, via, via_len);
	check(heap, msg, sip_str_of(bytes, out.len + via_len), edits, 1);
}

static void relay(struct sip_alloc *heap, const struct sip_msg *msg,
                  const struct edits *edits, char *bytes)
{
	struct sip_out out;

	sip_out_init(&out, bytes, CAP);
	sip_write_relay(&out, msg, edits->list, edits->count);
	if (sip_msg_via_count(msg) < 2) {
		must(sip_out_end(&out) == SIP_EINVAL);
		return;
	}
	must(sip_out_end(&out) == SIP_OK);
	check(heap, msg, sip_str_of(out.p, out.len), edits, -1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char bytes[CAP];
	const struct sip_limits limits = SIP_LIMITS_DEFAULT;
	struct edits edits = { .count = size ? data[0] % (EDITS + 1) : 0 };
	const size_t head = 2 + (size_t)edits.count * 3;
	struct sip_refusal refusal;
	struct sip_msg *msg = NULL;
	struct sip_alloc heap;
	sip_err err;

	if (size < head)
		return 0;
	sip_alloc_init(&heap);
	for (unsigned i = 0; i < edits.count; i++) {
		const uint8_t *p = data + 2 + i * 3;

		edits.list[i] = (struct sip_edit){ (enum sip_edit_op)(p[0] & 3),
			                           str(names[p[1] & 15]),
			                           str(values[p[2] % 6]) };
	}
	err = sip_msg_parse(&heap, &limits,
	                    sip_str_of((const char *)data + head, size - head), true,
	                    &msg, &refusal);
	if (err == SIP_OK && sip_msg_is_request(msg))
		forward(&heap, msg, &edits, data[1], bytes);
	else if (err == SIP_OK)
		relay(&heap, msg, &edits, bytes);
	sip_msg_unref(msg);
	must(heap.count == 0);
	return 0;
}
