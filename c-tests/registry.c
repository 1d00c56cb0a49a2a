/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Engines by name, documents around their configuration objects, and what the common part of these documents is. */
#include "engine.h"

static void names(void)
{
	pinion_operations table = idle_engine();
	pinion_bytes *list = NULL;
	pinion_engine *engine = NULL;
	static char large[65536], json[sizeof large + 64];

	succeeds(pinion_names(&list), "the names of no engines");
	check(pinion_bytes_view(list).length == 0 && pinion_bytes_free(list) == 0, "... are none");
	expect(pinion_get(pinion_str("{\"engineName\":\"b\"}"), &engine), PINION_NOT_FOUND, "no engine is registered",
	       "an engine where none is registered");
	succeeds(pinion_register(pinion_str("b"), &table, NULL, NULL), "an engine");
	succeeds(pinion_register(pinion_str("B"), &table, NULL, NULL), "one whose name differs in case");
	succeeds(pinion_register(pinion_str("\xc3\xa9 \"\n"), &table, NULL, NULL), "one with an odd name");
	memset(large, 'z', sizeof large);
	succeeds(pinion_register(view_of(large, sizeof large), &table, NULL, NULL), "one whose name has 64 KiB");
	succeeds(pinion_names(&list), "their names");
	check(pinion_bytes_view(list).length == 2 + 2 + 6 + sizeof large + 1, "... are all there");
	check(memcmp(pinion_bytes_view(list).data, "B\0b\0zzz", 7) == 0, "... sorted, each ended by a NUL");
	pinion_bytes_free(list);
	expect(pinion_get(pinion_str("{\"engineName\":\"c\"}"), &engine), PINION_NOT_FOUND, "\"B\", \"b\", ", "an unknown engine");
	expect(pinion_get(pinion_str("{\"engineName\":\"c\\n\"}"), &engine), PINION_NOT_FOUND, "\"c\\n\"", "... escaped");
	sprintf(json, "{\"engineName\":\"%.*s\"}", (int)sizeof large, large);
	succeeds(pinion_get(pinion_str(json), &engine), "the engine whose name has 64 KiB");
	check(pinion_engine_free(engine) == 0, "... is freed");
	expect(pinion_register(view_of(large, sizeof large), &table, NULL, NULL), PINION_ALREADY_EXISTS, "zzz", "... is there");
}

/* A table of an older library is shorter; of a newer one, longer, and refused by what is known of it. */
static void sizes(void)
{
	pinion_operations table = idle_engine();
	char older[sizeof table + 64], known[32];
	pinion_engine *engine;
	size_t size;

	snprintf(known, sizeof known, "the first %zu bytes", sizeof table);
	/* Version 1 of the interface has 15 callbacks; what came after may be missing. */
	for (size = 16 * sizeof(void *); size <= sizeof table; size += sizeof(void *)) {
		memset(older, 0xff, sizeof older);
		memcpy(older, &table, size);
		memcpy(older, &size, sizeof size);
		succeeds(pinion_replace(pinion_str("older"), (const pinion_operations *)(const void *)older, NULL, NULL),
			 "a table of %zu bytes", size);
		engine = get_engine("older");
		check(pinion_engine_free(engine) == 0, "... works");
	}
	table.size = sizeof older;
	expect(pinion_replace(pinion_str("newer"), &table, NULL, NULL), PINION_REFUSED, known, "a newer table");
	expect(pinion_replace(pinion_str("newer"), &table, NULL, NULL), PINION_REFUSED, PINION_VERSION, "... names the version");
	expect(pinion_replace(pinion_str("newer"), &table, NULL, NULL), PINION_REFUSED, "newer", "... and the engine");
}

/* Documents that are refused, and what the error has to say. */
static const struct {
	const char *json;
	int32_t code;
	const char *part;
} DOCUMENTS[] = {
	{ "", PINION_INVALID, "engine configuration" },
	{ "null", PINION_INVALID, "engineName" },
	{ "{}", PINION_INVALID, "engineName: missing or empty" },
	{ "[]", PINION_INVALID, "expected an object" },
	{ "7", PINION_INVALID, "expected an object" },
	{ "nul", PINION_INVALID, "engine configuration" },
	{ "{} {}", PINION_INVALID, "engine configuration" },
	{ "\xef\xbb\xbf{\"engineName\":\"b\"}", PINION_INVALID, "engine configuration" },
	{ "{\"engineName\":7}", PINION_INVALID, "engineName: expected a string" },
	{ "{\"engineName\":\"\"}", PINION_INVALID, "engineName: missing or empty" },
	{ "{\"engineName\":\"b\",\"containerID\":{}}", PINION_INVALID, "containerID: expected a string" },
	{ "{\"engineName\":\"b\",\"plugin\":[]}", PINION_INVALID, "plugin: expected an object" },
	{ "{\"engineName\":\"b\",\"engineConfig\":01}", PINION_INVALID, "engine configuration" },
	{ "{\"engineName\":\"b\",}", PINION_INVALID, "engine configuration" },
	{ "{\"engineName\":\"a\\u0000\"}", PINION_NOT_FOUND, "a\\0" },
};

static void documents(void)
{
	const char *whole = "{\"engineName\":\"b\",\"containerID\":\"c\",\"engineConfig\":{\"k\":[1]},\"plugin\":{\"p\":null}}";
	pinion_engine *engine = NULL;
	size_t i, refused = 0;

	for (i = 0; i < sizeof DOCUMENTS / sizeof *DOCUMENTS; i++)
		expect(pinion_get(pinion_str(DOCUMENTS[i].json), &engine), DOCUMENTS[i].code, DOCUMENTS[i].part, "%s",
		       i == 0 ? "nothing" : DOCUMENTS[i].json);
	for (i = 0; i < strlen(whole); i++) {
		char *cut = malloc(i + 1);
		pinion_error *error;

		/* Of its exact size, so that a read beyond it is seen. */
		memcpy(cut, whole, i);
		error = pinion_get(view_of(i == 0 ? NULL : cut, i), &engine);
		refused += pinion_error_code(error) == PINION_INVALID && pinion_error_free(error) == 0;
		free(cut);
	}
	check(refused == strlen(whole), "a document is refused when it is cut at any byte (%zu of %zu)", refused, strlen(whole));
	check(engine == NULL, "a place for a result is not written to where there is none");
	succeeds(pinion_get(pinion_str(whole), &engine), "the whole document");
	check(texts == 1 && strcmp(last_text->json, "{\"k\":[1]}") == 0, "... is decoded into the engine's object");
	pinion_engine_free(engine);
	succeeds(pinion_get(pinion_str("{\"EngineName\":\"x\",\"ENGINENAME\":\"b\"}"), &engine), "keys of any case, the last wins");
	check(strcmp(last_text->json, "{}") == 0, "without a configuration its object stays as config made it");
	pinion_engine_free(engine);
	succeeds(pinion_get(pinion_str("{\"engineName\":\"b\",\"engineConfig\":null}"), &engine), "a configuration of null");
	check(strcmp(last_text->json, "{}") == 0, "... is as none");
	pinion_engine_free(engine);
}

/* Changes the object in PrepareConfig, and finds it by the configuration that InitConfig got. */
static pinion_common *stored;
static struct text *made;

static pinion_error *config(void *data, void **object)
{
	pinion_error *error = text_config(data, object);

	made = *object;
	return error;
}

static void init_config(void *data, pinion_common *common)
{
	(void)data;
	stored = common;
}

static pinion_error *prepare(void *data, pinion_config *starter)
{
	struct text *text = pinion_common_engine_config(stored);
	pinion_error *error = pinion_common_set_container_id(stored, pinion_str("renamed"));

	(void)data, (void)starter;
	strcpy(text->json, "{\"changed\":true}");
	return error;
}

static pinion_error *release(void *data, pinion_config *starter)
{
	(void)data;
	return pinion_config_release(starter);
}

static void identity(void)
{
	pinion_operations table = idle_engine();
	pinion_config *starter = NULL;
	pinion_common *common = NULL;
	pinion_bytes *json = NULL;
	pinion_engine *engine;

	table.config = config;
	table.init_config = init_config;
	table.prepare_config = prepare;
	put_engine("identity", &table, NULL, NULL);
	engine = get_engine("identity");
	succeeds(pinion_engine_common(engine, &common), "the engine's configuration");
	check(pinion_common_engine_config(common) == made && made == last_text, "... is around the object that config made");
	check(pinion_common_engine_config(stored) == made && strcmp(made->json, "{\"a\":1}") == 0, "... as InitConfig sees it");
	succeeds(pinion_config_new(pinion_str("{}"), false, &starter), "a starter configuration");
	succeeds(pinion_engine_prepare_config(engine, starter), "PrepareConfig");
	succeeds(pinion_config_json(starter, &json), "what it wrote");
	check(same(json, "{\"engineName\":\"identity\",\"containerID\":\"renamed\",\"engineConfig\":{\"changed\":true},"
			 "\"plugin\":null}"),
	      "... is the object as PrepareConfig changed it, and all holders' container id");
	pinion_config_free(starter);
	pinion_common_free(common);
	pinion_engine_free(engine);
	table.prepare_config = release;
	put_engine("identity", &table, NULL, NULL);
	engine = get_engine("identity");
	succeeds(pinion_config_new(pinion_str("{}"), false, &starter), "a starter configuration");
	succeeds(pinion_engine_prepare_config(engine, starter), "a PrepareConfig that releases it");
	pinion_config_free(starter);
	pinion_engine_free(engine);
	put_engine("identity", &table, NULL, NULL);
}

static void common_parts(void)
{
	static char large[65536];
	pinion_common *common = NULL, *again = NULL;
	pinion_bytes *bytes = NULL;
	pinion_engine *engine = get_engine("b");

	succeeds(pinion_engine_common(engine, &common), "a configuration");
	succeeds(pinion_engine_common(engine, &again), "the same again");
	check(common != again && pinion_common_engine_config(common) == pinion_common_engine_config(again), "... is the same");
	succeeds(pinion_common_engine_name(common, &bytes), "the engine's name");
	check(same(bytes, "b"), "... as in the document");
	succeeds(pinion_common_container_id(common, &bytes), "the container's id");
	check(same(bytes, "c1"), "... as in the document");
	succeeds(pinion_common_set_container_id(common, pinion_str("")), "no container id");
	succeeds(pinion_common_container_id(again, &bytes), "... is seen");
	check(same(bytes, ""), "... by all holders");
	memset(large, 'i', sizeof large);
	succeeds(pinion_common_set_container_id(common, view_of(large, sizeof large)), "an id of 64 KiB");
	expect(pinion_common_set_container_id(common, view_of("\xff", 1)), PINION_INVALID, "UTF-8", "an id that is no text");
	succeeds(pinion_common_container_id(common, &bytes), "... changes nothing");
	check(pinion_bytes_view(bytes).length == sizeof large && pinion_bytes_free(bytes) == 0, "... of the id before");
	succeeds(pinion_common_set_container_id(common, pinion_str("c2")), "an id");
	expect(pinion_common_plugin(common, pinion_str("p"), &bytes), PINION_NOT_FOUND, "\"p\"", "a plugin that is not there");
	succeeds(pinion_common_set_plugin(common, pinion_str("p"), pinion_str(" {\"x\": [1, 2]} ")), "a plugin");
	succeeds(pinion_common_plugin(again, pinion_str("p"), &bytes), "... is there");
	check(holds(bytes, "\"x\""), "... with its JSON");
	expect(pinion_common_set_plugin(common, pinion_str("p"), pinion_str("{")), PINION_INVALID, "JSON", "a plugin without JSON");
	expect(pinion_common_set_plugin(common, pinion_str("p"), pinion_str("1 2")), PINION_INVALID, "JSON", "... with too much");
	expect(pinion_common_set_plugin(common, pinion_str("p"), pinion_str("")), PINION_INVALID, "JSON", "... with nothing");
	succeeds(pinion_common_set_plugin(common, pinion_str("p"), pinion_str("2")), "a plugin's configuration again");
	succeeds(pinion_common_encode(common, &bytes), "the whole");
	check(same(bytes, "{\"engineName\":\"b\",\"containerID\":\"c2\",\"engineConfig\":{\"a\":1},\"plugin\":{\"p\":2}}"),
	      "... is a document in the order of its keys");
	pinion_engine_free(engine);
	succeeds(pinion_common_engine_name(common, &bytes), "a configuration outlives its engine");
	check(same(bytes, "b"), "... whole");
	check(pinion_common_free(common) == 0 && pinion_common_free(common) == PINION_MISUSE, "a configuration is freed once");
	check(pinion_common_free(again) == 0 && texts == 0, "... and its object with the last holder");
}

static void builtin_choices(void)
{
	pinion_builtin_options options;
	pinion_renamed renamed = { pinion_str("*rpc.fileInfo"), pinion_str("*other.fileInfo") };
	pinion_view name = pinion_str("b");

	memset(&options, 0, sizeof options);
	options.size = sizeof options;
	succeeds(pinion_choose_builtin_methods(name, &options), "the default");
	options.product = pinion_str("apptainer");
	options.mount_reply = PINION_MOUNT_REPLY_PLAIN;
	options.resolver = PINION_RESOLVER_WALKER;
	options.renamed = &renamed;
	options.renamed_count = 1;
	succeeds(pinion_choose_builtin_methods(name, &options), "another product");
	succeeds(pinion_choose_builtin_methods(pinion_str("not registered"), &options), "before the engine");
	expect(pinion_choose_builtin_methods(pinion_str(""), &options), PINION_INVALID, "name", "for no name");
	options.renamed = NULL;
	expect(pinion_choose_builtin_methods(name, &options), PINION_MISUSE, "NULL", "renamed types that are not there");
	options.renamed_count = 0;
	options.mount_reply = 3;
	expect(pinion_choose_builtin_methods(name, &options), PINION_INVALID, "3", "an unknown reply");
	options.mount_reply = PINION_MOUNT_REPLY_STRUCT;
	options.resolver = -1;
	expect(pinion_choose_builtin_methods(name, &options), PINION_INVALID, "-1", "an unknown resolver");
	options.resolver = PINION_RESOLVER_KERNEL;
	options.product = pinion_str("singularity");
	expect(pinion_choose_builtin_methods(name, &options), PINION_NOT_FOUND, "singularityce", "an unknown product");
	options.size = 0;
	expect(pinion_choose_builtin_methods(name, &options), PINION_MISUSE, "size", "a size of 0");
	options.size = sizeof options + 1;
	expect(pinion_choose_builtin_methods(name, &options), PINION_REFUSED, "newer", "a newer size");
	expect(pinion_choose_builtin_methods(name, NULL), PINION_MISUSE, "NULL", "no options");
}

int main(void)
{
	pinion_operations table = idle_engine();

	names();
	sizes();
	documents();
	identity();
	common_parts();
	builtin_choices();
	put_engine("identity", &table, NULL, NULL);
	return done();
}
