/* Flow tokens (RFC 5626 5.2): which way leads to one end of a call, for a Record-Route.
 * They are sealed, and unreadable: where a peer is behind its NAT is nobody's business.
 * Key, call and end are in the seal, so that one that was made up or is another call's
 * opens nothing. */
#include "stack/token.h"

#include "stack/state.h"

enum {
	SOLE = 0x10, /* beside the transport */
	OUTBOUND = 0x20,
	HEAD = 1 + 4 + 2, /* transport and flags, flow, port */
	V4_BYTES = HEAD + 4,
	V6_BYTES = HEAD + 16 + 4, /* and scope */
	/* And over UDP the address of ours: */
	V4_OWN_BYTES = V4_BYTES + 4,
	V6_OWN_BYTES = V6_BYTES + 16,
	BYTES_MAX = V6_OWN_BYTES,
};

static const char letters[] = "0123456789abcdefghijklmnopqrstuv";

static void put_u32(uint8_t *to, uint32_t value)
{
	for (unsigned i = 0; i < 4; i++)
		to[i] = (uint8_t)(value >> (24 - 8 * i));
}

static uint32_t get_u32(const uint8_t *from)
{
	return (uint32_t)from[0] << 24 | (uint32_t)from[1] << 16 |
	       (uint32_t)from[2] << 8 | from[3];
}

static bool has_own(const struct sip_way *way)
{
	return way->target.transport == SIP_UDP &&
	       way->target.local.family == way->target.remote.family;
}

static size_t pack(const struct sip_way *way, uint8_t bytes[BYTES_MAX])
{
	const struct sip_addr *remote = &way->target.remote;
	const bool v4 = remote->family == 4;
	size_t len = v4 ? V4_BYTES : V6_BYTES;

	bytes[0] = (uint8_t)(way->target.transport | (way->sole ? SOLE : 0) |
	                     (way->outbound ? OUTBOUND : 0));
	put_u32(bytes + 1, way->target.flow);
	bytes[5] = (uint8_t)(remote->port >> 8);
	bytes[6] = (uint8_t)remote->port;
	memcpy(bytes + HEAD, remote->ip, v4 ? 4 : 16);
	if (!v4)
		put_u32(bytes + HEAD + 16, remote->scope);
	if (has_own(way)) {
		memcpy(bytes + len, way->target.local.ip, v4 ? 4 : 16);
		len = v4 ? V4_OWN_BYTES : V6_OWN_BYTES;
	}
	return len;
}

static bool is_v4(size_t len)
{
	return len == V4_BYTES || len == V4_OWN_BYTES;
}

/* Link-local are both ends or none: the interface is that of the other. */
static void unpack_own(const uint8_t *bytes, size_t len, struct sip_target *target)
{
	struct sip_addr *own = &target->local;

	if (len != V4_OWN_BYTES && len != V6_OWN_BYTES)
		return;
	own->family = target->remote.family;
	own->scope = target->remote.scope;
	if (own->family == 4)
		memcpy(own->ip, bytes + V4_BYTES, 4);
	else
		memcpy(own->ip, bytes + V6_BYTES, 16);
}

/* Sealed bytes are as they were written, if the transport is one. */
static bool unpack(const uint8_t *bytes, size_t len, struct sip_way *way)
{
	const unsigned transport = bytes[0] & 0x0f;
	struct sip_addr *remote = &way->target.remote;

	if (transport < SIP_UDP || transport > SIP_WSS)
		return false;
	memset(way, 0, sizeof *way);
	way->target.transport = (enum sip_transport)transport;
	way->target.flow = get_u32(bytes + 1);
	way->sole = bytes[0] & SOLE;
	way->outbound = bytes[0] & OUTBOUND;
	remote->port = (uint16_t)(bytes[5] << 8 | bytes[6]);
	remote->family = is_v4(len) ? 4 : 6;
	memcpy(remote->ip, bytes + HEAD, is_v4(len) ? 4 : 16);
	if (!is_v4(len))
		remote->scope = get_u32(bytes + HEAD + 16);
	unpack_own(bytes, len, &way->target);
	return true;
}

/* The seal of the bytes for an end of a call, whose mark the stack's secret has made.
 */
static void seal_of(const struct sip_stack *stack, sip_str mark, bool caller,
                    const uint8_t *bytes, size_t len, char seal[SIP_SEAL_LEN])
{
	char text[SIP_SEAL_LEN + 1 + BYTES_MAX];

	memcpy(text, mark.p, SIP_SEAL_LEN);
	text[SIP_SEAL_LEN] = caller ? 'a' : 'b';
	memcpy(text + SIP_SEAL_LEN + 1, bytes, len);
	sip_stack_seal_for(stack, sip_str_of(text, SIP_SEAL_LEN + 1 + len),
	                   SIP_SEAL_TOKEN, seal);
}

/* Hides the bytes, or shows them: what they are mixed with comes of their seal. */
static void mix(const struct sip_stack *stack, const char seal[SIP_SEAL_LEN],
                uint8_t *bytes, size_t len)
{
	char text[SIP_SEAL_LEN + 1];
	uint64_t hash = 0;

	memcpy(text, seal, SIP_SEAL_LEN);
	for (size_t i = 0; i < len; i++, hash >>= 8) {
		if (i % 8 == 0) {
			text[SIP_SEAL_LEN] = (char)i;
			hash = sip_hash(&stack->seal_keys[1], text, sizeof text);
		}
		bytes[i] ^= (uint8_t)hash;
	}
}

static size_t letters_for(size_t len)
{
	return (len * 8 + 4) / 5;
}

/* How many bytes a token of this length has; 0: it is none. */
static size_t bytes_in(size_t token_len)
{
	static const size_t lens[] = { V4_BYTES, V4_OWN_BYTES, V6_BYTES, V6_OWN_BYTES };

	for (size_t i = 0; i < sizeof lens / sizeof *lens; i++) {
		if (token_len == SIP_SEAL_LEN + letters_for(lens[i]))
			return lens[i];
	}
	return 0;
}

static size_t spell(const uint8_t *bytes, size_t len, char *out)
{
	const size_t count = letters_for(len);

	for (size_t i = 0; i < count; i++) {
		const size_t bit = i * 5, at = bit / 8;
		const unsigned two =
			(unsigned)bytes[at] << 8 | (at + 1 < len ? bytes[at + 1] : 0u);

		out[i] = letters[two >> (11 - bit % 8) & 31];
	}
	return count;
}

static bool read_letters(sip_str text, uint8_t *bytes, size_t len)
{
	memset(bytes, 0, len);
	for (size_t i = 0; i < text.len; i++) {
		const char *found = memchr(letters, text.p[i], sizeof letters - 1);
		const size_t bit = i * 5, at = bit / 8;
		unsigned two;

		if (!found)
			return false;
		two = (unsigned)(found - letters) << (11 - bit % 8);
		bytes[at] |= (uint8_t)(two >> 8);
		if (at + 1 < len)
			bytes[at + 1] |= (uint8_t)two;
	}
	return true;
}

size_t sip_stack_token(struct sip_stack *stack, struct sip_msg *request, bool caller,
                       const struct sip_way *way, char token[SIP_TOKEN_MAX])
{
	char mark[SIP_SEAL_LEN];
	uint8_t bytes[BYTES_MAX];
	const size_t len = pack(way, bytes);

	sip_stack_mark(stack, request, mark);
	seal_of(stack, sip_str_of(mark, sizeof mark), caller, bytes, len, token);
	mix(stack, token, bytes, len);
	return SIP_SEAL_LEN + spell(bytes, len, token + SIP_SEAL_LEN);
}

bool sip_stack_token_way(struct sip_stack *stack, struct sip_msg *request,
                         sip_str params, struct sip_way *way)
{
	sip_str mark, token;
	char seal[SIP_SEAL_LEN];
	uint8_t bytes[BYTES_MAX];
	size_t len;
	int end;

	if (!sip_uri_param_find(params, SIP_STR("mark"), &mark))
		return false;
	end = sip_stack_marked_end(stack, request, mark);
	/* It goes to who began the call unless that is who has sent it. */
	if (end < 0 ||
	    !sip_uri_param_find(
		    params, end == 0 ? SIP_STR("callee") : SIP_STR("caller"), &token))
		return false;
	len = bytes_in(token.len);
	if (len == 0 ||
	    !read_letters(sip_str_of(token.p + SIP_SEAL_LEN, token.len - SIP_SEAL_LEN),
	                  bytes, len))
		return false;
	mix(stack, token.p, bytes, len);
	seal_of(stack, mark, end != 0, bytes, len, seal);
	return memcmp(seal, token.p, SIP_SEAL_LEN) == 0 && unpack(bytes, len, way);
}
