#include "base/random.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

static void kernel_fill(struct sip_random *random, void *bytes, size_t len)
{
	struct sip_kernel_random *kernel = (struct sip_kernel_random *)(void *)random;
	unsigned char *out = bytes;

	while (len > 0) {
		size_t n;

		if (kernel->left == 0) {
			/* Up to 256 bytes never come short or interrupted. */
			for (size_t at = 0; at < sizeof kernel->pool; at += 256) {
				if (getrandom(kernel->pool + at, 256, 0) != 256)
					abort(); /* no randomness, no SIP (RFC
					            3261 19.3) */
			}
			kernel->left = sizeof kernel->pool;
		}
		n = len < kernel->left ? len : kernel->left;
		kernel->left -= n;
		memcpy(out, kernel->pool + kernel->left, n);
		memset(kernel->pool + kernel->left, 0, n);
		out += n;
		len -= n;
	}
}

void sip_kernel_random_init(struct sip_kernel_random *kernel)
{
	kernel->random.fill = kernel_fill;
	kernel->left = 0;
}

static uint64_t rotl(uint64_t x, int k)
{
	return (x << k) | (x >> (64 - k));
}

static uint64_t seeded_next(uint64_t s[4])
{
	const uint64_t result = rotl(s[1] * 5, 7) * 9;
	const uint64_t t = s[1] << 17;

	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= t;
	s[3] = rotl(s[3], 45);
	return result;
}

static void seeded_fill(struct sip_random *random, void *bytes, size_t len)
{
	struct sip_seeded_random *seeded = (struct sip_seeded_random *)(void *)random;
	unsigned char *out = bytes;

	while (len > 0) {
		const uint64_t value = seeded_next(seeded->s);
		const size_t n = len < sizeof value ? len : sizeof value;

		memcpy(out, &value, n);
		out += n;
		len -= n;
	}
}

void sip_seeded_random_init(struct sip_seeded_random *seeded, uint64_t seed)
{
	seeded->random.fill = seeded_fill;
	for (int i = 0; i < 4; i++) { /* splitmix64 spreads a small seed */
		uint64_t z = seed += 0x9e3779b97f4a7c15u;

		z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
		z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
		seeded->s[i] = z ^ (z >> 31);
	}
}

uint64_t sip_random_u64(struct sip_random *random)
{
	uint64_t value;

	random->fill(random, &value, sizeof value);
	return value;
}

double sip_random_unit(struct sip_random *random)
{
	return (double)(sip_random_u64(random) >> 11) * 0x1.0p-53;
}

void sip_random_token(struct sip_random *random, char *out, size_t len)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789";
	size_t done = 0;

	while (done < len) {
		unsigned char bytes[32];

		random->fill(random, bytes, sizeof bytes);
		for (size_t i = 0; i < sizeof bytes && done < len; i++) {
			if (bytes[i] < 252) /* 7 * 36: no letter is likelier */
				out[done++] = letters[bytes[i] % 36];
		}
	}
}
