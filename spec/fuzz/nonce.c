/* Nonces: bytes are read as a script of nonces issued, used, bent and overheard, while
 * time passes.  Whatever happens: no count of a nonce is good twice, nothing is good
 * after its lifetime, nothing that was not issued is good at all, and the table keeps
 * its bound.  The bytes as they are, are no nonce. */
#include "auth/nonce.h"

#include <stdlib.h>

enum { ISSUED = 64, COUNTS = 256, LIFETIME_MS = 1000, LIMIT = 8 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const sip_str realms[] = { { "biloxi.com", 10 }, { "", 0 } };

struct issued {
	char text[SIP_NONCE_LEN];
	uint64_t at_ms;
	sip_str realm;
	bool used[COUNTS];
};

struct run {
	struct sip_alloc alloc;
	struct sip_nonces nonces;
	struct issued issued[ISSUED];
	size_t count;
	uint64_t now_ms;
};

static sip_str text_of(struct issued *one)
{
	return sip_str_of(one->text, sizeof one->text);
}

static void issue(struct run *run, uint8_t argument)
{
	struct issued *one = &run->issued[run->count];
	const unsigned char salt[SIP_NONCE_SALT] = { (unsigned char)run->count };

	if (run->count == ISSUED)
		return;
	run->count++;
	one->realm = realms[argument & 1];
	one->at_ms = run->now_ms;
	if (sip_nonces_issue(&run->nonces, one->realm, run->now_ms, salt, one->text))
		abort();
}

static enum sip_nonce_verdict judge(struct run *run, sip_str text, sip_str realm)
{
	enum sip_nonce_verdict verdict;

	if (sip_nonces_judge(&run->nonces, text, realm, run->now_ms, &verdict))
		abort();
	if (verdict == SIP_NONCE_REPLAYED)
		abort();
	return verdict;
}

static void use(struct run *run, struct issued *one, uint8_t nc)
{
	const enum sip_nonce_verdict before = judge(run, text_of(one), one->realm);
	enum sip_nonce_verdict verdict;

	if (sip_nonces_use(&run->nonces, text_of(one), nc, run->now_ms, &verdict))
		abort();
	if (before == SIP_NONCE_FORGED || verdict == SIP_NONCE_FORGED)
		abort();
	if (run->now_ms - one->at_ms >= LIFETIME_MS && verdict != SIP_NONCE_STALE)
		abort();
	if (verdict == SIP_NONCE_GOOD) {
		if (before != SIP_NONCE_GOOD || one->used[nc])
			abort();
		one->used[nc] = true;
	}
	if (run->nonces.map.count > LIMIT)
		abort();
}

static void bend(struct run *run, struct issued *one, uint8_t argument)
{
	char text[SIP_NONCE_LEN];
	const size_t at = argument % sizeof text;

	memcpy(text, one->text, sizeof text);
	text[at] = (char)(text[at] ^ (1 << (argument & 7)));
	if (judge(run, sip_str_of(text, sizeof text), one->realm) != SIP_NONCE_FORGED)
		abort();
	if (judge(run, text_of(one), SIP_STR("chicago.com")) != SIP_NONCE_FORGED)
		abort();
}

static void step(struct run *run, uint8_t what, uint8_t argument)
{
	struct issued *one = run->count ? &run->issued[what / 4 % run->count] : NULL;

	switch (what & 3) {
	case 0:
		issue(run, argument);
		break;
	case 1:
		run->now_ms += argument;
		break;
	case 2:
		if (one)
			use(run, one, argument);
		break;
	default:
		if (one)
			bend(run, one, argument);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct run *run = calloc(1, sizeof *run);

	if (!run)
		abort();
	sip_alloc_init(&run->alloc);
	if (sip_nonces_init(&run->nonces, &run->alloc, SIP_STR("0123456789abcdef"),
	                    LIFETIME_MS, LIMIT, 0))
		abort();
	if (judge(run, sip_str_of((const char *)data, size), realms[0]) !=
	    SIP_NONCE_FORGED)
		abort();
	for (size_t i = 0; i + 1 < size; i += 2)
		step(run, data[i], data[i + 1]);
	sip_nonces_fini(&run->nonces);
	if (run->alloc.used != 0 || run->alloc.count != 0)
		abort();
	free(run);
	return 0;
}
