#pragma once
/* Prompts, decoded once: a cache by path, bounded in bytes and in entries.
 *
 * A prompt that is short enough is held whole; a long one is only known to be long,
 * and whoever plays it reads it through a media_source of its own.  An entry is
 * trusted for a second; then the next use opens the file and looks whether it is
 * still the same.
 */
#include "base/list.h"
#include "base/map.h"
#include "media/source.h"

enum {
	MEDIA_PROMPT_SAMPLES =
		60 * MEDIA_RATE, /* longer ones are read while they play */
	MEDIA_PROMPT_ENTRIES = 1024,
	MEDIA_PROMPT_BYTES = 64 << 20,
	MEDIA_PROMPT_TRUST_MS = 1000,
};

/* Samples, counted; the signalling thread alone counts. */
struct media_pcm {
	struct media_prompts *prompts;
	uint32_t refs;
	uint32_t count;
	uint32_t room; /* allocated for */
	int16_t samples[];
};

struct media_pcm *media_pcm_ref(struct media_pcm *pcm);
void media_pcm_unref(struct media_pcm *pcm);

enum media_prompt_state {
	MEDIA_PROMPT_LOADING,
	MEDIA_PROMPT_READY, /* pcm */
	MEDIA_PROMPT_LONG,
	MEDIA_PROMPT_FAILED, /* why */
};

struct media_prompt {
	struct sip_node node;
	struct sip_link used; /* oldest first */
	struct sip_link waiters;
	struct media_prompts *prompts;
	struct media_source *source; /* while the file is open */
	enum media_prompt_state state;
	bool stale; /* look at the file before the next use */
	bool telling;
	bool loaded; /* the source has told all it had to */
	uint64_t checked_ms, size, version;
	struct media_pcm *pcm;
	char why[MEDIA_WHY_MAX];
	size_t path_len;
	char path[];
};

struct media_prompts {
	struct sip_alloc *alloc;
	struct sip_files *files;
	struct sip_map map;
	struct sip_link used;
	size_t bytes, bytes_max; /* of samples, those in use by plays included */
	uint32_t count;
	uint32_t open; /* sources */
	uint64_t now_ms;
};

/* Waits for a prompt that is LOADING; called once, then out of the list. */
struct media_waiter {
	struct sip_link link;
	void (*ready)(struct media_waiter *waiter, struct media_prompt *prompt);
};

void media_prompts_init(struct media_prompts *prompts, struct sip_alloc *alloc,
                        struct sip_files *files, size_t bytes_max);
void media_prompts_fini(struct media_prompts *prompts); /* no source is open */

/* The prompt at `path`, in whatever state: when LOADING, `waiter` is called later.
 * The prompt is borrowed until control returns to the driver.  SIP_ENOMEM. */
sip_err media_prompts_find(struct media_prompts *prompts, sip_str path,
                           struct media_waiter *waiter, struct media_prompt **prompt);
void media_waiter_leave(struct media_waiter *waiter); /* may be in no list */

/* Something was written there: look at the file before the next use. */
void media_prompts_forget(struct media_prompts *prompts, sip_str path);
