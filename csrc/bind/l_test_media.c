/* l_test_media.c - signal processing for specs: audio is a string of native int16. */
#include "bind/l_test.h"

#include "media/g711.h"
#include "media/mix.h"
#include "media/resample.h"
#include "media/tone.h"
#include "media/wav.h"

#include <lauxlib.h>

#define L_TONE "sip.test.Tone"
#define L_WAV "sip.test.Wav"

/* A copy of a string of samples that may be written, as a userdata on the stack. */
static int16_t *check_samples(lua_State *L, int arg, size_t *count)
{
	size_t len;
	const char *bytes = luaL_checklstring(L, arg, &len);
	int16_t *samples = lua_newuserdatauv(L, len + 1, 0);

	luaL_argcheck(L, len % 2 == 0, arg, "not a string of samples");
	memcpy(samples, bytes, len);
	*count = len / 2;
	return samples;
}

static void push_samples(lua_State *L, const int16_t *samples, size_t count)
{
	lua_pushlstring(L, (const char *)samples, count * sizeof *samples);
}

static int16_t *new_samples(lua_State *L, lua_Integer count)
{
	luaL_argcheck(L, count >= 0 && count <= 1 << 24, 2, "too many samples");
	return lua_newuserdatauv(L, (size_t)count * sizeof(int16_t) + 1, 0);
}

static enum media_law check_law(lua_State *L, int arg)
{
	static const char *const names[] = { "ulaw", "alaw", NULL };

	return luaL_checkoption(L, arg, NULL, names) == 0 ? MEDIA_ULAW : MEDIA_ALAW;
}

/* encode(law, samples) -> octets */
static int l_test_encode(lua_State *L)
{
	const enum media_law law = check_law(L, 1);
	size_t count;
	const int16_t *samples = check_samples(L, 2, &count);
	uint8_t *octets = lua_newuserdatauv(L, count + 1, 0);

	media_g711_encode(law, samples, octets, count);
	lua_pushlstring(L, (const char *)octets, count);
	return 1;
}

/* decode(law, octets) -> samples */
static int l_test_decode(lua_State *L)
{
	const enum media_law law = check_law(L, 1);
	size_t len;
	const char *octets = luaL_checklstring(L, 2, &len);
	int16_t *samples = new_samples(L, (lua_Integer)len);

	media_g711_decode(law, (const uint8_t *)octets, samples, len);
	push_samples(L, samples, len);
	return 1;
}

/* mix(a, b) -> samples, as long as the shorter */
static int l_test_mix(lua_State *L)
{
	size_t into_count, count;
	int16_t *into = check_samples(L, 1, &into_count);
	const int16_t *from = check_samples(L, 2, &count);

	if (count > into_count)
		count = into_count;
	media_mix_add(into, from, count);
	push_samples(L, into, count);
	return 1;
}

/* tone(text, rate) -> Tone | nil, why */
static int l_test_tone(lua_State *L)
{
	size_t len;
	const char *text = luaL_checklstring(L, 1, &len);
	const uint32_t rate = (uint32_t)luaL_optinteger(L, 2, 8000);
	struct media_tone *tone = lua_newuserdatauv(L, sizeof *tone, 0);
	const char *why = NULL;

	if (media_tone_parse(tone, sip_str_of(text, len), rate, &why)) {
		luaL_pushfail(L);
		lua_pushstring(L, why);
		return 2;
	}
	luaL_setmetatable(L, L_TONE);
	return 1;
}

/* tone:fill(count) -> samples */
static int l_tone_fill(lua_State *L)
{
	struct media_tone *tone = luaL_checkudata(L, 1, L_TONE);
	const lua_Integer count = luaL_checkinteger(L, 2);
	int16_t *samples = new_samples(L, count);

	push_samples(L, samples, media_tone_fill(tone, samples, (size_t)count));
	return 1;
}

static int l_test_wav(lua_State *L)
{
	struct media_wav *wav = lua_newuserdatauv(L, sizeof *wav, 0);

	media_wav_init(wav);
	luaL_setmetatable(L, L_WAV);
	return 1;
}

/* wav:feed(bytes, cap) -> samples, used | nil, why */
static int l_wav_feed(lua_State *L)
{
	struct media_wav *wav = luaL_checkudata(L, 1, L_WAV);
	size_t len, used, count;
	const char *bytes = luaL_checklstring(L, 2, &len);
	const lua_Integer cap = luaL_checkinteger(L, 3);
	int16_t *samples = new_samples(L, cap);

	if (media_wav_feed(wav, (const uint8_t *)bytes, len, &used, samples,
	                   (size_t)cap, &count)) {
		luaL_pushfail(L);
		lua_pushstring(L, wav->why);
		return 2;
	}
	push_samples(L, samples, count);
	lua_pushinteger(L, (lua_Integer)used);
	return 2;
}

/* wav:finish() -> true | nil, why */
static int l_wav_finish(lua_State *L)
{
	struct media_wav *wav = luaL_checkudata(L, 1, L_WAV);

	if (media_wav_end(wav)) {
		luaL_pushfail(L);
		lua_pushstring(L, wav->why);
		return 2;
	}
	lua_pushboolean(L, 1);
	return 1;
}

/* wav:info() -> ready, rate, channels, bits, done */
static int l_wav_info(lua_State *L)
{
	const struct media_wav *wav = luaL_checkudata(L, 1, L_WAV);

	lua_pushboolean(L, wav->ready);
	lua_pushinteger(L, wav->rate);
	lua_pushinteger(L, wav->channels);
	lua_pushinteger(L, wav->bits);
	lua_pushboolean(L, wav->done);
	return 5;
}

/* wav_header("pcm"|"ulaw"|"alaw", rate, data_len) -> bytes */
static int l_test_wav_header(lua_State *L)
{
	static const char *const names[] = { "pcm", "ulaw", "alaw", NULL };
	static const enum media_wav_coding codings[] = { MEDIA_WAV_PCM, MEDIA_WAV_ULAW,
		                                         MEDIA_WAV_ALAW };
	const enum media_wav_coding coding =
		codings[luaL_checkoption(L, 1, NULL, names)];
	uint8_t header[MEDIA_WAV_HEADER_MAX];
	const size_t len = media_wav_write_header(header, coding,
	                                          (uint32_t)luaL_checkinteger(L, 2),
	                                          (uint64_t)luaL_checkinteger(L, 3));

	lua_pushlstring(L, (const char *)header, len);
	return 1;
}

/* resample(samples, from, to, piece) -> samples | nil, err: fed `piece` at a time, with
 * as much room; and the bytes left behind in its allocator. */
static int l_test_resample(lua_State *L)
{
	const uint32_t from = (uint32_t)luaL_checkinteger(L, 2);
	const uint32_t to = (uint32_t)luaL_checkinteger(L, 3);
	const size_t piece = (size_t)luaL_optinteger(L, 4, 4096);
	size_t len, used, count = 0;
	const int16_t *in = check_samples(L, 1, &len);
	const size_t cap = len * 50 + 100;
	int16_t *out = new_samples(L, (lua_Integer)cap);
	struct media_resample *resample;
	struct sip_alloc alloc;
	size_t done = 0, given;
	sip_err err;

	sip_alloc_init(&alloc);
	err = media_resample_new(&alloc, from, to, &resample);
	if (err) {
		luaL_pushfail(L);
		lua_pushstring(L, sip_err_name(err));
		return 2;
	}
	while (done < len) {
		const size_t left = len - done;

		media_resample_feed(resample, in + done, left < piece ? left : piece,
		                    &used, out + count, piece, &given);
		done += used;
		count += given;
	}
	do {
		given = media_resample_flush(resample, out + count, piece);
		count += given;
	} while (given > 0);
	media_resample_free(resample);
	push_samples(L, out, count);
	lua_pushinteger(L, (lua_Integer)alloc.used);
	return 2;
}

static const luaL_Reg functions[] = {
	{ "encode", l_test_encode },
	{ "decode", l_test_decode },
	{ "mix", l_test_mix },
	{ "resample", l_test_resample },
	{ "tone", l_test_tone },
	{ "wav", l_test_wav },
	{ "wav_header", l_test_wav_header },
	{ NULL, NULL },
};

static const luaL_Reg tone_methods[] = { { "fill", l_tone_fill }, { NULL, NULL } };

static const luaL_Reg wav_methods[] = {
	{ "feed", l_wav_feed },
	{ "finish", l_wav_finish },
	{ "info", l_wav_info },
	{ NULL, NULL },
};

int l_test_media(lua_State *L)
{
	l_test_class(L, L_TONE, tone_methods);
	l_test_class(L, L_WAV, wav_methods);
	luaL_newlib(L, functions);
	return 1;
}
