#pragma once
/* What this machine is, for whoever wants to know why something cannot work: its
 * addresses, who has a port, certificates as they are in their files, whom the system
 * trusts.  Nothing is opened for good, and nothing is decided here.
 */
#include "base/err.h"
#include "base/wire.h"

#include <sys/types.h>

enum { NET_MACHINE_TEXT = 256, NET_MACHINE_NAMES = 2048 };

struct net_interface {
	const char *name;
	struct sip_addr addr;
	bool internal; /* loopback */
};
/* Calls `each` for every address. */
sip_err net_machine_addresses(void (*each)(void *data, const struct net_interface *is),
                              void *data);

struct net_holder {
	int pid; /* 0: not told to us */
	char name[NET_MACHINE_TEXT];
	unsigned uid;
};
/* Who has bound this address and port, a wildcard being all of them.  False: nobody, or
 * the system does not say. */
bool net_machine_holder(enum sip_transport transport, const struct sip_addr *at,
                        struct net_holder *holder);

struct net_certificate {
	int64_t from_s, till_s; /* since 1970 */
	bool self_signed;
	size_t names_len;
	char names[NET_MACHINE_NAMES]; /* as in tls_names.h */
};
/* SIP_EINVAL: no certificate is in this file. */
sip_err net_machine_certificate(const char *path, struct net_certificate *certificate);
/* The permissions of a file; negative: there is none. */
int net_machine_mode(const char *path);

/* How many files may be open at once; 0: the system does not say. */
uint64_t net_machine_files(void);

/* Where the system keeps whom it trusts.  False: nobody is in there. */
bool net_machine_trusts(char file[NET_MACHINE_TEXT], char folder[NET_MACHINE_TEXT]);
