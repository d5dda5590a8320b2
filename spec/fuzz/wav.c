/* A WAV file whole and in pieces: the same samples, the same refusal. */
#include "media/wav.h"
#include "media/resample.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { SAMPLES_MAX = 1 << 16 };

struct result {
	const char *why;
	size_t count;
	int16_t samples[SAMPLES_MAX];
};

static void must(bool cond)
{
	if (!cond)
		abort();
}

static void read_file(const uint8_t *data, size_t size, size_t piece, size_t cap,
                      struct result *result, uint32_t *rate)
{
	struct media_wav wav;
	size_t at = 0, used, count;

	media_wav_init(&wav);
	result->count = 0;
	while (at < size) {
		const size_t left = size - at;
		const size_t room = SAMPLES_MAX - result->count;

		if (media_wav_feed(&wav, data + at, left < piece ? left : piece, &used,
		                   result->samples + result->count,
		                   room < cap ? room : cap, &count))
			break;
		must(used > 0 || count > 0);
		at += used;
		result->count += count;
	}
	(void)media_wav_end(&wav); /* it says so in `why` */
	result->why = wav.why;
	*rate = wav.ready && !wav.why ? wav.rate : 0;
}

/* What comes out lasts as long as what went in. */
static void resample(const struct result *result, uint32_t rate)
{
	static int16_t out[4096];
	struct media_resample *resampler;
	struct sip_alloc alloc;
	size_t done = 0, used, count, all = 0;

	sip_alloc_init(&alloc);
	if (media_resample_new(&alloc, rate, 8000, &resampler))
		return;
	while (done < result->count) {
		media_resample_feed(resampler, result->samples + done,
		                    result->count - done, &used, out, 4096, &count);
		done += used;
		all += count;
	}
	while ((count = media_resample_flush(resampler, out, 4096)) > 0)
		all += count;
	must(all == ((uint64_t)result->count * 8000 + rate - 1) / rate);
	media_resample_free(resampler);
	must(alloc.used == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct result whole, pieces;
	uint32_t rate, same;

	if (size > SAMPLES_MAX)
		return 0;
	read_file(data, size, size, SAMPLES_MAX, &whole, &rate);
	read_file(data, size, 1 + size % 7, 1 + size % 5, &pieces, &same);
	must(rate == same && whole.count == pieces.count);
	must((whole.why == NULL) == (pieces.why == NULL));
	must(!whole.why || strcmp(whole.why, pieces.why) == 0);
	must(memcmp(whole.samples, pieces.samples,
	            whole.count * sizeof whole.samples[0]) == 0);
	if (rate > 0 && size < 2000 && rate % 50 == 0)
		resample(&whole, rate);
	return 0;
}
