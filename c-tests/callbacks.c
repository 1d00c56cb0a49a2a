/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Callbacks that return what they should not, keep or free what was lent to them, or disturb the process. */
#include <pthread.h>
#include <sys/socket.h>

#include "engine.h"

/* What every callback of the engine below does, when it is its turn. */
static pinion_error *(*act)(void *object);
static const char *turn;

static pinion_error *acts(const char *callback, void *object)
{
	return turn != NULL && strcmp(turn, callback) == 0 ? act(object) : NULL;
}

static pinion_error *config(void *data, void **object)
{
	pinion_error *error = acts("config", NULL);

	return error != NULL ? error : text_config(data, object);
}

static pinion_error *decode_config(void *object, pinion_view json)
{
	(void)json;
	return acts("decode_config", object);
}

static pinion_error *encode_config(void *object, pinion_bytes **json)
{
	pinion_error *error = acts("encode_config", object);

	return error != NULL ? error : text_encode(object, json);
}

static pinion_error *declare(void *data, pinion_declaration *declaration)
{
	(void)data;
	return acts("declare", declaration);
}

static pinion_error *prepare(void *data, pinion_config *starter)
{
	(void)data;
	return acts("PrepareConfig", starter);
}

static pinion_error *create(void *data, const pinion_context *context, int32_t container, int32_t rpc)
{
	(void)data, (void)container, (void)rpc;
	return acts("CreateContainer", (void *)context);
}

static pinion_error *start(void *data, pinion_master *master, int32_t *status)
{
	(void)data, *status = 0;
	return acts("StartProcess", master);
}

static pinion_error *pre_start(void *data, const pinion_context *context, int32_t container, int32_t master)
{
	(void)data, (void)container, (void)master;
	return acts("PreStartProcess", (void *)context);
}

static pinion_error *post_host(void *data, const pinion_context *context)
{
	(void)data;
	return acts("PostStartHost", (void *)context);
}

static pinion_error *post_process(void *data, const pinion_context *context, int32_t container)
{
	(void)data, (void)container;
	return acts("PostStartProcess", (void *)context);
}

static pinion_error *monitor(void *data, int32_t container, pinion_signals *signals, int32_t *status)
{
	(void)data, (void)container, *status = 0;
	return acts("MonitorContainer", signals);
}

static pinion_error *cleanup(void *data, const pinion_context *context, const pinion_error *fatal, int32_t status)
{
	(void)data, (void)context, (void)status;
	return acts("CleanupContainer", (void *)fatal);
}

static pinion_error *cleanup_host(void *data, const pinion_context *context)
{
	(void)data;
	return acts("CleanupHost", (void *)context);
}

static const char *const CALLBACKS[] = { "config",	    "decode_config",  "encode_config",	  "declare",	      "PrepareConfig",
					 "CreateContainer", "StartProcess",   "PreStartProcess",  "PostStartHost",    "PostStartProcess",
					 "MonitorContainer", "CleanupContainer", "CleanupHost" };
#define CALLBACK_COUNT (sizeof CALLBACKS / sizeof *CALLBACKS)

static pinion_engine *engine;
static pinion_context *context;
static pinion_signals *queue;
static pinion_config *starter;
static pinion_error *fatal;

/* Makes the call in which it is the callback's turn. */
static pinion_error *call(const char *callback)
{
	pinion_declaration declaration;
	pinion_engine *other = NULL;
	pinion_error *error = NULL;
	int32_t status;
	int pair[2];

	turn = callback;
	declaration.size = sizeof declaration;
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0)
		abort();
	if (strstr("decode_config", callback) != NULL)
		error = pinion_get(pinion_str("{\"engineName\":\"acts\",\"engineConfig\":1}"), &other);
	else if (strcmp(callback, "encode_config") == 0 || strcmp(callback, "PrepareConfig") == 0)
		error = pinion_engine_prepare_config(engine, starter);
	else if (strcmp(callback, "declare") == 0)
		error = pinion_engine_declaration(engine, &declaration);
	else if (strcmp(callback, "CreateContainer") == 0)
		error = pinion_engine_create_container(engine, context, 1, pair[0]);
	else if (strcmp(callback, "StartProcess") == 0)
		error = pinion_engine_start_process(engine, dup(pair[0]), &status);
	else if (strcmp(callback, "PreStartProcess") == 0)
		error = pinion_engine_pre_start_process(engine, context, 1, pair[0]);
	else if (strcmp(callback, "PostStartHost") == 0)
		error = pinion_engine_post_start_host(engine, context);
	else if (strcmp(callback, "PostStartProcess") == 0)
		error = pinion_engine_post_start_process(engine, context, 1);
	else if (strcmp(callback, "MonitorContainer") == 0)
		error = pinion_engine_monitor_container(engine, 1, queue, &status);
	else if (strcmp(callback, "CleanupContainer") == 0)
		error = pinion_engine_cleanup_container(engine, context, fatal, 0);
	else if (strcmp(callback, "CleanupHost") == 0)
		error = pinion_engine_cleanup_host(engine, context);
	pinion_engine_free(other);
	close(pair[0]), close(pair[1]);
	turn = NULL;
	return error;
}

/* What a callback must not return as an error. */
static pinion_bytes *some_bytes;
static int some_variable;

static pinion_error *return_freed(void *object)
{
	pinion_error *error = pinion_error_new(PINION_INVALID, 0, pinion_str("freed"));

	(void)object;
	pinion_error_free(error);
	return error;
}

static pinion_error *return_bytes(void *object)
{
	(void)object;
	return (pinion_error *)some_bytes;
}

static pinion_error *return_context(void *object)
{
	(void)object;
	return (pinion_error *)context;
}

static pinion_error *return_variable(void *object)
{
	(void)object;
	return (pinion_error *)&some_variable;
}

static pinion_error *return_one(void *object)
{
	(void)object;
	return (pinion_error *)1;
}

static pinion_error *return_argument(void *object)
{
	return object;
}

static const char KIND[1];
static int destroyed;

static pinion_error *return_own(void *object)
{
	(void)object;
	return pinion_error_new_with_data(PINION_TIMEOUT, ETIME, pinion_str("own"), KIND, &destroyed, count_up);
}

static void returned(void)
{
	static const struct {
		const char *what, *part;
		pinion_error *(*act)(void *object);
	} CASES[] = {
		{ "a freed error", "freed before", return_freed },
		{ "bytes", "pointer to pinion_bytes", return_bytes },
		{ "a context", "pointer to pinion_context", return_context },
		{ "a variable's address", "not made by pinion", return_variable },
		{ "1", "not made by pinion", return_one },
	};
	size_t i, j;

	for (i = 0; i < CALLBACK_COUNT; i++) {
		pinion_error *error;
		char part[64];

		for (j = 0; j < sizeof CASES / sizeof *CASES; j++) {
			act = CASES[j].act;
			snprintf(part, sizeof part, "%s returned an error: ", CALLBACKS[i]);
			error = call(CALLBACKS[i]);
			check(strstr(pinion_error_text(error), part) != NULL, "%s that returns %s is named", CALLBACKS[i],
			      CASES[j].what);
			expect(error, PINION_MISUSE, CASES[j].part, "... and what is wrong with it");
		}
		act = return_own;
		destroyed = 0;
		error = call(CALLBACKS[i]);
		check(pinion_error_data(error, KIND) == &destroyed, "%s's own error keeps its data", CALLBACKS[i]);
		check(pinion_error_errno(error) == ETIME, "... and errno");
		expect(error, PINION_TIMEOUT, "own", "... and code and text");
		check(destroyed == 1, "... and its data is destroyed with it (%d)", destroyed);
	}
	act = return_argument;
	expect(call("CleanupContainer"), PINION_MISUSE, "", "an error that was lent is not to be returned");
	check(pinion_error_code(fatal) == PINION_REFUSED, "what is no error to return stays what it is");
	check(pinion_bytes_view(some_bytes).length == 5 && !pinion_context_is_cancelled(context), "... whatever it is");
}

/* Objects that are lent: kept, freed, used by another thread. Each way of using one says whether it was refused. */
static void *lent;

static bool refused(pinion_error *error)
{
	return pinion_error_code(error) == PINION_MISUSE && pinion_error_free(error) == 0;
}

static bool use_config(void *object)
{
	return refused(pinion_config_set_instance(object, true)) && !pinion_config_is_suid(object) &&
	       pinion_config_image_fd(object) == -1 && pinion_config_free(object) == PINION_MISUSE;
}

static bool use_context(void *object)
{
	return refused(pinion_context_cancel(object)) && pinion_context_is_cancelled(object) &&
	       pinion_context_fd(object) == -1 && pinion_context_free(object) == PINION_MISUSE;
}

static bool use_master(void *object)
{
	return refused(pinion_master_close(object)) && pinion_master_fd(object) == -1;
}

static bool use_signals(void *object)
{
	int32_t number;

	return refused(pinion_signals_next(object, &number)) && pinion_signals_free(object) == PINION_MISUSE;
}

static bool use_error(void *object)
{
	return pinion_error_code(object) == PINION_MISUSE && pinion_error_errno(object) == 0 &&
	       pinion_error_help(object) == NULL && pinion_error_free(object) == PINION_MISUSE;
}

static bool use_nothing(void *object)
{
	return object == NULL;
}

static bool (*use)(void *object);
static bool thread_was_refused;

static void *use_in_thread(void *object)
{
	thread_was_refused = use(object);
	return NULL;
}

static pinion_error *keep(void *object)
{
	pthread_t thread;

	lent = object;
	if (pthread_create(&thread, NULL, use_in_thread, object) == 0)
		pthread_join(thread, NULL);
	return NULL;
}

static void kept(void)
{
	static const struct {
		const char *callback, *what;
		bool (*use)(void *object);
		bool by_thread;
	} CASES[] = {
		{ "PrepareConfig", "a starter configuration", use_config, true },
		{ "CreateContainer", "a context", use_context, false },
		{ "StartProcess", "a connection to master", use_master, true },
		{ "MonitorContainer", "a queue of signals", use_signals, true },
		{ "CleanupContainer", "an error", use_error, false },
		{ "CleanupHost", "a context", use_context, false },
	};
	size_t i;

	for (i = 0; i < sizeof CASES / sizeof *CASES; i++) {
		act = keep;
		/* Any thread may use a context or an error: their turn to be refused is afterwards. */
		use = CASES[i].by_thread ? CASES[i].use : use_nothing;
		thread_was_refused = false;
		succeeds(call(CASES[i].callback), "%s keeps %s", CASES[i].callback, CASES[i].what);
		check(thread_was_refused || !CASES[i].by_thread, "... which is of no use to another thread");
		check(CASES[i].use(lent), "... and of none to anybody afterwards");
	}
}

/* Frees what was lent and makes other objects, which must not take its place. */
static pinion_bytes *later[2];
static int32_t freed_lent;

static pinion_error *free_lent(void *object)
{
	pinion_error *error;

	freed_lent = strcmp(turn, "PrepareConfig") == 0	       ? pinion_config_free(object)
		     : strcmp(turn, "MonitorContainer") == 0 ? pinion_signals_free(object)
		     : strcmp(turn, "CleanupContainer") == 0 ? pinion_error_free(object)
							     : pinion_context_free(object);
	error = pinion_bytes_new(pinion_str("one"), &later[0]);
	return error != NULL ? error : pinion_bytes_new(pinion_str("two"), &later[1]);
}

static void freed(void)
{
	static const char *const LENDERS[] = { "PrepareConfig", "CreateContainer", "PreStartProcess", "PostStartHost",
					       "PostStartProcess", "MonitorContainer", "CleanupContainer", "CleanupHost" };
	pinion_bytes *after = NULL, *last = NULL;
	size_t i;

	for (i = 0; i < sizeof LENDERS / sizeof *LENDERS; i++) {
		act = free_lent;
		succeeds(call(LENDERS[i]), "%s frees what was lent to it", LENDERS[i]);
		check(freed_lent == PINION_MISUSE, "... which is refused");
		succeeds(pinion_bytes_new(pinion_str("three"), &after), "what is made after that");
		succeeds(pinion_bytes_new(pinion_str("four"), &last), "... and after that");
		check(after != last && after != later[0] && last != later[1], "... are objects of their own");
		check(same(later[0], "one") && same(later[1], "two"), "what was made in the callback is still there");
		check(same(after, "three") && same(last, "four"), "... and the rest");
	}
}

int main(void)
{
	pinion_operations table = idle_engine();
	table.config = config, table.decode_config = decode_config, table.encode_config = encode_config;
	table.declare = declare, table.prepare_config = prepare, table.create_container = create;
	table.start_process = start, table.pre_start_process = pre_start, table.post_start_host = post_host;
	table.post_start_process = post_process, table.monitor_container = monitor;
	table.cleanup_container = cleanup, table.cleanup_host = cleanup_host;

	put_engine("acts", &table, NULL, NULL);
	engine = get_engine("acts");
	fatal = pinion_error_new(PINION_REFUSED, 0, pinion_str("fatal"));
	succeeds(pinion_context_new(&context), "a context");
	succeeds(pinion_signals_new(context, &queue), "a queue of signals");
	succeeds(pinion_config_new(pinion_str("{}"), false, &starter), "a starter configuration");
	succeeds(pinion_bytes_new(pinion_str("bytes"), &some_bytes), "bytes");
	returned();
	kept();
	freed();
	pinion_bytes_free(some_bytes);
	pinion_config_free(starter);
	pinion_signals_free(queue);
	pinion_context_free(context);
	pinion_error_free(fatal);
	pinion_engine_free(engine);
	return done();
}
