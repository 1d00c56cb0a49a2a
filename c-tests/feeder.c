/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Engines that another runtime of the program keeps until somebody looks for one. */
#include <pthread.h>

#include "engine.h"

static uint64_t registered;
static int fed, owner, wrong;
static pthread_mutex_t handing = PTHREAD_MUTEX_INITIALIZER;

/* What the other runtime does: it hands over one engine for each count. Threads say nothing: their lines would mix. */
static void feed(void *data)
{
	pinion_operations table = idle_engine();
	pinion_error *error;
	char name[32];

	pthread_mutex_lock(&handing);
	wrong += data != &owner;
	while ((uint64_t)fed < __atomic_load_n(&registered, __ATOMIC_SEQ_CST)) {
		snprintf(name, sizeof name, "fed %d", ++fed);
		error = pinion_replace(pinion_str(name), &table, NULL, NULL);
		wrong += error != NULL;
		pinion_error_free(error);
	}
	pthread_mutex_unlock(&handing);
}

static bool is_known(const char *name)
{
	pinion_bytes *names = NULL;
	pinion_view view;
	bool found = false;
	const char *at;

	succeeds(pinion_names(&names), "the names");
	view = pinion_bytes_view(names);
	for (at = (const char *)view.data; at < (const char *)view.data + view.length; at += strlen(at) + 1)
		found = found || strcmp(at, name) == 0;
	pinion_bytes_free(names);
	return found;
}

static void *look(void *data)
{
	pinion_engine *engine = NULL;

	(void)data;
	pinion_error_free(pinion_get(pinion_str("{\"engineName\":\"fed 4\"}"), &engine));
	return engine;
}

int main(void)
{
	pinion_operations table = idle_engine();
	pthread_t threads[4];
	size_t i;

	expect(pinion_set_feeder(NULL, &owner, &registered), PINION_MISUSE, "NULL", "no function");
	expect(pinion_set_feeder(feed, &owner, NULL), PINION_MISUSE, "NULL", "no count");
	check(!is_known("fed 1"), "nothing is fed without a feeder");
	succeeds(pinion_set_feeder(feed, &owner, &registered), "a feeder");
	expect(pinion_set_feeder(feed, &owner, &registered), PINION_ALREADY_EXISTS, "already", "a second one");
	check(!is_known("fed 1") && fed == 0, "nothing was registered there");
	__atomic_add_fetch(&registered, 1, __ATOMIC_SEQ_CST);
	check(fed == 0, "registering there calls nothing");
	check(is_known("fed 1") && fed == 1, "who looks for names finds it");
	check(is_known("fed 1") && fed == 1, "... and is not fed again");
	__atomic_add_fetch(&registered, 1, __ATOMIC_SEQ_CST);
	pinion_engine_free(get_engine("fed 2"));
	check(fed == 2, "who looks for an engine finds it");
	__atomic_add_fetch(&registered, 1, __ATOMIC_SEQ_CST);
	expect(pinion_register(pinion_str("fed 3"), &table, NULL, NULL), PINION_ALREADY_EXISTS, "fed 3", "who registers comes after it");
	check(fed == 3, "... for which it was fed");
	__atomic_add_fetch(&registered, 1, __ATOMIC_SEQ_CST);
	for (i = 0; i < sizeof threads / sizeof *threads; i++)
		pthread_create(&threads[i], NULL, look, NULL);
	for (i = 0; i < sizeof threads / sizeof *threads; i++) {
		void *engine = NULL;

		pthread_join(threads[i], &engine);
		check(engine != NULL, "every thread finds what was registered before it looked");
		pinion_engine_free(engine);
	}
	check(wrong == 0, "what was fed was taken, with the feeder's data");
	return done();
}
