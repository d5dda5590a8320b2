#pragma once
/* What the programs msg_luasip, msg_osip and msg_sofia share: each parses, reads and
 * writes the same five messages with one library.
 *
 *	msg_X FOLDER N            N times each step of each message; a line for each:
 *	                          step, message, ns of process CPU, allocations
 *	msg_X FOLDER N STEP I     one step of one message N times, for callgrind
 *
 * One run is one round: whoever compares starts the programs in turn, many times.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MESSAGES = 5, MESSAGE_MAX = 4096 };

struct message {
	size_t len;
	char bytes[MESSAGE_MAX];
};

/* "typed" is parsed, and what an element reads has been read: Request-URI, topmost
 * Via, From, To, Call-ID, CSeq, Contact, Max-Forwards, first Route and Record-Route,
 * Content-Type and Content-Length.  Each step gives a number that depends on it. */
typedef size_t step_fn(int i);

struct subject {
	void (*init)(const struct message *messages);
	step_fn *parse, *typed, *write;
};

static unsigned long allocations;

#ifdef __GLIBC__
/* Ours are found before those of the C library, by the peers too. */
#define SEEN __attribute__((visibility("default")))
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *p, size_t size);

SEEN void *malloc(size_t size)
{
	allocations++;
	return __libc_malloc(size);
}

SEEN void *calloc(size_t count, size_t size)
{
	allocations++;
	return __libc_calloc(count, size);
}

SEEN void *realloc(void *p, size_t size)
{
	allocations++;
	return __libc_realloc(p, size);
}
#endif

static double cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void load_messages(const char *folder, struct message *messages)
{
	static const char *const names[MESSAGES] = { "1_options", "2_register",
		                                     "3_invite", "4_invite_proxied",
		                                     "5_200" };

	for (int i = 0; i < MESSAGES; i++) {
		char path[512];
		FILE *file;

		snprintf(path, sizeof path, "%s/%s.sip", folder, names[i]);
		file = fopen(path, "rb");
		if (!file) {
			perror(path);
			exit(1);
		}
		messages[i].len = fread(messages[i].bytes, 1, MESSAGE_MAX - 1, file);
		fclose(file);
	}
}

static void measure(const char *name, step_fn *step, int i, long n)
{
	volatile size_t sink = 0;
	unsigned long before;
	double start;

	for (long k = n / 10; k >= 0; k--)
		sink += step(i);
	before = allocations;
	start = cpu_ns();
	for (long k = 0; k < n; k++)
		sink += step(i);
	start = cpu_ns() - start;
	printf("%s %d %.1f %.2f\n", name, i + 1, start / (double)n,
	       (double)(allocations - before) / (double)n);
}

static int run_bench(const struct subject *subject, int argc, char **argv)
{
	static struct message messages[MESSAGES];
	const struct {
		const char *name;
		step_fn *run;
	} steps[] = { { "parse", subject->parse },
		      { "typed", subject->typed },
		      { "write", subject->write } };
	const long n = argc > 2 ? atol(argv[2]) : 20000;

	load_messages(argc > 1 ? argv[1] : "spec/bench/messages", messages);
	subject->init(messages);
	for (size_t s = 0; s < sizeof steps / sizeof *steps; s++) {
		if (argc < 5) {
			for (int i = 0; i < MESSAGES; i++)
				measure(steps[s].name, steps[s].run, i, n);
		} else if (strcmp(argv[3], steps[s].name) == 0) {
			volatile size_t sink = 0;
			for (long k = 0; k < n; k++)
				sink += steps[s].run(atoi(argv[4]) - 1);
		}
	}
	return 0;
}

static inline void must(int right, const char *what)
{
	if (!right) {
		fprintf(stderr, "bench: %s\n", what);
		exit(1);
	}
}
