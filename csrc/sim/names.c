/* The names of a simulated world, and what becomes of questions for them. */
#include "sim/state.h"

static const char NOT_THERE[] = "the name has no such address";

struct sim_name {
	struct sim_name *next;
	bool is_question;
	struct sip_record record;
	struct sim_question question;
	char name[SIP_NAME_MAX + 1];
};

struct answer {
	struct sim_task task;
	uint32_t wire_id;
	uint64_t token;
	struct sim_question question;
	char name[SIP_NAME_MAX + 1];
};

static bool is_of(const struct sim_name *entry, const char *name)
{
	return sip_str_ieq(sip_str_of(name, strlen(name)),
	                   sip_str_of(entry->name, strlen(entry->name)));
}

static struct sim_name *entry_new(struct sim_world *world, sip_str name, sip_err *err)
{
	struct sim_name **last = &world->names, *entry = NULL;

	*err = SIP_EINVAL;
	if (name.len == 0 || name.len > SIP_NAME_MAX)
		return NULL;
	*err = SIP_ENOMEM;
	entry = sip_alloc0(world->alloc, sizeof *entry);
	if (!entry)
		return NULL;
	*err = SIP_OK;
	memcpy(entry->name, name.p, name.len);
	while (*last)
		last = &(*last)->next;
	*last = entry;
	return entry;
}

sip_err sim_world_record(struct sim_world *world, sip_str name,
                         const struct sip_record *record)
{
	sip_err err;
	struct sim_name *entry = entry_new(world, name, &err);

	if (entry)
		entry->record = *record;
	return err;
}

sip_err sim_world_name(struct sim_world *world, sip_str name,
                       const struct sip_addr *addr)
{
	const struct sip_record record = {
		.type = addr->family == 4 ? SIP_RECORD_A : SIP_RECORD_AAAA,
		.ttl_s = 60,
		.addr = *addr,
	};

	return sim_world_record(world, name, &record);
}

sip_err sim_world_question(struct sim_world *world, sip_str name,
                           const struct sim_question *question)
{
	sip_err err;
	struct sim_name *entry = entry_new(world, name, &err);

	if (!entry)
		return err;
	entry->is_question = true;
	entry->question = *question;
	return SIP_OK;
}

void sim_world_forget(struct sim_world *world, sip_str name)
{
	struct sim_name **at = &world->names;

	while (*at) {
		struct sim_name *entry = *at;

		if (!sip_str_ieq(name, sip_str_of(entry->name, strlen(entry->name)))) {
			at = &entry->next;
			continue;
		}
		*at = entry->next;
		sip_free(world->alloc, entry, sizeof *entry);
	}
}

uint64_t sim_world_lookups(const struct sim_world *world)
{
	return world->lookups;
}

static void run_answer(struct sim_task *task)
{
	const struct answer *answer = (const struct answer *)(void *)task;
	struct sip_record records[SIP_RECORDS_MAX];
	struct sip_wire_event event = { .kind = SIP_WIRE_RECORDS,
		                        .token = answer->token,
		                        .records = records };

	for (const struct sim_name *entry = task->world->names;
	     entry && !answer->question.fails && event.record_count < SIP_RECORDS_MAX;
	     entry = entry->next) {
		if (!entry->is_question && is_of(entry, answer->name) &&
		    entry->record.type == answer->question.type)
			records[event.record_count++] = entry->record;
	}
	if (answer->question.fails) {
		event.err = SIP_EWIRE;
		event.why = "no name server answers";
	} else if (event.record_count == 0) {
		event.why = NOT_THERE;
		event.ttl_s = answer->question.ttl_s;
	}
	sim_wire_records(task->world, answer->wire_id, &event);
}

sip_err sim_names_ask(struct sim_world *world, uint32_t wire_id, sip_str name,
                      enum sip_record_type type, uint64_t token)
{
	struct sim_question question = { .type = type };
	char z[SIP_NAME_MAX + 1] = { 0 };
	struct answer *answer;

	if (name.len > 0 && name.p[name.len - 1] == '.')
		name.len--;
	if (name.len == 0 || name.len > SIP_NAME_MAX || sip_str_breaks_lines(name))
		return SIP_EINVAL;
	memcpy(z, name.p, name.len);
	for (const struct sim_name *entry = world->names; entry; entry = entry->next) {
		if (entry->is_question && is_of(entry, z) &&
		    (entry->question.type == SIP_RECORD_NONE ||
		     entry->question.type == type))
			question = entry->question;
	}
	question.type = type;
	answer = sim_task_new(world, sizeof *answer, question.delay_us, run_answer);
	if (!answer)
		return SIP_ENOMEM;
	world->lookups++;
	answer->wire_id = wire_id;
	answer->token = token;
	answer->question = question;
	memcpy(answer->name, z, sizeof z);
	return SIP_OK;
}

void sim_names_free(struct sim_world *world)
{
	while (world->names) {
		struct sim_name *entry = world->names;

		world->names = entry->next;
		sip_free(world->alloc, entry, sizeof *entry);
	}
}
