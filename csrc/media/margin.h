#pragma once
/* How early packets come before they are played, in samples: the least and the most of
 * the last four seconds, kept in buckets of half a second each.
 */
#include <stdbool.h>
#include <stdint.h>

enum { RTP_MARGIN_BUCKETS = 8 };

struct rtp_margin {
	/* INT32_MAX and INT32_MIN while no packet came. */
	int32_t least[RTP_MARGIN_BUCKETS], most[RTP_MARGIN_BUCKETS];
	uint32_t age; /* samples given in this bucket */
	uint8_t bucket;
};

void rtp_margin_init(struct rtp_margin *margin); /* nothing is known */
void rtp_margin_note(struct rtp_margin *margin, int32_t early);
/* The delay changed: so did the time to spare of every packet that came. */
void rtp_margin_move(struct rtp_margin *margin, int32_t by);
/* Least and most of all buckets; false when there is nothing in them. */
bool rtp_margin_range(const struct rtp_margin *margin, int32_t *least, int32_t *most);
/* So many samples have been given.  True when that filled a bucket and four seconds are
 * known: no packet of theirs came less than `least` before its instant. */
bool rtp_margin_age(struct rtp_margin *margin, uint32_t count, uint32_t rate,
                    int32_t *least);
