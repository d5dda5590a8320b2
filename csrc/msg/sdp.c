/* sdp.c - the reader of session descriptions. */
#include "msg/sdp.h"

#include "msg/message.h"

#include <assert.h>

/* Letters that stand at most once on a level. */
#define ONCE_SESSION "vosiuck"
#define ONCE_MEDIA "ik"

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_token_char(char c)
{
	if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || is_digit(c))
		return true;
	return c != '\0' && strchr("!#$%&'*+-.^_`{|}~", c) != NULL;
}

bool sip_sdp_is_token(sip_str s)
{
	for (size_t i = 0; i < s.len; i++)
		if (!is_token_char(s.p[i]))
			return false;
	return s.len > 0;
}

bool sip_sdp_is_proto(sip_str s)
{
	bool after_char = false;

	for (size_t i = 0; i < s.len; i++) {
		if (s.p[i] == '/' ? !after_char : !is_token_char(s.p[i]))
			return false;
		after_char = s.p[i] != '/';
	}
	return after_char;
}

bool sip_sdp_is_word(sip_str s)
{
	for (size_t i = 0; i < s.len; i++) {
		const unsigned char c = (unsigned char)s.p[i];

		if (c <= ' ' || c == 0x7f)
			return false;
	}
	return s.len > 0;
}

bool sip_sdp_is_digits(sip_str s)
{
	for (size_t i = 0; i < s.len; i++)
		if (!is_digit(s.p[i]))
			return false;
	return s.len > 0;
}

sip_str sip_sdp_word(sip_str *rest)
{
	sip_str word;

	while (rest->len > 0 && rest->p[0] == ' ') {
		rest->p++;
		rest->len--;
	}
	word = sip_str_of(rest->p, 0);
	while (word.len < rest->len && word.p[word.len] != ' ')
		word.len++;
	rest->p += word.len;
	rest->len -= word.len;
	return word;
}

/* Cut `s` at the first `mark`: what stands before it is given, what stands after
 * it stays in `s`.  Without a mark all is given and `s` becomes empty. */
static sip_str cut(sip_str *s, char mark, bool *found)
{
	const char *at = s->len > 0 ? memchr(s->p, mark, s->len) : NULL;
	const sip_str whole = *s;

	*found = at != NULL;
	if (!at) {
		*s = sip_str_of(whole.p + whole.len, 0);
		return whole;
	}
	*s = sip_str_of(at + 1, whole.len - (size_t)(at - whole.p) - 1);
	return sip_str_of(whole.p, (size_t)(at - whole.p));
}

/* --- the lines: each gives NULL, or why it is refused --------------------------- */

static const char *read_origin(sip_str value, struct sip_sdp_origin *origin)
{
	origin->user = sip_sdp_word(&value);
	origin->id = sip_sdp_word(&value);
	origin->version = sip_sdp_word(&value);
	origin->net = sip_sdp_word(&value);
	origin->addr_type = sip_sdp_word(&value);
	origin->address = sip_sdp_word(&value);
	if (!sip_sdp_is_word(origin->address) || sip_sdp_word(&value).len > 0)
		return "o= wants six fields";
	if (!sip_sdp_is_word(origin->user))
		return "o= user is malformed";
	if (!sip_sdp_is_digits(origin->id))
		return "o= session id is not a number";
	if (!sip_sdp_is_digits(origin->version))
		return "o= session version is not a number";
	if (!sip_sdp_is_token(origin->net) || !sip_sdp_is_token(origin->addr_type))
		return "o= network or address type is malformed";
	return NULL;
}

/* The part after the address: "/ttl", "/ttl/count" for IP4, "/count" for others
 * (RFC 8866 5.7). */
static const char *read_multicast(sip_str rest, struct sip_sdp_connection *c)
{
	uint64_t first, second;
	bool more;
	const sip_str one = cut(&rest, '/', &more);

	if (!sip_str_to_u64(one, UINT32_MAX, &first))
		return "c= number after the address is malformed";
	if (!sip_str_ieq(c->addr_type, SIP_STR("IP4"))) {
		if (more || first == 0)
			return "c= number of addresses is malformed";
		c->count = (uint32_t)first;
		return NULL;
	}
	if (first > 255)
		return "c= TTL is more than 255";
	c->ttl = (uint32_t)first;
	if (!more)
		return NULL;
	if (!sip_str_to_u64(rest, UINT32_MAX, &second) || second == 0)
		return "c= number of addresses is malformed";
	c->count = (uint32_t)second;
	return NULL;
}

static const char *read_connection(sip_str value, struct sip_sdp_connection *c)
{
	bool multicast;
	sip_str rest;

	c->net = sip_sdp_word(&value);
	c->addr_type = sip_sdp_word(&value);
	rest = sip_sdp_word(&value);
	c->ttl = 0;
	c->count = 0;
	c->address = cut(&rest, '/', &multicast);
	if (!sip_sdp_is_word(c->address) || sip_sdp_word(&value).len > 0)
		return "c= wants three fields";
	if (!sip_sdp_is_token(c->net) || !sip_sdp_is_token(c->addr_type))
		return "c= network or address type is malformed";
	return multicast ? read_multicast(rest, c) : NULL;
}

static const char *read_media(sip_str value, struct sip_sdp_media *m)
{
	uint64_t number;
	bool several;
	sip_str rest;

	m->media = sip_sdp_word(&value);
	if (!sip_sdp_is_token(m->media))
		return "m= media type is malformed";
	rest = sip_sdp_word(&value);
	if (!sip_str_to_u64(cut(&rest, '/', &several), UINT16_MAX, &number))
		return "m= port is not a number up to 65535";
	m->port = (uint16_t)number;
	m->ports = 0;
	if (several) {
		if (!sip_str_to_u64(rest, UINT16_MAX, &number) || number == 0)
			return "m= number of ports is malformed";
		m->ports = (uint32_t)number;
	}
	m->proto = sip_sdp_word(&value);
	if (!sip_sdp_is_proto(m->proto))
		return "m= protocol is malformed";
	m->formats = sip_str_trim(value);
	if (m->formats.len == 0)
		return "m= names no format";
	for (sip_str left = m->formats, f; (f = sip_sdp_word(&left)).len > 0;)
		if (!sip_sdp_is_word(f))
			return "m= format is malformed";
	return NULL;
}

static const char *read_attribute(sip_str value, struct sip_sdp_pair *pair)
{
	pair->name = cut(&value, ':', &pair->has_value);
	pair->value = value;
	return sip_sdp_is_token(pair->name) ? NULL : "a= name is malformed";
}

static const char *read_bandwidth(sip_str value, struct sip_sdp_pair *pair)
{
	pair->name = cut(&value, ':', &pair->has_value);
	pair->value = sip_str_trim(value);
	if (!sip_sdp_is_token(pair->name))
		return "b= type is malformed";
	return sip_sdp_is_digits(pair->value) ? NULL : "b= value is not a number";
}

static const char *read_time(sip_str value, struct sip_sdp_pair *pair)
{
	pair->name = sip_sdp_word(&value);
	pair->value = sip_sdp_word(&value);
	pair->has_value = true;
	if (!sip_sdp_is_digits(pair->name) || !sip_sdp_is_digits(pair->value) ||
	    sip_sdp_word(&value).len > 0)
		return "t= wants two numbers";
	return NULL;
}

static const char *read_value(sip_str value, struct sip_sdp_line *line)
{
	switch (line->type) {
	case 'o':
		return read_origin(value, &line->u.origin);
	case 'c':
		return read_connection(value, &line->u.connection);
	case 'm':
		return read_media(value, &line->u.media);
	case 'a':
		return read_attribute(value, &line->u.pair);
	case 'b':
		return read_bandwidth(value, &line->u.pair);
	case 't':
		return read_time(value, &line->u.pair);
	case 'v':
		line->u.text = sip_str_trim(value);
		return sip_str_eq(line->u.text, SIP_STR("0")) ? NULL : "v= is not 0";
	default:
		line->u.text = value;
		/* "s=" alone breaks the grammar and is what RFC 3264 10 shows. */
		return value.len > 0 || line->type == 's' ? NULL : "line has no value";
	}
}

/* --- where a line may stand ------------------------------------------------------- */

static bool is_repeated(struct sip_sdp_reader *r, char type)
{
	const char *once = r->media > 0 ? ONCE_MEDIA : ONCE_SESSION;
	const uint32_t bit = UINT32_C(1) << (type - 'a');

	if (strchr(once, type) == NULL)
		return false;
	if (r->once & bit)
		return true;
	r->once |= bit;
	return false;
}

static const char *place_of_first(const struct sip_sdp_reader *r, char type)
{
	static const char first[] = { 'v', 'o', 's' };
	static const char *const why[] = { "description does not begin with v=",
		                           "o= does not follow v=",
		                           "s= does not follow o=" };

	return type == first[r->lines] ? NULL : why[r->lines];
}

/* Why a line may not stand here; NULL when it may.  RFC 8866 5 gives one order;
 * what comes between s= and the first m= is taken in any (peers do mix it). */
static const char *place(struct sip_sdp_reader *r, char type)
{
	if (type < 'a' || type > 'z' || strchr("vosiuepcbtrzkam", type) == NULL)
		return "unknown type of line";
	if (r->lines < 3)
		return place_of_first(r, type);
	if (type == 'm')
		return r->has_time ? NULL : "t= is missing";
	if (r->media > 0 && strchr("icbka", type) == NULL)
		return "line belongs before the first m=";
	if (is_repeated(r, type))
		return "line is repeated";
	if (type == 'r' && !r->has_time)
		return "r= without t=";
	if (type == 'z' && !r->has_time)
		return "z= without t=";
	return NULL;
}

static void remember(struct sip_sdp_reader *r, const struct sip_sdp_line *line)
{
	r->lines++;
	switch (line->type) {
	case 'v':
	case 'o':
	case 's':
		(void)is_repeated(r, line->type); /* only for its bit */
		break;
	case 't':
		r->has_time = true;
		break;
	case 'c':
		if (r->media == 0)
			r->has_connection = true;
		r->wants_connection = false;
		break;
	case 'm':
		r->media++;
		r->once = 0;
		r->media_at = line->at;
		r->wants_connection = !r->has_connection && line->u.media.port != 0;
		break;
	default:
		break;
	}
}

static sip_err refuse(struct sip_refusal *refusal, uint32_t at, const char *why,
                      sip_err err)
{
	refusal->at = at;
	refusal->why = why;
	refusal->status = 400;
	return err;
}

/* The next line without its end; `why` says what is wrong with its bytes. */
static sip_str take_line(struct sip_sdp_reader *r, const char **why)
{
	const char *start = r->bytes.p + r->pos;
	const size_t left = r->bytes.len - r->pos;
	const char *end = memchr(start, '\n', left);
	sip_str line = sip_str_of(start, end ? (size_t)(end - start) : left);

	r->pos += line.len + (end ? 1 : 0);
	if (line.len > 0 && line.p[line.len - 1] == '\r')
		line.len--;
	*why = sip_str_breaks_lines(line) ? "line holds a bare CR or a NUL" : NULL;
	return line;
}

static bool only_line_ends_left(const struct sip_sdp_reader *r)
{
	for (size_t i = r->pos; i < r->bytes.len; i++)
		if (r->bytes.p[i] != '\r' && r->bytes.p[i] != '\n')
			return false;
	return true;
}

static sip_err finish(const struct sip_sdp_reader *r, struct sip_refusal *refusal)
{
	static const char *const missing[] = { "description is empty", "o= is missing",
		                               "s= is missing" };
	const uint32_t end = (uint32_t)r->bytes.len;

	if (r->lines < 3)
		return refuse(refusal, end, missing[r->lines], SIP_ESYNTAX);
	if (!r->has_time)
		return refuse(refusal, end, "t= is missing", SIP_ESYNTAX);
	return SIP_EMORE;
}

void sip_sdp_reader_init(struct sip_sdp_reader *reader, sip_str bytes,
                         const struct sip_limits *limits)
{
	*reader = (struct sip_sdp_reader){ .bytes = bytes, .limits = limits };
	assert(bytes.len <= UINT32_MAX);
}

/* The place is judged before the value, so that the first thing that is wrong is
 * what the refusal names; a missing c= is noticed where its media ends, and told
 * of its m= line. */
sip_err sip_sdp_next(struct sip_sdp_reader *r, struct sip_sdp_line *line,
                     struct sip_refusal *refusal)
{
	const bool end = only_line_ends_left(r);
	const char *why;
	sip_str text;

	line->at = (uint32_t)r->pos;
	if (r->wants_connection && (end || r->bytes.p[r->pos] == 'm'))
		return refuse(refusal, r->media_at, "media without c=", SIP_ESYNTAX);
	if (end)
		return finish(r, refusal);
	if (r->lines >= r->limits->sdp_lines)
		return refuse(refusal, line->at, "too many lines", SIP_ELIMIT);

	text = take_line(r, &why);
	if (why)
		return refuse(refusal, line->at, why, SIP_ESYNTAX);
	if (text.len < 2 || text.p[1] != '=')
		return refuse(refusal, line->at,
		              "line is not a letter and =", SIP_ESYNTAX);
	line->type = text.p[0];
	why = place(r, line->type);
	if (!why)
		why = read_value(sip_str_of(text.p + 2, text.len - 2), line);
	if (why)
		return refuse(refusal, line->at, why, SIP_ESYNTAX);
	if (line->type == 'm' && r->media >= r->limits->sdp_media)
		return refuse(refusal, line->at, "too many m= lines", SIP_ELIMIT);
	remember(r, line);
	return SIP_OK;
}
