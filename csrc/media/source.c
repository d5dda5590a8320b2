#include "media/source.h"

#include "base/list.h"

#include <assert.h>

static void request_done(struct sip_file_req *req);

struct media_source *media_source_new(struct sip_alloc *alloc, struct sip_files *files,
                                      sip_str path,
                                      void (*changed)(struct media_source *source),
                                      void *owner)
{
	struct media_source *source = sip_alloc0(alloc, sizeof *source);

	if (!source)
		return NULL;
	source->alloc = alloc;
	source->files = files;
	source->path = path;
	source->changed = changed;
	source->owner = owner;
	source->state = MEDIA_SOURCE_OPENING;
	source->req.done = request_done;
	media_wav_init(&source->wav);
	source->busy = true;
	files->ops->open(files, path, SIP_FILE_READ, &source->req);
	return source;
}

void media_source_free(struct media_source *source)
{
	media_resample_free(source->resample);
	sip_free(source->alloc, source, sizeof *source);
}

static size_t add(char *out, size_t at, const char *text, size_t len)
{
	const size_t room = MEDIA_WHY_MAX - 1 - at;

	if (len > room)
		len = room;
	memcpy(out + at, text, len);
	out[at + len] = '\0';
	return at + len;
}

void media_why_write(char out[MEDIA_WHY_MAX], sip_str path, const char *what,
                     const char *why)
{
	size_t at = add(out, 0, path.p, path.len);

	at = add(out, at, ": ", 2);
	at = add(out, at, what, strlen(what));
	(void)add(out, at, why, strlen(why)); /* how far it came matters no more */
}

static void fail(struct media_source *source, const char *what, const char *why)
{
	source->state = MEDIA_SOURCE_FAILED;
	media_why_write(source->why, source->path, what, why);
}

static void close_file(struct media_source *source)
{
	source->opened = false;
	source->busy = true;
	source->files->ops->close(source->files, &source->req);
}

static void read_block(struct media_source *source)
{
	source->state = MEDIA_SOURCE_WAITING;
	source->req.at = source->at;
	source->req.bytes = source->block;
	source->req.len = sizeof source->block;
	source->busy = true;
	source->files->ops->read(source->files, &source->req);
}

static sip_err rate_known(struct media_source *source)
{
	sip_err err;

	if (source->resample || source->wav.rate == MEDIA_RATE)
		return SIP_OK;
	err = media_resample_new(source->alloc, source->wav.rate, MEDIA_RATE,
	                         &source->resample);
	if (err)
		fail(source, err == SIP_ENOMEM ? "no memory" : "a rate we cannot play",
		     "");
	return err;
}

/* What the resampler still holds is at our rate already. */
static bool flush_piece(struct media_source *source)
{
	source->piece_used = 0;
	source->piece_len = source->resample
	                            ? (uint32_t)media_resample_flush(source->resample,
	                                                             source->piece,
	                                                             MEDIA_SOURCE_PIECE)
	                            : 0;
	source->flushing = source->piece_len > 0;
	if (!source->flushing)
		source->state = MEDIA_SOURCE_ENDED;
	return source->flushing;
}

/* Decode a piece of the block.  False when there is none, and the state says why. */
static bool next_piece(struct media_source *source)
{
	while (source->state == MEDIA_SOURCE_READY) {
		const size_t left = source->block_len - source->block_used;
		size_t used = 0, count = 0;
		sip_err err;

		if (left == 0 || source->wav.done) {
			if (!source->last && !source->wav.done)
				read_block(source);
			else if (media_wav_end(&source->wav))
				fail(source, source->wav.why, "");
			else
				return flush_piece(source);
			return false;
		}
		err = media_wav_feed(&source->wav, source->block + source->block_used,
		                     left, &used, source->piece, MEDIA_SOURCE_PIECE,
		                     &count);
		source->block_used += used;
		if (err) {
			fail(source, source->wav.why, "");
			return false;
		}
		if (source->wav.ready && rate_known(source))
			return false;
		source->piece_len = (uint32_t)count;
		source->piece_used = 0;
		if (count > 0)
			return true;
	}
	return false;
}

uint64_t media_source_samples(const struct media_source *source)
{
	const struct media_wav *wav = &source->wav;

	if (!wav->ready || wav->frames_left == UINT64_MAX || wav->rate == 0 ||
	    wav->frames_left > UINT32_MAX)
		return 0;
	return wav->frames_left * MEDIA_RATE / wav->rate;
}

uint32_t media_source_read(struct media_source *source, int16_t *out, uint32_t count)
{
	uint32_t got = 0;

	while (got < count) {
		const int16_t *in = source->piece + source->piece_used;
		const uint32_t left = source->piece_len - source->piece_used;
		size_t used = 0, n = 0;

		if (left == 0) {
			if (!next_piece(source))
				break;
			continue;
		}
		if (source->resample && !source->flushing) {
			media_resample_feed(source->resample, in, left, &used,
			                    out + got, count - got, &n);
		} else {
			n = used = left < count - got ? left : count - got;
			memcpy(out + got, in, n * sizeof *out);
		}
		source->piece_used += (uint32_t)used;
		got += (uint32_t)n;
	}
	return got;
}

static void block_came(struct media_source *source)
{
	source->block_len = source->req.len;
	source->block_used = 0;
	source->at += source->req.len;
	source->last = source->req.len < sizeof source->block;
	source->state = MEDIA_SOURCE_READY;
}

static void request_done(struct sip_file_req *req)
{
	struct media_source *source = SIP_CONTAINER(req, struct media_source, req);

	source->busy = false;
	if (source->state == MEDIA_SOURCE_OPENING && !req->err) {
		source->opened = true;
		source->size = req->size;
		source->version = req->version;
		source->state = MEDIA_SOURCE_OPENED;
	} else if (source->closing && !source->opened) {
		source->state = MEDIA_SOURCE_CLOSED;
		source->changed(source);
		return;
	} else if (req->err) {
		fail(source, "", req->why);
	} else if (source->state == MEDIA_SOURCE_WAITING) {
		block_came(source);
	}
	if (source->closing)
		close_file(source);
	else
		source->changed(source);
}

void media_source_start(struct media_source *source)
{
	assert(source->state == MEDIA_SOURCE_OPENED);
	read_block(source);
}

bool media_source_close(struct media_source *source)
{
	if (source->closing)
		return false;
	source->closing = true;
	if (source->busy)
		return false;
	if (source->opened) {
		close_file(source);
		return false;
	}
	source->state = MEDIA_SOURCE_CLOSED;
	return true;
}
