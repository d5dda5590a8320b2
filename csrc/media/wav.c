#include "media/wav.h"

#include "media/g711.h"

#include <assert.h>
#include <string.h>

enum state { WAV_RIFF, WAV_CHUNK, WAV_FORMAT, WAV_SKIP, WAV_DATA };

/* Registered wFormatTags (RFC 2361), and the one that has the tag in a GUID. */
enum {
	TAG_PCM = 1,
	TAG_FLOAT = 3,
	TAG_ALAW = 6,
	TAG_ULAW = 7,
	TAG_EXTENSIBLE = 0xfffe,
	RIFF_LEN = 12,
	CHUNK_LEN = 8,
	FORMAT_LEN = 16,
	EXTENSIBLE_LEN = 40,
	EXTENSIBLE_TAG_AT = 24,
};

#define LENGTH_UNKNOWN 0xffffffffu

static uint32_t get16(const uint8_t *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8;
}

static uint32_t get32(const uint8_t *p)
{
	return get16(p) | get16(p + 2) << 16;
}

static sip_err refuse(struct media_wav *wav, const char *why)
{
	wav->why = why;
	return SIP_ESYNTAX;
}

static void expect(struct media_wav *wav, enum state state, size_t want)
{
	wav->state = (uint8_t)state;
	wav->have = 0;
	wav->want = (uint8_t)want;
}

void media_wav_init(struct media_wav *wav)
{
	memset(wav, 0, sizeof *wav);
	expect(wav, WAV_RIFF, RIFF_LEN);
}

static sip_err read_riff(struct media_wav *wav)
{
	if (memcmp(wav->part, "RIFX", 4) == 0 || memcmp(wav->part, "RF64", 4) == 0)
		return refuse(wav, "a RIFX or RF64 file, which is not supported");
	if (memcmp(wav->part, "RIFF", 4) != 0 || memcmp(wav->part + 8, "WAVE", 4) != 0)
		return refuse(wav, "not a WAV file");
	expect(wav, WAV_CHUNK, CHUNK_LEN);
	return SIP_OK;
}

static sip_err read_tag(struct media_wav *wav, uint32_t tag)
{
	switch (tag) {
	case TAG_PCM:
		wav->coding = MEDIA_WAV_PCM;
		if (wav->bits % 8 != 0 || wav->bits < 8 || wav->bits > 32)
			return refuse(wav, "PCM of neither 8, 16, 24 nor 32 bits");
		return SIP_OK;
	case TAG_ULAW:
	case TAG_ALAW:
		wav->coding = tag == TAG_ULAW ? MEDIA_WAV_ULAW : MEDIA_WAV_ALAW;
		return wav->bits == 8 ? SIP_OK
		                      : refuse(wav, "G.711 of other than 8 bits");
	case TAG_FLOAT:
		return refuse(wav, "floating point samples: convert it to 16 bit PCM");
	default:
		return refuse(wav, "a compressed WAV: convert it to 16 bit PCM");
	}
}

static sip_err read_format(struct media_wav *wav)
{
	const uint8_t *p = wav->part;
	const uint32_t tag = get16(p), channels = get16(p + 2), bits = get16(p + 14);
	const bool extensible = tag == TAG_EXTENSIBLE;

	if (extensible && wav->want < EXTENSIBLE_LEN)
		return refuse(wav, "a fmt chunk that is too short");
	if (channels == 0 || channels > MEDIA_WAV_CHANNELS)
		return refuse(wav, "no channel, or more than eight");
	wav->rate = get32(p + 4);
	if (wav->rate < MEDIA_WAV_RATE_MIN || wav->rate > MEDIA_WAV_RATE_MAX)
		return refuse(wav, "a sample rate below 4000 or above 192000 Hz");
	wav->channels = (uint8_t)channels;
	wav->bits = (uint8_t)(bits > 64 ? 0 : bits);
	if (get16(p + 12) != channels * (bits / 8))
		return refuse(wav, "a fmt chunk that contradicts itself");
	wav->format_seen = true;
	return read_tag(wav, extensible ? get16(p + EXTENSIBLE_TAG_AT) : tag);
}

/* Chunks begin at even places: one of odd length has a byte of padding. */
static void skip_to_chunk(struct media_wav *wav, uint64_t bytes)
{
	expect(wav, WAV_SKIP, 0);
	wav->skip = bytes;
}

static sip_err read_chunk(struct media_wav *wav)
{
	const uint32_t len = get32(wav->part + 4);
	const uint64_t padded = (uint64_t)len + (len & 1);

	if (memcmp(wav->part, "fmt ", 4) == 0 && !wav->format_seen) {
		if (len < FORMAT_LEN)
			return refuse(wav, "a fmt chunk that is too short");
		wav->skip =
			padded - (len < EXTENSIBLE_LEN ? FORMAT_LEN : EXTENSIBLE_LEN);
		expect(wav, WAV_FORMAT,
		       len < EXTENSIBLE_LEN ? FORMAT_LEN : EXTENSIBLE_LEN);
	} else if (memcmp(wav->part, "data", 4) == 0) {
		const uint32_t frame = (uint32_t)wav->channels * (wav->bits / 8u);

		if (!wav->format_seen)
			return refuse(wav, "a data chunk before any fmt chunk");
		wav->ready = true;
		wav->frames_left = len / frame;
		if (len == 0 || len == LENGTH_UNKNOWN)
			wav->frames_left = UINT64_MAX;
		expect(wav, WAV_DATA, frame);
	} else {
		skip_to_chunk(wav, padded);
	}
	return SIP_OK;
}

/* One header or other, complete in `part`. */
static sip_err read_part(struct media_wav *wav)
{
	sip_err err;

	switch ((enum state)wav->state) {
	case WAV_RIFF:
		return read_riff(wav);
	case WAV_CHUNK:
		return read_chunk(wav);
	case WAV_FORMAT:
		err = read_format(wav);
		if (err == SIP_OK)
			skip_to_chunk(wav, wav->skip);
		return err;
	case WAV_SKIP:
	case WAV_DATA:
		break;
	}
	return SIP_OK;
}

static int32_t sample(const struct media_wav *wav, const uint8_t *p)
{
	int16_t value;

	switch (wav->coding) {
	case MEDIA_WAV_ULAW:
		media_g711_decode(MEDIA_ULAW, p, &value, 1);
		return value;
	case MEDIA_WAV_ALAW:
		media_g711_decode(MEDIA_ALAW, p, &value, 1);
		return value;
	case MEDIA_WAV_PCM:
		break;
	}
	if (wav->bits == 8)
		return ((int32_t)p[0] - 128) * 256; /* the only unsigned one */
	return (int16_t)get16(p + wav->bits / 8u - 2);
}

static int16_t mono(const struct media_wav *wav, const uint8_t *frame)
{
	int32_t sum = 0;

	assert(wav->channels > 0); /* the header says so, or was refused */
	for (unsigned i = 0; i < wav->channels; i++)
		sum += sample(wav, frame + i * (wav->bits / 8u));
	return (int16_t)(sum / wav->channels);
}

/* Take up to `want` bytes into `part`; true when it is complete. */
static bool collect(struct media_wav *wav, const uint8_t *bytes, size_t len,
                    size_t *used)
{
	size_t take = (size_t)wav->want - wav->have;

	if (take > len - *used)
		take = len - *used;
	memcpy(wav->part + wav->have, bytes + *used, take);
	wav->have = (uint8_t)(wav->have + take);
	*used += take;
	return wav->have == wav->want;
}

/* Bytes up to the first sample, or up to the end of these bytes. */
static sip_err feed_header(struct media_wav *wav, const uint8_t *bytes, size_t len,
                           size_t *used)
{
	while (*used < len && wav->state != WAV_DATA) {
		if (wav->state == WAV_SKIP) {
			const uint64_t left = len - *used;
			const uint64_t take = wav->skip < left ? wav->skip : left;

			*used += (size_t)take;
			wav->skip -= take;
			if (wav->skip == 0)
				expect(wav, WAV_CHUNK, CHUNK_LEN);
		} else if (collect(wav, bytes, len, used)) {
			const sip_err err = read_part(wav);

			if (err)
				return err;
		}
	}
	return SIP_OK;
}

/* Frames in the middle of `bytes` are read where they are. */
static void feed_data(struct media_wav *wav, const uint8_t *bytes, size_t len,
                      size_t *used, int16_t *out, size_t cap, size_t *count)
{
	while (*count < cap && *used < len && wav->frames_left > 0) {
		if (wav->have == 0 && len - *used >= wav->want) {
			out[(*count)++] = mono(wav, bytes + *used);
			*used += wav->want;
		} else if (collect(wav, bytes, len, used)) {
			out[(*count)++] = mono(wav, wav->part);
			wav->have = 0;
		} else {
			break;
		}
		if (wav->frames_left != UINT64_MAX)
			wav->frames_left--;
	}
	wav->done = wav->frames_left == 0;
	if (wav->done)
		*used = len;
}

sip_err media_wav_feed(struct media_wav *wav, const uint8_t *bytes, size_t len,
                       size_t *used, int16_t *out, size_t cap, size_t *count)
{
	sip_err err;

	*used = 0;
	*count = 0;
	if (wav->why)
		return SIP_ESYNTAX;
	err = feed_header(wav, bytes, len, used);
	if (err == SIP_OK && wav->state == WAV_DATA)
		feed_data(wav, bytes, len, used, out, cap, count);
	return err;
}

sip_err media_wav_end(struct media_wav *wav)
{
	if (wav->why)
		return SIP_ESYNTAX;
	if (wav->ready)
		return SIP_OK;
	if (wav->state == WAV_RIFF)
		return refuse(wav, wav->have == 0 ? "an empty file" : "not a WAV file");
	return refuse(wav, "a WAV file without audio");
}

static uint8_t *put16(uint8_t *p, uint32_t value)
{
	p[0] = (uint8_t)value;
	p[1] = (uint8_t)(value >> 8);
	return p + 2;
}

static uint8_t *put32(uint8_t *p, uint32_t value)
{
	return put16(put16(p, value & 0xffff), value >> 16);
}

static uint8_t *put_name(uint8_t *p, const char *name)
{
	memcpy(p, name, 4);
	return p + 4;
}

size_t media_wav_write_header(uint8_t out[MEDIA_WAV_HEADER_MAX],
                              enum media_wav_coding coding, uint32_t rate,
                              uint64_t data_len)
{
	const bool pcm = coding == MEDIA_WAV_PCM;
	const uint32_t width = pcm ? 2 : 1;
	const uint32_t header_len = pcm ? 44 : 58;
	const uint64_t len_max = LENGTH_UNKNOWN - 1 - header_len;
	const uint32_t len = (uint32_t)(data_len < len_max ? data_len : len_max);
	uint8_t *p = out;

	p = put_name(p, "RIFF");
	p = put32(p, header_len - 8 + len + (len & 1));
	p = put_name(p, "WAVE");
	p = put_name(p, "fmt ");
	p = put32(p, pcm ? 16 : 18);
	p = put16(p, pcm ? TAG_PCM : coding == MEDIA_WAV_ULAW ? TAG_ULAW : TAG_ALAW);
	p = put16(p, 1); /* channel */
	p = put32(p, rate);
	p = put32(p, rate * width);
	p = put16(p, width);
	p = put16(p, width * 8);
	if (!pcm) { /* what is no PCM has an extension and a fact chunk */
		p = put16(p, 0);
		p = put_name(p, "fact");
		p = put32(p, 4);
		p = put32(p, len);
	}
	p = put_name(p, "data");
	p = put32(p, len);
	return (size_t)(p - out);
}
