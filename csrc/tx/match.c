/* match.c - which transaction a message belongs to (RFC 3261 9.2, 17.1.3, 17.2.3). */
#include "tx/match.h"

#include "tx/tx.h"

/* --- keys ------------------------------------------------------------------------- */

static const char cookie[] = "z9hG4bK";

/* A bare cookie is no branch: it is matched by the rules of RFC 2543 (RFC 4475
 * 3.2.1). */
bool sip_tx_has_cookie(struct sip_msg *msg)
{
	const struct sip_via *via = sip_msg_via(msg);
	const size_t len = sizeof cookie - 1;

	return via && via->branch.len > len && memcmp(via->branch.p, cookie, len) == 0;
}

/* Hosts compare without case; a missing port is its default (RFC 3261 18.1.1). */
static void put_sent_by(struct sip_out *out, const struct sip_via *via)
{
	uint16_t port = via->port;

	for (size_t i = 0; i < via->host.len; i++) {
		char c = via->host.p[i];
		if (c >= 'A' && c <= 'Z')
			c = (char)(c | 0x20);
		sip_out_bytes(out, &c, 1);
	}
	if (port == 0)
		port = via->transport_id ? sip_transport_info(via->transport_id)->port
		                         : 5060;
	sip_out_lit(out, ":");
	sip_out_u64(out, port);
}

static void put_field(struct sip_out *out, sip_str field)
{
	sip_out_lit(out, "|");
	sip_out_str(out, field);
}

/* A retransmission, an ACK and a CANCEL have the Call-ID and the CSeq number of their
 * request.  They are in the key (17.2.3 does without) so that a peer which uses a
 * branch twice, for another request, gets an answer to both (RFC 4475 has such
 * messages). */
static bool put_request(struct sip_out *out, struct sip_msg *msg)
{
	static const struct sip_hash_key fixed = { { 5, 6 } };
	const struct sip_cseq *cseq = sip_msg_cseq(msg);
	const sip_str call_id = sip_msg_call_id(msg);
	uint64_t digest;

	if (!cseq)
		return false;
	digest = sip_hash(&fixed, call_id.p, call_id.len) + cseq->number;
	sip_out_bytes(out, &digest, sizeof digest);
	return true;
}

static bool put_2543(struct sip_out *out, struct sip_msg *msg, bool with_to_tag)
{
	const struct sip_via *via = sip_msg_via(msg);
	const struct sip_cseq *cseq = sip_msg_cseq(msg);
	const struct sip_name_addr *from = sip_msg_from(msg), *to = sip_msg_to(msg);

	if (!via || !cseq || !from || !to || !sip_msg_is_request(msg))
		return false;
	sip_out_str(out, msg->uri);
	put_field(out, sip_msg_call_id(msg));
	put_field(out, from->tag);
	put_field(out, with_to_tag ? to->tag : SIP_STR(""));
	sip_out_lit(out, "|");
	sip_out_u64(out, cseq->number);
	put_field(out, via->text);
	return true;
}

bool sip_tx_key_make(struct sip_tx_key *key, struct sip_msg *msg, sip_str method,
                     bool with_to_tag)
{
	static const struct sip_hash_key halves[2] = { { { 1, 2 } }, { { 3, 4 } } };
	char scratch[8192];
	struct sip_out out;

	sip_out_init(&out, scratch, sizeof scratch);
	if (sip_tx_has_cookie(msg)) {
		const struct sip_via *via = sip_msg_via(msg);

		sip_out_str(&out, via->branch);
		sip_out_lit(&out, "|");
		put_sent_by(&out, via);
		sip_out_lit(&out, "|");
		if (!put_request(&out, msg))
			return false;
	} else if (!put_2543(&out, msg, with_to_tag)) {
		return false;
	}
	put_field(&out, method);
	if (out.len > out.cap)
		return false;
	if (out.len <= sizeof key->bytes) {
		memcpy(key->bytes, scratch, out.len);
		key->len = out.len;
		return true;
	}
	/* A giant key is kept as its digest and its end, which has the method. */
	key->len = sizeof key->bytes;
	for (size_t i = 0; i < 2; i++) {
		const uint64_t half = sip_hash(&halves[i], scratch, out.len);
		memcpy(key->bytes + i * sizeof half, &half, sizeof half);
	}
	memcpy(key->bytes + 16, scratch + out.len - (sizeof key->bytes - 16),
	       sizeof key->bytes - 16);
	return true;
}

bool sip_tx_client_key(struct sip_tx_key *key, sip_str branch, sip_str method)
{
	struct sip_out out;

	sip_out_init(&out, key->bytes, sizeof key->bytes);
	sip_out_str(&out, branch);
	put_field(&out, method);
	key->len = out.len;
	return out.len <= out.cap;
}

size_t sip_tx_merge_key(struct sip_msg *request, char *scratch, size_t cap)
{
	const struct sip_name_addr *from = sip_msg_from(request),
				   *to = sip_msg_to(request);
	const struct sip_cseq *cseq = sip_msg_cseq(request);
	struct sip_out out;

	if (!from || !to || !cseq || to->tag.len > 0)
		return 0;
	sip_out_init(&out, scratch, cap);
	sip_out_str(&out, sip_msg_call_id(request));
	put_field(&out, from->tag);
	sip_out_lit(&out, "|");
	sip_out_u64(&out, cseq->number);
	put_field(&out, request->method_name);
	return out.len <= cap ? out.len : 0;
}

/* --- who has them ----------------------------------------------------------------- */

static struct sip_tx *find(struct sip_map *map, const struct sip_hash_key *hash_key,
                           struct sip_tx_key *key)
{
	struct sip_node *node;

	key->hash = sip_hash(hash_key, key->bytes, key->len);
	for (node = sip_map_first(map, key->hash); node; node = sip_map_next(node)) {
		struct sip_tx *tx = SIP_CONTAINER(node, struct sip_tx, by_key);
		if (tx->key_len == key->len &&
		    memcmp(tx->key, key->bytes, key->len) == 0)
			return tx;
	}
	return NULL;
}

/* Is the top Via of the response the one we wrote, sent-by included (18.1.2)? */
static bool is_our_via(const struct sip_tx *tx, const struct sip_via *got)
{
	sip_str line = sip_buf_str(tx->sent);
	struct sip_via ours;
	const char *end;

	line.p += tx->via_at + sizeof "Via:" - 1;
	line.len -= tx->via_at + sizeof "Via:" - 1;
	end = memchr(line.p, '\r', line.len);
	if (!end)
		return false;
	line.len = (size_t)(end - line.p);
	return sip_via_parse(sip_str_trim(line), &ours, NULL) == SIP_OK &&
	       sip_str_ieq(ours.host, got->host) && ours.port == got->port;
}

struct sip_tx *sip_tx_find_client(struct sip_tx_layer *layer, struct sip_msg *response)
{
	const struct sip_cseq *cseq = sip_msg_cseq(response);
	const struct sip_via *via = sip_msg_via(response);
	struct sip_tx_key key;
	struct sip_tx *tx;

	if (!cseq || !via || !sip_tx_client_key(&key, via->branch, cseq->method_name))
		return NULL;
	tx = find(&layer->clients, &layer->hash_key, &key);
	/* A response has the Vias of its request, no more and no fewer (8.1.3.3). */
	if (!tx || sip_msg_via_count(response) != tx->via_count || !is_our_via(tx, via))
		return NULL;
	return tx;
}

static struct sip_tx *find_invite(struct sip_tx_layer *layer, struct sip_msg *msg)
{
	const sip_str invite = sip_method_name(SIP_M_INVITE);
	struct sip_tx_key key;
	struct sip_tx *tx = NULL;

	if (sip_tx_key_make(&key, msg, invite, true))
		tx = find(&layer->servers, &layer->hash_key, &key);
	/* RFC 2543: an ACK has the To tag of the response, its INVITE had none. */
	if (!tx && !sip_tx_has_cookie(msg) && sip_tx_key_make(&key, msg, invite, false))
		tx = find(&layer->servers, &layer->hash_key, &key);
	return tx;
}

/* Has it the To tag of the response that was sent?  Not the transaction's own: a proxy
 * sends that of another. */
static bool has_tag_sent(const struct sip_tx *tx, struct sip_msg *ack)
{
	const struct sip_limits limits = SIP_LIMITS_OWN;
	const struct sip_name_addr *to, *theirs = sip_msg_to(ack);
	struct sip_refusal refusal;
	struct sip_msg *sent;
	bool same;

	if (sip_msg_parse(tx->alloc, &limits, sip_buf_str(tx->sent), false, &sent,
	                  &refusal) != SIP_OK)
		return false; /* without memory it is not seen, and comes again */
	to = sip_msg_to(sent);
	same = to && theirs && sip_str_eq(to->tag, theirs->tag);
	sip_msg_unref(sent);
	return same;
}

/* A branch says which INVITE an ACK is of; without one it takes the To tag as well
 * (17.2.3).  An ACK to a 2xx goes up in any case, and its dialog is looked for there.
 */
static struct sip_tx *find_acked(struct sip_tx_layer *layer, struct sip_msg *ack)
{
	struct sip_tx *tx = find_invite(layer, ack);

	return tx && tx->last_status >= 300 && !sip_tx_has_cookie(ack) &&
	                       !has_tag_sent(tx, ack)
	               ? NULL
	               : tx;
}

struct sip_tx *sip_tx_find_server(struct sip_tx_layer *layer, struct sip_msg *request,
                                  struct sip_tx_key *key)
{
	key->len = 0;
	if (request->method == SIP_M_ACK)
		return find_acked(layer, request);
	if (!sip_tx_key_make(key, request, request->method_name, true))
		return NULL;
	return find(&layer->servers, &layer->hash_key, key);
}

struct sip_tx *sip_tx_find_cancelled(struct sip_tx_layer *layer, struct sip_msg *cancel)
{
	struct sip_tx *tx = find_invite(layer, cancel);
	struct sip_tx_key key;

	for (unsigned m = 1; !tx && m < SIP_M_COUNT; m++) {
		if (m == SIP_M_INVITE || m == SIP_M_ACK || m == SIP_M_CANCEL)
			continue;
		if (sip_tx_key_make(&key, cancel, sip_method_name(m), true))
			tx = find(&layer->servers, &layer->hash_key, &key);
	}
	return tx;
}
