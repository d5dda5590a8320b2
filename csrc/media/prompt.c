#include "media/prompt.h"

#include <assert.h>

enum { GROWTH_MIN = 4096 }; /* samples */

static const struct sip_hash_key path_key; /* paths come from scripts, not from peers */

/* ---- samples ---- */

static size_t pcm_size(uint32_t room)
{
	return sizeof(struct media_pcm) + room * sizeof(int16_t);
}

struct media_pcm *media_pcm_ref(struct media_pcm *pcm)
{
	pcm->refs++;
	return pcm;
}

void media_pcm_unref(struct media_pcm *pcm)
{
	if (!pcm || --pcm->refs > 0)
		return;
	pcm->prompts->bytes -= pcm_size(pcm->room);
	sip_free(pcm->prompts->alloc, pcm, pcm_size(pcm->room));
}

/* Room for `room` samples; a new one when the prompt has none. */
static sip_err pcm_resize(struct media_prompt *prompt, uint32_t room)
{
	struct media_prompts *prompts = prompt->prompts;
	const size_t old_size = prompt->pcm ? pcm_size(prompt->pcm->room) : 0;
	struct media_pcm *pcm =
		sip_realloc(prompts->alloc, prompt->pcm, old_size, pcm_size(room));

	if (!pcm)
		return SIP_ENOMEM;
	if (!prompt->pcm)
		*pcm = (struct media_pcm){ .prompts = prompts, .refs = 1 };
	pcm->room = room;
	prompts->bytes = prompts->bytes - old_size + pcm_size(room);
	prompt->pcm = pcm;
	return SIP_OK;
}

/* ---- entries ---- */

void media_prompts_init(struct media_prompts *prompts, struct sip_alloc *alloc,
                        struct sip_files *files, size_t bytes_max)
{
	*prompts = (struct media_prompts){
		.alloc = alloc,
		.files = files,
		.bytes_max = bytes_max ? bytes_max : MEDIA_PROMPT_BYTES,
	};
	sip_map_init(&prompts->map, alloc);
	sip_list_init(&prompts->used);
}

static void prompt_free(struct media_prompt *prompt)
{
	struct media_prompts *prompts = prompt->prompts;

	assert(sip_list_empty(&prompt->waiters));
	sip_map_remove(&prompts->map, &prompt->node);
	sip_list_remove(&prompt->used);
	prompts->count--;
	media_pcm_unref(prompt->pcm);
	if (prompt->source)
		media_source_free(prompt->source);
	sip_free(prompts->alloc, prompt, sizeof *prompt + prompt->path_len);
}

void media_prompts_fini(struct media_prompts *prompts)
{
	while (!sip_list_empty(&prompts->used))
		prompt_free(
			SIP_CONTAINER(prompts->used.next, struct media_prompt, used));
	sip_map_fini(&prompts->map);
}

static struct media_prompt *prompt_find(const struct media_prompts *prompts,
                                        sip_str path, uint64_t hash)
{
	struct sip_node *node = sip_map_first(&prompts->map, hash);

	for (; node; node = sip_map_next(node)) {
		struct media_prompt *prompt =
			SIP_CONTAINER(node, struct media_prompt, node);

		if (sip_str_eq(path, sip_str_of(prompt->path, prompt->path_len)))
			return prompt;
	}
	return NULL;
}

/* Make room, oldest first, sparing those that are being read and `keep`. */
static void evict(struct media_prompts *prompts, const struct media_prompt *keep,
                  size_t bytes_max)
{
	struct sip_link *link = prompts->used.next;

	while (link != &prompts->used &&
	       (prompts->bytes > bytes_max || prompts->count > MEDIA_PROMPT_ENTRIES)) {
		struct media_prompt *prompt =
			SIP_CONTAINER(link, struct media_prompt, used);

		link = link->next;
		if (prompt != keep && !prompt->source && !prompt->telling)
			prompt_free(prompt);
	}
}

static struct media_prompt *prompt_new(struct media_prompts *prompts, sip_str path,
                                       uint64_t hash)
{
	struct media_prompt *prompt =
		sip_alloc0(prompts->alloc, sizeof *prompt + path.len);

	if (!prompt)
		return NULL;
	prompt->prompts = prompts;
	prompt->state = MEDIA_PROMPT_FAILED;
	prompt->stale = true;
	prompt->path_len = path.len;
	memcpy(prompt->path, path.p, path.len);
	sip_list_init(&prompt->waiters);
	if (sip_map_insert(&prompts->map, &prompt->node, hash)) {
		sip_free(prompts->alloc, prompt, sizeof *prompt + path.len);
		return NULL;
	}
	sip_list_insert(&prompts->used, &prompt->used);
	prompts->count++;
	evict(prompts, prompt, prompts->bytes_max);
	return prompt;
}

/* ---- loading ---- */

static void prompt_tell(struct media_prompt *prompt)
{
	struct sip_link waiting;

	sip_list_init(&waiting);
	prompt->telling = true; /* whoever is told may look for others */
	while (!sip_list_empty(&prompt->waiters)) {
		struct sip_link *link = prompt->waiters.next;

		sip_list_remove(link);
		sip_list_insert(&waiting, link);
	}
	while (!sip_list_empty(&waiting)) {
		struct media_waiter *waiter =
			SIP_CONTAINER(waiting.next, struct media_waiter, link);

		sip_list_remove(&waiter->link);
		waiter->ready(waiter, prompt);
	}
	prompt->telling = false;
}

static void source_closed(struct media_prompt *prompt)
{
	media_source_free(prompt->source);
	prompt->source = NULL;
	prompt->prompts->open--;
}

static void prompt_settle(struct media_prompt *prompt, enum media_prompt_state state)
{
	prompt->state = state;
	prompt->checked_ms = prompt->prompts->now_ms;
	prompt->stale = state == MEDIA_PROMPT_FAILED;
	prompt->loaded = true;
	if (state != MEDIA_PROMPT_READY) {
		media_pcm_unref(prompt->pcm);
		prompt->pcm = NULL;
	}
	if (media_source_close(prompt->source))
		source_closed(prompt);
	prompt_tell(prompt);
}

/* Room for more samples, as many as the header promises; false when it is to be held
 * whole no longer, or failed. */
static bool prompt_grow(struct media_prompt *prompt)
{
	struct media_prompts *prompts = prompt->prompts;
	const uint64_t count = prompt->pcm ? prompt->pcm->count : 0;
	uint64_t room = count + media_source_samples(prompt->source);

	if (room < 2 * count)
		room = 2 * count < MEDIA_PROMPT_SAMPLES ? 2 * count
		                                        : MEDIA_PROMPT_SAMPLES;
	room += GROWTH_MIN;
	if (count >= MEDIA_PROMPT_SAMPLES || room > MEDIA_PROMPT_SAMPLES + GROWTH_MIN ||
	    pcm_size((uint32_t)room) > prompts->bytes_max) {
		prompt_settle(prompt, MEDIA_PROMPT_LONG);
		return false;
	}
	evict(prompts, prompt, prompts->bytes_max - pcm_size((uint32_t)room));
	if (prompts->bytes > prompts->bytes_max - pcm_size((uint32_t)room)) {
		prompt_settle(prompt, MEDIA_PROMPT_LONG);
		return false;
	}
	if (pcm_resize(prompt, (uint32_t)room)) {
		media_why_write(prompt->why, sip_str_of(prompt->path, prompt->path_len),
		                "no memory", "");
		prompt_settle(prompt, MEDIA_PROMPT_FAILED);
		return false;
	}
	return true;
}

static void prompt_load(struct media_prompt *prompt)
{
	struct media_source *source = prompt->source;

	while (source->state == MEDIA_SOURCE_READY) {
		struct media_pcm *pcm = prompt->pcm;

		if ((!pcm || pcm->count == pcm->room) && !prompt_grow(prompt))
			return;
		pcm = prompt->pcm;
		pcm->count += media_source_read(source, pcm->samples + pcm->count,
		                                pcm->room - pcm->count);
	}
	if (source->state == MEDIA_SOURCE_FAILED) {
		memcpy(prompt->why, source->why, sizeof prompt->why);
		prompt_settle(prompt, MEDIA_PROMPT_FAILED);
	} else if (source->state == MEDIA_SOURCE_ENDED) {
		/* What an empty file has is nothing, and nothing can be played. */
		if (!prompt->pcm && pcm_resize(prompt, 1)) {
			memcpy(prompt->why, "no memory", sizeof "no memory");
			prompt_settle(prompt, MEDIA_PROMPT_FAILED);
			return;
		}
		prompt_settle(prompt, MEDIA_PROMPT_READY);
	}
}

static void source_changed(struct media_source *source)
{
	struct media_prompt *prompt = source->owner;

	if (source->state == MEDIA_SOURCE_CLOSED) {
		source_closed(prompt);
		return;
	}
	if (prompt->loaded)
		return;
	if (source->state == MEDIA_SOURCE_OPENED) {
		if (prompt->pcm && source->version == prompt->version &&
		    source->size == prompt->size) {
			prompt_settle(prompt, MEDIA_PROMPT_READY);
			return;
		}
		media_pcm_unref(prompt->pcm);
		prompt->pcm = NULL;
		prompt->version = source->version;
		prompt->size = source->size;
		media_source_start(source);
		return;
	}
	prompt_load(prompt);
}

static bool prompt_trusted(const struct media_prompt *prompt)
{
	return !prompt->stale &&
	       prompt->prompts->now_ms - prompt->checked_ms < MEDIA_PROMPT_TRUST_MS;
}

sip_err media_prompts_find(struct media_prompts *prompts, sip_str path,
                           struct media_waiter *waiter, struct media_prompt **out)
{
	const uint64_t hash = sip_hash(&path_key, path.p, path.len);
	struct media_prompt *prompt = prompt_find(prompts, path, hash);

	if (!prompt)
		prompt = prompt_new(prompts, path, hash);
	if (!prompt)
		return SIP_ENOMEM;
	sip_list_remove(&prompt->used);
	sip_list_insert(&prompts->used, &prompt->used);
	*out = prompt;
	/* While its source is still closing, what it told is fresh enough. */
	if (prompt->state != MEDIA_PROMPT_LOADING && !prompt->source &&
	    !prompt_trusted(prompt)) {
		prompt->source =
			media_source_new(prompts->alloc, prompts->files,
		                         sip_str_of(prompt->path, prompt->path_len),
		                         source_changed, prompt);
		if (!prompt->source)
			return SIP_ENOMEM;
		prompt->state = MEDIA_PROMPT_LOADING;
		prompt->stale = prompt->loaded = false;
		prompts->open++;
	}
	if (prompt->state == MEDIA_PROMPT_LOADING)
		sip_list_insert(&prompt->waiters, &waiter->link);
	return SIP_OK;
}

void media_waiter_leave(struct media_waiter *waiter)
{
	sip_list_remove(&waiter->link);
}

void media_prompts_forget(struct media_prompts *prompts, sip_str path)
{
	struct media_prompt *prompt =
		prompt_find(prompts, path, sip_hash(&path_key, path.p, path.len));

	if (prompt)
		prompt->stale = true;
}
