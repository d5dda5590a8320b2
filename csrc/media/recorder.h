#pragma once
/* The desk's side of a recording: chunks come out of a tape (link.h) and go into a WAV
 * file.
 *
 * The header is written again after each second of audio and at the end, so that the
 * file can be played whenever we die.  A disk that refuses ends the recording, not the
 * call: what was written stays, with a header that is right.
 */
#include "base/list.h"
#include "media/source.h"
#include "media/wav.h"

enum media_recorder_state {
	MEDIA_RECORDER_OPENING,
	MEDIA_RECORDER_OPEN,
	MEDIA_RECORDER_DATA,   /* a write is under way */
	MEDIA_RECORDER_HEADER, /* likewise */
	MEDIA_RECORDER_CLOSING,
	MEDIA_RECORDER_CLOSED,
};

struct media_recorder {
	struct sip_link link;     /* of its session */
	struct sip_link happened; /* of the desk, once it is over */
	struct media_session *session;
	struct sip_alloc *alloc;
	struct sip_files *files;
	struct sip_file_req req;
	void (*changed)(struct media_recorder *recorder); /* after a completion */
	uint32_t id;

	enum media_recorder_state state;
	bool returned; /* the engine is through with the tape */
	bool failed;   /* the disk is: `why` */
	enum media_end end;
	char why[MEDIA_WHY_MAX];

	uint64_t data_len;   /* bytes of samples in the file */
	uint64_t header_len; /* of them, as the header in the file says */
	bool header_written;
	uint64_t samples, lost;
	uint32_t silence_left; /* of the chunk at hand, before its samples */
	uint32_t lost_last;    /* to be written as silence at the end */
	bool chunk_begun;

	uint32_t bytes_len;
	unsigned char header[MEDIA_WAV_HEADER_MAX];
	unsigned char bytes[MEDIA_CHUNK * 2];
	struct media_tape tape;
	size_t path_len;
	char path[];
};

/* Starts creating the file.  NULL when memory is short. */
struct media_recorder *media_recorder_new(struct sip_alloc *alloc,
                                          struct sip_files *files, sip_str path,
                                          void (*changed)(struct media_recorder *));
void media_recorder_free(struct media_recorder *recorder); /* finished, or at the end */

/* Go on, when the engine has written a chunk: write what can be written. */
void media_recorder_pump(struct media_recorder *recorder);
/* The engine has given back the tape; so many samples were lost after its last chunk.
 */
void media_recorder_returned(struct media_recorder *recorder, enum media_end end,
                             uint32_t lost);
/* Returned, and the file is closed: the owner may tell and free it. */
bool media_recorder_finished(const struct media_recorder *recorder);
