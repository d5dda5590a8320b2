#include "media/margin.h"

enum { BUCKET_HZ = 2 };

static void forget(struct rtp_margin *margin, unsigned bucket)
{
	margin->least[bucket] = INT32_MAX;
	margin->most[bucket] = INT32_MIN;
}

void rtp_margin_init(struct rtp_margin *margin)
{
	for (unsigned i = 0; i < RTP_MARGIN_BUCKETS; i++)
		forget(margin, i);
	margin->bucket = 0;
	margin->age = 0;
}

void rtp_margin_note(struct rtp_margin *margin, int32_t early)
{
	if (early < margin->least[margin->bucket])
		margin->least[margin->bucket] = early;
	if (early > margin->most[margin->bucket])
		margin->most[margin->bucket] = early;
}

void rtp_margin_move(struct rtp_margin *margin, int32_t by)
{
	for (unsigned i = 0; i < RTP_MARGIN_BUCKETS; i++) {
		if (margin->most[i] == INT32_MIN)
			continue;
		margin->least[i] += by;
		margin->most[i] += by;
	}
}

bool rtp_margin_range(const struct rtp_margin *margin, int32_t *least, int32_t *most)
{
	*least = INT32_MAX;
	*most = INT32_MIN;
	for (unsigned i = 0; i < RTP_MARGIN_BUCKETS; i++) {
		if (margin->least[i] < *least)
			*least = margin->least[i];
		if (margin->most[i] > *most)
			*most = margin->most[i];
	}
	return *most != INT32_MIN;
}

bool rtp_margin_age(struct rtp_margin *margin, uint32_t count, uint32_t rate,
                    int32_t *least)
{
	int32_t most;
	bool known;

	margin->age += count;
	if (margin->age < rate / BUCKET_HZ)
		return false;
	margin->age = 0;
	margin->bucket = (uint8_t)((margin->bucket + 1) % RTP_MARGIN_BUCKETS);
	known = rtp_margin_range(margin, least, &most) &&
	        margin->most[margin->bucket] != INT32_MIN;
	forget(margin, margin->bucket); /* the oldest one: it is used again */
	return known;
}
