#pragma once
/* Messages passed on: the bytes as they came, and a list of edits (RFC 3261 16.6,
 * 16.7).  Lines that no edit names are copied byte for byte and stay in order, known
 * or not.  Nothing here allocates; refusals are left in the sip_out.
 */
#include "msg/write.h"

/*	name     what becomes of the lines of that name */
/* clang-format off */
#define SIP_EDIT_MAP(X)                                                               \
	X(SET,    "set")    /* one line, where the first was; at the end if none was */ \
	X(ADD,    "add")    /* one more behind the last; at the end if there is none */ \
	X(FIRST,  "first")  /* one more before the first; on top, behind Via, if none */ \
	X(REMOVE, "remove") /* none */
/* clang-format on */

#define SIP_EDIT_ENUM(op, name) SIP_EDIT_##op,
enum sip_edit_op { SIP_EDIT_MAP(SIP_EDIT_ENUM) };
#undef SIP_EDIT_ENUM

enum { SIP_EDITS_MAX = 64 };

/* Long and compact names are equal.  Edits work one after the other: "first" twice puts
 * the second one on top, "set" behind "add" leaves one line.  Via, Content-Length and
 * Max-Forwards are the writer's and cannot be edited. */
struct sip_edit {
	enum sip_edit_op op;
	sip_str name, value;
};

/* A request without the Via that its sender adds: `via_at` is where that belongs.  The
 * Via on top of those that came is marked with where it came from (18.2.1, RFC 3581
 * 4), when the message has a path. */
struct sip_forward_spec {
	sip_str uri;      /* empty: as it came */
	int max_forwards; /* -1: one less than came, 70 when none came */
	const struct sip_edit *edits;
	unsigned edit_count;
};
void sip_write_forward(struct sip_out *out, struct sip_msg *request,
                       const struct sip_forward_spec *spec, size_t *via_at);

/* A response without its topmost Via value (16.7 step 3), which may be one of several
 * in its line. */
void sip_write_relay(struct sip_out *out, const struct sip_msg *response,
                     const struct sip_edit *edits, unsigned edit_count);
