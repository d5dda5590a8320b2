/* file.c - files in libuv's thread pool: no disk ever holds up a turn.
 *
 * Opened without blocking, so that a pipe put where a file is expected costs nobody
 * a thread; only what can be read or written at an offset, or a device, is accepted.
 */
#include "net/internal.h"

#include <assert.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>

enum file_op { OP_OPEN, OP_STAT, OP_READ, OP_WRITE, OP_CLOSE, OP_CLOSE_FAILED };

struct file_work {
	uv_fs_t fs;
	struct net_files *files;
	struct sip_file_req *req;
	enum file_op op;
	enum sip_file_mode mode;
	uv_file fd;
	size_t done;
	int status; /* of an open that is being undone */
	const char *why;
};

static void on_done(uv_fs_t *fs);

static struct net_files *net_files_of(struct sip_files *files)
{
	return (struct net_files *)(void *)files;
}

/* `status` is libuv's, 0 when it went well; `why` replaces libuv's words. */
static void finish(struct file_work *work, int status, const char *why)
{
	struct net_files *files = work->files;
	struct sip_file_req *req = work->req;

	sip_free(files->loop->alloc, work, sizeof *work);
	files->pending--;
	if (status != 0 && !why)
		why = uv_strerror_r(status, files->why, sizeof files->why);
	req->wire_data = NULL;
	req->err = status == 0 ? SIP_OK : SIP_EWIRE;
	req->why = why;
	req->done(req);
}

static void run(struct file_work *work)
{
	uv_loop_t *uv = &work->files->loop->uv;
	struct sip_file_req *req = work->req;
	const size_t left = req->len - work->done;
	const int64_t at = (int64_t)(req->at + work->done);
	uv_buf_t buf = uv_buf_init((char *)req->bytes + work->done,
	                           left < INT_MAX ? (unsigned)left : INT_MAX);
	int status = 0;

	work->fs.data = work;
	if (work->op == OP_STAT)
		status = uv_fs_fstat(uv, &work->fs, work->fd, on_done);
	else if (work->op == OP_READ)
		status = uv_fs_read(uv, &work->fs, work->fd, &buf, 1, at, on_done);
	else if (work->op == OP_WRITE)
		status = uv_fs_write(uv, &work->fs, work->fd, &buf, 1, at, on_done);
	else
		status = uv_fs_close(uv, &work->fs, work->fd, on_done);
	assert(status == 0); /* fails only without a callback, or without memory */
	(void)status;
	work->files->loop->fresh = true;
}

/* Close again what cannot be used, and tell that. */
static void undo(struct file_work *work, int status, const char *why)
{
	work->status = status;
	work->why = why;
	work->op = OP_CLOSE_FAILED;
	run(work);
}

static void stat_done(struct file_work *work, ssize_t result, const uv_stat_t *stat)
{
	const uint64_t type = stat->st_mode & S_IFMT;

	if (result < 0) {
		undo(work, (int)result, NULL);
	} else if (type == S_IFDIR) {
		undo(work, UV_EISDIR, "it is a directory");
	} else if (type != S_IFREG && type != S_IFCHR) {
		undo(work, UV_EINVAL, "it is not a file");
	} else {
		work->req->file = (uint32_t)work->fd;
		work->req->size = type == S_IFREG ? stat->st_size : 0;
		finish(work, 0, NULL);
	}
}

static void transfer_done(struct file_work *work, ssize_t result)
{
	if (result < 0) {
		finish(work, (int)result, NULL);
		return;
	}
	work->done += (size_t)result;
	if (result > 0 && work->done < work->req->len) {
		run(work); /* a part: go on where it ended */
		return;
	}
	if (work->op == OP_WRITE && work->done < work->req->len) {
		finish(work, UV_EIO, "not everything was written");
		return;
	}
	work->req->len = work->done;
	finish(work, 0, NULL);
}

static void on_done(uv_fs_t *fs)
{
	struct file_work *work = fs->data;
	const ssize_t result = fs->result;
	const uv_stat_t stat = fs->statbuf;

	uv_fs_req_cleanup(fs);
	switch (work->op) {
	case OP_OPEN:
		if (result < 0) {
			finish(work, (int)result, NULL);
			break;
		}
		work->fd = (uv_file)result;
		work->op = OP_STAT;
		run(work);
		break;
	case OP_STAT:
		stat_done(work, result, &stat);
		break;
	case OP_READ:
	case OP_WRITE:
		transfer_done(work, result);
		break;
	case OP_CLOSE:
		finish(work, (int)result, NULL);
		break;
	case OP_CLOSE_FAILED:
		finish(work, work->status, work->why);
		break;
	}
}

/* --- the operations of base/file.h ---------------------------------------------- */

static struct file_work *work_new(struct net_files *files, struct sip_file_req *req,
                                  enum file_op op)
{
	struct file_work *work = sip_alloc0(files->loop->alloc, sizeof *work);

	files->pending++;
	if (!work) { /* told in the next poll, which needs no memory */
		req->wire_data = files->failed;
		files->failed = req;
		return NULL;
	}
	work->files = files;
	work->req = req;
	work->op = op;
	work->fd = (uv_file)req->file;
	req->wire_data = work;
	return work;
}

static void op_open(struct sip_files *base, sip_str path, enum sip_file_mode mode,
                    struct sip_file_req *req)
{
	struct net_files *files = net_files_of(base);
	struct file_work *work = work_new(files, req, OP_OPEN);
	char z[PATH_MAX];
	int flags = O_RDONLY;

	if (!work)
		return;
	/* An empty path is an error of the kernel's; so is what stands for the others.
	 */
	if (path.len >= sizeof z || memchr(path.p, '\0', path.len))
		path.len = 0;
	memcpy(z, path.p, path.len);
	z[path.len] = '\0';
	if (mode == SIP_FILE_WRITE)
		flags = O_WRONLY | O_CREAT | O_TRUNC;
	work->fs.data = work;
	if (uv_fs_open(&files->loop->uv, &work->fs, z, flags | O_NONBLOCK | O_NOCTTY,
	               0666, on_done) != 0) {
		sip_free(files->loop->alloc, work, sizeof *work);
		req->wire_data = files->failed; /* libuv copies the path: no memory */
		files->failed = req;
	}
	files->loop->fresh = true;
}

static void op_read(struct sip_files *base, struct sip_file_req *req)
{
	struct file_work *work = work_new(net_files_of(base), req, OP_READ);

	if (work)
		run(work);
}

static void op_write(struct sip_files *base, struct sip_file_req *req)
{
	struct file_work *work = work_new(net_files_of(base), req, OP_WRITE);

	if (work)
		run(work);
}

static void op_close(struct sip_files *base, struct sip_file_req *req)
{
	struct file_work *work = work_new(net_files_of(base), req, OP_CLOSE);

	if (work)
		run(work);
}

static const struct sip_files_ops net_files_ops = {
	.open = op_open,
	.read = op_read,
	.write = op_write,
	.close = op_close,
};

void net_files_init(struct net_loop *loop)
{
	loop->files.files.ops = &net_files_ops;
	loop->files.loop = loop;
}

bool net_files_pending(const struct net_files *files)
{
	return files->pending > 0;
}

bool net_files_owed(const struct net_files *files)
{
	return files->failed != NULL;
}

void net_files_deliver(struct net_files *files)
{
	struct sip_file_req *req = files->failed;

	files->failed = NULL; /* what fails meanwhile is told the next time */
	while (req) {
		struct sip_file_req *next = req->wire_data;

		files->pending--;
		req->wire_data = NULL;
		req->err = SIP_ENOMEM;
		req->why = "no memory";
		req->done(req);
		req = next;
	}
}
