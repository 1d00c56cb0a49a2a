/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* What a scenario configures, as probe.c knows it: the structure, and how it is read from JSON and written back. A new key is a
 * field of the structure and a line of the table. */
#ifndef PROBE_CONFIG_H
#define PROBE_CONFIG_H

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
	struct texts create;         /* namespaces to create ... */
	struct optional ns_flags;    /* ... or in place of those CLONE_NEW* bits */
	struct names join;           /* namespaces to join, by path */
	struct names join_spec;      /* the same in one call */
	bool join_only;
	char *working_directory;     /* what becomes the working directory */
	struct id_map uid_map;       /* lines of [container, host, size] */
	struct id_map gid_map;
	bool hybrid;
	bool map_helpers;
	bool allow_setgroups;
	bool no_setgroups;
	bool instance;
	bool no_new_privs;
	char *propagation;
	bool share_mounts;
	bool loopback;
	bool nvccli;
	bool native_rpc;
	struct optional target_uid;
	struct numbers target_gids;
	struct names capabilities;   /* by set */
	struct texts keep;           /* files that PrepareConfig opens and keeps ... */
	struct numbers kept;         /* ... and their numbers */
	char *image;                 /* the file that PrepareConfig opens as the image */
	char *write;                 /* what it writes over the engine configuration's document */
	bool release;                /* whether it releases the starter configuration, and then goes on with it */
	struct texts make;           /* directories that PrepareConfig makes on the host */
	char *hostname;              /* that CreateContainer sets through the RPC server */
	struct texts exec;           /* the program to execute */
	struct texts shim;           /* instead: the program that an init shim runs and waits for */
	struct optional handshake_ms;
	struct optional container_ms;
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
	NUMBER(ns_flags, optional, INT32_MIN, INT32_MAX),
	FIELD(join, named_text),
	FIELD(join_spec, named_text),
	FIELD(join_only, flag),
	FIELD(working_directory, text),
	NUMBER(uid_map, id_map, 0, UINT32_MAX),
	NUMBER(gid_map, id_map, 0, UINT32_MAX),
	FIELD(hybrid, flag),
	FIELD(map_helpers, flag),
	FIELD(allow_setgroups, flag),
	FIELD(no_setgroups, flag),
	FIELD(instance, flag),
	FIELD(no_new_privs, flag),
	FIELD(propagation, text),
	FIELD(share_mounts, flag),
	FIELD(loopback, flag),
	FIELD(nvccli, flag),
	FIELD(native_rpc, flag),
	NUMBER(target_uid, optional, INT64_MIN, INT64_MAX),
	NUMBER(target_gids, numbers, INT64_MIN, INT64_MAX),
	FIELD(capabilities, named_texts),
	FIELD(keep, texts),
	NUMBER(kept, numbers, INT32_MIN, INT32_MAX),
	FIELD(image, text),
	FIELD(write, text),
	FIELD(release, flag),
	FIELD(make, texts),
	FIELD(hostname, text),
	FIELD(exec, texts),
	FIELD(shim, texts),
	NUMBER(handshake_ms, optional, 0, UINT32_MAX),
	NUMBER(container_ms, optional, 0, UINT32_MAX),
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

static bool is_given(const char *word)
{
	return word != NULL && *word != '\0';
}

#endif
