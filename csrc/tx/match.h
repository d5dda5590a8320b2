#pragma once
/* Transaction keys (RFC 3261 17.1.3, 17.2.3). */
#include "msg/message.h"

enum { SIP_TX_KEY_MAX = 512 };

struct sip_tx_key {
	uint64_t hash; /* once a transaction was looked for by it */
	size_t len;    /* 0: there is none */
	char bytes[SIP_TX_KEY_MAX];
};

/* Branch, sent-by, method and what says which request it is; or what RFC 2543 matching
 * needs when the branch has no magic cookie.  `method` stands in the place of the
 * message's own: INVITE for an ACK and for what a CANCEL cancels.  `with_to_tag`: RFC
 * 2543 only. False when the message has no Via, CSeq or From to make a key of. */
bool sip_tx_key_make(struct sip_tx_key *key, struct sip_msg *msg, sip_str method,
                     bool with_to_tag);

/* Our branch and the method: enough for a response, because nobody can guess a
 * branch of ours. */
bool sip_tx_client_key(struct sip_tx_key *key, sip_str branch, sip_str method);

/* Call-ID, From tag, CSeq number and method: the same request on another way
 * (8.2.2.2).  Gives the length, 0 when it does not apply (a To tag). */
size_t sip_tx_merge_key(struct sip_msg *request, char *out, size_t cap);

bool sip_tx_has_cookie(struct sip_msg *msg);
