/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Callbacks that come back into pinion, end or fork the process, or change what the process has. */
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "engine.h"

static pinion_engine *engine;
static pinion_context *context;
static pinion_common *stored;
static int depth;

/* What CreateContainer does; anything but NULL is its error. */
static pinion_error *(*act)(void);

static pinion_error *create(void *data, const pinion_context *given, int32_t container, int32_t rpc)
{
	(void)data, (void)given, (void)container, (void)rpc;
	return act == NULL ? NULL : act();
}

static pinion_error *call(pinion_error *(*what)(void))
{
	pinion_error *error;
	int pair[2];

	act = what;
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0)
		abort();
	error = pinion_engine_create_container(engine, context, 1, pair[0]);
	close(pair[0]), close(pair[1]);
	return error;
}

static void init_config(void *data, pinion_common *common)
{
	(void)data;
	stored = common;
}

/* Looks at the configuration around the object that is being encoded. */
static pinion_error *encode_config(void *config, pinion_bytes **json)
{
	pinion_bytes *id = NULL;
	pinion_error *error = pinion_common_container_id(stored, &id);

	pinion_bytes_free(id);
	if (pinion_common_engine_config(stored) != config && error == NULL)
		error = pinion_error_new(PINION_CALLBACK, 0, pinion_str("another object"));
	return error != NULL ? error : text_encode(config, json);
}

/* Either answer will do, as long as there is one. */
static int encode_in_child(void *data)
{
	pinion_bytes *json = NULL;
	pinion_error *error = pinion_common_encode(stored, &json);
	int32_t code = pinion_error_code(error);

	(void)data;
	pinion_error_free(error);
	pinion_bytes_free(json);
	return code == 0 || code == PINION_MISUSE ? 0 : 1;
}

static int common_in_child(void *data)
{
	pinion_operations table = idle_engine();

	(void)data;
	alarm(5);
	/* The child has no object of its parent's: it begins anew. */
	table.init_config = init_config;
	table.encode_config = encode_config;
	pinion_error_free(pinion_replace(pinion_str("looks"), &table, NULL, NULL));
	if (pinion_get(pinion_str("{\"engineName\":\"looks\"}"), &engine) != NULL)
		return 2;
	return encode_in_child(NULL);
}

static pinion_error *use_everything(void)
{
	pinion_operations table = idle_engine();
	pinion_bytes *names = NULL;
	pinion_engine *other = NULL;
	pinion_error *error = pinion_replace(pinion_str("inner"), &table, NULL, NULL);

	if (error == NULL)
		error = pinion_names(&names);
	if (error == NULL)
		error = pinion_get(pinion_str("{\"engineName\":\"inner\"}"), &other);
	if (error == NULL)
		error = pinion_common_set_container_id(stored, pinion_str("inner"));
	pinion_bytes_free(names);
	pinion_engine_free(other);
	return error;
}

static pinion_error *call_again(void)
{
	return ++depth < 10 ? call(call_again) : NULL;
}

static pinion_error *free_engine(void)
{
	return pinion_engine_free(engine) == 0 ? NULL : pinion_error_new(PINION_CALLBACK, 0, pinion_str("not freed"));
}

static void *work(void *data)
{
	pinion_bytes *bytes = NULL;
	int i;

	(void)data;
	for (i = 0; i < 200; i++) {
		pinion_error_free(pinion_bytes_new(pinion_str("thread"), &bytes));
		pinion_error_free(pinion_error_new(1, 0, pinion_str("thread")));
		pinion_bytes_free(bytes);
	}
	return NULL;
}

static pinion_error *start_threads(void)
{
	pthread_t threads[4];
	int i;

	for (i = 0; i < 4; i++)
		if (pthread_create(&threads[i], NULL, work, NULL) != 0)
			abort();
	for (i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	return NULL;
}

static void reenters(void)
{
	check(in_child(common_in_child, NULL) == 0, "encode_config looks at the configuration around it, and has an answer");
	succeeds(call(use_everything), "a callback registers, asks for, and gets engines");
	succeeds(call(call_again), "a callback makes the call that it is called by");
	check(depth == 10, "... ten times");
	succeeds(call(start_threads), "a callback starts threads that use pinion");
	succeeds(call(free_engine), "a callback frees the engine that it belongs to");
	check(pinion_engine_free(engine) == PINION_MISUSE, "... which is freed then");
	engine = get_engine("reentry");
}

static pinion_error *exit_here(void)
{
	exit(42);
}

static pinion_error *exec_here(void)
{
	execl("/bin/sh", "sh", "-c", "exit 43", (char *)NULL);
	return NULL;
}

static int end_in_child(void *data)
{
	pinion_operations table = idle_engine();

	table.create_container = create;
	pinion_error_free(pinion_replace(pinion_str("ends"), &table, NULL, NULL));
	if (pinion_get(pinion_str("{\"engineName\":\"ends\"}"), &engine) != NULL || pinion_context_new(&context) != NULL)
		return 2;
	call(*(pinion_error * (**)(void))data);
	return 3;
}

static pid_t forked;

static pinion_error *fork_here(void)
{
	forked = fork();
	return NULL;
}

static void ends(void)
{
	pinion_error *(*end)(void) = exit_here, *error;
	int status;

	check(in_child(end_in_child, &end) == 42, "a callback that exits ends the process as it says");
	end = exec_here;
	check(in_child(end_in_child, &end) == 43, "a callback that executes a program does");
	fflush(NULL);
	error = call(fork_here);
	if (forked == 0)
		_exit(error == NULL ? 44 : pinion_error_code(error));
	succeeds(error, "a callback that forks returns in the parent");
	check(waitpid(forked, &status, 0) == forked && WIFEXITED(status), "... and the child goes on");
	check(WEXITSTATUS(status) == PINION_MISUSE, "... where its return is noticed (%d)", WEXITSTATUS(status));
}

static pinion_error *change_process(void)
{
	sigset_t all;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, NULL);
	umask(0777);
	setenv("HOME", "/changed", 1);
	if (chdir("/proc") != 0 || setgid(65534) != 0 || setuid(65534) != 0)
		return pinion_error_new(PINION_CALLBACK, 0, pinion_str("not changed"));
	return NULL;
}

static int change_in_child(void *data)
{
	pinion_error *(*change)(void) = change_process, *error;
	sigset_t mask;
	char cwd[64];
	pinion_operations table = idle_engine();

	(void)data;
	table.create_container = create;
	pinion_error_free(pinion_replace(pinion_str("changes"), &table, NULL, NULL));
	if (pinion_get(pinion_str("{\"engineName\":\"changes\"}"), &engine) != NULL || pinion_context_new(&context) != NULL)
		return 2;
	error = call(change);
	if (error != NULL)
		return 3;
	pthread_sigmask(SIG_SETMASK, NULL, &mask);
	if (getcwd(cwd, sizeof cwd) == NULL || strcmp(cwd, "/proc") != 0 || umask(0) != 0777 || !sigismember(&mask, SIGTERM))
		return 4;
	return call(NULL) == NULL && pinion_engine_free(engine) == 0 ? 0 : 5;
}

/* Destroy functions that come back. */
static int comes_back;

static void come_back(void *data)
{
	pinion_bytes *names = NULL;
	pinion_operations table = idle_engine();
	pinion_error *error = pinion_names(&names);

	(void)data;
	comes_back++;
	pinion_bytes_free(names);
	pinion_error_free(error);
	pinion_log(1, pinion_str("destroyed"));
	if (comes_back < 4)
		pinion_error_free(pinion_replace(pinion_str("back"), &table, NULL, come_back));
}

static int said;

static void hear(void *data, int32_t level, const char *text)
{
	pinion_bytes *names = NULL;
	pinion_error *error = pinion_names(&names);

	(void)data, (void)level, (void)text;
	said++;
	pinion_bytes_free(names);
	pinion_error_free(error);
}

static void destroys(void)
{
	pinion_operations table = idle_engine();
	pinion_methods *set = NULL;
	pinion_error *error;

	succeeds(pinion_log_set_sink(hear, NULL, come_back), "a sink");
	put_engine("back", &table, NULL, come_back);
	put_engine("back", &table, NULL, NULL);
	check(comes_back >= 1 && said >= 1, "an engine's data is destroyed by what registers engines");
	comes_back = 4;
	error = pinion_error_new_with_data(1, 0, pinion_str("x"), &comes_back, NULL, come_back);
	check(pinion_error_free(error) == 0 && comes_back == 5, "an error's data is destroyed by what makes objects");
	succeeds(pinion_methods_new(&set), "a set");
	expect(pinion_methods_add_json(set, pinion_str(""), pinion_str("int"), NULL, set, come_back), PINION_INVALID, "name",
	       "a refused method");
	check(comes_back == 6, "... is destroyed by what makes objects");
	check(pinion_methods_free(set) == 0, "the set is freed");
	succeeds(pinion_log_set_sink(NULL, NULL, NULL), "no sink");
	check(comes_back == 7, "a sink's data is destroyed by what says something");
}

int main(void)
{
	pinion_operations table = idle_engine();

	table.create_container = create;
	table.init_config = init_config;
	put_engine("reentry", &table, NULL, NULL);
	engine = get_engine("reentry");
	succeeds(pinion_context_new(&context), "a context");
	reenters();
	ends();
	if (getuid() == 0)
		check(in_child(change_in_child, NULL) == 0, "what a callback changes of the process stays, and pinion works on");
	else
		skip("a callback changes ids", "not root");
	destroys();
	pinion_context_free(context);
	pinion_engine_free(engine);
	table.init_config = NULL;
	put_engine("reentry", &table, NULL, NULL);
	return done();
}
