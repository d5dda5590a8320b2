/* Files of a simulated host: in memory, with a disk that can be full and slow.  A file
 * that was never written is read from the real disk, whole, when it is opened. */
#include "sim/state.h"

#include <errno.h>
#include <stdio.h>

enum { REAL_FILE_MAX = 64 << 20, HANDLES = 256 };

struct completion {
	struct sim_task task;
	struct sim_host *host;
	struct sip_file_req *req;
};

static struct sim_host *host_of(struct sip_files *files)
{
	return SIP_CONTAINER(files, struct sim_host, fs.files);
}

static void complete(struct sim_task *task)
{
	struct completion *completion = (struct completion *)(void *)task;

	completion->host->touched = true;
	completion->req->done(completion->req);
	sim_media_look(completion->host);
}

/* A completion is owed for every request: when even its task cannot be had, the
 * request is answered by the next task that can. */
static void later(struct sim_host *host, struct sip_file_req *req, sip_err err,
                  const char *why)
{
	struct completion *completion;

	req->err = err;
	req->why = why;
	completion = sim_task_new(host->world, sizeof *completion, host->fs.delay_us,
	                          complete);
	if (!completion) {
		req->err = SIP_ENOMEM;
		req->why = "out of memory";
		req->wire_data = host->fs.owed;
		host->fs.owed = req;
		return;
	}
	completion->host = host;
	completion->req = req;
}

void sim_files_run_owed(struct sim_host *host)
{
	while (host->fs.owed) {
		struct sip_file_req *req = host->fs.owed;

		host->fs.owed = req->wire_data;
		host->touched = true;
		req->done(req);
		sim_media_look(host);
	}
}

static struct sim_file *find(struct sim_host *host, sip_str path)
{
	struct sim_file *file = host->fs.first;

	while (file && !sip_str_eq(sip_str_of(file->path, file->path_len), path))
		file = file->next;
	return file;
}

static struct sim_file *create(struct sim_host *host, sip_str path)
{
	struct sim_file *file =
		sip_alloc0(host->world->alloc, sizeof *file + path.len + 1);

	if (!file)
		return NULL;
	file->path_len = path.len;
	memcpy(file->path, path.p, path.len);
	file->next = host->fs.first;
	host->fs.first = file;
	return file;
}

static sip_err grow(struct sim_host *host, struct sim_file *file, size_t len)
{
	size_t cap = file->cap ? file->cap : 4096;
	char *bytes;

	while (cap < len)
		cap *= 2;
	if (cap == file->cap)
		return SIP_OK;
	bytes = sip_realloc(host->world->alloc, file->bytes, file->cap, cap);
	if (!bytes)
		return SIP_ENOMEM;
	memset(bytes + file->cap, 0, cap - file->cap);
	file->bytes = bytes;
	file->cap = cap;
	return SIP_OK;
}

static sip_err put(struct sim_host *host, struct sim_file *file, size_t at,
                   sip_str bytes)
{
	const size_t end = at + bytes.len;

	if (grow(host, file, end) != SIP_OK)
		return SIP_ENOMEM;
	memcpy(file->bytes + at, bytes.p, bytes.len);
	if (end > file->len)
		file->len = end;
	return SIP_OK;
}

static struct sim_file *load_real(struct sim_host *host, sip_str path, const char **why)
{
	char name[1024], chunk[16384];
	struct sim_file *file;
	FILE *real;
	size_t n;

	*why = "the path is too long";
	if (path.len >= sizeof name || memchr(path.p, '\0', path.len))
		return NULL;
	memcpy(name, path.p, path.len);
	name[path.len] = '\0';
	real = fopen(name, "rb");
	if (!real) {
		*why = errno == ENOENT ? "no such file or directory"
		                       : "cannot be opened";
		return NULL;
	}
	file = create(host, path);
	*why = "out of memory";
	while (file && (n = fread(chunk, 1, sizeof chunk, real)) > 0) {
		if (file->len + n > REAL_FILE_MAX ||
		    put(host, file, file->len, sip_str_of(chunk, n)) != SIP_OK)
			break;
	}
	(void)fclose(real); /* it was only read */
	return file;
}

static uint32_t open_handle(struct sim_host *host, struct sim_file *file)
{
	for (uint32_t i = 0; i < HANDLES; i++) {
		if (!host->fs.handles[i]) {
			host->fs.handles[i] = file;
			return i + 1;
		}
	}
	return 0;
}

static void op_open(struct sip_files *files, sip_str path, enum sip_file_mode mode,
                    struct sip_file_req *req)
{
	struct sim_host *host = host_of(files);
	struct sim_file *file = find(host, path);
	const char *why = "out of memory";

	if (mode == SIP_FILE_WRITE) {
		if (!file)
			file = create(host, path);
		if (file)
			file->len = 0;
	} else if (!file) {
		file = load_real(host, path, &why);
	}
	req->file = file ? open_handle(host, file) : 0;
	if (req->file == 0) {
		later(host, req, SIP_EWIRE, file ? "too many open files" : why);
		return;
	}
	req->size = file->len;
	later(host, req, SIP_OK, NULL);
}

static struct sim_file *of_handle(struct sim_host *host, uint32_t handle)
{
	return handle >= 1 && handle <= HANDLES ? host->fs.handles[handle - 1] : NULL;
}

static void op_read(struct sip_files *files, struct sip_file_req *req)
{
	struct sim_host *host = host_of(files);
	const struct sim_file *file = of_handle(host, req->file);
	size_t len;

	if (!file) {
		later(host, req, SIP_EWIRE, "not open");
		return;
	}
	len = req->at < file->len ? file->len - (size_t)req->at : 0;
	if (len > req->len)
		len = req->len;
	if (len > 0)
		memcpy(req->bytes, file->bytes + req->at, len);
	req->len = len;
	later(host, req, SIP_OK, NULL);
}

static void op_write(struct sip_files *files, struct sip_file_req *req)
{
	struct sim_host *host = host_of(files);
	struct sim_file *file = of_handle(host, req->file);
	const uint64_t end = req->at + req->len;
	uint64_t more;

	if (!file) {
		later(host, req, SIP_EWIRE, "not open");
		return;
	}
	more = end > file->len ? end - file->len : 0;
	if (more > host->fs.free_bytes) {
		later(host, req, SIP_EWIRE, "no space left on device");
		return;
	}
	if (put(host, file, (size_t)req->at, sip_str_of(req->bytes, req->len)) !=
	    SIP_OK) {
		later(host, req, SIP_ENOMEM, "out of memory");
		return;
	}
	if (host->fs.free_bytes != UINT64_MAX)
		host->fs.free_bytes -= more;
	later(host, req, SIP_OK, NULL);
}

static void op_close(struct sip_files *files, struct sip_file_req *req)
{
	struct sim_host *host = host_of(files);

	if (of_handle(host, req->file))
		host->fs.handles[req->file - 1] = NULL;
	later(host, req, SIP_OK, NULL);
}

void sim_fs_init(struct sim_host *host)
{
	static const struct sip_files_ops ops = { op_open, op_read, op_write,
		                                  op_close };

	host->fs.files.ops = &ops;
	host->fs.free_bytes = UINT64_MAX;
}

void sim_fs_fini(struct sim_host *host)
{
	while (host->fs.first) {
		struct sim_file *file = host->fs.first;

		host->fs.first = file->next;
		sip_free(host->world->alloc, file->bytes, file->cap);
		sip_free(host->world->alloc, file, sizeof *file + file->path_len + 1);
	}
}

struct sip_files *sim_host_files(struct sim_host *host)
{
	return &host->fs.files;
}

sip_err sim_host_write_file(struct sim_host *host, sip_str path, sip_str bytes)
{
	struct sim_file *file = find(host, path);

	if (!file)
		file = create(host, path);
	if (!file)
		return SIP_ENOMEM;
	file->len = 0;
	return put(host, file, 0, bytes);
}

sip_str sim_host_read_file(struct sim_host *host, sip_str path)
{
	const struct sim_file *file = find(host, path);

	return file ? sip_str_of(file->bytes ? file->bytes : "", file->len)
	            : (sip_str){ NULL, 0 };
}

void sim_host_set_disk(struct sim_host *host, uint64_t free_bytes)
{
	host->fs.free_bytes = free_bytes;
}

void sim_host_set_disk_delay(struct sim_host *host, uint64_t delay_us)
{
	host->fs.delay_us = delay_us;
}
