/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Every operation of an engine, called as a starter of one's own calls it: what arrives, and what comes back. */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>

#include "engine.h"

/* What the last callback saw. */
static struct {
	const char *callback;
	void *data;
	int32_t container, socket, status;
	bool cancelled, fatal;
	struct pollfd poll;
	char byte;
} seen;
static int data;
static int32_t next_status;

static void see(const char *callback, void *given, const pinion_context *context)
{
	memset(&seen, 0, sizeof seen);
	seen.callback = callback;
	seen.data = given;
	if (context == NULL)
		return;
	seen.cancelled = pinion_context_is_cancelled(context);
	seen.poll.fd = pinion_context_fd(context);
	seen.poll.events = POLLIN;
	poll(&seen.poll, 1, 0);
}

static bool was(const char *callback)
{
	return seen.callback != NULL && strcmp(seen.callback, callback) == 0 && seen.data == &data;
}

static void talk(int32_t container, int32_t socket)
{
	seen.container = container;
	seen.socket = socket;
	if (write(socket, "x", 1) != 1)
		seen.socket = -1;
}

static pinion_error *create(void *given, const pinion_context *context, int32_t container, int32_t rpc)
{
	see("create_container", given, context);
	talk(container, rpc);
	return next_status == 0 ? NULL : pinion_error_new(PINION_REFUSED, 0, pinion_str("no"));
}

static pinion_error *pre_start(void *given, const pinion_context *context, int32_t container, int32_t master)
{
	see("pre_start_process", given, context);
	talk(container, master);
	return NULL;
}

static pinion_error *start(void *given, pinion_master *master, int32_t *status)
{
	pinion_error *error;

	see("start_process", given, NULL);
	talk(0, pinion_master_fd(master));
	error = pinion_master_close(master);
	if (error == NULL)
		error = pinion_master_close(master);
	seen.container = pinion_master_fd(master);
	*status = next_status;
	return error;
}

static pinion_error *post_host(void *given, const pinion_context *context)
{
	see("post_start_host", given, context);
	return NULL;
}

static pinion_error *post_process(void *given, const pinion_context *context, int32_t container)
{
	see("post_start_process", given, context);
	seen.container = container;
	return NULL;
}

static pinion_error *monitor(void *given, int32_t container, pinion_signals *signals, int32_t *status)
{
	see("monitor_container", given, NULL);
	seen.container = container;
	*status = next_status;
	return signals == NULL ? NULL : pinion_signals_next(signals, &seen.status);
}

static pinion_error *cleanup(void *given, const pinion_context *context, const pinion_error *fatal, int32_t status)
{
	see("cleanup_container", given, context);
	seen.status = status;
	seen.fatal = fatal != NULL && strcmp(pinion_error_text(fatal), "why") == 0;
	return NULL;
}

static pinion_error *cleanup_host(void *given, const pinion_context *context)
{
	see("cleanup_host", given, context);
	return NULL;
}

static pinion_declaration declared, to_declare;

static pinion_error *declare(void *given, pinion_declaration *declaration)
{
	see("declare", given, NULL);
	declared = *declaration;
	*declaration = to_declare;
	return NULL;
}

static pinion_operations full_engine(void)
{
	pinion_operations table = idle_engine();

	table.create_container = create;
	table.start_process = start;
	table.pre_start_process = pre_start;
	table.post_start_host = post_host;
	table.post_start_process = post_process;
	table.monitor_container = monitor;
	table.cleanup_container = cleanup;
	table.cleanup_host = cleanup_host;
	return table;
}

/* What is left to read on a socket: the bytes, or -1 where it stays open. */
static ssize_t rest(int socket)
{
	char room[16];
	ssize_t length, sum = 0;

	while ((length = recv(socket, room, sizeof room, MSG_DONTWAIT)) > 0)
		sum += length;
	return length == 0 ? sum : -1 - sum;
}

static void sockets(pinion_engine *engine, const pinion_context *context)
{
	int32_t status = 4711;
	int pair[2];

	check(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0, "sockets");
	succeeds(pinion_engine_create_container(engine, context, 4242, pair[0]), "CreateContainer");
	check(was("create_container") && seen.container == 4242 && seen.socket >= 0, "... gets container and socket");
	check(!seen.cancelled && seen.poll.fd >= 0 && seen.poll.revents == 0, "... and a context that is not cancelled");
	check(rest(pair[1]) == 1, "... whose socket is shut down after success");
	check(fcntl(pair[0], F_GETFD) >= 0 && close(pair[0]) == 0, "... and stays the caller's");
	close(pair[1]);

	next_status = 1;
	check(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0, "sockets");
	expect(pinion_engine_create_container(engine, context, 1, pair[0]), PINION_REFUSED, "no", "CreateContainer fails");
	check(rest(pair[1]) == -2, "... and leaves its socket open");
	next_status = 0;
	succeeds(pinion_engine_pre_start_process(engine, context, -7, pair[0]), "PreStartProcess");
	check(was("pre_start_process") && seen.container == -7 && rest(pair[1]) == -2, "... gets container and socket");

	next_status = 0x2a00;
	succeeds(pinion_engine_start_process(engine, pair[0], &status), "StartProcess");
	check(was("start_process") && seen.socket >= 0 && seen.container == -1, "... gets the socket, and closes it, twice");
	check(status == 0x2a00, "... and says how the container ended");
	check(rest(pair[1]) == 1 && fcntl(pair[0], F_GETFD) < 0, "... after which the socket is closed");
	close(pair[1]);

	check(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0, "sockets");
	expect(pinion_engine_start_process(NULL, pair[0], &status), PINION_MISUSE, "NULL", "StartProcess of no engine");
	check(fcntl(pair[0], F_GETFD) < 0, "... takes the socket");
	expect(pinion_engine_start_process(engine, pair[1], NULL), PINION_MISUSE, "NULL", "StartProcess without a status");
	check(fcntl(pair[1], F_GETFD) < 0, "... takes the socket");
	expect(pinion_engine_start_process(engine, -1, &status), PINION_SYSTEM, "descriptor", "StartProcess without a socket");
	expect(pinion_engine_create_container(engine, context, 1, 1 << 20), PINION_SYSTEM, "", "CreateContainer without one");
}

static void others(pinion_engine *engine, const pinion_context *context)
{
	pinion_error *why = pinion_error_new(PINION_TIMEOUT, 0, pinion_str("why"));

	next_status = 0;
	succeeds(pinion_engine_post_start_host(engine, context), "PostStartHost");
	check(was("post_start_host") && seen.poll.fd >= 0, "... is called");
	succeeds(pinion_engine_post_start_process(engine, context, INT32_MAX), "PostStartProcess");
	check(was("post_start_process") && seen.container == INT32_MAX, "... is called");
	succeeds(pinion_engine_cleanup_container(engine, context, NULL, 0x8b), "CleanupContainer");
	check(was("cleanup_container") && !seen.fatal && seen.status == 0x8b, "... is called");
	succeeds(pinion_engine_cleanup_container(engine, context, why, 0xff00), "CleanupContainer after an error");
	check(was("cleanup_container") && seen.fatal && seen.status == 0xff00, "... sees it");
	expect(why, PINION_TIMEOUT, "why", "the error stays the caller's");
	succeeds(pinion_engine_cleanup_host(engine, context), "CleanupHost");
	check(was("cleanup_host"), "... is called");
	succeeds(pinion_context_cancel(context), "a context is cancelled");
	succeeds(pinion_context_cancel(context), "... twice");
	check(pinion_context_is_cancelled(context), "... and is so");
	succeeds(pinion_engine_cleanup_host(engine, context), "CleanupHost");
	check(seen.cancelled && seen.poll.revents == POLLIN, "... sees that, by a call and by its descriptor");
}

static void declarations(void)
{
	static const struct {
		bool has, says;
		int32_t monitor, code;
	} CASES[] = {
		{ false, false, PINION_MONITOR_ENGINE, 0 }, { false, false, PINION_MONITOR_CORE, 0 },
		{ true, true, PINION_MONITOR_CORE, 0 },	    { true, false, PINION_MONITOR_ENGINE, 0 },
		{ false, true, PINION_MONITOR_ENGINE, PINION_MISUSE }, { true, true, 2, PINION_MISUSE },
		{ true, true, -1, PINION_MISUSE },
	};
	pinion_operations table = full_engine();
	pinion_declaration got;
	pinion_engine *engine;
	size_t i;

	for (i = 0; i < sizeof CASES / sizeof *CASES; i++) {
		table.declare = declare;
		table.pre_start_process = CASES[i].has ? pre_start : NULL;
		put_engine("declares", &table, &data, NULL);
		engine = get_engine("declares");
		memset(&got, 0x55, sizeof got);
		got.size = to_declare.size = sizeof got;
		to_declare.pre_start_process = CASES[i].says;
		to_declare.monitor = CASES[i].monitor;
		expect(pinion_engine_declaration(engine, &got), CASES[i].code, "", "declaration %zu", i);
		check(was("declare") && declared.pre_start_process == CASES[i].has && declared.monitor == PINION_MONITOR_ENGINE,
		      "... begins with what the table has");
		check(CASES[i].code != 0 ? got.monitor == 0x55555555
					 : got.pre_start_process == CASES[i].says && got.monitor == CASES[i].monitor,
		      "... and ends with what the engine says, if it is legal");
		pinion_engine_free(engine);
		table.declare = NULL;
		put_engine("declares", &table, &data, NULL);
		engine = get_engine("declares");
		succeeds(pinion_engine_declaration(engine, &got), "no declaration");
		check(got.pre_start_process == CASES[i].has && got.monitor == PINION_MONITOR_ENGINE, "... is the default");
		pinion_engine_free(engine);
	}
}

static void statuses(pinion_engine *engine, pinion_signals *signals)
{
	static const int32_t LEGAL[] = { 0, 0x100, 0x2a00, 0xff00, 1, 9, 64, 0x86, 0x8b };
	static const int32_t ILLEGAL[] = { 0x7f, 0x10000, -1, 0x80, 0xffff, 0x1ff, 0x137f, 0x109, 0x10009, INT32_MIN, INT32_MAX };
	size_t i;
	int32_t status;
	int pair[2];

	for (i = 0; i < sizeof LEGAL / sizeof *LEGAL; i++) {
		next_status = LEGAL[i];
		check(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0, "sockets");
		succeeds(pinion_engine_start_process(engine, pair[0], &status), "StartProcess: status %#x", next_status);
		check(status == next_status, "... arrives");
		succeeds(pinion_engine_monitor_container(engine, 1, signals, &status), "MonitorContainer: status %#x", next_status);
		check(status == next_status, "... arrives");
		close(pair[1]);
	}
	for (i = 0; i < sizeof ILLEGAL / sizeof *ILLEGAL; i++) {
		next_status = ILLEGAL[i];
		status = 4711;
		check(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0, "sockets");
		expect(pinion_engine_start_process(engine, pair[0], &status), PINION_MISUSE, "StartProcess", "status %#x",
		       (unsigned)next_status);
		expect(pinion_engine_monitor_container(engine, 1, signals, &status), PINION_MISUSE, "MonitorContainer",
		       "status %#x", (unsigned)next_status);
		check(status == 4711, "... is not stored");
		close(pair[1]);
	}
	next_status = 0;
}

static void signals_arrive(pinion_engine *engine)
{
	pinion_context *context = NULL;
	pinion_signals *signals = NULL;
	struct pollfd poll_both[2];
	int32_t number = -1, status;
	sigset_t set, before;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGRTMIN);
	check(pthread_sigmask(SIG_BLOCK, &set, &before) == 0, "two signals are blocked");
	succeeds(pinion_context_new(&context), "a context");
	succeeds(pinion_signals_new(context, &signals), "a queue of signals");
	memset(poll_both, 0, sizeof poll_both);
	succeeds(pinion_signals_fds(signals, &poll_both[0].fd, &poll_both[1].fd), "its descriptors");
	poll_both[0].events = poll_both[1].events = POLLIN;
	check(poll(poll_both, 2, 0) == 0, "... are not readable");
	raise(SIGUSR1);
	raise(SIGRTMIN);
	check(poll(poll_both, 2, 0) == 1 && poll_both[0].revents == POLLIN, "the first is readable when a signal is there");
	succeeds(pinion_signals_next(signals, &number), "the next signal");
	check(number == SIGUSR1, "... is the first (%d)", number);
	succeeds(pinion_engine_monitor_container(engine, 77, signals, &status), "MonitorContainer");
	check(was("monitor_container") && seen.container == 77 && seen.status == SIGRTMIN, "... gets the next");
	raise(SIGUSR1);
	succeeds(pinion_context_cancel(context), "the run is cancelled");
	check(poll(poll_both, 2, 0) == 2, "the second is readable then");
	succeeds(pinion_signals_next(signals, &number), "the next signal");
	check(number == SIGUSR1, "... is still the one that arrived (%d)", number);
	succeeds(pinion_signals_next(signals, &number), "the next signal");
	check(number == 0, "... is 0 after that (%d)", number);
	statuses(engine, signals);
	check(pinion_context_free(context) == 0, "the context is freed before the queue");
	succeeds(pinion_signals_next(signals, &number), "... which lives on");
	check(pinion_signals_free(signals) == 0 && pinion_signals_free(signals) == PINION_MISUSE, "a queue is freed once");
	pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static void nothing_is_done(const pinion_context *context)
{
	pinion_operations table = idle_engine();
	pinion_engine *engine;
	int pair[2];

	put_engine("idle", &table, NULL, NULL);
	engine = get_engine("idle");
	check(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0, "sockets");
	succeeds(pinion_engine_pre_start_process(engine, context, 1, pair[0]), "no PreStartProcess is none to call");
	succeeds(pinion_engine_post_start_host(engine, context), "no PostStartHost is none to call");
	succeeds(pinion_engine_post_start_process(engine, context, 1), "no PostStartProcess is none to call");
	succeeds(pinion_engine_cleanup_container(engine, context, NULL, 0), "no CleanupContainer is none to call");
	succeeds(pinion_engine_cleanup_host(engine, context), "no CleanupHost is none to call");
	close(pair[0]), close(pair[1]);
	pinion_engine_free(engine);
}

/* An engine that keeps the whole document as it is: what comes out of one is what went in. */
static void whole_documents(void)
{
	static const char TEXT[] = "{\"engineName\":\"whole\",\"mine\":1,\"engineConfig\":{\"a\":1},\"containerID\":\"id\"}";
	pinion_operations table = idle_engine();
	pinion_engine *engine = NULL;
	pinion_common *common = NULL;
	pinion_bytes *bytes = NULL;
	pinion_config *config = NULL;

	table.decode_document = text_decode;
	expect(pinion_register(pinion_str("whole"), &table, NULL, NULL), PINION_MISUSE, "encode_document", "one of the two alone");
	table.decode_document = NULL, table.encode_document = text_encode;
	expect(pinion_register(pinion_str("whole"), &table, NULL, NULL), PINION_MISUSE, "decode_document", "the other one alone");
	table.decode_document = text_decode;
	put_engine("whole", &table, NULL, NULL);
	succeeds(pinion_get(pinion_str(TEXT), &engine), "an engine that keeps the document");
	succeeds(pinion_engine_common(engine, &common), "... its configuration");
	succeeds(pinion_common_encode(common, &bytes), "... as a document");
	check(has(bytes, TEXT, true), "... is what was given, byte for byte");
	succeeds(pinion_common_container_id(common, &bytes), "... its container's id");
	check(has(bytes, "id", true), "... is known to the core, too");
	succeeds(pinion_config_new(pinion_str(TEXT), false, &config), "a starter configuration");
	succeeds(pinion_engine_prepare_config(engine, config), "PrepareConfig");
	succeeds(pinion_config_json(config, &bytes), "... what it leaves");
	check(has(bytes, TEXT, true), "... is the engine's own document");
	check(pinion_config_free(config) == 0 && pinion_common_free(common) == 0 && pinion_engine_free(engine) == 0, "all is freed");
}

int main(void)
{
	pinion_operations table = full_engine();
	pinion_context *context = NULL;
	pinion_engine *engine;

	succeeds(pinion_register(pinion_str("full"), &table, &data, NULL), "an engine with every callback");
	engine = get_engine("full");
	succeeds(pinion_context_new(&context), "a context");
	sockets(engine, context);
	others(engine, context);
	declarations();
	signals_arrive(engine);
	nothing_is_done(context);
	whole_documents();
	check(pinion_context_free(context) == 0 && pinion_context_free(context) == PINION_MISUSE, "a context is freed once");
	check(pinion_engine_free(engine) == 0 && pinion_engine_free(engine) == PINION_MISUSE, "an engine is freed once");
	return done();
}
