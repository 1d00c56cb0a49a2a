/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Objects that several threads use, or free, at once; what is registered meanwhile; forks in the middle of that. */
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/socket.h>

#include "engine.h"

#define THREADS 4
#define ROUNDS 300

static pinion_engine *engine;
static pinion_context *context;

/* What the threads have between them. */
static struct {
	pinion_bytes *bytes;
	pinion_error *error;
	pinion_common *common;
	pinion_config *config;
	pthread_barrier_t start;
	int wrong[THREADS];
	int done[THREADS];
} shared;

static int together(void *(*body)(void *number))
{
	pthread_t threads[THREADS];
	intptr_t i;
	int wrong = 0;

	memset(shared.wrong, 0, sizeof shared.wrong);
	memset(shared.done, 0, sizeof shared.done);
	pthread_barrier_init(&shared.start, NULL, THREADS);
	for (i = 0; i < THREADS; i++)
		if (pthread_create(&threads[i], NULL, body, (void *)i) != 0)
			abort();
	for (i = 0; i < THREADS; i++) {
		pthread_join(threads[i], NULL);
		wrong += shared.wrong[i];
	}
	pthread_barrier_destroy(&shared.start);
	return wrong;
}

/* One answer or the other. */
static bool is_one_of(pinion_error *error, int32_t code)
{
	int32_t got = pinion_error_code(error);

	pinion_error_free(error);
	return got == 0 || got == code;
}

static void *look(void *number)
{
	pinion_bytes *id;
	int i;

	pthread_barrier_wait(&shared.start);
	for (i = 0; i < ROUNDS; i++) {
		id = NULL;
		shared.wrong[(intptr_t)number] +=
			!(pinion_bytes_view(shared.bytes).length == 5 && strcmp(pinion_error_text(shared.error), "text") == 0 &&
			  is_one_of(pinion_common_set_container_id(shared.common, pinion_str("id")), 0) &&
			  is_one_of(pinion_common_container_id(shared.common, &id), 0) && pinion_bytes_view(id).length == 2 &&
			  !pinion_context_is_cancelled(context) && is_one_of(pinion_engine_cleanup_host(engine, context), 0));
		pinion_bytes_free(id);
	}
	return NULL;
}

/* An owned object: whoever comes while another uses it gets an error, and nothing else ever happens. */
static void *change(void *number)
{
	pinion_bytes *json;
	int i;

	pthread_barrier_wait(&shared.start);
	for (i = 0; i < ROUNDS; i++) {
		json = NULL;
		shared.wrong[(intptr_t)number] +=
			!(is_one_of(pinion_config_set_target_uid(shared.config, i), PINION_MISUSE) &&
			  is_one_of(pinion_config_write(shared.config, pinion_str("{\"a\":[1,2,3]}")), PINION_MISUSE) &&
			  is_one_of(pinion_config_settings(shared.config, &json), PINION_MISUSE));
		pinion_bytes_free(json);
	}
	return NULL;
}

/* The same object, freed by all: one of them succeeds. */
static void *free_same(void *number)
{
	int i;

	for (i = 0; i < ROUNDS; i++) {
		if (number == NULL) {
			pinion_error_free(shared.error);
			shared.error = pinion_error_new(1, 0, pinion_str("x"));
		}
		pthread_barrier_wait(&shared.start);
		shared.done[(intptr_t)number] += pinion_error_free(shared.error) == 0;
		pthread_barrier_wait(&shared.start);
	}
	return NULL;
}

static int destroyed_engines;
static pthread_mutex_t counting = PTHREAD_MUTEX_INITIALIZER;

static void count_engine(void *data)
{
	(void)data;
	pthread_mutex_lock(&counting);
	destroyed_engines++;
	pthread_mutex_unlock(&counting);
}

static void hear(void *data, int32_t level, const char *text)
{
	(void)level, (void)text;
	if (*(const char *)data != 'h')
		abort();
}

static void *exchange(void *number)
{
	pinion_operations table = idle_engine();
	pinion_engine *other = NULL;
	pinion_bytes *names = NULL;
	int i;

	pthread_barrier_wait(&shared.start);
	for (i = 0; i < ROUNDS; i++) {
		bool well = is_one_of(pinion_replace(pinion_str("exchanged"), &table, NULL, count_engine), 0) &&
			    is_one_of(pinion_get(pinion_str("{\"engineName\":\"exchanged\"}"), &other), 0) &&
			    is_one_of(pinion_names(&names), 0) &&
			    is_one_of(pinion_log_set_sink(hear, strcpy(malloc(2), "h"), free), 0);

		pinion_log(1, pinion_str("said"));
		shared.wrong[(intptr_t)number] += !(well && pinion_engine_free(other) == 0 && pinion_bytes_free(names) == 0);
	}
	return NULL;
}

/* Frees the engine in whose callback another thread is. */
static pthread_barrier_t in_callback;

static pinion_error *create(void *data, const pinion_context *given, int32_t container, int32_t rpc)
{
	(void)data, (void)given, (void)container, (void)rpc;
	pthread_barrier_wait(&in_callback);
	pthread_barrier_wait(&in_callback);
	return NULL;
}

static void *call_create(void *engine_to_free)
{
	static pinion_error *error;
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0)
		abort();
	error = pinion_engine_create_container(engine_to_free, context, 1, pair[0]);
	close(pair[0]), close(pair[1]);
	return &error;
}

static void freed_meanwhile(void)
{
	pinion_operations table = idle_engine();
	pinion_engine *busy;
	pthread_t thread;
	void *error;
	int destroyed = 0;

	table.create_container = create;
	put_engine("busy", &table, &destroyed, count_up);
	busy = get_engine("busy");
	pthread_barrier_init(&in_callback, NULL, 2);
	check(pthread_create(&thread, NULL, call_create, busy) == 0, "a thread calls an engine");
	pthread_barrier_wait(&in_callback);
	table.create_container = idle_create;
	put_engine("busy", &table, NULL, NULL);
	check(pinion_engine_free(busy) == 0 && destroyed == 0, "... which another one replaces and frees");
	pthread_barrier_wait(&in_callback);
	pthread_join(thread, &error);
	succeeds(*(pinion_error **)error, "the call goes on");
	check(destroyed == 1, "... and the engine is destroyed after that");
	pthread_barrier_destroy(&in_callback);
}

/* A queue of signals in whose wait another thread is. */
static void *wait_for_signal(void *signals)
{
	static pinion_error *error;
	int32_t number;

	/* The other thread looks whether this one waits already, and is in its way at that moment. */
	while ((error = pinion_signals_next(signals, &number)) != NULL && pinion_error_code(error) == PINION_MISUSE)
		pinion_error_free(error);
	return &error;
}

static void in_use(void)
{
	pinion_context *run = NULL;
	pinion_signals *signals = NULL;
	pthread_t thread;
	int32_t number, fd = -1;
	pinion_error *error;
	void *waited;

	succeeds(pinion_context_new(&run), "a context");
	succeeds(pinion_signals_new(run, &signals), "a queue of signals");
	check(pthread_create(&thread, NULL, wait_for_signal, signals) == 0, "a thread that waits for a signal");
	/* Until it waits. */
	while ((error = pinion_signals_fds(signals, &fd, &fd)) == NULL)
		sched_yield();
	expect(error, PINION_MISUSE, "in use", "a queue in which another thread waits: its descriptors");
	expect(pinion_signals_next(signals, &number), PINION_MISUSE, "in use", "... the next signal");
	expect(pinion_engine_monitor_container(engine, 1, signals, &number), PINION_MISUSE, "in use", "... MonitorContainer");
	check(pinion_signals_free(signals) == PINION_MISUSE, "... and its end");
	succeeds(pinion_context_cancel(run), "the run is cancelled");
	pthread_join(thread, &waited);
	succeeds(*(pinion_error **)waited, "the first thread has its answer");
	check(pinion_signals_free(signals) == 0 && pinion_context_free(run) == 0, "the queue is freed then");
}

/* Forks while other threads make objects, whose lock the child must not wait for. */
static volatile sig_atomic_t stop;

static void *make(void *number)
{
	pinion_bytes *bytes = NULL;

	(void)number;
	while (!stop)
		if (is_one_of(pinion_bytes_new(pinion_str("made"), &bytes), 0))
			pinion_bytes_free(bytes);
	return NULL;
}

static int begin_anew(void *data)
{
	pinion_operations table = idle_engine();
	pinion_bytes *bytes = NULL;
	pinion_engine *own = NULL;
	bool well = pinion_object_count() == 0 && pinion_bytes_view(data).data == NULL && pinion_bytes_free(data) == PINION_MISUSE;

	well = well && is_one_of(pinion_bytes_new(pinion_str("new"), &bytes), 0) && pinion_bytes_view(bytes).length == 3;
	well = well && is_one_of(pinion_replace(pinion_str("own"), &table, NULL, NULL), 0);
	well = well && is_one_of(pinion_get(pinion_str("{\"engineName\":\"own\"}"), &own), 0) && own != NULL;
	well = well && pinion_bytes_free(bytes) == 0 && pinion_engine_free(own) == 0 && pinion_object_count() == 0;
	/* By a signal, since a tool that looks for leaks would find what the threads of the parent had in their hands. */
	raise(well ? SIGKILL : SIGABRT);
	return 1;
}

static void forks(void)
{
	pthread_t threads[THREADS];
	int i, wrong = 0;

	for (i = 0; i < THREADS; i++)
		if (pthread_create(&threads[i], NULL, make, NULL) != 0)
			abort();
	for (i = 0; i < 50 && wrong == 0; i++)
		wrong += in_child(begin_anew, shared.bytes) != 100 + SIGKILL;
	stop = true;
	for (i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	check(wrong == 0, "a process that is forked in the middle of that begins anew (%d of 50)", wrong);
	check(pinion_bytes_view(shared.bytes).length == 5, "... and its parent keeps what it had");
}

int main(void)
{
	pinion_operations table = idle_engine();
	int i, freed = 0;

	put_engine("threads", &table, NULL, NULL);
	engine = get_engine("threads");
	succeeds(pinion_context_new(&context), "a context");
	succeeds(pinion_bytes_new(pinion_str("bytes"), &shared.bytes), "bytes");
	shared.error = pinion_error_new(1, 0, pinion_str("text"));
	succeeds(pinion_engine_common(engine, &shared.common), "a configuration");
	succeeds(pinion_config_new(pinion_str("{}"), false, &shared.config), "a starter configuration");
	check(together(look) == 0, "several threads use what all may use");
	check(together(change) == 0, "several threads use what one at a time may use, and get errors at most");
	succeeds(pinion_config_set_target_uid(shared.config, 5), "... of which nothing is left");
	together(free_same);
	for (i = 0; i < THREADS; i++)
		freed += shared.done[i];
	check(freed == ROUNDS, "an object is freed by one of several threads (%d of %d)", freed, ROUNDS);
	check(together(exchange) == 0, "several threads exchange engines and sinks");
	succeeds(pinion_log_set_sink(NULL, NULL, NULL), "no sink");
	put_engine("exchanged", &table, NULL, NULL);
	check(destroyed_engines == THREADS * ROUNDS, "... and each engine is destroyed once (%d)", destroyed_engines);
	freed_meanwhile();
	in_use();
	forks();
	pinion_bytes_free(shared.bytes);
	pinion_common_free(shared.common);
	pinion_config_free(shared.config);
	pinion_context_free(context);
	pinion_engine_free(engine);
	return done();
}
