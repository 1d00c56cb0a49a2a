/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* A panic of the library is an error, behind an export and behind a callback, says nothing, and breaks nothing. The library has
 * to have been built with the feature _fault, and -DPINION_FAULT says that it was. */
#include <sys/mman.h>

#include "client.h"

#ifdef PINION_FAULT

/* Panics with this text. For tests alone: it is in no header. */
pinion_error *pinion_fault_panic(pinion_view text);

static pinion_error *panics(void)
{
	return pinion_fault_panic(pinion_str("out of cheese"));
}

static void *in_thread(void *data)
{
	*(pinion_error **)data = panics();
	return NULL;
}

static void exports(void)
{
	static char large[65536];
	pinion_error *error = NULL;
	pthread_t thread;
	int i, others = 0;

	error = panics();
	check(strstr(pinion_error_text(error), "panicked: out of cheese at ") != NULL, "a panic's text and place are its error's");
	expect(error, PINION_PANIC, "fault.rs:", "a panic is an error");
	errno = ELOOP;
	error = panics();
	check(errno == ELOOP, "errno is kept by a panic");
	pinion_error_free(error);
	expect(pinion_fault_panic(view_of("a\0b{}%s\xc3\xa9", 9)), PINION_PANIC, "a\\0b{}%s\xc3\xa9", "an odd text");
	memset(large, 'p', sizeof large);
	expect(pinion_fault_panic(view_of(large, sizeof large)), PINION_PANIC, "ppp", "a text of 64 KiB");
	check(pthread_create(&thread, NULL, in_thread, &error) == 0 && pthread_join(thread, NULL) == 0, "a thread panics");
	expect(error, PINION_PANIC, "out of cheese", "... and goes on");
	for (i = 0; i < 1000; i++) {
		error = panics();
		others += pinion_error_code(error) != PINION_PANIC || pinion_error_free(error) != 0;
	}
	check(others == 0 && pinion_object_count() == 0, "a thousand panics leave nothing");
}

/* Panics, and uses what it was lent before and after that. */
static pinion_error *prepare(void *data, pinion_config *starter)
{
	pinion_error *error = pinion_config_set_target_uid(starter, 1), *panic = panics();

	(void)data;
	if (error == NULL)
		error = pinion_config_set_target_uid(starter, 2);
	if (error != NULL)
		abort();
	return panic;
}

static pinion_error *create(void *data, const pinion_context *context, int32_t container, int32_t rpc)
{
	(void)data, (void)container, (void)rpc;
	return pinion_context_is_cancelled(context) ? NULL : pinion_error_during(panics(), pinion_str("cook"));
}

static pinion_error *method(void *data, pinion_view argument, pinion_bytes **reply)
{
	(void)data, (void)argument, (void)reply;
	return panics();
}

static void destroy(void *data)
{
	count_up(data);
	pinion_error_free(panics());
}

static void hear(void *data, int32_t level, const char *text)
{
	(void)level, (void)text;
	destroy(data);
}

static void callbacks(void)
{
	pinion_operations table = idle_engine();
	pinion_methods *set = NULL;
	pinion_context *context = NULL;
	pinion_config *starter = NULL;
	pinion_engine *engine;
	pinion_client *client;
	pinion_bytes *json = NULL;
	struct server server;
	int destroyed = 0, heard = 0, sockets[2];

	table.prepare_config = prepare;
	table.create_container = create;
	put_engine("panics", &table, &destroyed, destroy);
	succeeds(pinion_methods_new(&set), "a set of methods");
	succeeds(pinion_methods_add_json(set, pinion_str("Panic"), pinion_str("int"), method, NULL, NULL), "one that panics");
	succeeds(pinion_register_rpc_methods(pinion_str("panics"), set), "... is registered");
	engine = get_engine("panics");
	succeeds(pinion_context_new(&context), "a context");
	succeeds(pinion_config_new(pinion_str("{}"), false, &starter), "a starter configuration");
	expect(pinion_engine_prepare_config(engine, starter), PINION_PANIC, "out of cheese", "PrepareConfig panics");
	succeeds(pinion_config_settings(starter, &json), "its configuration is usable");
	check(holds(json, "\"target_uid\":2"), "... also after the panic within");
	check(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets) == 0, "sockets");
	expect(pinion_engine_create_container(engine, context, 1, sockets[0]), PINION_PANIC, "cook: ", "CreateContainer panics");
	close(sockets[0]), close(sockets[1]);
	client = begin_client(&server, engine, "panics");
	refuses(client, "Panic", "", "1", PINION_RPC, "out of cheese");
	refuses(client, "Panic", "", "1", PINION_RPC, "out of cheese");
	calls(client, "Stat", "", "{\"Path\":\"/proc/self\"}", "\"Err\":null");
	end_server(&server, client);
	succeeds(pinion_log_set_sink(hear, &heard, destroy), "a sink that panics");
	pinion_log(1, pinion_str("said"));
	succeeds(pinion_log_set_sink(NULL, NULL, NULL), "... and its end");
	check(heard == 2, "... were called (%d)", heard);
	pinion_engine_free(engine);
	pinion_context_free(context);
	pinion_config_free(starter);
	table = idle_engine();
	put_engine("panics", &table, NULL, NULL);
	check(destroyed == 1, "an engine whose destruction panics is destroyed once");
}

int main(void)
{
	int captured = memfd_create("stderr", MFD_CLOEXEC), before = dup(2);

	dup2(captured, 2);
	exports();
	callbacks();
	dup2(before, 2);
	check(lseek(captured, 0, SEEK_END) == 0, "nothing is said on the standard error stream");
	close(captured), close(before);
	return done();
}

#else

int main(void)
{
	skip("panics of the library", "it was built without the feature _fault");
	return done();
}

#endif
