/* challenge.c - the reader of WWW-Authenticate, Authorization and their kin. */
#include "auth/challenge.h"

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool is_alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c >= '0' && c <= '9');
}

/* None may stand in a quoted string, not even escaped and written back (RFC 3261
 * 25.1); folded lines are unfolded before they come here. */
static bool is_control(char c)
{
	return ((unsigned char)c < ' ' && c != '\t') || c == 0x7f;
}

static bool is_token_char(char c) /* RFC 3261 25.1 */
{
	return is_alnum(c) || (c != '\0' && strchr("-.!%*_+`'~", c) != NULL);
}

static bool is_token68_char(char c)
{
	return is_alnum(c) || (c != '\0' && strchr("-._~+/", c) != NULL);
}

static bool at_end(const struct sip_auth_reader *r)
{
	return r->pos == r->text.len;
}

static bool at_char(const struct sip_auth_reader *r, char c)
{
	return !at_end(r) && r->text.p[r->pos] == c;
}

static void skip_blanks(struct sip_auth_reader *r)
{
	while (!at_end(r) && is_blank(r->text.p[r->pos]))
		r->pos++;
}

/* Empty elements of a list are skipped (RFC 7230 7); true when a comma was there. */
static bool skip_commas(struct sip_auth_reader *r)
{
	bool any = false;

	skip_blanks(r);
	while (at_char(r, ',')) {
		any = true;
		r->pos++;
		skip_blanks(r);
	}
	return any;
}

static sip_str take(struct sip_auth_reader *r, bool (*is_char)(char c))
{
	const size_t from = r->pos;

	while (!at_end(r) && is_char(r->text.p[r->pos]))
		r->pos++;
	return sip_str_of(r->text.p + from, r->pos - from);
}

static sip_err refuse(struct sip_auth_reader *r, const char *why)
{
	r->why = why;
	return SIP_ESYNTAX;
}

void sip_auth_reader_init(struct sip_auth_reader *reader, sip_str text)
{
	*reader = (struct sip_auth_reader){ .text = text };
}

/* "Negotiate YIIB==" is one, "Digest realm=x" is not: a token68 reaches to a comma
 * or the end, and has an equals sign only as padding. */
static sip_str take_token68(struct sip_auth_reader *r)
{
	const size_t from = r->pos;
	sip_str token = take(r, is_token68_char);

	while (token.len > 0 && at_char(r, '='))
		r->pos++;
	token.len = r->pos - from;
	skip_blanks(r);
	if (token.len == 0 || (!at_end(r) && !at_char(r, ','))) {
		r->pos = from;
		token.len = 0;
	}
	return token;
}

sip_err sip_auth_next_scheme(struct sip_auth_reader *r, sip_str *scheme,
                             sip_str *token68)
{
	(void)skip_commas(r); /* one may follow a token68 */
	if (at_end(r))
		return SIP_EMORE;
	*scheme = take(r, is_token_char);
	*token68 = sip_str_of(r->text.p + r->pos, 0);
	if (scheme->len == 0)
		return refuse(r, "scheme expected");
	if (at_end(r) || at_char(r, ','))
		return SIP_OK;
	if (!is_blank(r->text.p[r->pos]))
		return refuse(r, "blank expected after the scheme");
	skip_blanks(r);
	*token68 = take_token68(r);
	return SIP_OK;
}

static sip_err take_quoted(struct sip_auth_reader *r, struct sip_auth_param *param)
{
	const size_t from = ++r->pos;

	while (!at_end(r) && !at_char(r, '"')) {
		if (at_char(r, '\\'))
			r->pos++;
		if (at_end(r))
			break;
		if (is_control(r->text.p[r->pos]))
			return refuse(r, "control character in a quoted string");
		r->pos++;
	}
	if (at_end(r))
		return refuse(r, "quoted string does not end");
	param->value = sip_str_of(r->text.p + from, r->pos - from);
	param->quoted = true;
	r->pos++;
	return SIP_OK;
}

/* Values that should be quoted and are not come from real servers: a nonce in
 * base64, a URI.  They end at a blank or a comma. */
static bool is_bare_char(char c)
{
	return (unsigned char)c > ' ' && c != 0x7f && c != ',' && c != '"';
}

static sip_err take_value(struct sip_auth_reader *r, struct sip_auth_param *param)
{
	skip_blanks(r);
	param->quoted = false;
	if (at_char(r, '"'))
		return take_quoted(r, param);
	param->value = take(r, is_bare_char);
	return SIP_OK;
}

/* A name without "=" behind a comma is the next scheme. */
sip_err sip_auth_next_param(struct sip_auth_reader *r, struct sip_auth_param *param)
{
	const bool comma = skip_commas(r);
	const size_t from = r->pos;
	sip_err err;

	if (at_end(r))
		return SIP_EMORE;
	param->name = take(r, is_token_char);
	if (param->name.len == 0)
		return refuse(r, "name of a parameter expected");
	skip_blanks(r);
	if (!at_char(r, '=')) {
		if (!comma)
			return refuse(r, "= expected");
		r->pos = from;
		return SIP_EMORE;
	}
	r->pos++;
	err = take_value(r, param);
	if (err != SIP_OK)
		return err;
	skip_blanks(r);
	if (!at_end(r) && !at_char(r, ','))
		return refuse(r, "comma expected");
	return SIP_OK;
}

size_t sip_auth_unquote(sip_str raw, char *out)
{
	size_t len = 0;

	for (size_t i = 0; i < raw.len; i++) {
		if (raw.p[i] == '\\' && i + 1 < raw.len)
			i++;
		out[len++] = raw.p[i];
	}
	return len;
}
