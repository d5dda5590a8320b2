#pragma once
/* Chance, passed in: the kernel's for real, a seeded generator in simulation. */
#include <stddef.h>
#include <stdint.h>

struct sip_random {
	void (*fill)(struct sip_random *random, void *bytes, size_t len);
};

/* The kernel's random source, read in blocks so that a tag costs no system call. */
struct sip_kernel_random {
	struct sip_random random;
	size_t left;
	unsigned char pool[512];
};
void sip_kernel_random_init(struct sip_kernel_random *kernel);

/* Seeded and repeatable (xoshiro256**): for simulation, never for a secret. */
struct sip_seeded_random {
	struct sip_random random;
	uint64_t s[4];
};
void sip_seeded_random_init(struct sip_seeded_random *seeded, uint64_t seed);

uint64_t sip_random_u64(struct sip_random *random);
double sip_random_unit(struct sip_random *random); /* 0 <= x < 1 */

/* `len` characters of [a-z0-9] from this source, 5.17 bits each: branches, tags,
 * Call-IDs. */
void sip_random_token(struct sip_random *random, char *out, size_t len);
