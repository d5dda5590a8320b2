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

void media_mix_scale(int16_t *samples, size_t count, int gain)
{
	for (size_t i = 0; i < count; i++) {
		const int64_t scaled = (int64_t)samples[i] * gain / 256;

		if (scaled > INT16_MAX)
			samples[i] = INT16_MAX;
		else
			samples[i] = (int16_t)(scaled < INT16_MIN ? INT16_MIN : scaled);
	}
}

uint32_t media_mix_power(const int16_t *samples, size_t count)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < count; i++)
		sum += (uint64_t)((int64_t)samples[i] * samples[i]);
	return count > 0 ? (uint32_t)(sum / count) : 0;
}
