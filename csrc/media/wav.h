#pragma once
/* RIFF/WAVE files, read in pieces of any size and written with a header that can be
 * written again.
 *
 * Read: PCM of 8, 16, 24 and 32 bits, mu-law and A-law, also as
 * WAVE_FORMAT_EXTENSIBLE; several channels become one, their mean.  What comes out is
 * 16 bits at the file's own rate.  A file that ends early has played what it had; a
 * data chunk of length 0 or 0xffffffff, as writers to a pipe leave it, lasts to the
 * end.
 */
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum media_wav_coding { MEDIA_WAV_PCM, MEDIA_WAV_ULAW, MEDIA_WAV_ALAW };

enum {
	MEDIA_WAV_CHANNELS = 8,
	MEDIA_WAV_RATE_MIN = 4000,
	MEDIA_WAV_RATE_MAX = 192000,
	MEDIA_WAV_HEADER_MAX = 58, /* what media_wav_write_header may write */
};

struct media_wav {
	/* good once `ready` */
	bool ready;
	bool done; /* the last sample has been given; bytes after it are ignored */
	enum media_wav_coding coding;
	uint8_t bits; /* per sample and channel */
	uint8_t channels;
	uint32_t rate;
	uint64_t frames_left; /* UINT64_MAX: to the end of the file */

	const char *why; /* after SIP_ESYNTAX */
	/* where the reader is */
	uint8_t state;
	uint8_t have, want; /* bytes of `part` */
	bool format_seen;
	uint64_t skip;
	uint8_t part[40];
};

void media_wav_init(struct media_wav *wav);

/* Take bytes of the file, in order, and give at most `cap` samples.  It stops when
 * the bytes are used up or `out` is full: `used` and `count` say how far it came.
 * SIP_ESYNTAX: no WAV that we can read, `wav->why` says so in words. */
sip_err media_wav_feed(struct media_wav *wav, const uint8_t *bytes, size_t len,
                       size_t *used, int16_t *out, size_t cap, size_t *count);

/* The file is at its end.  SIP_ESYNTAX when it never had audio. */
sip_err media_wav_end(struct media_wav *wav);

/* The header of a file of one channel with so many bytes of samples (PCM: 16 bits);
 * gives its length, the same for every `data_len`, so it can be written again. */
size_t media_wav_write_header(uint8_t out[MEDIA_WAV_HEADER_MAX],
                              enum media_wav_coding coding, uint32_t rate,
                              uint64_t data_len);
