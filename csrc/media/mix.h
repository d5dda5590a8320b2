#pragma once
/* Adding frames of samples. */
#include <stddef.h>
#include <stdint.h>

/* into += from, kept within 16 bits. */
void media_mix_add(int16_t *into, const int16_t *from, size_t count);
