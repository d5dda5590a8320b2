#include "media/recorder.h"

#include <assert.h>

enum { HEADER_EVERY = 2 * MEDIA_RATE }; /* bytes of samples: a second */

static void request_done(struct sip_file_req *req);

struct media_recorder *media_recorder_new(struct sip_alloc *alloc,
                                          struct sip_files *files, sip_str path,
                                          void (*changed)(struct media_recorder *))
{
	struct media_recorder *recorder =
		sip_alloc0(alloc, sizeof *recorder + path.len);

	if (!recorder)
		return NULL;
	recorder->alloc = alloc;
	recorder->files = files;
	recorder->changed = changed;
	recorder->path_len = path.len;
	memcpy(recorder->path, path.p, path.len);
	recorder->state = MEDIA_RECORDER_OPENING;
	recorder->req.done = request_done;
	files->ops->open(files, sip_str_of(recorder->path, path.len), SIP_FILE_WRITE,
	                 &recorder->req);
	return recorder;
}

void media_recorder_free(struct media_recorder *recorder)
{
	if (recorder)
		sip_free(recorder->alloc, recorder,
		         sizeof *recorder + recorder->path_len);
}

static void write_bytes(struct media_recorder *recorder, uint64_t at, void *bytes,
                        size_t len)
{
	recorder->req.at = at;
	recorder->req.bytes = bytes;
	recorder->req.len = len;
	recorder->files->ops->write(recorder->files, &recorder->req);
}

static size_t header_make(struct media_recorder *recorder)
{
	return media_wav_write_header(recorder->header, MEDIA_WAV_PCM, MEDIA_RATE,
	                              recorder->data_len);
}

static void write_header(struct media_recorder *recorder)
{
	const size_t len = header_make(recorder);

	recorder->state = MEDIA_RECORDER_HEADER;
	write_bytes(recorder, 0, recorder->header, len);
}

static void put_sample(struct media_recorder *recorder, int16_t sample)
{
	const uint16_t bits = (uint16_t)sample;

	recorder->bytes[recorder->bytes_len++] = (unsigned char)(bits & 0xff);
	recorder->bytes[recorder->bytes_len++] = (unsigned char)(bits >> 8);
}

static void tape_release(struct media_recorder *recorder)
{
	const uint32_t read =
		atomic_load_explicit(&recorder->tape.read, memory_order_relaxed);

	recorder->chunk_begun = false;
	atomic_store_explicit(&recorder->tape.read, read + 1, memory_order_release);
}

static const struct media_chunk *tape_chunk(const struct media_recorder *recorder)
{
	const struct media_tape *tape = &recorder->tape;
	const uint32_t read = atomic_load_explicit(&tape->read, memory_order_relaxed);
	const uint32_t written =
		atomic_load_explicit(&tape->written, memory_order_acquire);

	return read == written ? NULL : &tape->chunks[read % MEDIA_TAPE_CHUNKS];
}

static void put_silence(struct media_recorder *recorder, uint32_t *left)
{
	const uint32_t count = *left < MEDIA_CHUNK ? *left : MEDIA_CHUNK;

	for (uint32_t i = 0; i < count; i++)
		put_sample(recorder, 0);
	*left -= count;
}

/* Fill `bytes` from the tape: first silence for what was lost, then the chunk. */
static bool take_chunk(struct media_recorder *recorder)
{
	const struct media_chunk *chunk = tape_chunk(recorder);

	recorder->bytes_len = 0;
	if (!chunk) {
		put_silence(recorder, &recorder->lost_last);
		return recorder->bytes_len > 0;
	}
	if (!recorder->chunk_begun) {
		recorder->chunk_begun = true;
		recorder->silence_left = chunk->lost;
		recorder->lost += chunk->lost;
	}
	if (recorder->silence_left > 0) {
		put_silence(recorder, &recorder->silence_left);
		return true;
	}
	for (uint32_t i = 0; i < chunk->count; i++)
		put_sample(recorder, chunk->samples[i]);
	tape_release(recorder);
	return true;
}

static void write_data(struct media_recorder *recorder)
{
	recorder->state = MEDIA_RECORDER_DATA;
	write_bytes(recorder, header_make(recorder) + recorder->data_len,
	            recorder->bytes, recorder->bytes_len);
}

static void close_file(struct media_recorder *recorder)
{
	recorder->state = MEDIA_RECORDER_CLOSING;
	recorder->files->ops->close(recorder->files, &recorder->req);
}

void media_recorder_pump(struct media_recorder *recorder)
{
	const uint64_t news = recorder->data_len - recorder->header_len;

	if (recorder->failed) {
		recorder->lost_last = 0;
		while (tape_chunk(recorder))
			tape_release(recorder);
	}
	if (recorder->state != MEDIA_RECORDER_OPEN)
		return;
	if (!recorder->header_written || news >= HEADER_EVERY)
		write_header(recorder);
	else if (take_chunk(recorder))
		write_data(recorder);
	else if (recorder->failed || recorder->returned) {
		if (news > 0)
			write_header(recorder);
		else
			close_file(recorder);
	}
}

static void fail(struct media_recorder *recorder, const char *why)
{
	if (recorder->failed)
		return;
	recorder->failed = true;
	media_why_write(recorder->why, sip_str_of(recorder->path, recorder->path_len),
	                "", why);
}

/* A header that cannot be written is not tried again. */
static void header_done(struct media_recorder *recorder)
{
	recorder->header_written = true;
	recorder->header_len = recorder->data_len;
}

static void request_done(struct sip_file_req *req)
{
	struct media_recorder *recorder =
		SIP_CONTAINER(req, struct media_recorder, req);
	const enum media_recorder_state state = recorder->state;

	if (req->err)
		fail(recorder, req->why);
	recorder->state = MEDIA_RECORDER_OPEN;
	if (state == MEDIA_RECORDER_CLOSING ||
	    (state == MEDIA_RECORDER_OPENING && req->err))
		recorder->state = MEDIA_RECORDER_CLOSED;
	else if (state == MEDIA_RECORDER_HEADER)
		header_done(recorder);
	else if (state == MEDIA_RECORDER_DATA && !req->err) {
		recorder->data_len += recorder->bytes_len;
		recorder->samples = recorder->data_len / 2;
	}
	media_recorder_pump(recorder);
	recorder->changed(recorder);
}

void media_recorder_returned(struct media_recorder *recorder, enum media_end end,
                             uint32_t lost)
{
	assert(!recorder->returned);
	recorder->returned = true;
	recorder->end = end;
	recorder->lost_last = lost;
	recorder->lost += lost;
	media_recorder_pump(recorder);
}

bool media_recorder_finished(const struct media_recorder *recorder)
{
	return recorder->returned && recorder->state == MEDIA_RECORDER_CLOSED;
}
