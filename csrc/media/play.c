#include "media/play.h"

#include <assert.h>

static void prompt_ready(struct media_waiter *waiter, struct media_prompt *prompt);

static bool is_tone(sip_str item)
{
	return item.len >= 5 && memcmp(item.p, "tone:", 5) == 0;
}

/* ---- making ---- */

static sip_err items_check(const sip_str *items, size_t count, size_t *text_len,
                           const char **why)
{
	struct media_tone tone;

	*text_len = 0;
	*why = "nothing to play, or too much at once";
	if (count == 0 || count > MEDIA_PLAY_ITEMS)
		return SIP_EINVAL;
	for (size_t i = 0; i < count; i++) {
		*text_len += items[i].len;
		if (is_tone(items[i]) &&
		    media_tone_parse(&tone, items[i], MEDIA_RATE, why))
			return SIP_ESYNTAX;
		if (items[i].len == 0 || items[i].len > 4096) {
			*why = "a path is empty or too long";
			return SIP_EINVAL;
		}
	}
	return SIP_OK;
}

static void items_copy(struct media_play *play, const sip_str *items)
{
	char *text = (char *)(play->items + play->item_count);

	for (size_t i = 0; i < play->item_count; i++) {
		memcpy(text, items[i].p, items[i].len);
		play->items[i] = sip_str_of(text, items[i].len);
		text += items[i].len;
	}
}

sip_err media_play_new(struct media_prompts *prompts, const sip_str *items,
                       size_t count, uint32_t times,
                       void (*changed)(struct media_play *), struct media_play **out,
                       const char **why)
{
	struct media_play *play;
	size_t text_len;
	sip_err err = items_check(items, count, &text_len, why);

	if (err)
		return err;
	*why = "no memory for another play";
	play = sip_alloc0(prompts->alloc, sizeof *play);
	if (!play)
		return SIP_ENOMEM;
	play->prompts = prompts;
	play->item_count = count;
	play->times = times;
	play->changed = changed;
	play->waiter.ready = prompt_ready;
	play->block_size = count * sizeof *items + text_len;
	play->items = sip_alloc(prompts->alloc, play->block_size);
	if (!play->items) {
		sip_free(prompts->alloc, play, sizeof *play);
		return SIP_ENOMEM;
	}
	items_copy(play, items);
	*out = play;
	return SIP_OK;
}

static void hold_release(struct media_play *play, struct media_play_hold *hold)
{
	if (!hold->pcm && !hold->tone)
		play->chunks_out -= play->chunks_out > 0;
	media_pcm_unref(hold->pcm);
	sip_free(play->prompts->alloc, hold->tone, sizeof *hold->tone);
	*hold = (struct media_play_hold){ 0 };
}

static uint32_t fed_count(const struct media_play *play)
{
	return atomic_load_explicit(&play->strip.written, memory_order_relaxed);
}

static void release_to(struct media_play *play, uint32_t until)
{
	for (; play->released != until; play->released++)
		hold_release(play, &play->holds[play->released % MEDIA_STRIP_SEGMENTS]);
}

static void source_drop(struct media_play *play)
{
	if (play->source && media_source_close(play->source)) {
		media_source_free(play->source);
		play->source = NULL;
	}
}

void media_play_free(struct media_play *play)
{
	struct sip_alloc *alloc;

	if (!play)
		return;
	alloc = play->prompts->alloc;
	release_to(play, fed_count(play));
	media_waiter_leave(&play->waiter);
	if (play->source)
		media_source_free(play->source);
	sip_free(alloc, play->chunks, sizeof *play->chunks);
	sip_free(alloc, play->items, play->block_size);
	sip_free(alloc, play, sizeof *play);
}

/* ---- feeding ---- */

static bool has_room(const struct media_play *play)
{
	return !play->fed && !play->returned &&
	       fed_count(play) - play->released < MEDIA_STRIP_SEGMENTS;
}

static void push(struct media_play *play, const struct media_segment *segment,
                 struct media_play_hold hold)
{
	const uint32_t at = fed_count(play);

	play->holds[at % MEDIA_STRIP_SEGMENTS] = hold;
	play->strip.segments[at % MEDIA_STRIP_SEGMENTS] = *segment;
	atomic_store_explicit(&play->strip.written, at + 1, memory_order_release);
	play->sounded = true;
}

static void push_end(struct media_play *play)
{
	push(play, &(struct media_segment){ .kind = MEDIA_SEGMENT_END },
	     (struct media_play_hold){ 0 });
	play->fed = true;
}

static void fail(struct media_play *play, const char *why)
{
	play->end = MEDIA_END_FAILED;
	memcpy(play->why, why, strnlen(why, sizeof play->why - 1));
	push_end(play);
}

static void push_tone(struct media_play *play, sip_str text)
{
	struct media_play_hold hold = { 0 };
	const char *why;

	hold.tone = sip_alloc(play->prompts->alloc, sizeof *hold.tone);
	if (!hold.tone) {
		fail(play, "no memory for a tone");
		return;
	}
	if (media_tone_parse(hold.tone, text, MEDIA_RATE, &why)) {
		sip_free(play->prompts->alloc, hold.tone, sizeof *hold.tone);
		fail(play, why);
		return;
	}
	push(play,
	     &(struct media_segment){ .kind = MEDIA_SEGMENT_TONE,
	                              .count = UINT32_MAX,
	                              .tone = hold.tone },
	     hold);
	play->item_at++;
}

static void push_pcm(struct media_play *play, struct media_pcm *pcm)
{
	if (pcm->count > 0)
		push(play,
		     &(struct media_segment){ .kind = MEDIA_SEGMENT_PCM,
		                              .count = pcm->count,
		                              .samples = pcm->samples },
		     (struct media_play_hold){ .pcm = media_pcm_ref(pcm) });
	play->item_at++;
}

/* ---- long files ---- */

static void source_changed(struct media_source *source)
{
	struct media_play *play = source->owner;

	if (source->state == MEDIA_SOURCE_CLOSED) {
		media_source_free(source);
		play->source = NULL;
	} else if (source->state == MEDIA_SOURCE_OPENED) {
		media_source_start(source);
	}
	media_play_feed(play);
	play->changed(play);
}

static void long_start(struct media_play *play)
{
	struct sip_alloc *alloc = play->prompts->alloc;

	if (!play->chunks)
		play->chunks = sip_alloc(alloc, sizeof *play->chunks);
	if (play->chunks)
		play->source = media_source_new(alloc, play->prompts->files,
		                                play->items[play->item_at],
		                                source_changed, play);
	if (!play->source)
		fail(play, "no memory for another file");
	else
		play->long_item = true;
}

static void push_chunk(struct media_play *play)
{
	push(play,
	     &(struct media_segment){ .kind = MEDIA_SEGMENT_PCM,
	                              .count = play->chunk_fill,
	                              .samples =
	                                      play->chunks->samples[play->chunk_next] },
	     (struct media_play_hold){ 0 });
	play->chunks_out++;
	play->chunk_next = (play->chunk_next + 1) % MEDIA_PLAY_CHUNKS;
	play->chunk_fill = 0;
}

static void long_ended(struct media_play *play)
{
	play->long_item = false;
	play->item_at++;
	source_drop(play);
}

/* False: nothing more can be done before the file or the engine has gone on. */
static bool feed_long(struct media_play *play)
{
	struct media_source *source = play->source;

	if (play->chunks_out == MEDIA_PLAY_CHUNKS)
		return false;
	if (source->state == MEDIA_SOURCE_READY)
		play->chunk_fill += media_source_read(
			source,
			play->chunks->samples[play->chunk_next] + play->chunk_fill,
			MEDIA_CHUNK - play->chunk_fill);
	if (play->chunk_fill == MEDIA_CHUNK ||
	    (play->chunk_fill > 0 && source->state >= MEDIA_SOURCE_ENDED)) {
		push_chunk(play);
		return true;
	}
	if (source->state == MEDIA_SOURCE_FAILED) {
		fail(play, source->why);
		long_ended(play);
	} else if (source->state == MEDIA_SOURCE_ENDED) {
		long_ended(play);
	} else {
		return false;
	}
	return true;
}

/* ---- the list ---- */

/* The next item; false when its file is still being read. */
static bool feed_item(struct media_play *play)
{
	const sip_str item = play->items[play->item_at];
	struct media_prompt *prompt;

	if (is_tone(item)) {
		push_tone(play, item);
		return true;
	}
	if (sip_link_in_list(&play->waiter.link) || play->source)
		return false; /* one file at a time; a closing one comes back soon */
	if (media_prompts_find(play->prompts, item, &play->waiter, &prompt)) {
		fail(play, "no memory for another prompt");
		return true;
	}
	switch (prompt->state) {
	case MEDIA_PROMPT_LOADING:
		return false;
	case MEDIA_PROMPT_READY:
		push_pcm(play, prompt->pcm);
		break;
	case MEDIA_PROMPT_LONG:
		long_start(play);
		break;
	case MEDIA_PROMPT_FAILED:
		fail(play, prompt->why);
		break;
	}
	return true;
}

/* A list without a sound is played once: for ever would never end. */
static void next_pass(struct media_play *play)
{
	if (play->times == 1 || !play->sounded) {
		push_end(play);
		return;
	}
	play->times -= play->times > 0;
	play->item_at = 0;
	play->sounded = false;
}

static void feed(struct media_play *play)
{
	while (has_room(play)) {
		if (play->long_item) {
			if (!feed_long(play))
				return;
		} else if (play->item_at == play->item_count) {
			next_pass(play);
		} else if (!feed_item(play)) {
			return;
		}
	}
}

void media_play_feed(struct media_play *play)
{
	if (play->returned)
		return;
	release_to(play, atomic_load_explicit(&play->strip.read, memory_order_acquire));
	feed(play);
}

/* What has just been loaded is used as it is: asking for it again might find it too
 * old, and so on for ever. */
static void prompt_ready(struct media_waiter *waiter, struct media_prompt *prompt)
{
	struct media_play *play = SIP_CONTAINER(waiter, struct media_play, waiter);

	if (!has_room(play))
		return;
	if (prompt->state == MEDIA_PROMPT_FAILED)
		fail(play, prompt->why);
	else if (prompt->state == MEDIA_PROMPT_READY)
		push_pcm(play, prompt->pcm);
	else
		long_start(play);
	media_play_feed(play);
}

void media_play_returned(struct media_play *play, enum media_end end)
{
	assert(!play->returned);
	play->returned = true;
	if (play->end != MEDIA_END_FAILED || end != MEDIA_END_FINISHED)
		play->end = end;
	media_waiter_leave(&play->waiter);
	release_to(play, fed_count(play));
	source_drop(play);
}

bool media_play_finished(const struct media_play *play)
{
	return play->returned && !play->source;
}
