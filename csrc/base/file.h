#pragma once
/* The seam to files: libuv's thread pool in net, memory with faults in sim.
 *
 * All operations are asynchronous; each completion is exactly one call of the
 * request's `done`, later, never from inside the operation, on the signalling
 * thread.  The caller owns the request and its bytes until then.
 */
#include "base/err.h"
#include "base/str.h"

enum sip_file_mode { SIP_FILE_READ, SIP_FILE_WRITE /* create or truncate */ };

struct sip_file_req {
	void (*done)(struct sip_file_req *req);
	sip_err err;      /* SIP_OK, SIP_EWIRE: `why` says (no such file, disk full) */
	const char *why;  /* readable, borrowed until `done` returns */
	uint32_t file;    /* open gives it, the others take it */
	uint64_t size;    /* open: the file's size */
	uint64_t version; /* open: not the same after a change; 0: not known */
	uint64_t at;      /* read, write: offset */
	void *bytes;      /* read into, write from */
	size_t len;       /* asked for; after a read, what came (less: end of file) */
	void *wire_data;  /* the implementation's */
};

struct sip_files;

struct sip_files_ops {
	void (*open)(struct sip_files *files, sip_str path, enum sip_file_mode mode,
	             struct sip_file_req *req);
	void (*read)(struct sip_files *files, struct sip_file_req *req);
	void (*write)(struct sip_files *files, struct sip_file_req *req);
	void (*close)(struct sip_files *files, struct sip_file_req *req);
};

struct sip_files {
	const struct sip_files_ops *ops;
};
