#pragma once
/* Adding, weighing and measuring frames of samples. */
#include <stddef.h>
#include <stdint.h>

/* into += from, kept within 16 bits. */
void media_mix_add(int16_t *into, const int16_t *from, size_t count);

/* Multiply by gain/256, kept within 16 bits. */
void media_mix_scale(int16_t *samples, size_t count, int gain);

/* The mean of the squares: (2^15)^2 at most.  Silence on a telephone line is below
 * 100^2 or so. */
uint32_t media_mix_power(const int16_t *samples, size_t count);
