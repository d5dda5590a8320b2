/* streams.c - many connections of one client: what a server is measured with over TCP,
 * TLS and WebSocket.
 *
 *     streams messages TRANSPORT PORT CONNECTIONS COUNT RATE
 *     streams idle TRANSPORT PORT CONNECTIONS
 *     streams handshakes PORT COUNT AT_ONCE [resume]
 *
 * TRANSPORT is tcp, tls, ws or wss; the server is at 127.0.0.1.  Every OPTIONS must be
 * answered by a 200 with its own Call-ID, on its own connection; whatever else comes is
 * an error and ends the program, and so is half a minute in which nothing comes.  What
 * it has reached is a line: "open", "begin", then "done", with figures.  With `idle`
 * the connections have had one answer each and are held until the program is ended;
 * with `handshakes` each is closed in order when it is secure, both ways.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
	INPUT = 4096,
	OPENING_AT_ONCE = 64, /* of those that are yet to be opened */
	FLIGHT = 4,           /* requests that wait on one connection */
	EVENTS = 256,
	PATIENCE_MS = 30000,
	TICK_MS = 1,
	PAUSE_MS = 1000 /* in which whoever measures looks at the server */
};

enum state { CLOSED, CONNECTING, SECURING, UPGRADING, OPEN, ENDING };

struct conn {
	int fd;
	enum state state;
	bool wants_write;
	SSL *ssl;
	SSL_SESSION *session;    /* to be resumed */
	uint32_t next, answered; /* numbers of requests */
	size_t len;
	char in[INPUT];
};

struct bench {
	bool secure, web;
	const char *name; /* of the transport, as in Via */
	uint16_t port;
	SSL_CTX *ctx;
	bool resume, shown;
	int epoll;
	struct conn *conns;
	unsigned count, opening, open, cursor;
	unsigned long answers, closed, resumed;
	uint64_t heard_ms;
};

static void die(const char *what, const char *why)
{
	printf("failed: %s: %s\n", what, why);
	exit(1);
}

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* ---- bytes ---- */

static const char *tls_error(void)
{
	const char *reason = ERR_reason_error_string(ERR_peek_last_error());

	return reason ? reason : strerror(errno);
}

static void watch(struct bench *b, struct conn *c, bool write)
{
	struct epoll_event event = { .events = EPOLLIN | (write ? EPOLLOUT : 0),
		                     .data.ptr = c };

	if (c->wants_write == write)
		return;
	c->wants_write = write;
	if (epoll_ctl(b->epoll, EPOLL_CTL_MOD, c->fd, &event) < 0)
		die("epoll", strerror(errno));
}

/* Small requests and an idle socket: what does not fit at once is an error. */
static void put(struct conn *c, const char *bytes, size_t len)
{
	const long sent = c->ssl ? SSL_write(c->ssl, bytes, (int)len)
	                         : send(c->fd, bytes, len, MSG_NOSIGNAL);

	if (sent != (long)len)
		die("write", c->ssl ? tls_error() : strerror(errno));
}

/* Bytes that have come; 0: none for now, -1: the end. */
static long get(struct conn *c)
{
	const size_t room = sizeof c->in - c->len;
	long got;

	if (room == 0)
		die("read", "more than an answer");
	if (c->ssl) {
		got = SSL_read(c->ssl, c->in + c->len, (int)room);
		if (got <= 0 && SSL_get_error(c->ssl, (int)got) == SSL_ERROR_WANT_READ)
			return 0;
	} else {
		got = recv(c->fd, c->in + c->len, room, 0);
		if (got < 0 && errno == EAGAIN)
			return 0;
	}
	if (got <= 0)
		return -1;
	c->len += (size_t)got;
	return got;
}

static void used(struct conn *c, size_t len)
{
	c->len -= len;
	memmove(c->in, c->in + len, c->len);
}

/* The length of a head with its empty line; 0: not all of it is there. */
static size_t head_len(const char *bytes, size_t len)
{
	const char *end = memmem(bytes, len, "\r\n\r\n", 4);

	return end ? (size_t)(end - bytes) + 4 : 0;
}

/* ---- requests and answers ---- */

static unsigned number_of(const struct bench *b, const struct conn *c)
{
	return (unsigned)(c - b->conns);
}

/* A text frame of its own, masked (RFC 6455 5.2, 5.3). */
static void put_frame(struct conn *c, char *bytes, size_t len)
{
	static const unsigned char key[4] = { 0x5a, 0xa5, 0x3c, 0xc3 };
	unsigned char frame[1024 + 8] = { 0x81, 0x80 | 126, (unsigned char)(len >> 8),
		                          (unsigned char)len };

	memcpy(frame + 4, key, sizeof key);
	for (size_t i = 0; i < len; i++)
		frame[8 + i] = (unsigned char)bytes[i] ^ key[i % 4];
	put(c, (char *)frame, len + 8);
}

static void ask(struct bench *b, struct conn *c)
{
	const unsigned conn = number_of(b, c), request = c->next++;
	char text[1024], host[32];
	int len;

	if (b->web)
		snprintf(host, sizeof host, "c%u.invalid", conn);
	else
		snprintf(host, sizeof host, "127.0.0.1:%u", 30000 + conn % 30000);
	len = snprintf(text, sizeof text,
	               "OPTIONS sip:bench@127.0.0.1:%u;transport=%s SIP/2.0\r\n"
	               "Via: SIP/2.0/%s %s;branch=z9hG4bK%u.%u;rport\r\n"
	               "Max-Forwards: 70\r\nFrom: <sip:u%u@example.com>;tag=%uT%u\r\n"
	               "To: <sip:u%u@example.com>\r\nCall-ID: %u.%u@bench\r\n"
	               "CSeq: 1 OPTIONS\r\nContact: <sip:u%u@%s;transport=%s>\r\n"
	               "Accept: application/sdp\r\nUser-Agent: streams\r\n"
	               "Content-Length: 0\r\n\r\n",
	               b->port, b->name, b->name, host, conn, request, conn, conn,
	               request, conn, conn, request, conn, host, b->name);
	if (b->web)
		put_frame(c, text, (size_t)len);
	else
		put(c, text, (size_t)len);
}

/* Is this the answer to the oldest request of the connection? */
static void check_answer(struct bench *b, struct conn *c, const char *text, size_t len)
{
	char wanted[64];
	const int size = snprintf(wanted, sizeof wanted, "\r\nCall-ID: %u.%u@bench\r\n",
	                          number_of(b, c), c->answered);

	if (len < 12 || memcmp(text, "SIP/2.0 200 ", 12) != 0)
		die("an answer that is no 200", strndup(text, len < 80 ? len : 80));
	if (c->answered == c->next || !memmem(text, len, wanted, (size_t)size))
		die("an answer to another request", strndup(text, len));
	c->answered++;
	b->answers++;
}

/* The first message on a stream; 0: not all of it. */
static size_t take_message(struct bench *b, struct conn *c)
{
	static const char length[] = "\r\nContent-Length: ";
	const size_t head = head_len(c->in, c->len);
	const char *field =
		head ? memmem(c->in, head, length, sizeof length - 1) : NULL;

	if (head == 0)
		return 0;
	if (!field || atoi(field + sizeof length - 1) != 0)
		die("an answer", "with a body, or without Content-Length");
	check_answer(b, c, c->in, head);
	return head;
}

/* The first frame that the server has sent; it masks nothing. */
static size_t take_frame(struct bench *b, struct conn *c)
{
	const unsigned char *in = (const unsigned char *)c->in;
	size_t at = 2, len;

	if (c->len < 4)
		return 0;
	len = in[1];
	if (len == 126) {
		len = (size_t)in[2] << 8 | in[3];
		at = 4;
	} else if (len > 126) {
		die("a frame", "masked, or of more than 65535 bytes");
	}
	if (c->len < at + len)
		return 0;
	if (in[0] != 0x81 && in[0] != 0x82)
		die("a frame", "that is neither text nor binary, and whole");
	check_answer(b, c, c->in + at, len);
	return at + len;
}

/* ---- connections ---- */

static int keep_session(SSL *ssl, SSL_SESSION *session)
{
	struct conn *c = SSL_get_app_data(ssl);

	SSL_SESSION_free(c->session);
	c->session = session;
	return 1;
}

static void begin(struct bench *b, struct conn *c)
{
	const struct sockaddr_in to = { .sin_family = AF_INET,
		                        .sin_port = htons(b->port),
		                        .sin_addr = { htonl(INADDR_LOOPBACK) } };
	struct epoll_event event = { .events = EPOLLIN | EPOLLOUT, .data.ptr = c };
	const int on = 1;

	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	if (c->fd < 0)
		die("socket", strerror(errno));
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	if (connect(c->fd, (const struct sockaddr *)&to, sizeof to) < 0 &&
	    errno != EINPROGRESS)
		die("connect", strerror(errno));
	c->state = CONNECTING;
	c->wants_write = true;
	c->len = 0;
	c->next = c->answered = 0;
	if (epoll_ctl(b->epoll, EPOLL_CTL_ADD, c->fd, &event) < 0)
		die("epoll", strerror(errno));
	b->opening++;
}

static void end(struct bench *b, struct conn *c)
{
	SSL_free(c->ssl);
	close(c->fd);
	c->ssl = NULL;
	c->state = CLOSED;
	b->closed++;
}

static void opened(struct bench *b, struct conn *c)
{
	c->state = OPEN;
	b->opening--;
	b->open++;
}

static void upgrade(struct bench *b, struct conn *c)
{
	char text[512];
	const int len = snprintf(text, sizeof text,
	                         "GET / HTTP/1.1\r\nHost: 127.0.0.1:%u\r\n"
	                         "Upgrade: websocket\r\nConnection: Upgrade\r\n"
	                         "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
	                         "Sec-WebSocket-Protocol: sip\r\n"
	                         "Sec-WebSocket-Version: 13\r\n\r\n",
	                         b->port);

	c->state = UPGRADING;
	put(c, text, (size_t)len);
}

static void after_security(struct bench *b, struct conn *c)
{
	if (b->web)
		upgrade(b, c);
	else
		opened(b, c);
}

static void secure(struct bench *b, struct conn *c)
{
	const int ok = SSL_do_handshake(c->ssl);
	const int why = ok == 1 ? 0 : SSL_get_error(c->ssl, ok);

	if (ok != 1 && why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE)
		die("handshake", tls_error());
	watch(b, c, why == SSL_ERROR_WANT_WRITE);
	if (ok != 1)
		return;
	if (!b->shown)
		printf("secured: %s %s\n", SSL_get_version(c->ssl),
		       SSL_get_cipher(c->ssl));
	b->shown = true;
	b->resumed += SSL_session_reused(c->ssl) == 1;
	after_security(b, c);
}

static void connected(struct bench *b, struct conn *c)
{
	int error = 0;
	socklen_t len = sizeof error;

	getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &len);
	if (error)
		die("connect", strerror(error));
	watch(b, c, false);
	if (!b->secure) {
		after_security(b, c);
		return;
	}
	c->ssl = SSL_new(b->ctx);
	if (!c->ssl || SSL_set_fd(c->ssl, c->fd) != 1)
		die("TLS", tls_error());
	SSL_set_app_data(c->ssl, c);
	SSL_set_connect_state(c->ssl);
	if (b->resume && c->session)
		SSL_set_session(c->ssl, c->session);
	c->state = SECURING;
	secure(b, c);
}

static size_t take_upgrade(struct bench *b, struct conn *c)
{
	const size_t head = head_len(c->in, c->len);

	if (head > 0 && memcmp(c->in, "HTTP/1.1 101 ", 13) != 0)
		die("upgrade", strndup(c->in, 80));
	if (head > 0)
		opened(b, c);
	return head;
}

static void readable(struct bench *b, struct conn *c)
{
	long got;
	size_t len;

	while ((got = get(c)) > 0) {
		do {
			len = c->state == UPGRADING ? take_upgrade(b, c)
			      : b->web              ? take_frame(b, c)
			                            : take_message(b, c);
			used(c, len);
		} while (len > 0 && c->len > 0);
	}
	if (got < 0 && c->state == ENDING)
		end(b, c);
	else if (got < 0)
		die("connection", "closed by the server");
}

static void turn(struct bench *b, int wait_ms)
{
	struct epoll_event events[EVENTS];
	const int count = epoll_wait(b->epoll, events, EVENTS, wait_ms);
	const uint64_t now = now_ms();

	if (count > 0)
		b->heard_ms = now;
	else if (now > b->heard_ms + PATIENCE_MS)
		die("server", "it says nothing");
	for (int i = 0; i < count; i++) {
		struct conn *c = events[i].data.ptr;

		if (c->state == CONNECTING)
			connected(b, c);
		else if (c->state == SECURING)
			secure(b, c);
		else if (c->state != CLOSED)
			readable(b, c);
	}
}

/* ---- what is measured ---- */

static void open_all(struct bench *b)
{
	const uint64_t began = now_ms();

	for (unsigned i = 0; b->open < b->count;) {
		while (i < b->count && b->opening < OPENING_AT_ONCE)
			begin(b, &b->conns[i++]);
		turn(b, 100);
	}
	printf("open %u in %u ms\n", b->count, (unsigned)(now_ms() - began));
}

/* The next connection in turn that waits for few answers. */
static struct conn *next_idle(struct bench *b)
{
	for (unsigned tries = 0; tries < b->count; tries++) {
		struct conn *c = &b->conns[b->cursor++ % b->count];

		if (c->next - c->answered < FLIGHT)
			return c;
	}
	return NULL;
}

/* So many requests at this rate: what the server is late with is made up for. */
static unsigned run_requests(struct bench *b, unsigned long count, unsigned rate)
{
	const uint64_t began = now_ms();
	const unsigned long goal = b->answers + count;
	unsigned long sent = 0;
	struct conn *c;

	b->heard_ms = began;
	while (b->answers < goal) {
		const unsigned long due = (now_ms() - began) * rate / 1000;

		while (sent < count && sent < due && (c = next_idle(b))) {
			ask(b, c);
			sent++;
		}
		turn(b, TICK_MS);
	}
	return (unsigned)(now_ms() - began);
}

static void pause_ms(unsigned ms)
{
	const struct timespec span = { ms / 1000, ms % 1000 * 1000000L };

	nanosleep(&span, NULL);
}

static void messages(struct bench *b, unsigned long count, unsigned rate)
{
	open_all(b);
	(void)run_requests(b, b->count, rate); /* each connection has had one */
	printf("begin\n");
	pause_ms(PAUSE_MS);
	printf("done %lu in %u ms\n", count, run_requests(b, count, rate));
	pause_ms(PAUSE_MS);
}

static void idle(struct bench *b)
{
	open_all(b);
	(void)run_requests(b, b->count, 2000);
	printf("done %u\n", b->count);
	for (;;) {
		b->heard_ms = now_ms();
		turn(b, 1000);
	}
}

static void handshakes(struct bench *b, unsigned long count)
{
	unsigned long begun = 0;
	uint64_t began;

	printf("begin\n");
	pause_ms(PAUSE_MS);
	began = b->heard_ms = now_ms();
	while (b->closed < count) {
		for (unsigned i = 0; i < b->count; i++) {
			struct conn *c = &b->conns[i];

			if (c->state == OPEN) { /* the server's goodbye ends it */
				c->state = ENDING;
				(void)SSL_shutdown(c->ssl);
			} else if (c->state == CLOSED && begun < count) {
				begin(b, c);
				begun++;
			}
		}
		turn(b, 100);
	}
	printf("done %lu in %u ms, %lu resumed\n", count, (unsigned)(now_ms() - began),
	       b->resumed);
	pause_ms(PAUSE_MS);
}

/* ---- life ---- */

static unsigned long number(const char *text)
{
	const unsigned long value = strtoul(text, NULL, 10);

	if (value == 0)
		die("argument", text);
	return value;
}

static void prepare(struct bench *b, const char *transport, const char *port,
                    const char *count)
{
	static const struct {
		const char *name, *via;
		bool secure, web;
	} all[] = { { "tcp", "TCP", false, false },
		    { "tls", "TLS", true, false },
		    { "ws", "WS", false, true },
		    { "wss", "WSS", true, true } };

	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
		if (strcmp(all[i].name, transport) == 0) {
			b->name = all[i].via;
			b->secure = all[i].secure;
			b->web = all[i].web;
		}
	}
	if (!b->name)
		die("transport", transport);
	b->port = (uint16_t)number(port);
	b->count = (unsigned)number(count);
	b->conns = calloc(b->count, sizeof *b->conns);
	b->epoll = epoll_create1(0);
	b->heard_ms = now_ms();
	if (!b->conns || b->epoll < 0)
		die("memory", strerror(errno));
	if (!b->secure)
		return;
	b->ctx = SSL_CTX_new(TLS_client_method());
	if (!b->ctx)
		die("TLS", tls_error());
	SSL_CTX_set_mode(b->ctx, SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_session_cache_mode(b->ctx, SSL_SESS_CACHE_CLIENT |
	                                               SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(b->ctx, keep_session);
}

int main(int argc, char **argv)
{
	struct bench b = { .name = NULL };

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc == 7 && strcmp(argv[1], "messages") == 0) {
		prepare(&b, argv[2], argv[3], argv[4]);
		messages(&b, number(argv[5]), (unsigned)number(argv[6]));
	} else if (argc == 5 && strcmp(argv[1], "idle") == 0) {
		prepare(&b, argv[2], argv[3], argv[4]);
		idle(&b);
	} else if (argc >= 5 && strcmp(argv[1], "handshakes") == 0) {
		prepare(&b, "tls", argv[2], argv[4]);
		b.resume = argc == 6;
		handshakes(&b, number(argv[3]));
	} else {
		fputs("streams messages|idle|handshakes: see streams.c\n", stderr);
		return 2;
	}
	return 0;
}
