#pragma once
/* One WAV file, read through the file seam piece by piece and given out as samples of
 * MEDIA_RATE.
 *
 * It reads one block ahead and then waits until that is used up, so that a slow reader
 * holds no more than a block.  `changed` is called after each step of the file: from a
 * completion, never from inside a call.  States:
 *
 *	OPENING -> OPENED  size and version are known; media_source_start goes on
 *	        -> READY   there are samples to read; reading more may go back to
 *WAITING
 *	        -> ENDED | FAILED (why) -> CLOSED, after media_source_close
 */
#include "base/alloc.h"
#include "base/file.h"
#include "media/link.h"
#include "media/resample.h"
#include "media/wav.h"

enum { MEDIA_WHY_MAX = 160, MEDIA_SOURCE_BLOCK = 8192, MEDIA_SOURCE_PIECE = 512 };

enum media_source_state {
	MEDIA_SOURCE_OPENING,
	MEDIA_SOURCE_OPENED,
	MEDIA_SOURCE_WAITING,
	MEDIA_SOURCE_READY,
	MEDIA_SOURCE_ENDED,
	MEDIA_SOURCE_FAILED,
	MEDIA_SOURCE_CLOSED,
};

/* "path: what why", cut to fit; for the person who wrote the script. */
void media_why_write(char out[MEDIA_WHY_MAX], sip_str path, const char *what,
                     const char *why);

struct media_source {
	struct sip_alloc *alloc;
	struct sip_files *files;
	struct sip_file_req req;
	sip_str path; /* borrowed for as long as the source lives */
	void (*changed)(struct media_source *source);
	void *owner;

	enum media_source_state state;
	bool busy;    /* a request is under way */
	bool opened;  /* the file is to be closed */
	bool closing; /* as soon as nothing is under way */
	bool last;    /* the file has no more than what is in `block` */
	uint64_t size, version, at;
	char why[MEDIA_WHY_MAX];

	struct media_wav wav;
	struct media_resample
		*resample; /* NULL: the file's rate is ours, or not known */
	size_t block_len, block_used;
	uint32_t piece_len, piece_used;
	bool flushing;                     /* `piece` is at our rate: the end of it */
	int16_t piece[MEDIA_SOURCE_PIECE]; /* decoded, at the file's rate */
	unsigned char block[MEDIA_SOURCE_BLOCK];
};

/* Starts opening `path`.  NULL when memory is short. */
struct media_source *media_source_new(struct sip_alloc *alloc, struct sip_files *files,
                                      sip_str path,
                                      void (*changed)(struct media_source *source),
                                      void *owner);
void media_source_start(struct media_source *source); /* after OPENED */
/* How many samples it will give, as far as the header tells; 0 when it does not. */
uint64_t media_source_samples(const struct media_source *source);
/* Gives how many samples were written; fewer than `count`: look at the state. */
uint32_t media_source_read(struct media_source *source, int16_t *out, uint32_t count);
/* True: nothing was open, it is CLOSED.  False: `changed` will be called with that. */
bool media_source_close(struct media_source *source);
void media_source_free(struct media_source *source); /* CLOSED, or files are no more */
