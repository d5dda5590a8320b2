#pragma once
/* The seam to the network.  Implemented twice: net (libuv) and sim (virtual).
 *
 * No rule of SIP lives below it.  The stack calls the operations; what comes back
 * is handed to sip_stack_input as a sip_wire_event.  Datagram sockets need no
 * `open`: their path is the listening socket's id and two addresses, and the
 * wire sends from `path.local` (its address is the one the request came to).
 * Nothing comes back from inside an operation: an event is always later.
 */
#include "base/addr.h"
#include "base/err.h"

/*	constant   on the wire  in URIs  reliable secure port */
/* clang-format off */
#define SIP_TRANSPORT_MAP(X)                                              \
	X(SIP_UDP, "UDP", "udp", 0, 0, 5060)                                  \
	X(SIP_TCP, "TCP", "tcp", 1, 0, 5060)                                  \
	X(SIP_TLS, "TLS", "tls", 1, 1, 5061)                                  \
	X(SIP_WS,  "WS",  "ws",  1, 0, 80)                                    \
	X(SIP_WSS, "WSS", "wss", 1, 1, 443)
/* clang-format on */

#define SIP_TRANSPORT_ENUM(name, via, uri, reliable, secure, port) name,
enum sip_transport { SIP_TRANSPORT_NONE, SIP_TRANSPORT_MAP(SIP_TRANSPORT_ENUM) };
#undef SIP_TRANSPORT_ENUM

struct sip_transport_info {
	sip_str via; /* as in Via: "UDP" */
	sip_str uri; /* as in transport=: "udp" */
	bool reliable, secure;
	uint16_t port; /* default */
};
/* Asserts that `transport` is one of the five. */
const struct sip_transport_info *sip_transport_info(enum sip_transport transport);
bool sip_transport_is_web(enum sip_transport transport); /* a WebSocket */
/* SIP_TRANSPORT_NONE for an unknown name; case does not matter. */
enum sip_transport sip_transport_find(sip_str name);

/* How one message travels.  A value. */
struct sip_path {
	enum sip_transport transport;
	uint32_t id; /* the wire's: a listening socket (UDP) or a connection; 0: none */
	struct sip_addr local, remote;
};

/* As on the wire (RFC 1035 3.2.2, 3596, 2782, 3403). */
enum sip_record_type {
	SIP_RECORD_NONE,
	SIP_RECORD_A = 1,
	SIP_RECORD_AAAA = 28,
	SIP_RECORD_SRV = 33,
	SIP_RECORD_NAPTR = 35
};

enum {
	SIP_NAME_MAX = 253,  /* of a host, as text (RFC 1035 2.3.4) */
	SIP_RECORDS_MAX = 32 /* of one answer; the rest is left out */
};

struct sip_record {
	enum sip_record_type type;
	uint32_t ttl_s;
	struct sip_addr addr; /* A and AAAA; port 0 */
	uint16_t order;       /* NAPTR; of SRV the priority */
	uint16_t preference;  /* NAPTR; of SRV the weight */
	uint16_t port;        /* SRV */
	char flags[4];        /* NAPTR; each text ends with NUL */
	char service[32];
	char target[SIP_NAME_MAX + 1]; /* SRV and NAPTR; empty: there is none (".") */
};

/* What a peer has said that opened a WebSocket to us (RFC 6455 4.1); all empty: it has
 * opened none. */
struct sip_handshake {
	sip_str target; /* of its request: a path, and a query behind it */
	sip_str origin; /* of its page (RFC 6454); empty: no browser */
	sip_str cookie; /* RFC 6265 4.2; empty: none */
};

enum sip_wire_kind {
	SIP_WIRE_OPENED,  /* path: by us (an `open`) or to us (a listener's new one);
	                     names, handshake: of the peer */
	SIP_WIRE_BYTES,   /* path, bytes: a datagram, a piece of a stream, or a whole
	                     message of a WebSocket, which is empty when all that is
	                     said is that the peer is there */
	SIP_WIRE_FAILED,  /* path, token, err, why: this send did not go out; token 0
	                     for an ICMP error that belongs to path.remote */
	SIP_WIRE_DRAINED, /* path: what was queued on this connection has gone out */
	SIP_WIRE_CLOSED,  /* path, err (SIP_OK: orderly), why; exactly once per
	                     connection, also for an `open` that did not succeed */
	SIP_WIRE_RECORDS, /* token, err, records; SIP_EWIRE: no answer, `why` says.
	                     Without records ttl_s is for how long there are none */
	SIP_WIRE_NOTICE,  /* why: for the log; of nothing that was told before */
	SIP_WIRE_REFUSED, /* path: somebody who has connected, by a bound; without an
	                     address when it was the bound of all */
};

struct sip_wire_event {
	enum sip_wire_kind kind;
	struct sip_path path;
	uint64_t token;
	sip_err err;
	const char *why; /* readable, may be NULL; borrowed */
	/* The identities of the peer that its certificate has proven, in lower case,
	 * each ended by a line feed (RFC 5922 7.1); empty: none. */
	sip_str names;
	struct sip_handshake handshake;
	sip_str bytes;
	const struct sip_record *records;
	size_t record_count;
	uint32_t ttl_s; /* 0: the answer did not say (RFC 2308 5) */
};

/* Where a wire delivers its events: the stack that was made with it. */
struct sip_wire_sink {
	void (*event)(struct sip_wire_sink *sink, const struct sip_wire_event *event);
	/* How many connections of which it has not been told yet somebody may have at
	 * this address; 0: any number.  May be NULL, for no bound. */
	uint32_t (*half_open_max)(struct sip_wire_sink *sink,
	                          const struct sip_addr *remote);
	/* The wire holds so many bytes of a message of this connection that is not
	 * complete; false: they are too many.  May be NULL, for no bound. */
	bool (*holds)(struct sip_wire_sink *sink, uint32_t id, uint32_t bytes);
	/* How many datagrams it has handled, and not put aside: in one turn a wire
	 * reads until there were some hundred of these.  May be NULL, when it handles
	 * all. */
	uint64_t (*handled)(struct sip_wire_sink *sink);
};

struct sip_wire;

struct sip_wire_ops {
	/* Listen at `at`; port 0 asks for a free one, and `at` comes back as bound.
	 * SIP_EWIRE with a readable reason in `why` (never NULL then). */
	sip_err (*listen)(struct sip_wire *wire, enum sip_transport transport,
	                  struct sip_addr *at, uint32_t *id, const char **why);
	void (*unlisten)(struct sip_wire *wire, uint32_t id);

	/* Connect.  `local` chooses the source address when its family is set;
	 * `server_name` is for TLS and WebSocket: whom the certificate must name and
	 * the request asks, the address itself when it is empty.  OPENED or CLOSED
	 * follows. */
	sip_err (*open)(struct sip_wire *wire, enum sip_transport transport,
	                const struct sip_addr *local, const struct sip_addr *remote,
	                sip_str server_name, uint32_t *id);
	/* Send or queue; copies the bytes, of a WebSocket a whole message.  A failure
	 * is returned or comes back as FAILED with this token; success says nothing. */
	sip_err (*send)(struct sip_wire *wire, const struct sip_path *path,
	                sip_str bytes, uint64_t token);
	/* Close a connection; CLOSED follows.  What is queued goes out first. */
	void (*close)(struct sip_wire *wire, uint32_t id);

	/* Ask for records of a host name; RECORDS follows with this token. */
	sip_err (*lookup)(struct sip_wire *wire, sip_str name,
	                  enum sip_record_type type, uint64_t token);
	/* The local address the kernel would use towards `remote` (port 0). */
	sip_err (*route)(struct sip_wire *wire, const struct sip_addr *remote,
	                 struct sip_addr *local);
	/* What the handshakes of WebSockets that are opened from here on ask for: a
	 * path, and a query; "/" when this has not been said.  Copies it. */
	sip_err (*asks)(struct sip_wire *wire, sip_str target);
};

struct sip_wire {
	const struct sip_wire_ops *ops;
};
