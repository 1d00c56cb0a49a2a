/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* A whole starter with an engine of its own, in C: what rust/examples/starter.rs is in Rust.
 *
 *   cc probe.c $(pkg-config --cflags --libs --static pinion)
 *
 * A launcher executes it (pinion_launch_exec, `pinion run`); it registers the engine "probe" and hands itself over to the
 * lifecycle, which makes half a dozen processes and calls the engine back in each. The engine's configuration says what
 * each callback does, and each callback writes what it sees to a log. The functions below stand in the order of a
 * container's life; `operations`, near the end, names them all.
 *
 * What it shows of the interface:
 *   - a function of pinion returns NULL or an error; so does a callback, which passes on what it got or makes its own;
 *   - steps that follow each other are `if (error == NULL) error = ...`, so that what was allocated is freed on one way out;
 *   - pinion copies what it is given: texts are freed as soon as the call has returned;
 *   - the configuration object is the engine's own structure: pinion carries it from process to process as JSON, which
 *     decode_config and encode_config make of it. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <pinion.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "json.h"
#include "probe_config.h"
#include "probe_misbehave.h"

/* ---- the engine */

/* What the engine is registered with. */
struct probe {
	struct config *config;       /* that of the last InitConfig */
};

/* InitConfig: the configuration of this process. It stays until the next InitConfig. */
static void init_config(void *data, pinion_common *common)
{
	struct probe *probe = data;

	probe->config = pinion_common_engine_config(common);
}

static struct config *config_of(void *data)
{
	const struct probe *probe = data;

	return probe->config;
}

/* ---- what each callback begins with */

/* Appends a line, in one piece: several processes write to the log at once. */
static pinion_error *append(const char *path, const char *line)
{
	int file = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
	size_t length = strlen(line);
	pinion_error *error = NULL;
	ssize_t written;

	if (file < 0)
		return failed("open %s", path);
	written = write(file, line, length);
	if (written < 0)
		error = failed("write to %s", path);
	else if ((size_t)written < length)
		error = refuse(PINION_SYSTEM, "write to %s: %zd of %zu bytes were written", path, written, length);
	close(file);
	return error;
}

static pinion_error *note(const struct config *config, const char *callback, const char *detail)
{
	const char *prepared = config->prepared ? "true" : "false";
	pinion_error *error;
	char *line;

	if (asprintf(&line, "%s pid=%d prepared=%s %s\n", callback, (int)getpid(), prepared, detail) < 0)
		return no_memory();
	error = append(config->log, line);
	free(line);
	return error;
}

/* Writes the callback's line to the log, and fails as the scenario wants it. */
static pinion_error *enter(const struct config *config, const char *callback, const char *detail)
{
	const char *how = told(config, callback);
	pinion_error *error = NULL;

	if (is_given(config->log))
		error = note(config, callback, detail);
	if (error == NULL && how != NULL)
		error = misbehave(callback, how);
	return error;
}

/* The same with a detail as printf makes it. */
__attribute__((format(printf, 3, 4))) static pinion_error *enter_with(const struct config *config, const char *callback,
                                                                      const char *format, ...)
{
	pinion_error *error;
	char *detail;
	va_list values;
	int length;

	va_start(values, format);
	length = vasprintf(&detail, format, values);
	va_end(values);
	if (length < 0)
		return no_memory();
	error = enter(config, callback, detail);
	free(detail);
	return error;
}

/* ---- PrepareConfig, stage 1 */

/* Each is written down before it is made: whoever survives removes it. */
static pinion_error *make_directories(pinion_config *starter, const struct texts *make)
{
	pinion_error *error = NULL;
	size_t index;

	for (index = 0; error == NULL && index < make->count; index++) {
		error = pinion_config_note_directory(starter, pinion_str(make->at[index]));
		if (error == NULL && mkdir(make->at[index], 0777) != 0)
			error = failed("make %s", make->at[index]);
	}
	return error;
}

static pinion_error *create_namespaces(pinion_config *starter, const struct texts *kinds)
{
	pinion_namespace *list = calloc(kinds->count + 1, sizeof(*list));
	pinion_error *error;
	size_t index;

	if (list == NULL)
		return no_memory();
	for (index = 0; index < kinds->count; index++)
		list[index].kind = pinion_str(kinds->at[index]);
	error = pinion_config_set_ns_flags_from_spec(starter, list, kinds->count);
	free(list);
	return error;
}

static pinion_error *join_namespaces(pinion_config *starter, const struct names *join)
{
	pinion_namespace *list = calloc(join->count + 1, sizeof(*list));
	pinion_error *error;
	size_t index;

	if (list == NULL)
		return no_memory();
	for (index = 0; index < join->count; index++) {
		list[index].kind = pinion_str(join->at[index].name);
		list[index].path = pinion_str(join->at[index].texts.at[0]);
	}
	error = pinion_config_set_ns_path_from_spec(starter, list, join->count);
	free(list);
	return error;
}

static pinion_error *choose_namespaces(pinion_config *starter, const struct config *config)
{
	const struct names *join = &config->join;
	pinion_error *error = create_namespaces(starter, &config->create);
	size_t index;

	if (error == NULL && config->ns_flags.is_set)
		error = pinion_config_set_ns_flags(starter, (int32_t)config->ns_flags.value);
	for (index = 0; error == NULL && index < join->count; index++)
		error = pinion_config_set_ns_path(starter, pinion_str(join->at[index].name),
		                                  pinion_str(join->at[index].texts.at[0]));
	if (error == NULL)
		error = join_namespaces(starter, &config->join_spec);
	if (error == NULL)
		error = pinion_config_set_namespace_join_only(starter, config->join_only);
	return error;
}

/* The descriptor stays open: it is used when PrepareConfig has returned, and closed with this process. */
static pinion_error *choose_working_directory(pinion_config *starter, const char *path)
{
	int directory;

	if (!is_given(path))
		return NULL;
	directory = open(path, O_RDONLY | O_CLOEXEC);
	if (directory < 0)
		return failed("open %s", path);
	return pinion_config_set_working_directory_fd(starter, directory);
}

static pinion_error *choose_id_maps(pinion_config *starter, const struct config *config)
{
	pinion_error *error = pinion_config_add_uid_mappings(starter, config->uid_map.at, config->uid_map.count);

	if (error == NULL)
		error = pinion_config_add_gid_mappings(starter, config->gid_map.at, config->gid_map.count);
	if (error == NULL)
		error = pinion_config_set_hybrid_workflow(starter, config->hybrid);
	if (error == NULL && config->map_helpers)
		error = pinion_config_set_newuidmap_path(starter);
	if (error == NULL && config->map_helpers)
		error = pinion_config_set_newgidmap_path(starter);
	if (error == NULL)
		error = pinion_config_set_allow_setgroups(starter, config->allow_setgroups);
	if (error == NULL)
		error = pinion_config_set_no_setgroups(starter, config->no_setgroups);
	return error;
}

/* The limit of a handshake where none is asked for. */
#define HANDSHAKE_MS 60000

static pinion_error *choose_flow(pinion_config *starter, const struct config *config)
{
	pinion_error *error = pinion_config_set_instance(starter, config->instance);

	if (error == NULL)
		error = pinion_config_set_no_new_privs(starter, config->no_new_privs);
	if (error == NULL)
		error = pinion_config_set_master_propagate_mount(starter, config->share_mounts);
	if (error == NULL)
		error = pinion_config_set_bring_loopback_interface(starter, config->loopback);
	if (error == NULL)
		error = pinion_config_set_nvccli_caps(starter, config->nvccli);
	if (error == NULL)
		error = pinion_config_set_native_rpc(starter, config->native_rpc);
	if (error == NULL && is_given(config->propagation))
		error = pinion_config_set_mount_propagation(starter, pinion_str(config->propagation));
	if (error == NULL && (config->handshake_ms.is_set || config->container_ms.is_set))
		error = pinion_config_set_timeouts(
			starter, config->handshake_ms.is_set ? (uint32_t)config->handshake_ms.value : HANDSHAKE_MS,
			(uint32_t)config->container_ms.value);
	return error;
}

static pinion_error *choose_capabilities(pinion_config *starter, const struct named *set)
{
	pinion_view *names = calloc(set->texts.count + 1, sizeof(*names));
	pinion_error *error;
	size_t index;

	if (names == NULL)
		return no_memory();
	for (index = 0; index < set->texts.count; index++)
		names[index] = pinion_str(set->texts.at[index]);
	error = pinion_config_set_capabilities(starter, pinion_str(set->name), names, set->texts.count);
	free(names);
	return error;
}

static pinion_error *choose_privileges(pinion_config *starter, const struct config *config)
{
	pinion_error *error = NULL;
	size_t index;

	if (config->target_uid.is_set)
		error = pinion_config_set_target_uid(starter, config->target_uid.value);
	if (error == NULL)
		error = pinion_config_set_target_gid(starter, config->target_gids.at, config->target_gids.count);
	for (index = 0; error == NULL && index < config->capabilities.count; index++)
		error = choose_capabilities(starter, &config->capabilities.at[index]);
	return error;
}

/* Their numbers go into the configuration, by which the later processes know them. */
static pinion_error *keep_files(pinion_config *starter, struct config *config)
{
	struct numbers kept = {0};
	pinion_error *error = NULL;

	kept.at = calloc(config->keep.count + 1, sizeof(*kept.at));
	if (kept.at == NULL)
		return no_memory();
	while (error == NULL && kept.count < config->keep.count) {
		const char *path = config->keep.at[kept.count];
		int file = open(path, O_RDONLY | O_CLOEXEC);

		kept.at[kept.count++] = file;
		error = file < 0 ? failed("open %s", path) : pinion_config_keep_file_descriptor(starter, file);
	}
	clear_numbers(&config->kept);
	config->kept = kept;
	return error;
}

static pinion_error *choose_image(pinion_config *starter, const char *path)
{
	int image;

	if (!is_given(path))
		return NULL;
	image = open(path, O_RDONLY | O_CLOEXEC);
	if (image < 0)
		return failed("open %s", path);
	return pinion_config_set_image_fd(starter, image);
}

static pinion_error *write_document(pinion_config *starter, const char *text)
{
	struct json_writer document = {0};
	pinion_error *error;

	if (!is_given(text))
		return NULL;
	json_put_text(&document, text);
	error = document.failed ? no_memory() : pinion_config_write(starter, pinion_str(document.data));
	free(document.data);
	return error;
}

/* Writes down what the starter configuration tells, the beginning of its document last. */
static pinion_error *show_told(const struct config *config, pinion_config *starter)
{
	int32_t image = pinion_config_image_fd(starter);
	char link[32], target[PATH_MAX] = "none";
	pinion_bytes *json;
	pinion_error *error = pinion_config_json(starter, &json);
	pinion_view document;
	ssize_t length;

	if (error != NULL)
		return error;
	if (image >= 0) {
		snprintf(link, sizeof(link), "/proc/self/fd/%d", (int)image);
		length = readlink(link, target, sizeof(target) - 1);
		target[length < 0 ? 0 : length] = '\0';
	}
	document = pinion_bytes_view(json);
	error = enter_with(config, "Configured", "suid=%s container=%d image=%s document=%.*s",
	                   pinion_config_is_suid(starter) ? "true" : "false", pinion_config_container_pid(starter), target,
	                   document.length < 20 ? (int)document.length : 20, (const char *)document.data);
	pinion_bytes_free(json);
	return error;
}

/* After the release there is nothing to set any more. */
static pinion_error *release(pinion_config *starter)
{
	pinion_error *error = pinion_config_release(starter);

	return error == NULL ? pinion_config_set_no_new_privs(starter, true) : error;
}

static pinion_error *prepare_config(void *data, pinion_config *starter)
{
	struct config *config = config_of(data);
	pinion_error *error = make_directories(starter, &config->make);

	if (error == NULL)
		error = enter(config, "PrepareConfig", "");
	if (error == NULL)
		error = choose_namespaces(starter, config);
	if (error == NULL)
		error = choose_working_directory(starter, config->working_directory);
	if (error == NULL)
		error = choose_id_maps(starter, config);
	if (error == NULL)
		error = choose_flow(starter, config);
	if (error == NULL)
		error = choose_privileges(starter, config);
	if (error == NULL)
		error = keep_files(starter, config);
	if (error == NULL)
		error = choose_image(starter, config->image);
	if (error == NULL)
		error = write_document(starter, config->write);
	if (error == NULL)
		error = show_told(config, starter);
	if (error == NULL && config->release)
		error = release(starter);
	if (error == NULL)
		config->prepared = true;
	return error;
}

/* What the engine says of itself, after that. */
static pinion_error *declare(void *data, pinion_declaration *declaration)
{
	const struct config *config = config_of(data);

	declaration->pre_start_process = config->pre_start;
	declaration->monitor = config->core_monitor ? PINION_MONITOR_CORE : PINION_MONITOR_ENGINE;
	return NULL;
}

/* ---- CreateContainer, master */

/* The connection's end alone does not let the container go on: this callback has to succeed. */
static pinion_error *disconnect(int32_t rpc)
{
	if (shutdown(rpc, SHUT_RDWR) != 0)
		return failed("shut the connection down");
	stay();
}

/* One call of the RPC server. For a method that is built in pinion knows the type of the argument. */
static pinion_error *set_hostname(int32_t rpc, const char *hostname)
{
	struct json_writer argument = {0};
	pinion_client *client = NULL;
	pinion_error *error;

	json_open(&argument, '{');
	json_put_key(&argument, "Hostname");
	json_put_text(&argument, hostname);
	json_close(&argument, '}');
	error = argument.failed ? no_memory() : pinion_client_new(rpc, pinion_str("probe"), 0, &client);
	if (error == NULL)
		error = pinion_client_call(client, pinion_str("SetHostname"), pinion_str(NULL), pinion_str(argument.data), NULL);
	pinion_client_free(client);
	free(argument.data);
	return error;
}

/* Calls a method of this engine's own, in which the server becomes another program: the connection's end is all that there
 * is to hear. */
static pinion_error *call_exec(int32_t rpc)
{
	pinion_client *client;
	pinion_error *error = pinion_client_new(rpc, pinion_str("probe"), 0, &client);

	if (error != NULL)
		return error;
	pinion_error_free(pinion_client_call(client, pinion_str("Exec"), pinion_str("int"), pinion_str("0"), NULL));
	pinion_client_free(client);
	return NULL;
}

static pinion_error *create_container(void *data, const pinion_context *context, int32_t container, int32_t rpc)
{
	const struct config *config = config_of(data);
	const char *how = told(config, "CreateContainer");
	pinion_error *error = enter_with(config, "CreateContainer", "container=%d", container);

	(void)context;
	if (error != NULL)
		return error;
	if (how != NULL && strcmp(how, "disconnect") == 0)
		return disconnect(rpc);
	if (how != NULL && strcmp(how, "exec in the server") == 0)
		return call_exec(rpc);
	if (is_given(config->hostname))
		error = set_hostname(rpc, config->hostname);
	return error;
}

/* ---- the engine's own RPC method, in the RPC server */

static pinion_error *exec_method(void *data, pinion_view argument, pinion_bytes **reply)
{
	(void)data, (void)argument, (void)reply;
	return become_another("Exec");
}

/* ---- StartProcess, stage 2 */

/* Where the kept descriptors lead, as Rust shows a list: ["/etc/passwd", "/etc/group"]. NULL where no memory is left. */
static char *show_kept(const struct numbers *kept)
{
	struct json_writer list = {0};
	size_t index;

	json_put(&list, "[");
	for (index = 0; index < kept->count; index++) {
		char link[32], target[PATH_MAX];
		ssize_t length;

		snprintf(link, sizeof(link), "/proc/self/fd/%d", (int)kept->at[index]);
		length = readlink(link, target, sizeof(target) - 1);
		target[length < 0 ? 0 : length] = '\0';
		json_put(&list, index == 0 ? "" : ", ");
		json_quote(&list, length < 0 ? strerror(errno) : target);
	}
	json_put(&list, "]");
	if (!list.failed)
		return list.data;
	free(list.data);
	return NULL;
}

/* What PreStartProcess waits for. */
static pinion_error *let_pre_start_begin(pinion_master *master)
{
	int32_t stream = pinion_master_fd(master);

	if (stream < 0)
		return refuse(PINION_CALLBACK, "the connection is closed");
	if (send(stream, "p", 1, MSG_NOSIGNAL) != 1)
		return failed("write to master");
	return NULL;
}

/* Returns only with an error. */
static pinion_error *execute(char *const *program)
{
	execvp(program[0], program);
	return failed("execute %s", program[0]);
}

/* Reaps every orphan that comes to the container's first process, until `child` has ended. */
static pinion_error *reap_until(pid_t child, int32_t *status)
{
	pid_t reaped;

	do
		reaped = waitpid(-1, status, 0);
	while (reaped != child && (reaped >= 0 || errno == EINTR));
	return reaped == child ? NULL : failed("wait for the program");
}

/* An init shim: it stays as the container's first process under a name of its own, runs the program as its child, and
 * ends as that does. */
static pinion_error *run_shim(char *const *program, pinion_master *master, int32_t *status)
{
	pinion_error *error;
	pid_t child;

	if (prctl(PR_SET_NAME, "probe-shim") != 0)
		return failed("set the shim's name");
	error = pinion_master_close(master);
	if (error != NULL)
		return error;
	errno = posix_spawnp(&child, program[0], NULL, NULL, program, environ);
	if (errno != 0)
		return failed("execute %s", program[0]);
	return reap_until(child, status);
}

static pinion_error *start_process(void *data, pinion_master *master, int32_t *status)
{
	const struct config *config = config_of(data);
	char *kept = show_kept(&config->kept);
	pinion_error *error = kept == NULL ? no_memory() : enter_with(config, "StartProcess", "kept=%s", kept);

	free(kept);
	if (error == NULL && config->pre_start)
		error = let_pre_start_begin(master);
	if (error != NULL)
		return error;
	if (config->shim.count > 0)
		return run_shim(config->shim.at, master, status);
	if (config->exec.count > 0)
		return execute(config->exec.at);
	return refuse(PINION_CALLBACK, "no program");
}

/* ---- around the start: PreStartProcess and PostStartProcess in master, PostStartHost on the host */

static pinion_error *pre_start_process(void *data, const pinion_context *context, int32_t container, int32_t master)
{
	(void)context, (void)container, (void)master;
	return enter(config_of(data), "PreStartProcess", "");
}

static pinion_error *post_start_host(void *data, const pinion_context *context)
{
	(void)context;
	return enter(config_of(data), "PostStartHost", "");
}

static pinion_error *post_start_process(void *data, const pinion_context *context, int32_t container)
{
	(void)context;
	return enter_with(config_of(data), "PostStartProcess", "container=%d", container);
}

/* ---- MonitorContainer, master */

/* Whether a line of the file has these words; -1 and errno where it cannot be read. */
static int holds(const char *path, const char *words)
{
	FILE *file = fopen(path, "re");
	char *line = NULL;
	size_t room = 0;
	int held = 0;

	if (file == NULL)
		return -1;
	while (held == 0 && getline(&line, &room, file) >= 0)
		held = strstr(line, words) != NULL;
	if (held == 0 && ferror(file))
		held = -1;
	free(line);
	fclose(file);
	return held;
}

/* Waits until a callback has begun. */
static pinion_error *await_callback(const char *log, const char *callback)
{
	int held;

	while ((held = holds(log, callback)) == 0)
		sched_yield();
	return held < 0 ? failed("read %s", log) : NULL;
}

/* Waits for the container's end and passes on what signals master gets, unless SIGTERM is to end it. */
static pinion_error *watch_over(int32_t container, pinion_signals *signals, bool ends, int32_t *status)
{
	for (;;) {
		int32_t number;
		pid_t reaped = 0;
		pinion_error *error = pinion_signals_next(signals, &number);

		if (error != NULL)
			return error;
		if (number == 0)
			return refuse(PINION_CALLBACK, "cancelled");
		if (number == SIGTERM && ends)
			return refuse(PINION_CALLBACK, "interrupted by SIGTERM");
		if (number == SIGCHLD)
			reaped = waitpid(container, status, WNOHANG);
		else if (kill(container, number) != 0)
			return failed("pass signal %d on", number);
		if (reaped < 0)
			return failed("wait for the container");
		if (reaped == container)
			return NULL;
	}
}

static pinion_error *monitor_container(void *data, int32_t container, pinion_signals *signals, int32_t *status)
{
	const struct config *config = config_of(data);
	const char *how = told(config, "MonitorContainer");
	pinion_error *error = NULL;

	/* What a scenario sees is not to hang on which of master's threads is faster. */
	if (how != NULL)
		error = await_callback(config->log, "CreateContainer");
	if (error == NULL)
		error = enter(config, "MonitorContainer", "");
	if (error == NULL && how != NULL && strcmp(how, "leave") == 0) {
		*status = W_EXITCODE(5, 0);
		return await_callback(config->log, "PostStartProcess");
	}
	if (error == NULL)
		error = watch_over(container, signals, how != NULL && strcmp(how, "end by SIGTERM") == 0, status);
	return error;
}

/* ---- CleanupContainer, master */

static pinion_error *cleanup_container(void *data, const pinion_context *context, const pinion_error *fatal,
                                       int32_t status)
{
	const char *how = WIFEXITED(status) ? "exit code" : "signal";
	int number = WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status);
	const char *why = fatal == NULL ? "" : pinion_error_text(fatal);

	(void)context;
	return enter_with(config_of(data), "CleanupContainer", "status=[%s %d] fatal=[%s]", how, number, why);
}

/* ---- CleanupHost, a process of its own on the host */

/* The pid of which a line of the record says that it is one of the container's processes; 0 for any other line. */
static int64_t container_process(const char *line, size_t length)
{
	struct json_error wrong;
	struct json *event = json_parse(line, length, &wrong);
	const struct json *role = json_get(event, "role");
	int64_t pid = 0;

	if (json_is(json_get(event, "event"), "process") &&
	    (json_is(role, "container") || json_is(role, "rpc-server") || json_is(role, "stage2")) &&
	    !json_integer(json_get(event, "pid"), 1, INT32_MAX, &pid))
		pid = 0;
	json_free(event);
	return pid;
}

/* A process that has begun to end has no memory any more. */
static bool runs(int64_t pid)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	return holds(path, "VmSize:") > 0;
}

/* The container's processes that a record names and that have not ended: [12, 13]. NULL where no memory is left. */
static char *show_alive(const char *record)
{
	FILE *file = is_given(record) ? fopen(record, "re") : NULL;
	struct json_writer list = {0};
	char *line = NULL, pid[24];
	size_t room = 0;
	ssize_t length;

	json_put(&list, "[");
	while (file != NULL && (length = getline(&line, &room, file)) >= 0) {
		int64_t process = container_process(line, (size_t)length);

		if (process == 0 || !runs(process))
			continue;
		snprintf(pid, sizeof(pid), "%s%" PRId64, list.length > 1 ? ", " : "", process);
		json_put(&list, pid);
	}
	json_put(&list, "]");
	free(line);
	if (file != NULL)
		fclose(file);
	if (!list.failed)
		return list.data;
	free(list.data);
	return NULL;
}

static pinion_error *cleanup_host(void *data, const pinion_context *context)
{
	const struct config *config = config_of(data);
	char *alive = show_alive(config->watch);
	pinion_error *error = alive == NULL ? no_memory() : enter_with(config, "CleanupHost", "alive=%s", alive);

	(void)context;
	free(alive);
	return error;
}

/* ---- the program */

static const pinion_operations operations = {
	.size = sizeof(pinion_operations),
	.config = new_config,
	.decode_config = decode_config,
	.encode_config = encode_config,
	.destroy_config = destroy_config,
	.init_config = init_config,
	.declare = declare,
	.prepare_config = prepare_config,
	.create_container = create_container,
	.start_process = start_process,
	.pre_start_process = pre_start_process,
	.post_start_host = post_start_host,
	.post_start_process = post_start_process,
	.monitor_container = monitor_container,
	.cleanup_container = cleanup_container,
	.cleanup_host = cleanup_host,
};

/* Makes the engine known. Its data is pinion's then, which frees it. */
static pinion_error *register_engine(void)
{
	struct probe *probe = calloc(1, sizeof(*probe));

	if (probe == NULL)
		return no_memory();
	return pinion_register(pinion_str("probe"), &operations, probe, free);
}

/* Makes its RPC methods known, beside those that are built in. The set is pinion's once it is registered. */
static pinion_error *register_methods(void)
{
	pinion_methods *methods;
	pinion_error *error = pinion_methods_new(&methods);

	if (error != NULL)
		return error;
	error = pinion_methods_add_json(methods, pinion_str("Exec"), pinion_str("int"), exec_method, NULL, NULL);
	if (error == NULL)
		return pinion_register_rpc_methods(pinion_str("probe"), methods);
	pinion_methods_free(methods);
	return error;
}

int main(void)
{
	pinion_error *error;

	if (pinion_abi_version() != PINION_ABI_VERSION)
		error = refuse(PINION_REFUSED, "this program was compiled for another version of pinion than %s", pinion_version());
	else
		error = register_engine();
	if (error == NULL)
		error = register_methods();
	/* It returns only with an error: every process ends in there. */
	if (error == NULL)
		error = pinion_lifecycle_run(NULL);
	pinion_log(-3, pinion_str(pinion_error_text(error)));
	pinion_error_free(error);
	return 255;
}
