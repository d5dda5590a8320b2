/* sdp_write.c - the writer of session descriptions, a line at a time.
 *
 * What it writes, the reader gives back field by field: a blank inside a word, a
 * line end inside a text or an empty field is refused, never repaired.
 */
#include "msg/sdp.h"

static void refuse(struct sip_out *out, const char *why)
{
	if (!out->why)
		out->why = why;
}

static void write_word(struct sip_out *out, bool ok, sip_str s, const char *why)
{
	if (!ok)
		refuse(out, why);
	sip_out_str(out, s);
}

static void write_origin(struct sip_out *out, const struct sip_sdp_origin *o)
{
	write_word(out, sip_sdp_is_word(o->user), o->user, "o= user is malformed");
	sip_out_lit(out, " ");
	write_word(out, sip_sdp_is_digits(o->id), o->id, "o= id is not digits");
	sip_out_lit(out, " ");
	write_word(out, sip_sdp_is_digits(o->version), o->version,
	           "o= version is not digits");
	sip_out_lit(out, " ");
	write_word(out, sip_sdp_is_token(o->net), o->net, "o= net is malformed");
	sip_out_lit(out, " ");
	write_word(out, sip_sdp_is_token(o->addr_type), o->addr_type,
	           "o= address type is malformed");
	sip_out_lit(out, " ");
	write_word(out, sip_sdp_is_word(o->address), o->address,
	           "o= address is malformed");
}

static void write_connection(struct sip_out *out, const struct sip_sdp_connection *c)
{
	const bool slash =
		c->address.len > 0 && memchr(c->address.p, '/', c->address.len);
	const bool ip4 = sip_str_ieq(c->addr_type, SIP_STR("IP4"));

	write_word(out, sip_sdp_is_token(c->net), c->net, "c= net is malformed");
	sip_out_lit(out, " ");
	write_word(out, sip_sdp_is_token(c->addr_type), c->addr_type,
	           "c= address type is malformed");
	sip_out_lit(out, " ");
	write_word(out, sip_sdp_is_word(c->address) && !slash, c->address,
	           "c= address is malformed");
	if (c->ttl > 255 || (c->ttl > 0 && !ip4))
		refuse(out, "c= TTL is malformed");
	if (c->ttl > 0 || (c->count > 0 && ip4)) {
		sip_out_lit(out, "/");
		sip_out_u64(out, c->ttl);
	}
	if (c->count > 0) {
		sip_out_lit(out, "/");
		sip_out_u64(out, c->count);
	}
}

static void write_media(struct sip_out *out, const struct sip_sdp_media *m)
{
	sip_str left = m->formats;
	sip_str format = sip_sdp_word(&left);

	write_word(out, sip_sdp_is_token(m->media), m->media, "m= type is malformed");
	sip_out_lit(out, " ");
	sip_out_u64(out, m->port);
	if (m->ports > 0) {
		sip_out_lit(out, "/");
		sip_out_u64(out, m->ports);
	}
	if (m->ports > UINT16_MAX)
		refuse(out, "m= number of ports is too large");
	sip_out_lit(out, " ");
	write_word(out, sip_sdp_is_proto(m->proto), m->proto, "m= proto is malformed");
	if (format.len == 0)
		refuse(out, "m= names no format");
	for (; format.len > 0; format = sip_sdp_word(&left)) {
		sip_out_lit(out, " ");
		write_word(out, sip_sdp_is_word(format), format,
		           "m= format is malformed");
	}
}

static void write_pair(struct sip_out *out, char type, const struct sip_sdp_pair *p)
{
	const bool digits = type != 'a';

	if (type == 't')
		write_word(out, sip_sdp_is_digits(p->name), p->name,
		           "t= start is not digits");
	else
		write_word(out, sip_sdp_is_token(p->name), p->name,
		           "name of an attribute or bandwidth is malformed");
	if (digits && !sip_sdp_is_digits(p->value))
		refuse(out, type == 't' ? "t= stop is not digits"
		                        : "b= value is not digits");
	if (!p->has_value && !digits)
		return;
	sip_out_bytes(out, type == 't' ? " " : ":", 1);
	sip_out_value(out, p->value, "attribute holds CR, LF or NUL");
}

static const char *broken_text(char type)
{
	switch (type) {
	case 's':
		return "s= holds CR, LF or NUL";
	case 'i':
		return "i= holds CR, LF or NUL";
	case 'u':
		return "u= holds CR, LF or NUL";
	default:
		return "text holds CR, LF or NUL";
	}
}

static void write_text(struct sip_out *out, char type, sip_str text)
{
	if (text.len == 0 && type != 's')
		refuse(out, "text is empty");
	if (type == 'v' && !sip_str_eq(text, SIP_STR("0")))
		refuse(out, "v= is not 0");
	sip_out_value(out, text, broken_text(type));
}

void sip_sdp_write_line(struct sip_out *out, const struct sip_sdp_line *line)
{
	sip_out_bytes(out, &line->type, 1);
	sip_out_lit(out, "=");
	switch (line->type) {
	case 'o':
		write_origin(out, &line->u.origin);
		break;
	case 'c':
		write_connection(out, &line->u.connection);
		break;
	case 'm':
		write_media(out, &line->u.media);
		break;
	case 'a':
	case 'b':
	case 't':
		write_pair(out, line->type, &line->u.pair);
		break;
	default:
		write_text(out, line->type, line->u.text);
		break;
	}
	sip_out_lit(out, "\r\n");
}
