#pragma once
/* WebSocket frames (RFC 6455 5), as a pure codec: messages out of a stream, and frames
 * around messages.
 *
 * A reader unmasks and joins into a buffer of its own, which grows with what has come
 * and never with what is announced; between messages it holds none.
 */
#include "base/alloc.h"
#include "base/err.h"
#include "base/limits.h"
#include "msg/message.h"

/*	constant               code */
/* clang-format off */
#define SIP_WS_CODE_MAP(X)                                             \
	X(SIP_WS_NORMAL,       1000)                                   \
	X(SIP_WS_GOING_AWAY,   1001)                                   \
	X(SIP_WS_BROKEN,       1002) /* against the protocol */        \
	X(SIP_WS_NO_CODE,      1005) /* a Close without one: never sent */ \
	X(SIP_WS_NOT_UTF8,     1007)                                   \
	X(SIP_WS_TOO_LARGE,    1009)                                   \
	X(SIP_WS_OUT_OF_ORDER, 1011) /* no memory */                   \
	X(SIP_WS_LATER,        1013)
/* clang-format on */

#define SIP_WS_CODE_ENUM(name, code) name = (code),
enum { SIP_WS_CODE_MAP(SIP_WS_CODE_ENUM) };
#undef SIP_WS_CODE_ENUM

enum {
	SIP_WS_CONTROL_MAX = 125, /* bytes in a control frame (5.5) */
	SIP_WS_HEAD_MAX = 14,
};

enum sip_ws_opcode {
	SIP_WS_CONTINUATION = 0,
	SIP_WS_TEXT = 1,
	SIP_WS_BINARY = 2,
	SIP_WS_CLOSE = 8,
	SIP_WS_PING = 9,
	SIP_WS_PONG = 10,
};

/* Of a text in pieces: which bytes may come next. */
struct sip_utf8 {
	uint8_t left, low, high; /* bytes of this character; range of the next */
};
/* False: this is no UTF-8 (RFC 3629).  A whole text has `left` 0 at its end. */
bool sip_utf8_feed(struct sip_utf8 *utf8, sip_str bytes);
bool sip_utf8_is(sip_str text);

struct sip_ws {
	struct sip_alloc *alloc;
	bool masked;     /* frames of this peer are: it is a client (5.1) */
	uint8_t message; /* opcode of the message that has begun, 0: none */
	uint8_t opcode;  /* of the present frame */
	bool final;      /* the present frame is the last of its message */
	bool in_payload; /* its head is complete */
	bool delivered;  /* what `joined` holds has been given */
	uint8_t head_len;
	uint8_t head[SIP_WS_HEAD_MAX];
	uint8_t mask[4];
	uint32_t left, at; /* bytes of the payload that are to come, and have come */
	struct sip_utf8 utf8;
	char *joined;
	uint32_t joined_len, joined_cap;
	uint8_t control_len;
	char control[SIP_WS_CONTROL_MAX];
};

void sip_ws_init(struct sip_ws *ws, struct sip_alloc *alloc, bool masked);
void sip_ws_fini(struct sip_ws *ws);
/* Has a message or a frame begun that is not complete? */
bool sip_ws_is_within(const struct sip_ws *ws);

/* Bytes of memory for a message that is not complete. */
uint32_t sip_ws_held(const struct sip_ws *ws);

struct sip_ws_item {
	enum sip_ws_opcode opcode; /* text and binary: a whole message */
	sip_str bytes;             /* of a Close: the reason; borrowed until the next
	                              call */
	uint16_t code;             /* of a Close */
};

/* Take bytes off the front of `bytes`.  SIP_OK: `item`.  SIP_EMORE: all of them were
 * used.  Else the connection cannot be used any more: refusal->status is the code to
 * close it with (7.4.1), and `why` says what was wrong. */
sip_err sip_ws_feed(struct sip_ws *ws, const struct sip_limits *limits, sip_str *bytes,
                    struct sip_ws_item *item, struct sip_refusal *refusal);

/* The head of a whole frame; `mask` is NULL for a server's (5.1).  Gives its length. */
size_t sip_ws_write_head(char head[SIP_WS_HEAD_MAX], enum sip_ws_opcode opcode,
                         size_t len, const uint8_t mask[4]);
/* Mask or unmask, from byte `at` of a payload on (5.3). */
void sip_ws_mask(char *to, sip_str from, const uint8_t mask[4], size_t at);
