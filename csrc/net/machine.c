#include "net/machine.h"

#include "net/sockaddr.h"
#include "net/tls_names.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

/* ---- addresses ---- */

sip_err net_machine_addresses(void (*each)(void *data, const struct net_interface *is),
                              void *data)
{
	uv_interface_address_t *list;
	int count;

	if (uv_interface_addresses(&list, &count) != 0)
		return SIP_ENOMEM;
	for (int i = 0; i < count; i++) {
		const struct sockaddr *at = (const void *)&list[i].address;
		const struct net_interface is = { .name = list[i].name,
			                          .addr = net_sockaddr_get(at),
			                          .internal = list[i].is_internal };

		if (is.addr.family != 0)
			each(data, &is);
	}
	uv_free_interface_addresses(list, count);
	return SIP_OK;
}

/* ---- who has a port ---- */

enum { LINES_BYTES = 4096, TCP_LISTENING = 0x0a, COLUMNS = 10 };

/* A file of the kernel's, line by line. */
struct lines {
	int fd;
	size_t len, at;
	char bytes[LINES_BYTES];
};

/* NULL: there are no more. */
static char *next_line(struct lines *lines)
{
	char *line = lines->bytes + lines->at, *end;
	ssize_t len;

	while (!(end = memchr(line, '\n', lines->len - lines->at))) {
		lines->len -= lines->at;
		memmove(lines->bytes, line, lines->len);
		line = lines->bytes;
		lines->at = 0;
		len = read(lines->fd, line + lines->len, LINES_BYTES - lines->len);
		if (len <= 0)
			return NULL;
		lines->len += (size_t)len;
	}
	*end = '\0';
	lines->at = (size_t)(end - lines->bytes) + 1;
	return line;
}

struct socket_row {
	const char *host; /* as the kernel writes it, in words of the machine's order */
	unsigned long port, state, uid, inode;
};

/* The address as it stands there. */
static void kernel_host(const struct sip_addr *at, char out[33])
{
	const unsigned words = at->family == 6 ? 4 : 1;

	for (unsigned i = 0; i < words; i++) {
		uint32_t word;

		memcpy(&word, at->ip + (size_t)4 * i, sizeof word);
		(void)snprintf(out + (size_t)8 * i, 9, "%08X", word); /* it fits */
	}
}

static bool is_zero(const char *host)
{
	return host[strspn(host, "0")] == '\0';
}

/* "12: 0100007F:13C4 00000000:0000 07 00000000:00000000 00:00000000 0 0 0 123" */
static bool read_row(char *line, struct socket_row *row)
{
	char *columns[COLUMNS], *save = NULL, *colon;
	unsigned count = 0;

	for (char *word = strtok_r(line, " ", &save); word && count < COLUMNS;
	     word = strtok_r(NULL, " ", &save))
		columns[count++] = word;
	colon = count == COLUMNS ? strchr(columns[1], ':') : NULL;
	if (!colon)
		return false;
	*colon = '\0';
	row->host = columns[1];
	row->port = strtoul(colon + 1, NULL, 16);
	row->state = strtoul(columns[3], NULL, 16);
	row->uid = strtoul(columns[7], NULL, 10);
	row->inode = strtoul(columns[9], NULL, 10);
	return true;
}

static bool find_row(const char *path, enum sip_transport transport,
                     const struct sip_addr *at, struct socket_row *row)
{
	struct lines lines = { .fd = open(path, O_RDONLY | O_CLOEXEC) };
	char host[33], *line;
	bool found = false;

	if (lines.fd < 0)
		return false;
	kernel_host(at, host);
	while (!found && (line = next_line(&lines)))
		found = read_row(line, row) && row->port == at->port &&
		        (transport == SIP_UDP || row->state == TCP_LISTENING) &&
		        (strcmp(row->host, host) == 0 || is_zero(row->host) ||
		         is_zero(host));
	(void)close(lines.fd); /* it was only read */
	return found;
}

static bool read_name(const char *pid, char out[NET_MACHINE_TEXT])
{
	char path[64];
	ssize_t len = -1;
	int fd;

	(void)snprintf(path, sizeof path, "/proc/%.20s/comm", pid); /* it fits */
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		len = read(fd, out, NET_MACHINE_TEXT - 1);
		(void)close(fd); /* it was only read */
	}
	out[len > 0 ? len : 0] = '\0';
	out[strcspn(out, "\n")] = '\0';
	return len > 0;
}

/* Is this socket among the files of that process? */
static bool has_socket(const char *pid, unsigned long inode)
{
	char folder[64], path[NET_MACHINE_TEXT + 64], wanted[40], target[40];
	const struct dirent *entry;
	DIR *dir;
	bool found = false;

	(void)snprintf(folder, sizeof folder, "/proc/%.20s/fd", pid); /* it fits */
	(void)snprintf(wanted, sizeof wanted, "socket:[%lu]", inode); /* it fits */
	dir = opendir(folder);
	if (!dir)
		return false; /* another user's */
	while (!found && (entry = readdir(dir))) {
		ssize_t len;

		/* It fits. */
		(void)snprintf(path, sizeof path, "%s/%.200s", folder, entry->d_name);
		len = readlink(path, target, sizeof target - 1);
		target[len > 0 ? len : 0] = '\0';
		found = strcmp(target, wanted) == 0;
	}
	(void)closedir(dir); /* it was only read */
	return found;
}

static void find_process(unsigned long inode, struct net_holder *holder)
{
	DIR *dir = opendir("/proc");
	const struct dirent *entry;

	while (dir && holder->pid == 0 && (entry = readdir(dir))) {
		if (isdigit((unsigned char)entry->d_name[0]) &&
		    has_socket(entry->d_name, inode) &&
		    read_name(entry->d_name, holder->name))
			holder->pid = (int)strtol(entry->d_name, NULL, 10);
	}
	if (dir)
		(void)closedir(dir); /* it was only read */
}

bool net_machine_holder(enum sip_transport transport, const struct sip_addr *at,
                        struct net_holder *holder)
{
	static const char *const paths[2][2] = {
		{ "/proc/net/tcp", "/proc/net/tcp6" },
		{ "/proc/net/udp", "/proc/net/udp6" },
	};
	struct socket_row row;

	*holder = (struct net_holder){ 0 };
	if (!find_row(paths[transport == SIP_UDP][at->family == 6], transport, at,
	              &row))
		return false;
	holder->uid = (unsigned)row.uid;
	find_process(row.inode, holder);
	return true;
}

/* ---- files of TLS ---- */

static int64_t seconds_of(const ASN1_TIME *time)
{
	struct tm tm = { 0 };

	return ASN1_TIME_to_tm(time, &tm) == 1 ? (int64_t)timegm(&tm) : 0;
}

sip_err net_machine_certificate(const char *path, struct net_certificate *certificate)
{
	BIO *bio = BIO_new_file(path, "r");
	X509 *x509 = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;

	BIO_free(bio);
	ERR_clear_error();
	if (!x509)
		return SIP_EINVAL;
	certificate->from_s = seconds_of(X509_get0_notBefore(x509));
	certificate->till_s = seconds_of(X509_get0_notAfter(x509));
	certificate->self_signed = X509_self_signed(x509, 0) == 1;
	certificate->names_len = net_tls_names(x509, certificate->names);
	X509_free(x509);
	ERR_clear_error();
	return SIP_OK;
}

uint64_t net_machine_files(void)
{
	struct rlimit files;

	return getrlimit(RLIMIT_NOFILE, &files) == 0 ? (uint64_t)files.rlim_cur : 0;
}

int net_machine_mode(const char *path)
{
	struct stat info;

	return stat(path, &info) == 0 ? (int)(info.st_mode & 07777) : -1;
}

static void place(char out[NET_MACHINE_TEXT], const char *variable,
                  const char *otherwise)
{
	size_t size = NET_MACHINE_TEXT;

	if (uv_os_getenv(variable, out, &size) != 0)
		/* What does not fit is cut, and not found. */
		(void)snprintf(out, NET_MACHINE_TEXT, "%s", otherwise);
}

/* "5ad8a5d6.0", as OpenSSL looks for a subject. */
static bool has_hashes(const char *folder)
{
	DIR *dir = opendir(folder);
	const struct dirent *entry;
	bool found = false;

	while (dir && !found && (entry = readdir(dir)))
		found = strspn(entry->d_name, "0123456789abcdef") == 8 &&
		        entry->d_name[8] == '.';
	if (dir)
		(void)closedir(dir); /* it was only read */
	return found;
}

bool net_machine_trusts(char file[NET_MACHINE_TEXT], char folder[NET_MACHINE_TEXT])
{
	struct stat info;

	place(file, X509_get_default_cert_file_env(), X509_get_default_cert_file());
	place(folder, X509_get_default_cert_dir_env(), X509_get_default_cert_dir());
	return (stat(file, &info) == 0 && info.st_size > 0) || has_hashes(folder);
}
