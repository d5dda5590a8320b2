#pragma once
/* Intrusive doubly linked list with a head node; a node that is in no list has
 * `next == NULL`, so that leaving twice is harmless. */
#include <stdbool.h>
#include <stddef.h>

struct sip_link {
	struct sip_link *prev, *next;
};

#define SIP_CONTAINER(link, type, member)                                              \
	((type *)(void *)((char *)(link)-offsetof(type, member)))

static inline void sip_list_init(struct sip_link *head)
{
	head->prev = head->next = head;
}

static inline bool sip_list_empty(const struct sip_link *head)
{
	return head->next == head;
}

static inline bool sip_link_in_list(const struct sip_link *link)
{
	return link->next != NULL;
}

/* Insert `link` before `at`: with the head, that is at the end of the list. */
static inline void sip_list_insert(struct sip_link *at, struct sip_link *link)
{
	link->prev = at->prev;
	link->next = at;
	at->prev->next = link;
	at->prev = link;
}

static inline void sip_list_remove(struct sip_link *link)
{
	if (!link->next)
		return;
	link->prev->next = link->next;
	link->next->prev = link->prev;
	link->prev = link->next = NULL;
}
