/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* As ownership.c, for what is handed over inside of errors, with a sink of messages, by an engine's callbacks, and as bytes. */
#include <sys/socket.h>

#include "engine.h"

static const char KIND[1], OTHER_KIND[1];

/* An error of our own whose data is a counter of destructions. */
static pinion_error *own(int *destroyed)
{
	*destroyed = 0;
	return pinion_error_new_with_data(PINION_CALLBACK, EIO, pinion_str("out of paper"), KIND, destroyed, count_up);
}

static void refused_errors(void)
{
	static const int32_t CODES[] = { 0, -1, 13, INT32_MIN, INT32_MAX };
	pinion_view endless = view_of("x", SIZE_MAX);
	size_t i;
	int destroyed;

	for (i = 0; i < sizeof CODES / sizeof *CODES; i++) {
		destroyed = 0;
		expect(pinion_error_new_with_data(CODES[i], 0, pinion_str("text"), KIND, &destroyed, count_up), PINION_MISUSE, "",
		       "an error with code %d", CODES[i]);
		check(destroyed == 1, "... destroys its data once (%d)", destroyed);
		expect(pinion_error_new(CODES[i], 0, pinion_str("text")), PINION_MISUSE, "", "... and without data");
	}
	destroyed = 0;
	expect(pinion_error_new_with_data(PINION_INVALID, 0, view_of(NULL, 5), KIND, &destroyed, count_up), PINION_MISUSE, "",
	       "an error whose text is NULL with a length");
	check(destroyed == 1, "... destroys its data once (%d)", destroyed);
	expect(pinion_error_new_with_data(PINION_INVALID, 0, endless, KIND, &destroyed, count_up), PINION_MISUSE, "",
	       "an error whose text has no end");
	check(destroyed == 2, "... destroys its data once (%d)", destroyed - 1);
	expect(pinion_error_new_with_data(PINION_INVALID, 0, pinion_str("text"), KIND, &destroyed, NULL), PINION_INVALID, "text",
	       "an error whose data nobody destroys");
	check(destroyed == 2, "... leaves it alone");
}

static void changed_errors(void)
{
	pinion_error *error, *changed;
	int destroyed;

	error = own(&destroyed);
	check(pinion_error_data(error, KIND) == &destroyed, "an error's data is found by its kind");
	check(pinion_error_data(error, OTHER_KIND) == NULL, "... and not by another");
	check(pinion_error_free(error) == 0 && destroyed == 1, "an error's data is destroyed with it");
	check(pinion_error_free(error) == PINION_MISUSE && destroyed == 1, "... and not again");

	error = own(&destroyed);
	changed = pinion_error_with_help(pinion_error_during(error, pinion_str("print")), pinion_str("buy some"));
	check(destroyed == 0 && pinion_error_data(changed, KIND) == &destroyed, "data survives a changed error");
	check(pinion_error_free(error) == PINION_MISUSE && destroyed == 0, "the error before is gone, its data is not");
	expect(changed, PINION_CALLBACK, "print: out of paper", "the changed error");
	check(destroyed == 1, "data is destroyed with the last error that holds it (%d)", destroyed);

	error = pinion_error_during(own(&destroyed), view_of(NULL, 3));
	expect(error, PINION_MISUSE, "NULL", "a change that cannot be made");
	check(destroyed == 1, "... destroys the data once (%d)", destroyed);
}

/* What the engine below returns from its callbacks, and what it sees in CleanupContainer. */
static pinion_error *next_error;
static void *seen, *seen_as_other;

static pinion_error *create(void *data, const pinion_context *context, int32_t container, int32_t rpc)
{
	pinion_error *error = next_error;

	(void)data, (void)context, (void)container, (void)rpc;
	next_error = NULL;
	return error;
}

static pinion_error *cleanup(void *data, const pinion_context *context, const pinion_error *fatal, int32_t status)
{
	(void)data, (void)context, (void)status;
	seen = pinion_error_data(fatal, KIND);
	seen_as_other = pinion_error_data(fatal, OTHER_KIND);
	return NULL;
}

static void through_an_engine(void)
{
	pinion_operations table = idle_engine();
	pinion_context *context = NULL;
	pinion_engine *engine;
	pinion_error *error, *fatal;
	int destroyed, sockets[2];

	table.create_container = create;
	table.cleanup_container = cleanup;
	put_engine("own", &table, NULL, NULL);
	engine = get_engine("own");
	succeeds(pinion_context_new(&context), "a context");
	check(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets) == 0, "sockets");
	next_error = error = own(&destroyed);
	fatal = pinion_engine_create_container(engine, context, 1, sockets[0]);
	check(pinion_error_data(fatal, KIND) == &destroyed && destroyed == 0, "a callback's error comes back with its data");
	check(pinion_error_code(error) == PINION_MISUSE, "the error that the callback returned is pinion's and gone");
	succeeds(pinion_engine_cleanup_container(engine, context, fatal, 0), "CleanupContainer sees it");
	check(seen == &destroyed && seen_as_other == NULL, "... with its data, by its kind alone");
	check(destroyed == 0 && pinion_error_data(fatal, KIND) == &destroyed, "... and it stays the caller's");
	check(pinion_error_free(fatal) == 0 && destroyed == 1, "data is destroyed with the last holder (%d)", destroyed);
	close(sockets[0]), close(sockets[1]);
	pinion_context_free(context);
	check(pinion_engine_free(engine) == 0, "the engine is freed");
}

struct sink {
	int heard, destroyed;
	bool exchange;
};

static void destroy_sink(void *data)
{
	((struct sink *)data)->destroyed++;
}

static void hear(void *data, int32_t level, const char *text)
{
	struct sink *sink = data;

	(void)level, (void)text;
	sink->heard++;
	if (sink->exchange && pinion_log_set_sink(NULL, NULL, NULL) != NULL)
		abort();
	if (sink->destroyed != 0)
		abort();
}

static void sinks(void)
{
	struct sink first = { 0, 0, false }, second = { 0, 0, true }, none = { 0, 0, false };

	succeeds(pinion_log_set_sink(hear, &first, destroy_sink), "a sink");
	pinion_log(1, pinion_str("one"));
	check(first.heard == 1 && first.destroyed == 0, "a sink hears");
	succeeds(pinion_log_set_sink(hear, &second, destroy_sink), "another sink");
	check(first.destroyed == 1, "data of a replaced sink is destroyed");
	pinion_log(1, pinion_str("two"));
	check(second.heard == 1 && first.heard == 1, "a sink may be replaced from within");
	check(second.destroyed == 1, "... and its data is destroyed after that (%d)", second.destroyed);
	succeeds(pinion_log_set_sink(NULL, &none, destroy_sink), "no sink, with data");
	succeeds(pinion_log_set_sink(NULL, NULL, NULL), "no sink");
	check(none.destroyed == 1 && none.heard == 0, "data without a sink is destroyed once (%d)", none.destroyed);
}

static int configs, destroyed_configs;

static pinion_error *counted_config(void *data, void **config)
{
	(void)data;
	configs++;
	*config = &configs;
	return NULL;
}

static pinion_error *refused_config(void *data, void **config)
{
	(void)data, (void)config;
	return pinion_error_new(PINION_SYSTEM, ENOMEM, pinion_str("no room"));
}

static pinion_error *accepted(void *config, pinion_view json)
{
	(void)config, (void)json;
	return NULL;
}

static pinion_error *refused(void *config, pinion_view json)
{
	(void)config, (void)json;
	return pinion_error_new(PINION_INVALID, 0, pinion_str("engineConfig.a: no number"));
}

static void count_destroyed(void *config)
{
	destroyed_configs += config == &configs;
}

static pinion_common *stored;

static void store(void *data, pinion_common *common)
{
	(void)data;
	stored = common;
}

static void config_objects(void)
{
	pinion_operations table = idle_engine();
	pinion_engine *engine, *none = NULL;
	pinion_common *common = NULL;

	table.config = counted_config;
	table.decode_config = accepted;
	table.destroy_config = count_destroyed;
	put_engine("objects", &table, NULL, NULL);
	engine = get_engine("objects");
	check(configs == 1 && destroyed_configs == 0, "an engine has one configuration object");
	succeeds(pinion_engine_common(engine, &common), "its configuration");
	check(pinion_common_engine_config(common) == &configs, "... is around the object that config made");
	pinion_engine_free(engine);
	check(destroyed_configs == 0, "the object stays as long as the configuration is held");
	pinion_common_free(common);
	check(destroyed_configs == 1, "... and is destroyed with it, once");

	table.decode_config = refused;
	table.init_config = store;
	put_engine("objects", &table, NULL, NULL);
	expect(pinion_get(pinion_str("{\"engineName\":\"objects\",\"engineConfig\":{\"a\":\"b\"}}"), &none), PINION_INVALID,
	       "engineConfig.a", "a configuration that the engine refuses");
	check(configs == 2 && destroyed_configs == 2, "... destroys the object once");
	table.config = refused_config;
	put_engine("objects", &table, NULL, NULL);
	expect(pinion_get(pinion_str("{\"engineName\":\"objects\"}"), &none), PINION_SYSTEM, "no room", "no object can be made");
	check(none == NULL && configs == 2 && destroyed_configs == 2, "... and none is destroyed");

	table.config = counted_config;
	table.decode_config = accepted;
	put_engine("objects", &table, NULL, NULL);
	engine = get_engine("objects");
	pinion_engine_free(engine);
	check(destroyed_configs == 2 && pinion_common_engine_config(stored) == &configs, "what InitConfig stored stays");
	engine = get_engine("objects");
	check(destroyed_configs == 3, "... until the next InitConfig");
	pinion_engine_free(engine);
	table.size = 0;
	expect(pinion_replace(pinion_str("objects"), &table, NULL, NULL), PINION_MISUSE, "size", "a refused engine");
	check(destroyed_configs == 3 && pinion_common_engine_config(stored) == &configs, "... leaves the registered one alone");
}

static pinion_bytes *given;
static bool gives_error;

static pinion_error *give(void *config, pinion_bytes **json)
{
	pinion_error *error = pinion_bytes_new(pinion_str("{\"b\":2}"), &given);

	(void)config;
	*json = given;
	return gives_error ? pinion_error_new(PINION_REFUSED, 0, pinion_str("after all")) : error;
}

static void bytes(void)
{
	pinion_operations table = idle_engine();
	pinion_engine *engine;
	pinion_common *common = NULL;
	pinion_bytes *json = NULL;

	table.encode_config = give;
	put_engine("bytes", &table, NULL, NULL);
	engine = get_engine("bytes");
	succeeds(pinion_engine_common(engine, &common), "a configuration");
	succeeds(pinion_common_encode(common, &json), "... is encoded");
	check(pinion_bytes_view(given).data == NULL, "bytes that a callback stored are pinion's");
	check(pinion_bytes_free(given) == PINION_MISUSE, "... and not to be freed by the program");
	check(holds(json, "\"engineConfig\":{\"b\":2}"), "... and what they hold is used");
	gives_error = true;
	expect(pinion_common_encode(common, &json), PINION_REFUSED, "after all", "an error beside stored bytes");
	check(pinion_bytes_view(given).data == NULL, "... which are pinion's all the same");
	pinion_common_free(common);
	pinion_engine_free(engine);
}

int main(void)
{
	pinion_operations table = idle_engine();

	refused_errors();
	changed_errors();
	through_an_engine();
	sinks();
	config_objects();
	put_engine("objects", &table, NULL, NULL);
	check(configs == destroyed_configs, "every configuration object is destroyed with its engine, once");
	bytes();
	return done();
}
