/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* A whole starter with an engine of its own, in C: what rust/examples/starter.rs is in Rust.
 *
 *   cc probe.c $(pkg-config --cflags --libs --static pinion)
 *
 * A launcher executes it (pinion_launch_exec, `pinion run`); it registers the engine "probe" and hands itself over to the
 * lifecycle, which makes half a dozen processes and calls the engine back in each. The engine's configuration says what
 * each callback does, and each callback writes what it sees to a log. The functions below stand in the order of a
 * container's life; `operations`, near the end, names them all.
 *
 * What it shows of the interface:
 *   - a function of pinion returns NULL or an error; so does a callback, which passes on what it got or makes its own;
 *   - steps that follow each other are `if (error == NULL) error = ...`, so that what was allocated is freed on one way out;
 *   - pinion copies what it is given: texts are freed as soon as the call has returned;
 *   - the configuration object is the engine's own structure: pinion carries it from process to process as JSON, which
 *     decode_config and encode_config make of it. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <pinion.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "json.h"

#define LENGTH(list) (sizeof(list) / sizeof((list)[0]))

/* ---- errors */

static pinion_error *no_memory(void)
{
	return pinion_error_new(PINION_SYSTEM, ENOMEM, pinion_str("no memory is left"));
}

/* An error with a text of the engine's own. */
__attribute__((format(printf, 2, 3))) static pinion_error *refuse(int32_t code, const char *format, ...)
{
	pinion_error *error;
	char *text;
	va_list values;
	int length;

	va_start(values, format);
	length = vasprintf(&text, format, values);
	va_end(values);
	if (length < 0)
		return no_memory();
	error = pinion_error_new(code, 0, pinion_str(text));
	free(text);
	return error;
}

/* The error of a system call that has just failed: `what: why`. */
__attribute__((format(printf, 1, 2))) static pinion_error *failed(const char *what, ...)
{
	int number = errno;
	pinion_error *error = pinion_error_new(PINION_SYSTEM, number, pinion_str(strerror(number)));
	char *text;
	va_list values;

	va_start(values, what);
	if (vasprintf(&text, what, values) < 0)
		text = NULL;
	va_end(values);
	error = pinion_error_during(error, pinion_str(text));
	free(text);
	return error;
}

/* ---- the configuration: what a scenario asks for */

/* Texts, and a NULL behind the last: as execvp takes them. */
struct texts {
	char **at;
	size_t count;
};

/* Texts under names. */
struct names {
	struct named {
		char *name;
		struct texts texts;
	} *at;
	size_t count;
};

struct numbers {
	int64_t *at;
	size_t count;
};

struct optional {
	bool is_set;
	int64_t value;
};

struct id_map {
	pinion_id_mapping *at;
	size_t count;
};

struct config {
	char *log;                   /* the file to which each callback appends a line; NULL or empty for none */
	bool prepared;               /* set by PrepareConfig: every later process must see it */
	struct names fail;           /* callbacks that misbehave, and how */
	bool pre_start;              /* PreStartProcess is declared; StartProcess then writes its byte */
	bool core_monitor;           /* pinion monitors */
	struct texts create;         /* namespaces to create */
	struct names join;           /* namespaces to join, by path */
	bool join_only;
	char *working_directory;     /* what becomes the working directory */
	struct id_map uid_map;       /* lines of [container, host, size] */
	struct id_map gid_map;
	bool hybrid;
	bool map_helpers;
	bool allow_setgroups;
	bool instance;
	bool no_new_privs;
	char *propagation;
	bool share_mounts;
	bool loopback;
	struct optional target_uid;
	struct numbers target_gids;
	struct names capabilities;   /* by set */
	struct texts keep;           /* files that PrepareConfig opens and keeps ... */
	struct numbers kept;         /* ... and their numbers */
	struct texts make;           /* directories that PrepareConfig makes on the host */
	char *hostname;              /* that CreateContainer sets through the RPC server */
	struct texts exec;           /* the program to execute */
	struct texts shim;           /* instead: the program that an init shim runs and waits for */
	struct optional handshake_ms;
	char *watch;                 /* the record of this run, in which CleanupHost looks for processes that still live */
};

/* A key of the configuration's JSON. */
struct field {
	const char *key;
	const struct type *type;
	size_t offset;               /* of its place in struct config */
	int64_t least, most;         /* of numbers */
};

/* How the values of one C type come out of JSON, go into it, and are freed. A place that is all zero is empty. */
struct type {
	pinion_error *(*read)(const struct field *field, const struct json *value, void *place);
	void (*write)(struct json_writer *writer, const void *place);
	void (*clear)(void *place);
};

/* That a value is not what its key is for. */
static pinion_error *unexpected(const struct json *value, const char *expected)
{
	struct json_writer path = {0};
	pinion_error *error;

	json_put(&path, "engineConfig");
	json_put_path(&path, value);
	if (path.failed)
		error = no_memory();
	else
		error = refuse(PINION_INVALID, "%s: invalid type: %s, expected %s", path.data, json_kind_name(value), expected);
	free(path.data);
	return error;
}

static pinion_error *read_flag(const struct field *field, const struct json *value, void *place)
{
	bool *flag = place;

	(void)field;
	if (value->kind != JSON_BOOL)
		return unexpected(value, "a boolean");
	*flag = value->truth;
	return NULL;
}

static void write_flag(struct json_writer *writer, const void *place)
{
	json_put_bool(writer, *(const bool *)place);
}

static void clear_flag(void *place)
{
	(void)place;
}

static const struct type flag_type = {read_flag, write_flag, clear_flag};

static pinion_error *read_text(const struct field *field, const struct json *value, void *place)
{
	char **text = place;

	(void)field;
	if (value->kind != JSON_TEXT)
		return unexpected(value, "a string");
	*text = strdup(value->text);
	return *text == NULL ? no_memory() : NULL;
}

static void write_text(struct json_writer *writer, const void *place)
{
	json_put_text(writer, *(char *const *)place);
}

static void clear_text(void *place)
{
	free(*(char **)place);
}

static const struct type text_type = {read_text, write_text, clear_text};

static pinion_error *read_texts(const struct field *field, const struct json *value, void *place)
{
	struct texts *texts = place;
	const struct json *item;
	pinion_error *error = NULL;

	if (value->kind != JSON_ARRAY)
		return unexpected(value, "an array");
	texts->at = calloc(json_count(value) + 1, sizeof(*texts->at));
	if (texts->at == NULL)
		return no_memory();
	for (item = value->first; error == NULL && item != NULL; item = item->next)
		error = read_text(field, item, &texts->at[texts->count++]);
	return error;
}

static void write_texts(struct json_writer *writer, const void *place)
{
	const struct texts *texts = place;
	size_t index;

	json_open(writer, '[');
	for (index = 0; index < texts->count; index++)
		json_put_text(writer, texts->at[index]);
	json_close(writer, ']');
}

static void clear_texts(void *place)
{
	struct texts *texts = place;

	while (texts->count > 0)
		free(texts->at[--texts->count]);
	free(texts->at);
}

static const struct type texts_type = {read_texts, write_texts, clear_texts};

/* One text stands there as a list of one. */
static pinion_error *read_one_text(const struct field *field, const struct json *value, struct texts *texts)
{
	texts->at = calloc(2, sizeof(*texts->at));
	if (texts->at == NULL)
		return no_memory();
	texts->count = 1;
	return read_text(field, value, &texts->at[0]);
}

static pinion_error *read_names_of(const struct field *field, const struct json *value, struct names *names, bool of_one)
{
	const struct json *item;
	pinion_error *error = NULL;

	if (value->kind != JSON_OBJECT)
		return unexpected(value, "an object");
	names->at = calloc(json_count(value) + 1, sizeof(*names->at));
	if (names->at == NULL)
		return no_memory();
	for (item = value->first; error == NULL && item != NULL; item = item->next) {
		struct named *named = &names->at[names->count++];

		named->name = strdup(item->key);
		if (named->name == NULL)
			return no_memory();
		error = of_one ? read_one_text(field, item, &named->texts) : read_texts(field, item, &named->texts);
	}
	return error;
}

static pinion_error *read_named_text(const struct field *field, const struct json *value, void *place)
{
	return read_names_of(field, value, place, true);
}

static pinion_error *read_named_texts(const struct field *field, const struct json *value, void *place)
{
	return read_names_of(field, value, place, false);
}

static void write_named_text(struct json_writer *writer, const void *place)
{
	const struct names *names = place;
	size_t index;

	json_open(writer, '{');
	for (index = 0; index < names->count; index++) {
		json_put_key(writer, names->at[index].name);
		json_put_text(writer, names->at[index].texts.at[0]);
	}
	json_close(writer, '}');
}

static void write_named_texts(struct json_writer *writer, const void *place)
{
	const struct names *names = place;
	size_t index;

	json_open(writer, '{');
	for (index = 0; index < names->count; index++) {
		json_put_key(writer, names->at[index].name);
		write_texts(writer, &names->at[index].texts);
	}
	json_close(writer, '}');
}

static void clear_names(void *place)
{
	struct names *names = place;

	while (names->count > 0) {
		struct named *named = &names->at[--names->count];

		free(named->name);
		clear_texts(&named->texts);
	}
	free(names->at);
}

static const struct type named_text_type = {read_named_text, write_named_text, clear_names};
static const struct type named_texts_type = {read_named_texts, write_named_texts, clear_names};

static pinion_error *read_number(const struct field *field, const struct json *value, int64_t *number)
{
	char expected[96];

	if (json_integer(value, field->least, field->most, number))
		return NULL;
	snprintf(expected, sizeof(expected), "a whole number from %" PRId64 " to %" PRId64, field->least, field->most);
	return unexpected(value, expected);
}

static pinion_error *read_numbers(const struct field *field, const struct json *value, void *place)
{
	struct numbers *numbers = place;
	const struct json *item;
	pinion_error *error = NULL;

	if (value->kind != JSON_ARRAY)
		return unexpected(value, "an array");
	numbers->at = calloc(json_count(value) + 1, sizeof(*numbers->at));
	if (numbers->at == NULL)
		return no_memory();
	for (item = value->first; error == NULL && item != NULL; item = item->next)
		error = read_number(field, item, &numbers->at[numbers->count++]);
	return error;
}

static void write_numbers(struct json_writer *writer, const void *place)
{
	const struct numbers *numbers = place;
	size_t index;

	json_open(writer, '[');
	for (index = 0; index < numbers->count; index++)
		json_put_integer(writer, numbers->at[index]);
	json_close(writer, ']');
}

static void clear_numbers(void *place)
{
	free(((struct numbers *)place)->at);
}

static const struct type numbers_type = {read_numbers, write_numbers, clear_numbers};

static pinion_error *read_optional(const struct field *field, const struct json *value, void *place)
{
	struct optional *optional = place;

	optional->is_set = value->kind != JSON_NULL;
	return optional->is_set ? read_number(field, value, &optional->value) : NULL;
}

static void write_optional(struct json_writer *writer, const void *place)
{
	const struct optional *optional = place;

	if (optional->is_set)
		json_put_integer(writer, optional->value);
	else
		json_put_word(writer, "null");
}

static const struct type optional_type = {read_optional, write_optional, clear_flag};

static pinion_error *read_mapping(const struct field *field, const struct json *value, pinion_id_mapping *mapping)
{
	const struct json *item = value->first;
	int64_t ids[3] = {0};
	pinion_error *error = NULL;
	size_t index;

	if (value->kind != JSON_ARRAY || json_count(value) != LENGTH(ids))
		return unexpected(value, "an array of 3 numbers");
	for (index = 0; error == NULL && index < LENGTH(ids); index++, item = item->next)
		error = read_number(field, item, &ids[index]);
	mapping->container_id = (uint32_t)ids[0];
	mapping->host_id = (uint32_t)ids[1];
	mapping->size = (uint32_t)ids[2];
	return error;
}

static pinion_error *read_id_map(const struct field *field, const struct json *value, void *place)
{
	struct id_map *map = place;
	const struct json *item;
	pinion_error *error = NULL;

	if (value->kind != JSON_ARRAY)
		return unexpected(value, "an array");
	map->at = calloc(json_count(value) + 1, sizeof(*map->at));
	if (map->at == NULL)
		return no_memory();
	for (item = value->first; error == NULL && item != NULL; item = item->next)
		error = read_mapping(field, item, &map->at[map->count++]);
	return error;
}

static void write_id_map(struct json_writer *writer, const void *place)
{
	const struct id_map *map = place;
	size_t index;

	json_open(writer, '[');
	for (index = 0; index < map->count; index++) {
		json_open(writer, '[');
		json_put_integer(writer, map->at[index].container_id);
		json_put_integer(writer, map->at[index].host_id);
		json_put_integer(writer, map->at[index].size);
		json_close(writer, ']');
	}
	json_close(writer, ']');
}

static void clear_id_map(void *place)
{
	free(((struct id_map *)place)->at);
}

static const struct type id_map_type = {read_id_map, write_id_map, clear_id_map};

#define FIELD(name, type) {#name, &type##_type, offsetof(struct config, name), 0, 0}
#define NUMBER(name, type, least, most) {#name, &type##_type, offsetof(struct config, name), least, most}

static const struct field fields[] = {
	FIELD(log, text),
	FIELD(prepared, flag),
	FIELD(fail, named_text),
	FIELD(pre_start, flag),
	FIELD(core_monitor, flag),
	FIELD(create, texts),
	FIELD(join, named_text),
	FIELD(join_only, flag),
	FIELD(working_directory, text),
	NUMBER(uid_map, id_map, 0, UINT32_MAX),
	NUMBER(gid_map, id_map, 0, UINT32_MAX),
	FIELD(hybrid, flag),
	FIELD(map_helpers, flag),
	FIELD(allow_setgroups, flag),
	FIELD(instance, flag),
	FIELD(no_new_privs, flag),
	FIELD(propagation, text),
	FIELD(share_mounts, flag),
	FIELD(loopback, flag),
	NUMBER(target_uid, optional, INT64_MIN, INT64_MAX),
	NUMBER(target_gids, numbers, INT64_MIN, INT64_MAX),
	FIELD(capabilities, named_texts),
	FIELD(keep, texts),
	NUMBER(kept, numbers, INT32_MIN, INT32_MAX),
	FIELD(make, texts),
	FIELD(hostname, text),
	FIELD(exec, texts),
	FIELD(shim, texts),
	NUMBER(handshake_ms, optional, 0, UINT32_MAX),
	FIELD(watch, text),
};

static void clear_config(struct config *config)
{
	size_t index;

	for (index = 0; index < LENGTH(fields); index++)
		fields[index].type->clear((char *)config + fields[index].offset);
	memset(config, 0, sizeof(*config));
}

static pinion_error *read_field(struct config *config, const struct json *value)
{
	size_t index;

	for (index = 0; index < LENGTH(fields); index++)
		if (strcmp(fields[index].key, value->key) == 0)
			return fields[index].type->read(&fields[index], value, (char *)config + fields[index].offset);
	return refuse(PINION_INVALID, "engineConfig.%s: unknown field `%s`", value->key, value->key);
}

static pinion_error *read_config(struct config *config, const struct json *object)
{
	const struct json *value;
	pinion_error *error = NULL;

	if (object->kind != JSON_OBJECT)
		return unexpected(object, "an object");
	for (value = object->first; error == NULL && value != NULL; value = value->next)
		error = read_field(config, value);
	return error;
}

/* Config: the object at its zero value. */
static pinion_error *new_config(void *data, void **object)
{
	(void)data;
	*object = calloc(1, sizeof(struct config));
	return *object == NULL ? no_memory() : NULL;
}

/* Fills the object. Where that fails, it stays as it was. */
static pinion_error *decode_config(void *object, pinion_view json)
{
	struct config *config = object, read = {0};
	struct json_error wrong;
	struct json *tree = json_parse((const char *)json.data, json.length, &wrong);
	pinion_error *error;

	if (tree == NULL)
		return refuse(PINION_INVALID, "engineConfig: byte %zu: %s", wrong.at, wrong.what);
	error = read_config(&read, tree);
	json_free(tree);
	if (error != NULL) {
		clear_config(&read);
		return error;
	}
	clear_config(config);
	*config = read;
	return NULL;
}

static pinion_error *encode_config(void *object, pinion_bytes **json)
{
	struct json_writer writer = {0};
	pinion_view view;
	pinion_error *error;
	size_t index;

	json_open(&writer, '{');
	for (index = 0; index < LENGTH(fields); index++) {
		json_put_key(&writer, fields[index].key);
		fields[index].type->write(&writer, (char *)object + fields[index].offset);
	}
	json_close(&writer, '}');
	view.data = (const uint8_t *)writer.data;
	view.length = writer.length;
	error = writer.failed ? no_memory() : pinion_bytes_new(view, json);
	free(writer.data);
	return error;
}

static void destroy_config(void *object)
{
	clear_config(object);
	free(object);
}

/* ---- the engine */

/* What the engine is registered with. */
struct probe {
	struct config *config;       /* that of the last InitConfig */
};

/* InitConfig: the configuration of this process. It stays until the next InitConfig. */
static void init_config(void *data, pinion_common *common)
{
	struct probe *probe = data;

	probe->config = pinion_common_engine_config(common);
}

static struct config *config_of(void *data)
{
	const struct probe *probe = data;

	return probe->config;
}

static bool is_given(const char *word)
{
	return word != NULL && *word != '\0';
}

/* ---- misbehaviour, as a scenario wants it */

/* How a callback is to fail; NULL if it is not. */
static const char *told(const struct config *config, const char *callback)
{
	size_t index;

	for (index = 0; index < config->fail.count; index++)
		if (strcmp(config->fail.at[index].name, callback) == 0)
			return config->fail.at[index].texts.at[0];
	return NULL;
}

static pinion_error *fail(const char *callback)
{
	return refuse(PINION_CALLBACK, "%s was told to fail", callback);
}

/* A library that was built for tests has this: it panics inside, which comes back as an error. */
pinion_error *pinion_fault_panic(pinion_view text) __attribute__((weak));

static pinion_error *panic(const char *callback)
{
	pinion_error *error;
	char *words;

	if (pinion_fault_panic == NULL)
		return refuse(PINION_CALLBACK, "%s was told to panic", callback);
	if (asprintf(&words, "%s was told to panic", callback) < 0)
		return no_memory();
	error = pinion_fault_panic(pinion_str(words));
	free(words);
	return error;
}

__attribute__((noreturn)) static void stay(void)
{
	for (;;)
		pause();
}

static pinion_error *hang(const char *callback)
{
	(void)callback;
	stay();
}

/* The first process of a PID namespace survives its own signals: whoever reads the record kills it. */
static pinion_error *kill_itself(const char *callback)
{
	pinion_error *error;

	(void)callback;
	if (raise(SIGKILL) != 0)
		return failed("kill itself");
	error = pinion_record_event(pinion_str("fault"), pinion_str(NULL));
	if (error != NULL)
		return error;
	stay();
}

/* The process that steps in for the one that was killed is spared. */
static pinion_error *kill_first(const char *callback)
{
	return pinion_lifecycle_role() == PINION_ROLE_CLEANUP_SPARE ? NULL : kill_itself(callback);
}

static pinion_error *change_directory(const char *callback)
{
	(void)callback;
	return chdir("/") == 0 ? NULL : failed("change to /");
}

static pinion_error *change_umask(const char *callback)
{
	(void)callback;
	umask(0077);
	return NULL;
}

/* Blocks SIGUSR1, or opens it if it was blocked. */
static pinion_error *change_mask(const char *callback)
{
	sigset_t mask, one;

	(void)callback;
	sigemptyset(&one);
	sigaddset(&one, SIGUSR1);
	errno = pthread_sigmask(SIG_SETMASK, NULL, &mask);
	if (errno == 0)
		errno = pthread_sigmask(sigismember(&mask, SIGUSR1) == 1 ? SIG_UNBLOCK : SIG_BLOCK, &one, NULL);
	return errno == 0 ? NULL : failed("change the signal mask");
}

static pinion_error *change_group(const char *callback)
{
	(void)callback;
	return setresgid(getgid(), 1, getgid()) == 0 ? NULL : failed("change the group id");
}

static pinion_error *drop_capabilities(const char *callback)
{
	struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
	struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3];
	size_t index;

	(void)callback;
	if (syscall(SYS_capget, &header, sets) != 0)
		return failed("read the capabilities");
	for (index = 0; index < LENGTH(sets); index++)
		sets[index].effective = 0;
	return syscall(SYS_capset, &header, sets) == 0 ? NULL : failed("drop the capabilities");
}

/* Makes a child, in which it returns with 0 in `child`; in the parent it returns after the child's end. */
static pinion_error *split(pid_t *child)
{
	*child = fork();
	if (*child < 0)
		return failed("make a child");
	while (*child > 0 && waitpid(*child, NULL, 0) < 0)
		if (errno != EINTR)
			return failed("wait for the child");
	return NULL;
}

static pinion_error *return_twice(const char *callback)
{
	pid_t child;
	pinion_error *error = split(&child);

	(void)callback;
	if (error == NULL && child == 0)
		return refuse(PINION_CALLBACK, "this is the child");
	return error;
}

static pinion_error *exit_in_a_child(const char *callback)
{
	pid_t child;
	pinion_error *error = split(&child);

	(void)callback;
	if (error == NULL && child == 0)
		exit(0);
	return error;
}

__attribute__((noreturn)) static pinion_error *exit_well(const char *callback)
{
	(void)callback;
	exit(3);
}

__attribute__((noreturn)) static pinion_error *exit_at_once(const char *callback)
{
	(void)callback;
	_exit(3);
}

static pinion_error *become_another(const char *callback)
{
	(void)callback;
	execlp("sleep", "sleep", "1000", (char *)NULL);
	return failed("execute sleep");
}

static const struct {
	const char *word;
	pinion_error *(*act)(const char *callback);
} ways[] = {
	{"error", fail},
	{"panic", panic},
	{"hang", hang},
	{"kill", kill_itself},
	{"kill first", kill_first},
	{"chdir", change_directory},
	{"umask", change_umask},
	{"mask", change_mask},
	{"setgid", change_group},
	{"capset", drop_capabilities},
	{"fork", return_twice},
	{"fork exit", exit_in_a_child},
	{"exit", exit_well},
	{"_exit", exit_at_once},
	{"exec", become_another},
};

/* Does what the word says, if it is none of the callback's own. */
static pinion_error *misbehave(const char *callback, const char *how)
{
	size_t index;

	for (index = 0; index < LENGTH(ways); index++)
		if (strcmp(ways[index].word, how) == 0)
			return ways[index].act(callback);
	return NULL;
}

/* ---- what each callback begins with */

/* Appends a line, in one piece: several processes write to the log at once. */
static pinion_error *append(const char *path, const char *line)
{
	int file = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
	size_t length = strlen(line);
	pinion_error *error = NULL;
	ssize_t written;

	if (file < 0)
		return failed("open %s", path);
	written = write(file, line, length);
	if (written < 0)
		error = failed("write to %s", path);
	else if ((size_t)written < length)
		error = refuse(PINION_SYSTEM, "write to %s: %zd of %zu bytes were written", path, written, length);
	close(file);
	return error;
}

static pinion_error *note(const struct config *config, const char *callback, const char *detail)
{
	const char *prepared = config->prepared ? "true" : "false";
	pinion_error *error;
	char *line;

	if (asprintf(&line, "%s pid=%d prepared=%s %s\n", callback, (int)getpid(), prepared, detail) < 0)
		return no_memory();
	error = append(config->log, line);
	free(line);
	return error;
}

/* Writes the callback's line to the log, and fails as the scenario wants it. */
static pinion_error *enter(const struct config *config, const char *callback, const char *detail)
{
	const char *how = told(config, callback);
	pinion_error *error = NULL;

	if (is_given(config->log))
		error = note(config, callback, detail);
	if (error == NULL && how != NULL)
		error = misbehave(callback, how);
	return error;
}

/* The same with a detail as printf makes it. */
__attribute__((format(printf, 3, 4))) static pinion_error *enter_with(const struct config *config, const char *callback,
                                                                      const char *format, ...)
{
	pinion_error *error;
	char *detail;
	va_list values;
	int length;

	va_start(values, format);
	length = vasprintf(&detail, format, values);
	va_end(values);
	if (length < 0)
		return no_memory();
	error = enter(config, callback, detail);
	free(detail);
	return error;
}

/* ---- PrepareConfig, stage 1 */

/* Each is written down before it is made: whoever survives removes it. */
static pinion_error *make_directories(pinion_config *starter, const struct texts *make)
{
	pinion_error *error = NULL;
	size_t index;

	for (index = 0; error == NULL && index < make->count; index++) {
		error = pinion_config_note_directory(starter, pinion_str(make->at[index]));
		if (pinion_error_code(error) == PINION_REFUSED)
			error = pinion_error_during(error, pinion_str("no journal"));
		if (error == NULL && mkdir(make->at[index], 0777) != 0)
			error = failed("make %s", make->at[index]);
	}
	return error;
}

static pinion_error *create_namespaces(pinion_config *starter, const struct texts *kinds)
{
	pinion_namespace *list = calloc(kinds->count + 1, sizeof(*list));
	pinion_error *error;
	size_t index;

	if (list == NULL)
		return no_memory();
	for (index = 0; index < kinds->count; index++)
		list[index].kind = pinion_str(kinds->at[index]);
	error = pinion_config_set_ns_flags_from_spec(starter, list, kinds->count);
	free(list);
	return error;
}

static pinion_error *choose_namespaces(pinion_config *starter, const struct config *config)
{
	const struct names *join = &config->join;
	pinion_error *error = create_namespaces(starter, &config->create);
	size_t index;

	for (index = 0; error == NULL && index < join->count; index++)
		error = pinion_config_set_ns_path(starter, pinion_str(join->at[index].name),
		                                  pinion_str(join->at[index].texts.at[0]));
	if (error == NULL)
		error = pinion_config_set_namespace_join_only(starter, config->join_only);
	return error;
}

/* The descriptor stays open: it is used when PrepareConfig has returned, and closed with this process. */
static pinion_error *choose_working_directory(pinion_config *starter, const char *path)
{
	int directory;

	if (!is_given(path))
		return NULL;
	directory = open(path, O_RDONLY | O_CLOEXEC);
	if (directory < 0)
		return failed("open %s", path);
	return pinion_config_set_working_directory_fd(starter, directory);
}

static pinion_error *choose_id_maps(pinion_config *starter, const struct config *config)
{
	pinion_error *error = pinion_config_add_uid_mappings(starter, config->uid_map.at, config->uid_map.count);

	if (error == NULL)
		error = pinion_config_add_gid_mappings(starter, config->gid_map.at, config->gid_map.count);
	if (error == NULL)
		error = pinion_config_set_hybrid_workflow(starter, config->hybrid);
	if (error == NULL && config->map_helpers)
		error = pinion_config_set_newuidmap_path(starter);
	if (error == NULL && config->map_helpers)
		error = pinion_config_set_newgidmap_path(starter);
	if (error == NULL)
		error = pinion_config_set_allow_setgroups(starter, config->allow_setgroups);
	return error;
}

static pinion_error *choose_flow(pinion_config *starter, const struct config *config)
{
	pinion_error *error = pinion_config_set_instance(starter, config->instance);

	if (error == NULL)
		error = pinion_config_set_no_new_privs(starter, config->no_new_privs);
	if (error == NULL)
		error = pinion_config_set_master_propagate_mount(starter, config->share_mounts);
	if (error == NULL)
		error = pinion_config_set_bring_loopback_interface(starter, config->loopback);
	if (error == NULL && is_given(config->propagation))
		error = pinion_config_set_mount_propagation(starter, pinion_str(config->propagation));
	if (error == NULL && config->handshake_ms.is_set)
		error = pinion_config_set_timeouts(starter, (uint32_t)config->handshake_ms.value, 0);
	return error;
}

static pinion_error *choose_capabilities(pinion_config *starter, const struct named *set)
{
	pinion_view *names = calloc(set->texts.count + 1, sizeof(*names));
	pinion_error *error;
	size_t index;

	if (names == NULL)
		return no_memory();
	for (index = 0; index < set->texts.count; index++)
		names[index] = pinion_str(set->texts.at[index]);
	error = pinion_config_set_capabilities(starter, pinion_str(set->name), names, set->texts.count);
	free(names);
	return error;
}

static pinion_error *choose_privileges(pinion_config *starter, const struct config *config)
{
	pinion_error *error = NULL;
	size_t index;

	if (config->target_uid.is_set)
		error = pinion_config_set_target_uid(starter, config->target_uid.value);
	if (error == NULL)
		error = pinion_config_set_target_gid(starter, config->target_gids.at, config->target_gids.count);
	for (index = 0; error == NULL && index < config->capabilities.count; index++)
		error = choose_capabilities(starter, &config->capabilities.at[index]);
	return error;
}

/* Their numbers go into the configuration, by which the later processes know them. */
static pinion_error *keep_files(pinion_config *starter, struct config *config)
{
	struct numbers kept = {0};
	pinion_error *error = NULL;

	kept.at = calloc(config->keep.count + 1, sizeof(*kept.at));
	if (kept.at == NULL)
		return no_memory();
	while (error == NULL && kept.count < config->keep.count) {
		const char *path = config->keep.at[kept.count];
		int file = open(path, O_RDONLY | O_CLOEXEC);

		kept.at[kept.count++] = file;
		error = file < 0 ? failed("open %s", path) : pinion_config_keep_file_descriptor(starter, file);
	}
	clear_numbers(&config->kept);
	config->kept = kept;
	return error;
}

static pinion_error *prepare_config(void *data, pinion_config *starter)
{
	struct config *config = config_of(data);
	pinion_error *error = make_directories(starter, &config->make);

	if (error == NULL)
		error = enter(config, "PrepareConfig", "");
	if (error == NULL)
		error = choose_namespaces(starter, config);
	if (error == NULL)
		error = choose_working_directory(starter, config->working_directory);
	if (error == NULL)
		error = choose_id_maps(starter, config);
	if (error == NULL)
		error = choose_flow(starter, config);
	if (error == NULL)
		error = choose_privileges(starter, config);
	if (error == NULL)
		error = keep_files(starter, config);
	if (error == NULL)
		config->prepared = true;
	return error;
}

/* What the engine says of itself, after that. */
static pinion_error *declare(void *data, pinion_declaration *declaration)
{
	const struct config *config = config_of(data);

	declaration->pre_start_process = config->pre_start;
	declaration->monitor = config->core_monitor ? PINION_MONITOR_CORE : PINION_MONITOR_ENGINE;
	return NULL;
}

/* ---- CreateContainer, master */

/* The connection's end alone does not let the container go on: this callback has to succeed. */
static pinion_error *disconnect(int32_t rpc)
{
	if (shutdown(rpc, SHUT_RDWR) != 0)
		return failed("shut the connection down");
	stay();
}

/* One call of the RPC server. For a method that is built in pinion knows the type of the argument. */
static pinion_error *set_hostname(int32_t rpc, const char *hostname)
{
	struct json_writer argument = {0};
	pinion_client *client = NULL;
	pinion_error *error;

	json_open(&argument, '{');
	json_put_key(&argument, "Hostname");
	json_put_text(&argument, hostname);
	json_close(&argument, '}');
	error = argument.failed ? no_memory() : pinion_client_new(rpc, pinion_str("probe"), 0, &client);
	if (error == NULL)
		error = pinion_client_call(client, pinion_str("SetHostname"), pinion_str(NULL), pinion_str(argument.data), NULL);
	pinion_client_free(client);
	free(argument.data);
	return error;
}

/* Calls a method of this engine's own, in which the server becomes another program: the connection's end is all that there
 * is to hear. */
static pinion_error *call_exec(int32_t rpc)
{
	pinion_client *client;
	pinion_error *error = pinion_client_new(rpc, pinion_str("probe"), 0, &client);

	if (error != NULL)
		return error;
	pinion_error_free(pinion_client_call(client, pinion_str("Exec"), pinion_str("int"), pinion_str("0"), NULL));
	pinion_client_free(client);
	return NULL;
}

static pinion_error *create_container(void *data, const pinion_context *context, int32_t container, int32_t rpc)
{
	const struct config *config = config_of(data);
	const char *how = told(config, "CreateContainer");
	pinion_error *error = enter_with(config, "CreateContainer", "container=%d", container);

	(void)context;
	if (error != NULL)
		return error;
	if (how != NULL && strcmp(how, "disconnect") == 0)
		return disconnect(rpc);
	if (how != NULL && strcmp(how, "exec in the server") == 0)
		return call_exec(rpc);
	if (is_given(config->hostname))
		error = set_hostname(rpc, config->hostname);
	return error;
}

/* ---- the engine's own RPC method, in the RPC server */

static pinion_error *exec_method(void *data, pinion_view argument, pinion_bytes **reply)
{
	(void)data, (void)argument, (void)reply;
	return become_another("Exec");
}

/* ---- StartProcess, stage 2 */

/* Where the kept descriptors lead, as Rust shows a list: ["/etc/passwd", "/etc/group"]. NULL where no memory is left. */
static char *show_kept(const struct numbers *kept)
{
	struct json_writer list = {0};
	size_t index;

	json_put(&list, "[");
	for (index = 0; index < kept->count; index++) {
		char link[32], target[PATH_MAX];
		ssize_t length;

		snprintf(link, sizeof(link), "/proc/self/fd/%d", (int)kept->at[index]);
		length = readlink(link, target, sizeof(target) - 1);
		target[length < 0 ? 0 : length] = '\0';
		json_put(&list, index == 0 ? "" : ", ");
		json_quote(&list, length < 0 ? strerror(errno) : target);
	}
	json_put(&list, "]");
	if (!list.failed)
		return list.data;
	free(list.data);
	return NULL;
}

/* What PreStartProcess waits for. */
static pinion_error *let_pre_start_begin(pinion_master *master)
{
	int32_t stream = pinion_master_fd(master);

	if (stream < 0)
		return refuse(PINION_CALLBACK, "the connection is closed");
	if (send(stream, "p", 1, MSG_NOSIGNAL) != 1)
		return failed("write to master");
	return NULL;
}

/* Returns only with an error. */
static pinion_error *execute(char *const *program)
{
	execvp(program[0], program);
	return failed("execute %s", program[0]);
}

/* Reaps every orphan that comes to the container's first process, until `child` has ended. */
static pinion_error *reap_until(pid_t child, int32_t *status)
{
	pid_t reaped;

	do
		reaped = waitpid(-1, status, 0);
	while (reaped != child && (reaped >= 0 || errno == EINTR));
	return reaped == child ? NULL : failed("wait for the program");
}

/* An init shim: it stays as the container's first process under a name of its own, runs the program as its child, and
 * ends as that does. */
static pinion_error *run_shim(char *const *program, pinion_master *master, int32_t *status)
{
	pinion_error *error;
	pid_t child;

	if (prctl(PR_SET_NAME, "probe-shim") != 0)
		return failed("set the shim's name");
	error = pinion_master_close(master);
	if (error != NULL)
		return error;
	errno = posix_spawnp(&child, program[0], NULL, NULL, program, environ);
	if (errno != 0)
		return failed("execute %s", program[0]);
	return reap_until(child, status);
}

static pinion_error *start_process(void *data, pinion_master *master, int32_t *status)
{
	const struct config *config = config_of(data);
	char *kept = show_kept(&config->kept);
	pinion_error *error = kept == NULL ? no_memory() : enter_with(config, "StartProcess", "kept=%s", kept);

	free(kept);
	if (error == NULL && config->pre_start)
		error = let_pre_start_begin(master);
	if (error != NULL)
		return error;
	if (config->shim.count > 0)
		return run_shim(config->shim.at, master, status);
	if (config->exec.count > 0)
		return execute(config->exec.at);
	return refuse(PINION_CALLBACK, "no program");
}

/* ---- around the start: PreStartProcess and PostStartProcess in master, PostStartHost on the host */

static pinion_error *pre_start_process(void *data, const pinion_context *context, int32_t container, int32_t master)
{
	(void)context, (void)container, (void)master;
	return enter(config_of(data), "PreStartProcess", "");
}

static pinion_error *post_start_host(void *data, const pinion_context *context)
{
	(void)context;
	return enter(config_of(data), "PostStartHost", "");
}

static pinion_error *post_start_process(void *data, const pinion_context *context, int32_t container)
{
	(void)context;
	return enter_with(config_of(data), "PostStartProcess", "container=%d", container);
}

/* ---- MonitorContainer, master */

/* Whether a line of the file has these words; -1 and errno where it cannot be read. */
static int holds(const char *path, const char *words)
{
	FILE *file = fopen(path, "re");
	char *line = NULL;
	size_t room = 0;
	int held = 0;

	if (file == NULL)
		return -1;
	while (held == 0 && getline(&line, &room, file) >= 0)
		held = strstr(line, words) != NULL;
	if (held == 0 && ferror(file))
		held = -1;
	free(line);
	fclose(file);
	return held;
}

/* What a scenario sees is not to hang on which of master's threads is faster. */
static pinion_error *let_create_container_begin(const char *log)
{
	int held;

	while ((held = holds(log, "CreateContainer")) == 0)
		sched_yield();
	return held < 0 ? failed("read %s", log) : NULL;
}

/* Waits for the container's end and passes on what signals master gets. */
static pinion_error *watch_over(int32_t container, pinion_signals *signals, int32_t *status)
{
	for (;;) {
		int32_t number;
		pid_t reaped = 0;
		pinion_error *error = pinion_signals_next(signals, &number);

		if (error != NULL)
			return error;
		if (number == 0)
			return refuse(PINION_CALLBACK, "cancelled");
		if (number == SIGCHLD)
			reaped = waitpid(container, status, WNOHANG);
		else if (kill(container, number) != 0)
			return failed("pass signal %d on", number);
		if (reaped < 0)
			return failed("wait for the container");
		if (reaped == container)
			return NULL;
	}
}

static pinion_error *monitor_container(void *data, int32_t container, pinion_signals *signals, int32_t *status)
{
	const struct config *config = config_of(data);
	pinion_error *error = NULL;

	if (told(config, "MonitorContainer") != NULL)
		error = let_create_container_begin(config->log);
	if (error == NULL)
		error = enter(config, "MonitorContainer", "");
	if (error == NULL)
		error = watch_over(container, signals, status);
	return error;
}

/* ---- CleanupContainer, master */

static pinion_error *cleanup_container(void *data, const pinion_context *context, const pinion_error *fatal,
                                       int32_t status)
{
	const char *how = WIFEXITED(status) ? "exit code" : "signal";
	int number = WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status);
	const char *why = fatal == NULL ? "" : pinion_error_text(fatal);

	(void)context;
	return enter_with(config_of(data), "CleanupContainer", "status=[%s %d] fatal=[%s]", how, number, why);
}

/* ---- CleanupHost, a process of its own on the host */

/* The pid of which a line of the record says that it is one of the container's processes; 0 for any other line. */
static int64_t container_process(const char *line, size_t length)
{
	struct json_error wrong;
	struct json *event = json_parse(line, length, &wrong);
	const struct json *role = json_get(event, "role");
	int64_t pid = 0;

	if (json_is(json_get(event, "event"), "process") &&
	    (json_is(role, "container") || json_is(role, "rpc-server") || json_is(role, "stage2")) &&
	    !json_integer(json_get(event, "pid"), 1, INT32_MAX, &pid))
		pid = 0;
	json_free(event);
	return pid;
}

/* A process that has begun to end has no memory any more. */
static bool runs(int64_t pid)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	return holds(path, "VmSize:") > 0;
}

/* The container's processes that a record names and that have not ended: [12, 13]. NULL where no memory is left. */
static char *show_alive(const char *record)
{
	FILE *file = is_given(record) ? fopen(record, "re") : NULL;
	struct json_writer list = {0};
	char *line = NULL, pid[24];
	size_t room = 0;
	ssize_t length;

	json_put(&list, "[");
	while (file != NULL && (length = getline(&line, &room, file)) >= 0) {
		int64_t process = container_process(line, (size_t)length);

		if (process == 0 || !runs(process))
			continue;
		snprintf(pid, sizeof(pid), "%s%" PRId64, list.length > 1 ? ", " : "", process);
		json_put(&list, pid);
	}
	json_put(&list, "]");
	free(line);
	if (file != NULL)
		fclose(file);
	if (!list.failed)
		return list.data;
	free(list.data);
	return NULL;
}

static pinion_error *cleanup_host(void *data, const pinion_context *context)
{
	const struct config *config = config_of(data);
	char *alive = show_alive(config->watch);
	pinion_error *error = alive == NULL ? no_memory() : enter_with(config, "CleanupHost", "alive=%s", alive);

	(void)context;
	free(alive);
	return error;
}

/* ---- the program */

static const pinion_operations operations = {
	.size = sizeof(pinion_operations),
	.config = new_config,
	.decode_config = decode_config,
	.encode_config = encode_config,
	.destroy_config = destroy_config,
	.init_config = init_config,
	.declare = declare,
	.prepare_config = prepare_config,
	.create_container = create_container,
	.start_process = start_process,
	.pre_start_process = pre_start_process,
	.post_start_host = post_start_host,
	.post_start_process = post_start_process,
	.monitor_container = monitor_container,
	.cleanup_container = cleanup_container,
	.cleanup_host = cleanup_host,
};

/* Makes the engine known. Its data is pinion's then, which frees it. */
static pinion_error *register_engine(void)
{
	struct probe *probe = calloc(1, sizeof(*probe));

	if (probe == NULL)
		return no_memory();
	return pinion_register(pinion_str("probe"), &operations, probe, free);
}

/* Makes its RPC methods known, beside those that are built in. The set is pinion's once it is registered. */
static pinion_error *register_methods(void)
{
	pinion_methods *methods;
	pinion_error *error = pinion_methods_new(&methods);

	if (error != NULL)
		return error;
	error = pinion_methods_add_json(methods, pinion_str("Exec"), pinion_str("int"), exec_method, NULL, NULL);
	if (error == NULL)
		return pinion_register_rpc_methods(pinion_str("probe"), methods);
	pinion_methods_free(methods);
	return error;
}

int main(void)
{
	pinion_error *error;

	if (pinion_abi_version() != PINION_ABI_VERSION)
		error = refuse(PINION_REFUSED, "this program was compiled for another version of pinion than %s", pinion_version());
	else
		error = register_engine();
	if (error == NULL)
		error = register_methods();
	/* It returns only with an error: every process ends in there. */
	if (error == NULL)
		error = pinion_lifecycle_run(NULL);
	pinion_log(-3, pinion_str(pinion_error_text(error)));
	pinion_error_free(error);
	return 255;
}
