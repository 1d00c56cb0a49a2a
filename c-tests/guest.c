/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* A good guest: each kind of call leaves the process as it found it. What is registered with atexit is counted, by functions in
 * front of the C library's. */
#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "client.h"

extern char **environ;

/* In front of the C library's: how often something was to be called at the end of the process. */
static int registered;

typedef int cxa_atexit(void (*function)(void *), void *data, void *object);
int __cxa_atexit(void (*function)(void *), void *data, void *object);
int __cxa_atexit(void (*function)(void *), void *data, void *object)
{
	void *next = dlsym(RTLD_NEXT, "__cxa_atexit");
	cxa_atexit *call;

	registered++;
	memcpy(&call, &next, sizeof call);
	return call(function, data, object);
}

/* What a call must not change. */
struct process {
	struct sigaction actions[65];
	sigset_t mask;
	stack_t stack;
	char cwd[4096], descriptors[4096], environment[8192], umask[16];
	int threads, registered;
	off_t said;
};

static int captured;

static int entries(const char *path, char *list, size_t size)
{
	DIR *folder = opendir(path);
	struct dirent *entry;
	char link[512], name[64];
	ssize_t length;
	int count = 0;

	while (folder != NULL && (entry = readdir(folder)) != NULL) {
		if (entry->d_name[0] == '.' || atoi(entry->d_name) == dirfd(folder))
			continue;
		count++;
		if (list == NULL)
			continue;
		snprintf(name, sizeof name, "%s/%.16s", path, entry->d_name);
		length = readlink(name, link, sizeof link - 1);
		link[length < 0 ? 0 : length] = '\0';
		snprintf(list + strlen(list), size - strlen(list), "%s=%s:%d ", entry->d_name, link,
			 fcntl(atoi(entry->d_name), F_GETFD));
	}
	closedir(folder);
	return count;
}

static void look(struct process *process)
{
	char line[256];
	FILE *status;
	int i;

	memset(process, 0, sizeof *process);
	for (i = 1; i <= 64; i++)
		sigaction(i, NULL, &process->actions[i]);
	pthread_sigmask(SIG_SETMASK, NULL, &process->mask);
	sigaltstack(NULL, &process->stack);
	if (getcwd(process->cwd, sizeof process->cwd) == NULL)
		process->cwd[0] = '\0';
	process->threads = entries("/proc/self/task", NULL, 0);
	/* One that was joined is there until the kernel is through with it. */
	for (i = 0; i < 10000 && process->threads > 1; i++) {
		sched_yield();
		process->threads = entries("/proc/self/task", NULL, 0);
	}
	entries("/proc/self/fd", process->descriptors, sizeof process->descriptors);
	for (i = 0; environ[i] != NULL; i++)
		snprintf(process->environment + strlen(process->environment),
			 sizeof process->environment - strlen(process->environment), "%p %s\n", (void *)environ[i], environ[i]);
	status = fopen("/proc/self/status", "r");
	while (status != NULL && fgets(line, sizeof line, status) != NULL)
		if (strncmp(line, "Umask:", 6) == 0)
			snprintf(process->umask, sizeof process->umask, "%.12s", line + 6);
	if (status != NULL)
		fclose(status);
	process->said = lseek(captured, 0, SEEK_END);
	process->registered = registered;
}

static void same_as_before(const struct process *was, const struct process *is, const char *what)
{
	int i, changed = 0;

	for (i = 1; i <= 64; i++)
		if (was->actions[i].sa_handler != is->actions[i].sa_handler || was->actions[i].sa_flags != is->actions[i].sa_flags) {
			printf("#   signal %d\n", i);
			changed++;
		}
	check(changed == 0, "%s: signals have their dispositions", what);
	check(memcmp(&was->mask, &is->mask, sizeof was->mask) == 0, "%s: the signal mask", what);
	check(was->stack.ss_sp == is->stack.ss_sp && was->stack.ss_flags == is->stack.ss_flags, "%s: the alternate stack", what);
	check(was->threads == is->threads, "%s: the number of threads (%d, then %d)", what, was->threads, is->threads);
	check(strcmp(was->umask, is->umask) == 0, "%s: the umask", what);
	check(strcmp(was->cwd, is->cwd) == 0, "%s: the working directory", what);
	check(strcmp(was->environment, is->environment) == 0, "%s: the environment", what);
	if (!check(strcmp(was->descriptors, is->descriptors) == 0, "%s: the open descriptors", what))
		printf("#   %s\n#   %s\n", was->descriptors, is->descriptors);
	check(was->said == is->said, "%s: nothing is said", what);
	check(was->registered == is->registered, "%s: nothing is registered with atexit", what);
}

/* A call whose error, if it has one, is of no interest here. */
static void any(pinion_error *error)
{
	pinion_error_free(error);
}

static void objects(void)
{
	pinion_bytes *bytes = NULL;
	pinion_credentials credentials = { sizeof credentials, { 0 }, { 0 }, 0, 0, 0 };

	any(pinion_bytes_new(pinion_str("x"), &bytes));
	any(pinion_error_with_help(pinion_error_new(1, 2, pinion_str("x")), pinion_str("y")));
	pinion_bytes_free(bytes);
	pinion_bytes_free(bytes);
	any(pinion_credentials_read(&credentials));
	any(pinion_record_event(pinion_str("event"), pinion_str("{}")));
	pinion_log(5, pinion_str("below the level"));
	any(pinion_log_set_sink(NULL, NULL, NULL));
	any(pinion_lifecycle_run_role());
	pinion_lifecycle_role();
}

static void configurations(void)
{
	pinion_config *config = NULL;
	size_t size = 1 << 20;
	char *json = malloc(size);
	int64_t groups[40] = { 0 };

	memset(json, ' ', size);
	json[0] = '1';
	any(pinion_config_new(pinion_str("{}"), false, &config));
	any(pinion_config_write(config, view_of(json, size)));
	any(pinion_config_set_newuidmap_path(config));
	any(pinion_config_set_target_gid(config, groups, 40));
	any(pinion_config_set_working_directory_fd(config, 0));
	any(pinion_config_keep_file_descriptor(config, 0));
	any(pinion_config_note_file(config, pinion_str("/tmp/x")));
	any(pinion_config_release(config));
	pinion_config_free(config);
	free(json);
}

static pinion_error *start(void *data, pinion_master *master, int32_t *status)
{
	(void)data, *status = 0;
	return pinion_master_close(master);
}

static void operations(void)
{
	pinion_operations table = idle_engine();
	pinion_engine *engine = NULL;
	pinion_context *context = NULL;
	pinion_signals *signals = NULL;
	pinion_config *config = NULL;
	pinion_common *common = NULL;
	pinion_bytes *json = NULL;
	int32_t status, fds[2];
	int pair[2];

	table.start_process = start;
	any(pinion_replace(pinion_str("guest"), &table, NULL, NULL));
	any(pinion_get(pinion_str("{\"engineName\":\"guest\",\"engineConfig\":{}}"), &engine));
	any(pinion_context_new(&context));
	any(pinion_signals_new(context, &signals));
	any(pinion_signals_fds(signals, &fds[0], &fds[1]));
	any(pinion_config_new(pinion_str("{}"), false, &config));
	any(pinion_engine_common(engine, &common));
	any(pinion_common_encode(common, &json));
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0)
		abort();
	any(pinion_engine_prepare_config(engine, config));
	any(pinion_engine_create_container(engine, context, 1, pair[0]));
	any(pinion_engine_start_process(engine, pair[0], &status));
	any(pinion_engine_post_start_host(engine, context));
	any(pinion_engine_monitor_container(engine, 1, signals, &status));
	any(pinion_context_cancel(context));
	any(pinion_signals_next(signals, &status));
	any(pinion_engine_cleanup_container(engine, context, NULL, 0));
	any(pinion_engine_cleanup_host(engine, context));
	close(pair[1]);
	pinion_bytes_free(json);
	pinion_common_free(common);
	pinion_config_free(config);
	pinion_signals_free(signals);
	pinion_context_free(context);
	pinion_engine_free(engine);
}

static pinion_error *answer(void *data, pinion_view argument, pinion_bytes **reply)
{
	(void)data;
	return pinion_bytes_new(argument, reply);
}

static void calls_of_methods(void)
{
	pinion_methods *set = NULL;
	pinion_engine *engine = NULL;
	pinion_client *client = NULL;
	struct server server;

	any(pinion_methods_new(&set));
	any(pinion_methods_add_json(set, pinion_str("A"), pinion_str("int"), answer, NULL, NULL));
	any(pinion_replace_rpc_methods(pinion_str("guest"), set));
	any(pinion_get(pinion_str("{\"engineName\":\"guest\"}"), &engine));
	if (!begin_server(&server, engine, ""))
		abort();
	any(pinion_client_new(server.sockets[0], pinion_str("guest"), 60000, &client));
	any(pinion_client_call(client, pinion_str("A"), pinion_str(""), pinion_str("1"), NULL));
	any(pinion_client_call(client, pinion_str("Stat"), pinion_str(""), pinion_str("{\"Path\":\"/proc\"}"), NULL));
	any(pinion_client_call(client, pinion_str("None"), pinion_str(""), pinion_str("1"), NULL));
	pinion_client_free(client);
	close(server.sockets[0]);
	pthread_join(server.thread, NULL);
	any(server.error);
	pinion_engine_free(engine);
}

static void launches(void)
{
	pinion_launch_options options = pinion_launch_options_init();
	int32_t status;
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	options.starter = pinion_str("/bin/true");
	options.stdout_fd = captured;
	any(pinion_launch_run(pinion_str("s"), pinion_str("{}"), &options, &status));
	options.by_descriptor = false;
	any(pinion_launch_run(pinion_str("s"), pinion_str("{}"), &options, &status));
	options.starter = pinion_str("/nonexistent");
	any(pinion_launch_run(pinion_str("s"), pinion_str("{}"), &options, &status));
	/* These are the starter's, which there will be none of. */
	options.stdin_fd = options.stdout_fd = options.stderr_fd = null;
	any(pinion_launch_exec(pinion_str("s"), pinion_str("{}"), &options));
	close(null);
}

#ifdef PINION_FAULT
pinion_error *pinion_fault_panic(pinion_view text);

static void panics(void)
{
	any(pinion_fault_panic(pinion_str("guest")));
}
#endif

static void handler(int number)
{
	(void)number;
}

int main(void)
{
	static const struct {
		const char *what;
		void (*call)(void);
	} KINDS[] = {
		{ "objects", objects },	      { "a starter configuration", configurations },
		{ "operations", operations }, { "RPC methods", calls_of_methods },
		{ "launches", launches },
#ifdef PINION_FAULT
		{ "panics", panics },
#endif
	};
	static struct process was, is;
	size_t i, round;
	sigset_t some;
	int out = dup(1), err = dup(2);

	captured = memfd_create("captured", MFD_CLOEXEC);
	umask(0123);
	sigemptyset(&some);
	sigaddset(&some, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &some, NULL);
	signal(SIGPIPE, SIG_IGN), signal(SIGUSR2, handler), signal(SIGSEGV, handler);
	for (i = 0; i < sizeof KINDS / sizeof *KINDS; i++) {
		for (round = 0; round < 2; round++) {
			fflush(NULL);
			dup2(captured, 1), dup2(captured, 2);
			look(&was);
			KINDS[i].call();
			look(&is);
			dup2(out, 1), dup2(err, 2);
			same_as_before(&was, &is, KINDS[i].what);
		}
	}
	check(texts == 0, "no configuration object is left");
	close(out), close(err), close(captured);
	return done();
}
