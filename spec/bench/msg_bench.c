/* msg_bench.c - what parsing, reading and writing a message costs.
 *
 *	msg_bench FOLDER          times for each *.sip that is named below
 *	msg_bench FOLDER I N      message I parsed and read N times, for callgrind
 *
 * "typed" reads what an element reads: Request-URI, topmost Via, From, To, Call-ID,
 * CSeq, Contact, Max-Forwards, first Route and Record-Route, Content-Type.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "msg/write.h"

enum { MESSAGES = 5, ROUNDS = 15, BATCH = 20000 };

static const char *const names[MESSAGES] = { "1_options", "2_register", "3_invite",
	                                     "4_invite_proxied", "5_200" };

struct bench {
	struct sip_alloc alloc;
	struct sip_limits limits;
	char bytes[MESSAGES][4096];
	size_t len[MESSAGES];
	size_t sink;
};

static double now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static size_t read_address(const struct sip_msg *msg, enum sip_header_id id)
{
	sip_str list = sip_msg_header(msg, id), value;
	struct sip_name_addr addr;
	struct sip_uri uri;

	if (!sip_value_next(&list, &value) ||
	    sip_name_addr_parse(value, &addr, NULL) != SIP_OK ||
	    sip_uri_parse(addr.uri, &uri, NULL, NULL) != SIP_OK)
		return 0;
	return uri.host.len;
}

static size_t read_typed(struct sip_msg *msg)
{
	size_t n = sip_msg_call_id(msg).len + sip_msg_via(msg)->branch.len +
	           sip_msg_from(msg)->tag.len + sip_msg_to(msg)->uri.len +
	           sip_msg_cseq(msg)->number + (size_t)sip_msg_max_forwards(msg) +
	           sip_msg_header(msg, SIP_H_CONTENT_TYPE).len + msg->body.len;

	if (sip_msg_is_request(msg))
		n += sip_msg_uri(msg)->host.len;
	if (sip_msg_contact(msg))
		n += sip_msg_contact(msg)->uri.len;
	return n + read_address(msg, SIP_H_ROUTE) +
	       read_address(msg, SIP_H_RECORD_ROUTE);
}

static struct sip_msg *parse(struct bench *bench, int i)
{
	struct sip_refusal refusal;
	struct sip_msg *msg;

	if (sip_msg_parse(&bench->alloc, &bench->limits,
	                  sip_str_of(bench->bytes[i], bench->len[i]), true, &msg,
	                  &refusal) != SIP_OK)
		abort();
	return msg;
}

typedef void step(struct bench *bench, int i, struct sip_msg *msg);

static void step_parse(struct bench *bench, int i, struct sip_msg *unused)
{
	struct sip_msg *msg = parse(bench, i);

	(void)unused;
	bench->sink += msg->header_count;
	sip_msg_unref(msg);
}

static void step_typed(struct bench *bench, int i, struct sip_msg *unused)
{
	struct sip_msg *msg = parse(bench, i);

	(void)unused;
	bench->sink += read_typed(msg);
	sip_msg_unref(msg);
}

static void step_check(struct bench *bench, int i, struct sip_msg *unused)
{
	struct sip_msg *msg = parse(bench, i);
	struct sip_refusal refusal;

	(void)unused;
	if (sip_msg_check(msg, &refusal) != SIP_OK)
		abort();
	bench->sink += read_typed(msg);
	sip_msg_unref(msg);
}

static void step_write(struct bench *bench, int i, struct sip_msg *msg)
{
	const struct sip_field fields[] = {
		{ SIP_STR("Contact"), SIP_STR("<sip:203.0.113.80:5060>") },
		{ SIP_STR("Server"), SIP_STR("luasip") },
		{ SIP_STR("Content-Type"), SIP_STR("application/sdp") },
	};
	struct sip_response_spec spec = { .status = 200,
		                          .to_tag = SIP_STR("a1b2c3d4e5"),
		                          .record_route = true,
		                          .fields = fields,
		                          .field_count = 3 };
	char text[4096];
	struct sip_out out;

	(void)i;
	spec.body = msg->body;
	sip_out_init(&out, text, sizeof text);
	sip_write_response(&out, msg, &spec);
	if (sip_out_end(&out) != SIP_OK)
		abort();
	bench->sink += (size_t)text[out.len / 2];
}

static int compare(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median_ns(struct bench *bench, step *run, int i)
{
	struct sip_msg *msg = parse(bench, i);
	double all[ROUNDS];

	for (int round = 0; round < ROUNDS; round++) {
		const double start = now_ns();
		for (int k = 0; k < BATCH; k++)
			run(bench, i, msg);
		all[round] = (now_ns() - start) / BATCH;
	}
	sip_msg_unref(msg);
	qsort(all, ROUNDS, sizeof *all, compare);
	return all[ROUNDS / 2];
}

static void load(struct bench *bench, const char *folder)
{
	char path[512];

	for (int i = 0; i < MESSAGES; i++) {
		FILE *file;

		snprintf(path, sizeof path, "%s/%s.sip", folder, names[i]);
		file = fopen(path, "rb");
		if (!file) {
			perror(path);
			exit(1);
		}
		bench->len[i] = fread(bench->bytes[i], 1, sizeof bench->bytes[i], file);
		fclose(file);
	}
}

int main(int argc, char **argv)
{
	static struct bench bench;

	sip_alloc_init(&bench.alloc);
	bench.limits = SIP_LIMITS_DEFAULT;
	load(&bench, argc > 1 ? argv[1] : "spec/bench/messages");
	if (argc > 3) {
		for (long n = atol(argv[3]); n > 0; n--)
			step_typed(&bench, atoi(argv[2]), NULL);
		return 0;
	}
	printf("%-18s %6s %8s %8s %8s %8s\n", "ns", "bytes", "parse", "typed",
	       "checked", "write");
	for (int i = 0; i < MESSAGES; i++) {
		printf("%-18s %6zu %8.0f %8.0f %8.0f", names[i], bench.len[i],
		       median_ns(&bench, step_parse, i),
		       median_ns(&bench, step_typed, i),
		       median_ns(&bench, step_check, i));
		if (i < MESSAGES - 1)
			printf(" %8.0f", median_ns(&bench, step_write, i));
		printf("\n");
	}
	return 0;
}
