/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* The rules of a lifecycle, with this program as its own starter, which its name tells what to do: what may be called when, the
 * roles, and the record. What happens in a life is tested elsewhere, with the starter in probe.c. */
#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>

#include "engine.h"

#define ENGINE "lifecycle"

static const char *task;

static pinion_error *says(const char *what, pinion_error *error)
{
	char keys[64];

	snprintf(keys, sizeof keys, "{\"code\":%d,\"is\":%d}", pinion_error_code(error), pinion_lifecycle_role());
	pinion_error_free(error);
	return pinion_record_event(pinion_str(what), pinion_str(keys));
}

/* The same in every role: what is refused once one runs. */
static pinion_error *try_everything(void)
{
	pinion_operations table = idle_engine();
	pinion_builtin_options options;
	pinion_methods *set = NULL;
	pinion_error *error = pinion_methods_new(&set);

	memset(&options, 0, sizeof options);
	options.size = sizeof options;
	if (error == NULL)
		error = says("register", pinion_register(pinion_str("other"), &table, NULL, NULL));
	if (error == NULL)
		error = says("replace", pinion_replace(pinion_str(ENGINE), &table, NULL, NULL));
	if (error == NULL)
		error = says("methods", pinion_register_rpc_methods(pinion_str("other"), set));
	if (error == NULL)
		error = says("builtin", pinion_choose_builtin_methods(pinion_str(ENGINE), &options));
	if (error == NULL)
		error = says("start", pinion_lifecycle_start(NULL));
	if (error == NULL)
		error = says("run", pinion_lifecycle_run(NULL));
	return error != NULL ? error : says("role", pinion_lifecycle_run_role());
}

/* An ordinary user's container is in a user namespace. */
static pinion_error *prepare(void *data, pinion_config *starter)
{
	pinion_id_mapping user = { 0, (uint32_t)getuid(), 1 }, group = { 0, (uint32_t)getgid(), 1 };
	pinion_error *error = getuid() == 0 ? NULL : pinion_config_set_ns_flags(starter, CLONE_NEWUSER);

	(void)data;
	if (strstr(task, "refused") != NULL)
		return pinion_error_new(PINION_INVALID, 0, pinion_str("not today"));
	if (error == NULL && getuid() != 0)
		error = pinion_config_add_uid_mappings(starter, &user, 1);
	if (error == NULL && getuid() != 0)
		error = pinion_config_add_gid_mappings(starter, &group, 1);
	return error == NULL ? try_everything() : error;
}

static pinion_error *create(void *data, const pinion_context *context, int32_t container, int32_t rpc)
{
	(void)data, (void)context, (void)container, (void)rpc;
	return try_everything();
}

static pinion_error *start(void *data, pinion_master *master, int32_t *status)
{
	pinion_error *error = try_everything();

	(void)data, (void)master, (void)status;
	if (error == NULL)
		execl("/bin/sh", "sh", "-c", "exit 7", (char *)NULL);
	return error;
}

static pinion_error *monitor(void *data, int32_t container, pinion_signals *signals, int32_t *status)
{
	pinion_error *error = NULL;
	int32_t number;

	(void)data;
	while (error == NULL && waitpid(container, status, WNOHANG) != container)
		error = pinion_signals_next(signals, &number);
	return error;
}

static void *sleep_on(void *data)
{
	pause();
	return data;
}

/* The starter. It is as short as a starter can be, but for what its name asks for. */
static int starter(void)
{
	pinion_operations table = idle_engine();
	pinion_error *error = NULL;
	pthread_t thread;

	table.prepare_config = prepare;
	table.create_container = create;
	table.start_process = start;
	table.monitor_container = monitor;
	if (strstr(task, "thread") != NULL) {
		pthread_create(&thread, NULL, sleep_on, NULL);
		error = pinion_lifecycle_start(NULL);
		fprintf(stderr, "code %d: %s\n", pinion_error_code(error), pinion_error_text(error));
		return 3;
	}
	if (strstr(task, "parts") != NULL) {
		error = pinion_lifecycle_start(NULL);
		if (error == NULL && pinion_error_code(pinion_lifecycle_start(NULL)) != PINION_REFUSED)
			return 4;
	}
	if (error == NULL)
		error = pinion_register(pinion_str(ENGINE), &table, NULL, NULL);
	if (error == NULL)
		error = strstr(task, "parts") != NULL ? pinion_lifecycle_run_role() : pinion_lifecycle_run(NULL);
	fprintf(stderr, "code %d: %s\n", pinion_error_code(error), pinion_error_text(error));
	return 5;
}

static char self[4096], said[1 << 14], record[1 << 16];

static void read_all(int fd, char *room, size_t size)
{
	ssize_t length = pread(fd, room, size - 1, 0);

	room[length < 0 ? 0 : length] = '\0';
	close(fd);
}

static int32_t life(const char *name, const char *json)
{
	pinion_launch_options options = pinion_launch_options_init();
	int err = memfd_create("err", MFD_CLOEXEC), events = memfd_create("record", MFD_CLOEXEC);
	int32_t status = -1;

	options.starter = pinion_str(self);
	options.stderr_fd = err;
	options.record_fd = events;
	succeeds(pinion_launch_run(pinion_str(name), pinion_str(json), &options, &status), "a launch: %s", name);
	read_all(err, said, sizeof said);
	read_all(events, record, sizeof record);
	return status;
}

/* Whether an event of ours, one line of the record, has these parts. */
static bool recorded(const char *event, const char *first, const char *second)
{
	char name[64], line[1024];
	const char *at = record;
	int length;

	snprintf(name, sizeof name, "\"event\":\"%s\"", event);
	for (; *at != '\0'; at += length + (at[length] == '\n')) {
		length = (int)strcspn(at, "\n");
		snprintf(line, sizeof line, "%.*s", length, at);
		if (strstr(line, name) != NULL && strstr(line, first) != NULL && strstr(line, second) != NULL)
			return true;
	}
	return false;
}

static void lives(const char *name)
{
	static const char *const EVENTS[] = { "register", "replace", "methods", "builtin", "start", "run", "role" };
	static const struct {
		const char *role, *number;
	} ROLES[] = { { "\"role\":\"stage1\"", "\"is\":4" }, { "\"role\":\"master\"", "\"is\":5" }, { "\"role\":\"stage2\"", "\"is\":8" } };
	int32_t status = life(name, "{\"engineName\":\"" ENGINE "\",\"engineConfig\":{}}");
	size_t role, event;
	int refused = 0;
	char part[32];

	check(status == 7 << 8, "%s: the starter ends as the container's program (%#x)", name, (unsigned)status);
	check(said[0] == '\0', "%s: nothing is said", name);
	if (said[0] != '\0')
		printf("#   %.500s\n", said);
	for (role = 0; role < 3; role++)
		for (event = 0; event < 7; event++) {
			snprintf(part, sizeof part, "\"code\":%d", PINION_REFUSED);
			if (recorded(EVENTS[event], part, ROLES[role].role) && recorded(EVENTS[event], part, ROLES[role].number))
				refused++;
			else
				printf("#   %s in %s\n", EVENTS[event], ROLES[role].role);
		}
	check(refused == 21, "%s: nothing is registered or begun once a role runs (%d)", name, refused);
}

static int start_in_child(void *data)
{
	dup2(*(int *)data, 2);
	pinion_error_free(pinion_lifecycle_start(NULL));
	return 1;
}

int main(int argc, char **argv)
{
	int err = memfd_create("err", MFD_CLOEXEC);

	task = argv[0];
	if (argc == 1 && strncmp(task, "starter", 7) == 0)
		return starter();
	if (readlink("/proc/self/exe", self, sizeof self - 1) < 0)
		return 2;
	check(pinion_lifecycle_role() == PINION_ROLE_NONE, "there is no role yet");
	expect(pinion_lifecycle_run_role(), PINION_REFUSED, "PINION_BOOTSTRAP", "there is no role to run");
	check(!pinion_record_is_on(), "there is no record");
	succeeds(pinion_record_event(pinion_str("event"), pinion_str("")), "an event without a record is none");
	expect(pinion_record_event(pinion_str(""), pinion_str("")), PINION_INVALID, "name", "an event without a name");
	expect(pinion_record_event(pinion_str("event"), pinion_str("[]")), PINION_INVALID, "object", "keys that are no object");
	expect(pinion_record_event(pinion_str("event"), pinion_str("{")), PINION_INVALID, "object", "keys that are no JSON");
	check(in_child(start_in_child, &err) == 255, "a start without a launcher ends the process with 255");
	read_all(err, said, sizeof said);
	check(strstr(said, "ENGINE_CONFIG_CHUNKS") != NULL && strstr(said, "help: ") != NULL, "... and says why");
	lives("starter");
	lives("starter in parts");
	check(life("starter refused", "{\"engineName\":\"" ENGINE "\"}") == 255 << 8, "a refusal of PrepareConfig ends with 255");
	check(strstr(said, "not today") != NULL, "... and is said");
	check(life("starter in a second thread", "{}") == 3 << 8, "a start beside another thread returns");
	check(strstr(said, "code 2: ") != NULL, "... with a refusal");
	return done();
}
