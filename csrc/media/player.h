#pragma once
/* The engine's side of a play and of a recording (link.h): reading a strip, writing
 * a tape, one frame at a time. */
#include "media/link.h"

struct media_player {
	struct media_strip *strip; /* NULL: free */
	uint32_t id;
	uint32_t at; /* samples used of the segment at hand */
	uint64_t played;
	bool read_segment; /* the desk is to be told */
	bool over;
	enum media_end end;
};

void media_player_start(struct media_player *player, uint32_t id,
                        struct media_strip *strip);
/* Add up to a frame of audio to `frame`; gives how many samples had something.  At
 * the beat after its last sample, `over` is set. */
uint32_t media_player_mix(struct media_player *player, int16_t frame[MEDIA_FRAME]);
void media_player_stop(struct media_player *player, enum media_end end);
/* Has it begun, and is nothing there to go on with? */
bool media_player_starved(const struct media_player *player, uint32_t got);

struct media_taper {
	struct media_tape *tape; /* NULL: free */
	uint32_t id;
	uint32_t lost;         /* since the last chunk */
	uint64_t samples, max; /* heard so far, lost ones included */
	uint64_t silent, silence_max;
	bool wrote_chunk; /* the desk is to be told */
	bool open;        /* a chunk is partly filled */
	bool over;
	enum media_end end;
};

void media_taper_start(struct media_taper *taper, uint32_t id, struct media_tape *tape,
                       uint64_t max, uint64_t silence_max);
/* Gives the samples that had no room. */
uint32_t media_taper_write(struct media_taper *taper, const int16_t frame[MEDIA_FRAME]);
void media_taper_stop(struct media_taper *taper, enum media_end end);
