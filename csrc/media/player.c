#include "media/player.h"

#include "media/mix.h"
#include "media/tone.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* Louder than this on average is no silence: 42 dB below full scale. */
enum { SILENCE_LEVEL = 256 };

void media_player_start(struct media_player *player, uint32_t id,
                        struct media_strip *strip)
{
	*player = (struct media_player){ .strip = strip, .id = id };
}

static const struct media_segment *segment_at(const struct media_strip *strip)
{
	const uint32_t read = atomic_load_explicit(&strip->read, memory_order_relaxed);
	const uint32_t written =
		atomic_load_explicit(&strip->written, memory_order_acquire);

	return read == written ? NULL : &strip->segments[read % MEDIA_STRIP_SEGMENTS];
}

static void segment_done(struct media_player *player)
{
	struct media_strip *strip = player->strip;
	const uint32_t read = atomic_load_explicit(&strip->read, memory_order_relaxed);

	player->at = 0;
	player->read_segment = true;
	atomic_store_explicit(&strip->read, read + 1, memory_order_release);
}

/* Up to `room` samples of one segment, added to `out`. */
static uint32_t mix_segment(struct media_player *player,
                            const struct media_segment *seg, int16_t *out,
                            uint32_t room)
{
	int16_t tone[MEDIA_FRAME];
	const uint32_t left = seg->count - player->at;
	const uint32_t wanted = left < room ? left : room;
	uint32_t got = wanted;

	if (seg->kind == MEDIA_SEGMENT_TONE) {
		got = (uint32_t)media_tone_fill(seg->tone, tone, wanted);
		media_mix_add(out, tone, got);
	} else {
		media_mix_add(out, seg->samples + player->at, got);
	}
	player->at += got;
	if (player->at == seg->count || got < wanted)
		segment_done(player);
	return got;
}

/* The end is looked for at the start of a beat only: a play of n frames, the last
 * one full or not, is over exactly n beats after its first. */
uint32_t media_player_mix(struct media_player *player, int16_t frame[MEDIA_FRAME])
{
	uint32_t filled = 0;

	while (!player->over && filled < MEDIA_FRAME) {
		const struct media_segment *seg = segment_at(player->strip);

		if (!seg)
			break;
		if (seg->kind == MEDIA_SEGMENT_END) {
			if (filled == 0)
				media_player_stop(player, MEDIA_END_FINISHED);
			break;
		}
		filled +=
			mix_segment(player, seg, frame + filled, MEDIA_FRAME - filled);
	}
	player->played += filled;
	return filled;
}

void media_player_stop(struct media_player *player, enum media_end end)
{
	if (player->over)
		return;
	player->over = true;
	player->end = end;
}

bool media_player_starved(const struct media_player *player, uint32_t got)
{
	return got == 0 && !player->over && player->played > 0;
}

void media_taper_start(struct media_taper *taper, uint32_t id, struct media_tape *tape,
                       uint64_t max, uint64_t silence_max)
{
	*taper = (struct media_taper){
		.tape = tape, .id = id, .max = max, .silence_max = silence_max
	};
}

static struct media_chunk *chunk_at(const struct media_tape *tape)
{
	const uint32_t written =
		atomic_load_explicit(&tape->written, memory_order_relaxed);
	const uint32_t read = atomic_load_explicit(&tape->read, memory_order_acquire);

	if (written - read == MEDIA_TAPE_CHUNKS)
		return NULL;
	return (struct media_chunk *)&tape->chunks[written % MEDIA_TAPE_CHUNKS];
}

static void chunk_done(struct media_taper *taper)
{
	struct media_tape *tape = taper->tape;
	const uint32_t written =
		atomic_load_explicit(&tape->written, memory_order_relaxed);

	taper->open = false;
	taper->wrote_chunk = true;
	atomic_store_explicit(&tape->written, written + 1, memory_order_release);
}

static bool is_silent(const int16_t *frame, uint32_t count)
{
	uint32_t sum = 0;

	for (uint32_t i = 0; i < count; i++)
		sum += (uint32_t)abs(frame[i]);
	return sum < SILENCE_LEVEL * count;
}

/* What has no room is not kept but counted: the next chunk says how much is missing
 * before it, and the desk writes silence of that length. */
uint32_t media_taper_write(struct media_taper *taper, const int16_t frame[MEDIA_FRAME])
{
	struct media_chunk *chunk = chunk_at(taper->tape);
	uint32_t count = MEDIA_FRAME;

	assert(!taper->over);
	if (taper->max && taper->max - taper->samples < count)
		count = (uint32_t)(taper->max - taper->samples);
	if (chunk && !taper->open) {
		chunk->count = 0;
		chunk->lost = taper->lost;
		taper->lost = 0;
		taper->open = true;
	}
	if (chunk) {
		memcpy(chunk->samples + chunk->count, frame, count * sizeof *frame);
		chunk->count += count;
		if (chunk->count > MEDIA_CHUNK - MEDIA_FRAME)
			chunk_done(taper);
	} else {
		taper->lost += count;
	}
	taper->samples += count;
	taper->silent = is_silent(frame, count) ? taper->silent + count : 0;
	if (taper->max && taper->samples == taper->max)
		media_taper_stop(taper, MEDIA_END_MAX);
	else if (taper->silence_max && taper->silent >= taper->silence_max)
		media_taper_stop(taper, MEDIA_END_SILENCE);
	return chunk ? 0 : count;
}

void media_taper_stop(struct media_taper *taper, enum media_end end)
{
	if (taper->over)
		return;
	if (taper->open)
		chunk_done(taper);
	taper->over = true;
	taper->end = end;
}
