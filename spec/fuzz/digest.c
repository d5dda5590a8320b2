/* Challenges and credentials: any bytes are read or refused; what was read is put into
 * credentials, which read back as the same values. */
#include "auth/digest.h"
#include "auth/challenge.h"

#include <stdlib.h>

#define VALUES 8

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct values {
	sip_str value[VALUES];
	size_t count;
};

/* Read all schemes and parameters; keep the first values, unquoted into `room`. */
static sip_err read_all(sip_str text, char *room, struct values *values)
{
	struct sip_auth_reader reader;
	struct sip_auth_param param;
	sip_str scheme, token68;
	sip_err err;

	values->count = 0;
	sip_auth_reader_init(&reader, text);
	while ((err = sip_auth_next_scheme(&reader, &scheme, &token68)) == SIP_OK) {
		if (scheme.len == 0)
			abort();
		while ((err = sip_auth_next_param(&reader, &param)) == SIP_OK) {
			const size_t len = sip_auth_unquote(param.value, room);

			if (param.name.len == 0 || len > param.value.len)
				abort();
			if (values->count < VALUES)
				values->value[values->count++] = sip_str_of(room, len);
			room += len;
		}
		if (err != SIP_EMORE)
			break;
	}
	if (reader.pos > text.len || (err != SIP_EMORE && !reader.why))
		abort();
	return err;
}

static sip_str pick(const struct values *values, size_t i)
{
	return i < values->count ? values->value[i] : SIP_STR("");
}

/* username, realm, nonce, uri, response, cnonce, opaque stand in this order. */
static void check_same(const struct sip_digest_credentials *c,
                       const struct sip_digest *response, const struct values *values)
{
	const sip_str wanted[] = {
		c->input.username,
		c->input.realm,
		c->input.nonce,
		c->input.uri,
		{ response->hex, response->len },
	};

	for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++)
		if (!sip_str_eq(wanted[i], values->value[i]))
			abort();
}

static void write_and_read(const struct values *values, uint8_t choice)
{
	static const sip_str algorithms[] = { { "", 0 },
		                              { "SHA-256", 7 },
		                              { "SHA-512-256-sess", 16 },
		                              { "md5-SESS", 8 } };
	static struct sip_hasher hasher; /* one for all inputs */
	struct sip_digest_credentials c = { .algorithm = algorithms[choice & 3] };
	struct sip_digest response;
	struct values again;
	struct sip_out out;
	char *text, *room;
	size_t size;

	if (!hasher.context && sip_hasher_init(&hasher) != SIP_OK)
		abort();
	if (!sip_digest_algorithm(c.algorithm, &c.input.hash, &c.input.session))
		abort();
	c.input.qop = (enum sip_digest_qop)((choice >> 2) % 3);
	c.input.nc = choice;
	c.input.username = pick(values, 0);
	c.input.realm = pick(values, 1);
	c.input.nonce = pick(values, 2);
	c.input.uri = pick(values, 3);
	c.input.cnonce = pick(values, 4);
	c.opaque = pick(values, 5);
	c.input.password = pick(values, 6);
	c.input.method = SIP_STR("INVITE");
	if (sip_digest_response(&hasher, &c.input, &response) != SIP_OK)
		abort();
	sip_out_init(&out, NULL, 0);
	if (sip_digest_write(&hasher, &out, &c) != SIP_OK)
		abort();
	if (out.why)
		abort(); /* what was read can be written */
	size = out.len;
	text = malloc(size);
	room = malloc(size);
	if (!text || !room)
		abort();
	sip_out_init(&out, text, size);
	if (sip_digest_write(&hasher, &out, &c) != SIP_OK ||
	    sip_out_end(&out) != SIP_OK || out.len != size ||
	    read_all(sip_str_of(text, size), room, &again) != SIP_EMORE ||
	    again.count < 5)
		abort();
	check_same(&c, &response, &again);
	free(text);
	free(room);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct values values;
	char *bytes = malloc(size > 0 ? size : 1), *room = malloc(size + 1);

	if (!bytes || !room)
		abort();
	memcpy(bytes, data, size);
	if (read_all(sip_str_of(bytes, size), room, &values) == SIP_EMORE && size > 0)
		write_and_read(&values, data[size - 1]);
	free(bytes);
	free(room);
	return 0;
}
