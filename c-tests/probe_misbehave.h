/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* How a callback of probe.c fails or misbehaves where a scenario wants it: no example for an engine. */
#ifndef PROBE_MISBEHAVE_H
#define PROBE_MISBEHAVE_H

/* ---- misbehaviour, as a scenario wants it */

/* How a callback is to fail; NULL if it is not. */
static const char *told(const struct config *config, const char *callback)
{
	size_t index;

	for (index = 0; index < config->fail.count; index++)
		if (strcmp(config->fail.at[index].name, callback) == 0)
			return config->fail.at[index].texts.at[0];
	return NULL;
}

static pinion_error *fail(const char *callback)
{
	return refuse(PINION_CALLBACK, "%s was told to fail", callback);
}

/* A library that was built for tests has this: it panics inside, which comes back as an error. */
pinion_error *pinion_fault_panic(pinion_view text) __attribute__((weak));

static pinion_error *panic(const char *callback)
{
	pinion_error *error;
	char *words;

	if (pinion_fault_panic == NULL)
		return refuse(PINION_CALLBACK, "%s was told to panic", callback);
	if (asprintf(&words, "%s was told to panic", callback) < 0)
		return no_memory();
	error = pinion_fault_panic(pinion_str(words));
	free(words);
	return error;
}

__attribute__((noreturn)) static void stay(void)
{
	for (;;)
		pause();
}

static pinion_error *hang(const char *callback)
{
	(void)callback;
	stay();
}

/* The first process of a PID namespace survives its own signals: whoever reads the record kills it. */
static pinion_error *kill_itself(const char *callback)
{
	pinion_error *error;

	(void)callback;
	if (raise(SIGKILL) != 0)
		return failed("kill itself");
	error = pinion_record_event(pinion_str("fault"), pinion_str(NULL));
	if (error != NULL)
		return error;
	stay();
}

/* The process that steps in for the one that was killed is spared. */
static pinion_error *kill_first(const char *callback)
{
	return pinion_lifecycle_role() == PINION_ROLE_CLEANUP_SPARE ? NULL : kill_itself(callback);
}

static pinion_error *change_directory(const char *callback)
{
	(void)callback;
	return chdir("/proc") == 0 ? NULL : failed("change to /proc");
}

static pinion_error *change_umask(const char *callback)
{
	(void)callback;
	umask(0077);
	return NULL;
}

/* Blocks SIGUSR1, or opens it if it was blocked. */
static pinion_error *change_mask(const char *callback)
{
	sigset_t mask, one;

	(void)callback;
	sigemptyset(&one);
	sigaddset(&one, SIGUSR1);
	errno = pthread_sigmask(SIG_SETMASK, NULL, &mask);
	if (errno == 0)
		errno = pthread_sigmask(sigismember(&mask, SIGUSR1) == 1 ? SIG_UNBLOCK : SIG_BLOCK, &one, NULL);
	return errno == 0 ? NULL : failed("change the signal mask");
}

static pinion_error *change_group(const char *callback)
{
	(void)callback;
	return setresgid(getgid(), 1, getgid()) == 0 ? NULL : failed("change the group id");
}

static pinion_error *drop_capabilities(const char *callback)
{
	struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
	struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3];
	size_t index;

	(void)callback;
	if (syscall(SYS_capget, &header, sets) != 0)
		return failed("read the capabilities");
	for (index = 0; index < LENGTH(sets); index++)
		sets[index].effective = 0;
	return syscall(SYS_capset, &header, sets) == 0 ? NULL : failed("drop the capabilities");
}

static pinion_error *make_ambient(const char *callback)
{
	struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
	struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3];

	(void)callback;
	if (syscall(SYS_capget, &header, sets) != 0)
		return failed("read the capabilities");
	sets[CAP_TO_INDEX(CAP_CHOWN)].inheritable |= CAP_TO_MASK(CAP_CHOWN);
	if (syscall(SYS_capset, &header, sets) != 0)
		return failed("make a capability inheritable");
	return prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_CHOWN, 0, 0) == 0 ? NULL : failed("make it ambient");
}

static pinion_error *gain_nothing(const char *callback)
{
	(void)callback;
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 ? NULL : failed("set no_new_privs");
}

static pinion_error *change_securebits(const char *callback)
{
	(void)callback;
	return prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) == 0 ? NULL : failed("set the securebits");
}

/* Opens the process to others of its user, or closes it if it was open. */
static pinion_error *change_dumpable(const char *callback)
{
	(void)callback;
	return prctl(PR_SET_DUMPABLE, prctl(PR_GET_DUMPABLE) != 1, 0, 0, 0) == 0 ? NULL : failed("set whether it is dumpable");
}

/* Has another signal sent when its parent dies. */
static pinion_error *change_death_signal(const char *callback)
{
	(void)callback;
	return prctl(PR_SET_PDEATHSIG, SIGHUP, 0, 0, 0) == 0 ? NULL : failed("set the parent-death signal");
}

/* Makes a child, in which it returns with 0 in `child`; in the parent it returns after the child's end. */
static pinion_error *split(pid_t *child)
{
	*child = fork();
	if (*child < 0)
		return failed("make a child");
	while (*child > 0 && waitpid(*child, NULL, 0) < 0)
		if (errno != EINTR)
			return failed("wait for the child");
	return NULL;
}

static pinion_error *return_twice(const char *callback)
{
	pid_t child;
	pinion_error *error = split(&child);

	(void)callback;
	if (error == NULL && child == 0)
		return refuse(PINION_CALLBACK, "this is the child");
	return error;
}

static pinion_error *exit_in_a_child(const char *callback)
{
	pid_t child;
	pinion_error *error = split(&child);

	(void)callback;
	if (error == NULL && child == 0)
		exit(0);
	return error;
}

__attribute__((noreturn)) static pinion_error *exit_well(const char *callback)
{
	(void)callback;
	exit(3);
}

__attribute__((noreturn)) static pinion_error *exit_at_once(const char *callback)
{
	(void)callback;
	_exit(3);
}

static pinion_error *become_another(const char *callback)
{
	(void)callback;
	execlp("sleep", "sleep", "1000", (char *)NULL);
	return failed("execute sleep");
}

static const struct {
	const char *word;
	pinion_error *(*act)(const char *callback);
} ways[] = {
	{"error", fail},
	{"panic", panic},
	{"hang", hang},
	{"kill", kill_itself},
	{"kill first", kill_first},
	{"chdir", change_directory},
	{"umask", change_umask},
	{"mask", change_mask},
	{"setgid", change_group},
	{"capset", drop_capabilities},
	{"ambient", make_ambient},
	{"no_new_privs", gain_nothing},
	{"securebits", change_securebits},
	{"dumpable", change_dumpable},
	{"death signal", change_death_signal},
	{"fork", return_twice},
	{"fork exit", exit_in_a_child},
	{"exit", exit_well},
	{"_exit", exit_at_once},
	{"exec", become_another},
};

/* Does what the word says, if it is none of the callback's own. */
static pinion_error *misbehave(const char *callback, const char *how)
{
	size_t index;

	for (index = 0; index < LENGTH(ways); index++)
		if (strcmp(ways[index].word, how) == 0)
			return ways[index].act(callback);
	return NULL;
}

#endif
