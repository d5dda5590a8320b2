#include "media/link.h"

sip_err media_link_init(struct media_link *link, struct sip_alloc *alloc)
{
	sip_err err = media_queue_init(&link->commands, alloc,
	                               sizeof(struct media_command), MEDIA_COMMANDS);

	if (err)
		return err;
	err = media_queue_init(&link->reports, alloc, sizeof(struct media_report),
	                       MEDIA_REPORTS);
	if (err)
		media_queue_fini(&link->commands);
	return err;
}

void media_link_fini(struct media_link *link)
{
	media_queue_fini(&link->commands);
	media_queue_fini(&link->reports);
}
