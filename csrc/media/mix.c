#include "media/mix.h"

static int16_t clip(int32_t value)
{
	if (value > INT16_MAX)
		return INT16_MAX;
	return (int16_t)(value < INT16_MIN ? INT16_MIN : value);
}

void media_mix_add(int16_t *into, const int16_t *from, size_t count)
{
	for (size_t i = 0; i < count; i++)
		into[i] = clip((int32_t)into[i] + from[i]);
}
