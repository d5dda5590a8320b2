/* l_pcm.c - audio as strings of native int16. */
#include "bind/l_pcm.h"

#include "media/correlate.h"
#include "media/link.h"
#include "media/resample.h"
#include "media/wav.h"

#include <lauxlib.h>
#include <string.h>

static int refuse(lua_State *L, const char *why)
{
	lua_pushnil(L);
	lua_pushstring(L, why);
	return 2;
}

static const int16_t *check_pcm(lua_State *L, int arg, size_t *count)
{
	size_t len;
	const char *bytes = luaL_checklstring(L, arg, &len);
	int16_t *copy;

	luaL_argcheck(L, len % 2 == 0, arg, "not samples of 16 bits");
	copy = lua_newuserdatauv(L, len + 1, 0); /* aligned */
	memcpy(copy, bytes, len);
	*count = len / 2;
	return copy;
}

/* core.pcm_correlate(whole, part) -> peak, at | nil, why */
static int l_pcm_correlate(lua_State *L)
{
	size_t whole_len, part_len, at;
	const int16_t *whole = check_pcm(L, 1, &whole_len);
	const int16_t *part = check_pcm(L, 2, &part_len);
	struct sip_alloc alloc;
	double peak;
	sip_err err;

	sip_alloc_init(&alloc);
	err = media_correlate(&alloc, whole, whole_len, part, part_len, &peak, &at);
	if (err == SIP_EINVAL)
		return refuse(L, "there is nothing but silence to compare");
	if (err)
		return refuse(L, sip_err_name(err));
	lua_pushnumber(L, peak);
	lua_pushinteger(L, (lua_Integer)at);
	return 2;
}

enum { PIECE = 1024 };

/* What decoding holds, in a userdata, so that an error in Lua frees it too. */
struct l_decoder {
	struct sip_alloc alloc;
	struct media_resample *resample;
	struct media_wav wav;
};

static int l_decoder_gc(lua_State *L)
{
	struct l_decoder *decoder = lua_touserdata(L, 1);

	media_resample_free(decoder->resample);
	decoder->resample = NULL;
	return 0;
}

static void add_samples(luaL_Buffer *buffer, const int16_t *samples, size_t count)
{
	luaL_addlstring(buffer, (const char *)samples, count * sizeof *samples);
}

static void add_piece(struct l_decoder *decoder, luaL_Buffer *buffer, const int16_t *in,
                      size_t count)
{
	int16_t out[PIECE];

	if (!decoder->resample) {
		add_samples(buffer, in, count);
		return;
	}
	while (count > 0) {
		size_t used, given;

		media_resample_feed(decoder->resample, in, count, &used, out, PIECE,
		                    &given);
		add_samples(buffer, out, given);
		in += used;
		count -= used;
	}
}

static const char *decode_all(struct l_decoder *decoder, luaL_Buffer *buffer,
                              const uint8_t *bytes, size_t len)
{
	struct media_wav *wav = &decoder->wav;
	int16_t piece[PIECE];
	size_t used, count;

	for (; len > 0 && !wav->done; bytes += used, len -= used) {
		if (media_wav_feed(wav, bytes, len, &used, piece, PIECE, &count))
			return wav->why;
		if (wav->ready && wav->rate != MEDIA_RATE && !decoder->resample &&
		    media_resample_new(&decoder->alloc, wav->rate, MEDIA_RATE,
		                       &decoder->resample))
			return "a rate we cannot play";
		add_piece(decoder, buffer, piece, count);
	}
	if (media_wav_end(wav))
		return wav->why;
	while (decoder->resample) {
		count = media_resample_flush(decoder->resample, piece, PIECE);
		if (count == 0)
			break;
		add_samples(buffer, piece, count);
	}
	return NULL;
}

/* core.wav_samples(bytes) -> samples at 8000 Hz | nil, why */
static int l_wav_samples(lua_State *L)
{
	size_t len;
	const char *bytes = luaL_checklstring(L, 1, &len);
	struct l_decoder *decoder = lua_newuserdatauv(L, sizeof *decoder, 0);
	luaL_Buffer buffer;
	const char *why;

	memset(decoder, 0, sizeof *decoder);
	sip_alloc_init(&decoder->alloc);
	media_wav_init(&decoder->wav);
	lua_createtable(L, 0, 1);
	lua_pushcfunction(L, l_decoder_gc);
	lua_setfield(L, -2, "__gc");
	lua_setmetatable(L, -2);
	luaL_buffinit(L, &buffer);
	why = decode_all(decoder, &buffer, (const uint8_t *)bytes, len);
	luaL_pushresult(&buffer);
	return why ? refuse(L, why) : 1;
}

void l_pcm_open(lua_State *L)
{
	static const luaL_Reg functions[] = {
		{ "pcm_correlate", l_pcm_correlate },
		{ "wav_samples", l_wav_samples },
		{ NULL, NULL },
	};

	luaL_setfuncs(L, functions, 0);
}
