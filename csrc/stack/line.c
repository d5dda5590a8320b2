#include "stack/line.h"

#include "stack/source.h"

#include <assert.h>

/* All that waits of one source; there is none without anything. */
struct queue {
	struct sip_node node;
	struct sip_link turn, rank;
	uint64_t prefix;
	uint8_t family;
	uint32_t weight; /* of all that wait in it */
	struct sip_waiting *first, **last;
};

/* A large one has the place of many, and counts as so many: else a few hundred sources
 * would push out thousands with one of them each. */
enum { PIECE_BYTES = 4096 };

static uint32_t weight_of(size_t len)
{
	return 1 + (uint32_t)(len / PIECE_BYTES);
}

void sip_line_init(struct sip_line *line, struct sip_alloc *alloc,
                   const struct sip_limits *limits, uint32_t patience_ms)
{
	memset(line, 0, sizeof *line);
	line->alloc = alloc;
	line->count_max = limits->strangers;
	line->bytes_max = limits->strangers_bytes ? limits->strangers_bytes : SIZE_MAX;
	line->patience_ms = patience_ms;
	sip_map_init(&line->map, alloc);
	sip_list_init(&line->turns);
	for (unsigned i = 0; i < SIP_LINE_RANKS; i++)
		sip_list_init(&line->ranks[i]);
}

static size_t size_of(const struct sip_waiting *waiting)
{
	return sizeof *waiting + waiting->len;
}

void sip_line_free(struct sip_line *line, struct sip_waiting *waiting)
{
	sip_free(line->alloc, waiting, size_of(waiting));
}

static unsigned rank_of(uint32_t weight)
{
	return weight < SIP_LINE_RANKS ? weight : SIP_LINE_RANKS - 1;
}

/* The longer a queue has had its rank, the nearer it is to be the first of it. */
static void enter_rank(struct sip_line *line, struct queue *queue)
{
	const unsigned rank = rank_of(queue->weight);

	sip_list_remove(&queue->rank);
	sip_list_insert(&line->ranks[rank], &queue->rank);
	if (rank > line->most)
		line->most = rank;
	while (line->most > 0 && sip_list_empty(&line->ranks[line->most]))
		line->most--;
}

static struct queue *find(const struct sip_line *line, const struct sip_source *source)
{
	struct sip_node *node = sip_map_first(&line->map, source->node.hash);

	for (; node; node = sip_map_next(node)) {
		struct queue *queue = SIP_CONTAINER(node, struct queue, node);

		if (queue->prefix == source->prefix && queue->family == source->family)
			return queue;
	}
	return NULL;
}

static struct queue *queue_new(struct sip_line *line, const struct sip_source *source)
{
	struct queue *queue = sip_alloc0(line->alloc, sizeof *queue);

	if (!queue)
		return NULL;
	if (sip_map_insert(&line->map, &queue->node, source->node.hash) != SIP_OK) {
		sip_free(line->alloc, queue, sizeof *queue);
		return NULL;
	}
	queue->prefix = source->prefix;
	queue->family = source->family;
	queue->last = &queue->first;
	sip_list_insert(&line->turns, &queue->turn);
	return queue;
}

static void queue_free(struct sip_line *line, struct queue *queue)
{
	assert(queue->weight == 0);
	sip_map_remove(&line->map, &queue->node);
	sip_list_remove(&queue->turn);
	sip_list_remove(&queue->rank);
	while (line->most > 0 && sip_list_empty(&line->ranks[line->most]))
		line->most--;
	sip_free(line->alloc, queue, sizeof *queue);
}

/* The oldest of a queue, which is freed with its last one. */
static struct sip_waiting *take_first(struct sip_line *line, struct queue *queue)
{
	struct sip_waiting *waiting = queue->first;

	queue->first = waiting->next;
	if (!queue->first)
		queue->last = &queue->first;
	queue->weight -= weight_of(waiting->len);
	line->count--;
	line->bytes -= size_of(waiting);
	if (queue->weight == 0)
		queue_free(line, queue);
	else
		enter_rank(line, queue);
	return waiting;
}

/* Of those who have most, whoever has had as many for the longest time loses his
 * oldest: when all have one that is the oldest of all. */
static void drop_one(struct sip_line *line)
{
	struct sip_link *first = line->ranks[line->most].next;

	assert(line->count > 0);
	sip_line_free(line, take_first(line, SIP_CONTAINER(first, struct queue, rank)));
}

static bool is_full(const struct sip_line *line, size_t more)
{
	return line->count >= line->count_max || line->bytes > line->bytes_max - more;
}

/* Has this queue most, or would it with so much more? */
static bool has_most(const struct sip_line *line, const struct queue *queue,
                     uint32_t more)
{
	const uint32_t own = queue ? queue->weight : 0;

	return rank_of(own) == line->most || rank_of(own + more) > line->most;
}

/* Nothing is copied of who has most himself, which is what a flood is. */
bool sip_line_add(struct sip_line *line, const struct sip_source *source,
                  const struct sip_path *path, sip_str bytes, uint64_t now_ms,
                  uint32_t *dropped)
{
	const size_t size = sizeof(struct sip_waiting) + bytes.len;
	const uint32_t weight = weight_of(bytes.len);
	struct queue *queue = find(line, source);
	struct sip_waiting *waiting;

	*dropped += 1; /* unless it finds its place */
	if (size > line->bytes_max)
		return false;
	while (is_full(line, size)) {
		if (has_most(line, queue, weight))
			return false;
		drop_one(line); /* not of this queue */
		*dropped += 1;
	}
	waiting = sip_alloc(line->alloc, size);
	if (!waiting)
		return false;
	if (!queue)
		queue = queue_new(line, source);
	if (!queue) {
		sip_free(line->alloc, waiting, size);
		return false;
	}
	*dropped -= 1;
	*waiting = (struct sip_waiting){ .path = *path,
		                         .since_ms = now_ms,
		                         .len = bytes.len };
	if (bytes.len > 0)
		memcpy(waiting->bytes, bytes.p, bytes.len);
	*queue->last = waiting;
	queue->last = &waiting->next;
	queue->weight += weight;
	line->count++;
	line->bytes += size;
	enter_rank(line, queue);
	return true;
}

static bool is_late(const struct sip_line *line, const struct queue *queue,
                    uint64_t now_ms)
{
	return now_ms - queue->first->since_ms > line->patience_ms;
}

struct sip_waiting *sip_line_take(struct sip_line *line, uint64_t now_ms,
                                  uint32_t *dropped)
{
	while (line->count > 0) {
		struct queue *queue =
			SIP_CONTAINER(line->turns.next, struct queue, turn);

		if (!is_late(line, queue, now_ms)) {
			sip_list_remove(&queue->turn); /* it is the last one now */
			sip_list_insert(&line->turns, &queue->turn);
			return take_first(line, queue);
		}
		sip_line_free(line, take_first(line, queue));
		*dropped += 1;
	}
	return NULL;
}

struct sip_waiting *sip_line_take_of(struct sip_line *line,
                                     const struct sip_source *source, uint64_t now_ms,
                                     uint32_t *dropped)
{
	struct queue *queue;

	while ((queue = find(line, source))) {
		if (!is_late(line, queue, now_ms))
			return take_first(line, queue);
		sip_line_free(line, take_first(line, queue)); /* and its queue */
		*dropped += 1;
	}
	return NULL;
}

void sip_line_fini(struct sip_line *line)
{
	while (line->count > 0)
		drop_one(line);
	sip_map_fini(&line->map);
}
