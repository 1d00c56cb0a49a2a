/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* The engine "mixed-c", with every callback. Each writes a line to the file that the configuration names, and does
 * what the configuration says. PostStartHost registers the same engine under another name, or calls one of Go's. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine_config.h"

/* cgo hands an object of CGO_LDFLAGS to the linker once for each package that has C in it. Of the copies one
 * registers: a weak variable is the same for all. */
__attribute__((weak)) bool mixed_engine_is_registered = false;

/* What the engine is registered with. */
struct engine {
	char *name;
	char *log;              /* where its end is told; NULL for nowhere */
	pinion_common *common;  /* that of the last InitConfig */
	struct config *config;
};

/* ---- what each callback begins with */

static void write_line(const char *path, const char *format, va_list values)
{
	int file = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);

	if (file < 0)
		return;
	vdprintf(file, format, values);
	close(file);
}

__attribute__((format(printf, 2, 3))) static void note(const char *path, const char *format, ...)
{
	va_list values;

	if (path == NULL)
		return;
	va_start(values, format);
	write_line(path, format, values);
	va_end(values);
}

/* Waits for the end of the run, which the context tells. */
static pinion_error *await_cancellation(const pinion_context *context)
{
	struct pollfd cancelled = { .fd = pinion_context_fd(context), .events = POLLIN };

	if (poll(&cancelled, 1, -1) < 0)
		return failed("wait for the cancellation");
	if (!pinion_context_is_cancelled(context))
		return refuse("wait: the descriptor is readable, and the context is not cancelled");
	return pinion_error_new(PINION_CALLBACK, ECANCELED, pinion_str("the C engine was cancelled"));
}

/* Writes the callback's line, and fails or waits as the configuration says. */
static pinion_error *enter(const struct engine *engine, const pinion_context *context, const char *callback,
                           const char *detail)
{
	const struct config *config = engine->config;
	/* Whoever reads the line may cancel it. */
	const bool ended = is(config, WAIT, callback) && pinion_context_is_cancelled(context);
	char text[128];

	note(config->text[LOG], "%s%s prepared=%s\n", callback, detail,
	     is_set(config, PREPARED) ? config->text[PREPARED] : "no");
	if (is(config, FAIL, callback)) {
		snprintf(text, sizeof(text), "%s fails in C", callback);
		return pinion_error_new(PINION_SYSTEM, ENOENT, pinion_str(text));
	}
	if (ended)
		return refuse("wait: the context was cancelled before");
	return is(config, WAIT, callback) ? await_cancellation(context) : NULL;
}

static const char *known(int32_t pid)
{
	return pid > 0 ? " of a process" : " of no process";
}

/* ---- the callbacks, in a container's order of life */

static void init_config(void *data, pinion_common *common)
{
	struct engine *engine = data;
	pinion_bytes *id = NULL;
	pinion_view view;

	engine->common = common;
	engine->config = pinion_common_engine_config(common);
	must(pinion_common_container_id(common, &id));
	view = pinion_bytes_view(id);
	note(engine->config->text[LOG], "InitConfig of %.*s\n", (int)view.length, (const char *)view.data);
	pinion_bytes_free(id);
}

static pinion_error *prepare_config(void *data, pinion_config *starter)
{
	struct engine *engine = data;
	pinion_error *error = enter(engine, NULL, "PrepareConfig", "");

	if (error == NULL)
		error = pinion_config_set_ns_flags(starter, CLONE_NEWPID | CLONE_NEWNS);
	if (error == NULL)
		error = pinion_config_set_mount_propagation(starter, pinion_str("rprivate"));
	if (error == NULL)
		error = pinion_common_set_plugin(engine->common, pinion_str("mixed"), pinion_str("{\"by\":\"C\"}"));
	free(engine->config->text[PREPARED]);
	engine->config->text[PREPARED] = strdup("yes");
	return error;
}

static pinion_error *declare(void *data, pinion_declaration *declaration)
{
	const struct engine *engine = data;

	note(engine->config->text[LOG], "Declare\n");
	declaration->monitor = PINION_MONITOR_ENGINE;
	return NULL;
}

static pinion_error *say(int32_t socket, const char *text)
{
	return send(socket, text, strlen(text), MSG_NOSIGNAL) < 0 ? failed("write to the connection") : NULL;
}

/* Says something, and waits for one byte. */
static pinion_error *ask(int32_t socket, const char *text)
{
	pinion_error *error = say(socket, text);
	char answer;

	if (error == NULL && recv(socket, &answer, 1, 0) != 1)
		error = failed("read from the connection");
	return error;
}

static pinion_error *create_container(void *data, const pinion_context *context, int32_t container, int32_t rpc)
{
	const struct engine *engine = data;
	pinion_error *error = enter(engine, context, "CreateContainer", known(container));
	pinion_client *client = NULL;

	if (error != NULL)
		return error;
	if (is_set(engine->config, SAY))
		return ask(rpc, engine->config->text[SAY]);
	error = pinion_client_new(rpc, pinion_str(engine->name), 10000, &client);
	if (error == NULL)
		error = pinion_client_call(client, pinion_str("Chdir"), pinion_str(NULL), pinion_str("{\"Dir\":\"/\"}"), NULL);
	pinion_client_free(client);
	return error;
}

/* Asks PreStartProcess before it goes on, by a byte each way. */
static pinion_error *start_process(void *data, pinion_master *master, int32_t *status)
{
	const struct engine *engine = data;
	const char *script = engine->config->text[SCRIPT];
	pinion_error *error = enter(engine, NULL, "StartProcess", "");

	if (error == NULL)
		error = ask(pinion_master_fd(master), "s");
	if (error != NULL)
		return error;
	if (script == NULL) {
		*status = W_EXITCODE(3, 0);
		return pinion_master_close(master);
	}
	execl("/bin/sh", "sh", "-c", script, (char *)NULL);
	return failed("execute /bin/sh");
}

static void *fail_now(void *data)
{
	pinion_context *kept = data;

	must(pinion_context_fail(kept, pinion_error_new(PINION_SYSTEM, ENOENT, pinion_str("the C engine fails later"))));
	pinion_context_free(kept);
	return NULL;
}

/* Ends the run by work that goes on after the callback. */
static pinion_error *fail_later(const pinion_context *context)
{
	pinion_context *kept;
	pinion_error *error = pinion_context_keep(context, &kept);
	pthread_t thread;

	if (error != NULL)
		return error;
	errno = pthread_create(&thread, NULL, fail_now, kept);
	if (errno != 0) {
		pinion_context_free(kept);
		return failed("make a thread");
	}
	pthread_detach(thread);
	return NULL;
}

static pinion_error *pre_start_process(void *data, const pinion_context *context, int32_t container, int32_t master)
{
	const struct engine *engine = data;
	pinion_error *error = enter(engine, context, "PreStartProcess", known(container));

	if (error == NULL && is(engine->config, FAIL, "later"))
		error = fail_later(context);
	if (error != NULL)
		return error;
	return is_set(engine->config, SAY) ? ask(master, engine->config->text[SAY]) : say(master, "g");
}

static pinion_error *register_as(const char *name, const char *log, bool replace);

/* Finds the engine "peer", reads its configuration and calls it. */
static pinion_error *call_peer(const struct config *config, const pinion_context *context)
{
	static const char document[] = "{\"engineName\":\"peer\",\"containerID\":\"from C\","
	                               "\"engineConfig\":{\"Text\":\"asked\"}}";
	pinion_engine *peer = NULL;
	pinion_common *common = NULL;
	pinion_bytes *json = NULL;
	pinion_error *error = pinion_get(pinion_str(document), &peer);

	if (error == NULL)
		error = pinion_engine_common(peer, &common);
	if (error == NULL)
		error = pinion_common_encode(common, &json);
	if (error == NULL) {
		pinion_view view = pinion_bytes_view(json);

		note(config->text[LOG], "peer: %.*s\n", (int)view.length, (const char *)view.data);
		error = pinion_engine_post_start_process(peer, context, 42);
	}
	pinion_bytes_free(json);
	pinion_common_free(common);
	pinion_engine_free(peer);
	return pinion_error_during(error, pinion_str(config->text[PEER]));
}

static pinion_error *post_start_host(void *data, const pinion_context *context)
{
	const struct engine *engine = data;
	const struct config *config = engine->config;
	pinion_error *error = enter(engine, context, "PostStartHost", "");

	if (error == NULL && is_set(config, TAKE))
		error = register_as(config->text[TAKE], config->text[LOG], true);
	if (error == NULL && is_set(config, PEER))
		error = call_peer(config, context);
	return error;
}

/* Lets the script go on. */
static pinion_error *open_gate(const char *path)
{
	int gate = open(path, O_WRONLY | O_CLOEXEC);
	pinion_error *error = NULL;

	if (gate < 0)
		return failed("open the gate");
	if (write(gate, "go\n", 3) != 3)
		error = failed("write to the gate");
	close(gate);
	return error;
}

static pinion_error *post_start_process(void *data, const pinion_context *context, int32_t container)
{
	const struct engine *engine = data;
	pinion_error *error = enter(engine, context, "PostStartProcess", known(container));

	return error == NULL && is_set(engine->config, GATE) ? open_gate(engine->config->text[GATE]) : error;
}

/* Passes signals on to the container, and waits for its end. */
static pinion_error *monitor_container(void *data, int32_t container, pinion_signals *signals, int32_t *status)
{
	const struct engine *engine = data;
	const char *log = engine->config->text[LOG];
	pinion_error *error = enter(engine, NULL, "MonitorContainer", known(container));
	int32_t number;

	while (error == NULL) {
		error = pinion_signals_next(signals, &number);
		if (error != NULL)
			break;
		if (number == 0)
			return pinion_error_new(PINION_CALLBACK, ECANCELED, pinion_str("the C engine was cancelled"));
		if (number != SIGCHLD) {
			note(log, "signal %d\n", number);
			if (kill(container, number) != 0)
				error = failed("pass a signal on");
		} else if (waitpid(container, status, WNOHANG) == container) {
			note(log, "ended %#x\n", (unsigned)*status);
			return NULL;
		}
	}
	return error;
}

static pinion_error *cleanup_container(void *data, const pinion_context *context, const pinion_error *fatal,
                                       int32_t status)
{
	const struct engine *engine = data;

	if (fatal != NULL)
		note(engine->config->text[LOG], "fatal %d, errno %d: %s\n", pinion_error_code(fatal), pinion_error_errno(fatal),
		     pinion_error_text(fatal));
	note(engine->config->text[LOG], "status %#x\n", (unsigned)status);
	return enter(engine, context, "CleanupContainer", "");
}

static pinion_error *cleanup_host(void *data, const pinion_context *context)
{
	return enter(data, context, "CleanupHost", "");
}

/* ---- registration */

static void end_engine(void *data)
{
	struct engine *engine = data;

	note(engine->log, "destroyed %s\n", engine->name);
	free(engine->name);
	free(engine->log);
	free(engine);
}

static pinion_error *register_as(const char *name, const char *log, bool replace)
{
	struct engine *engine = calloc(1, sizeof(*engine));
	pinion_operations operations;

	if (engine == NULL)
		return failed("register an engine");
	engine->name = strdup(name);
	engine->log = log == NULL ? NULL : strdup(log);
	memset(&operations, 0, sizeof(operations));
	operations.size = sizeof(operations);
	operations.config = make_config;
	operations.decode_config = decode_config;
	operations.encode_config = encode_config;
	operations.destroy_config = destroy_config;
	operations.init_config = init_config;
	operations.declare = declare;
	operations.prepare_config = prepare_config;
	operations.create_container = create_container;
	operations.start_process = start_process;
	operations.pre_start_process = pre_start_process;
	operations.post_start_host = post_start_host;
	operations.post_start_process = post_start_process;
	operations.monitor_container = monitor_container;
	operations.cleanup_container = cleanup_container;
	operations.cleanup_host = cleanup_host;
	if (replace)
		return pinion_replace(pinion_str(name), &operations, engine, end_engine);
	return pinion_register(pinion_str(name), &operations, engine, end_engine);
}

__attribute__((constructor)) static void register_engine(void)
{
	if (mixed_engine_is_registered)
		return;
	mixed_engine_is_registered = true;
	must(register_as("mixed-c", NULL, false));
}
