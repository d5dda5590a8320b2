#pragma once
/* Session descriptions, line by line, without allocating.
 *
 * The reader gives every line as spans into the bytes and checks its form and its
 * place; whoever asks builds what it needs.  It is strict where two readings would
 * be possible and lenient where peers are sloppy: LF alone, a missing last line
 * end, empty lines at the end, several blanks between fields, and the optional
 * lines of one level in any order.  Unknown attributes are attributes; an unknown
 * type letter is a refusal.  The writer takes the same lines.
 *
 * RFC 8866 5 and 9, RFC 4566 5, RFC 3264 5.
 */
#include "base/err.h"
#include "base/limits.h"
#include "base/out.h"
#include "base/str.h"

struct sip_refusal; /* msg/message.h */

struct sip_sdp_origin {
	sip_str user, id, version; /* id and version: digits, of any length */
	sip_str net, addr_type, address;
};

struct sip_sdp_connection {
	sip_str net, addr_type, address;
	uint32_t ttl;   /* 0: not given */
	uint32_t count; /* 0: not given */
};

struct sip_sdp_media {
	sip_str media; /* "audio" */
	uint16_t port;
	uint32_t ports; /* 0: not given */
	sip_str proto;
	sip_str formats; /* one or more, between blanks: sip_sdp_word() */
};

struct sip_sdp_pair { /* a= and b=: name and value; t=: start and stop */
	sip_str name, value;
	bool has_value;
};

struct sip_sdp_line {
	char type;
	uint32_t at; /* offset of the type letter */
	union {
		struct sip_sdp_origin origin;         /* o */
		struct sip_sdp_connection connection; /* c */
		struct sip_sdp_media media;           /* m */
		struct sip_sdp_pair pair;             /* a b t */
		sip_str text;                         /* v s i u e p k r z */
	} u;
};

struct sip_sdp_reader {
	sip_str bytes;
	size_t pos;
	uint32_t lines, media; /* so far */
	const struct sip_limits *limits;
	uint32_t media_at;     /* of the m= line that still wants a c= line */
	bool wants_connection; /* that line does */
	bool has_connection;   /* the session has one */
	bool has_time, has_repeat;
	uint32_t once; /* bits of the letters seen on this level */
};

/* Borrows the bytes and the limits until the last line has been read. */
void sip_sdp_reader_init(struct sip_sdp_reader *reader, sip_str bytes,
                         const struct sip_limits *limits);

/* SIP_OK and a line; SIP_EMORE at the end of a complete description; SIP_ESYNTAX
 * or SIP_ELIMIT and the reason, with the status a request would be answered. */
sip_err sip_sdp_next(struct sip_sdp_reader *reader, struct sip_sdp_line *line,
                     struct sip_refusal *refusal);

/* Take the next word of a list like sip_sdp_media.formats; empty at its end. */
sip_str sip_sdp_word(sip_str *rest);

/* Write one line and its CRLF.  What would not be read back as the same line is
 * remembered as a refusal in `out`. */
void sip_sdp_write_line(struct sip_out *out, const struct sip_sdp_line *line);

bool sip_sdp_is_token(sip_str s);  /* RFC 8866 9: token */
bool sip_sdp_is_proto(sip_str s);  /* tokens between slashes */
bool sip_sdp_is_word(sip_str s);   /* visible characters, not empty */
bool sip_sdp_is_digits(sip_str s); /* not empty */
