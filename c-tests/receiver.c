/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* A container's program that tells what comes to it, one line on standard output each:
 *
 *   receiver count       every signal that can be blocked, as `got NUMBER kernel` or `got NUMBER process`, until 64 comes
 *   receiver job         the same, but it lets itself be stopped as a job is
 *   receiver family      as count, with a child that heeds no signal
 *   receiver read        it reads a line of standard input, as a job does, and ends: `read WORD`
 *   receiver exit CODE   it ends so
 *   receiver apart CODE  the same, as the leader of a process group of its own
 *   receiver die NUMBER  it ends by this signal, or with code 99 where it survives that
 *   receiver fault       it writes to where no memory is
 *
 * The first line is `ready`, but where it just ends.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The last real-time signal. */
#define END 64

static void say(const char *format, const char *word, int number)
{
	char line[128];

	snprintf(line, sizeof line, format, word, number);
	if (write(1, line, strlen(line)) < 0)
		_exit(98);
}

static int count(int is_job, int has_child)
{
	struct signalfd_siginfo info;
	sigset_t all;
	int signals;

	sigfillset(&all);
	if (is_job) {
		sigdelset(&all, SIGTSTP);
		sigdelset(&all, SIGTTIN);
		sigdelset(&all, SIGTTOU);
	}
	sigprocmask(SIG_SETMASK, &all, NULL);
	if (has_child && fork() == 0)
		for (;;)
			pause();
	signals = signalfd(-1, &all, 0);
	say("ready\n", "", 0);
	for (;;) {
		ssize_t size = read(signals, &info, sizeof info);

		if (size < 0 && errno == EINTR)
			continue;
		if (size != sizeof info)
			return 97;
		say(info.ssi_code == SI_KERNEL ? "got%s %d kernel\n" : "got%s %d process\n", "", (int)info.ssi_signo);
		if (info.ssi_signo == END)
			return 0;
	}
}

static int read_word(void)
{
	char word[64] = "";

	say("ready\n", "", 0);
	if (scanf("%63s", word) != 1)
		return 97;
	say("read %s\n", word, 0);
	return 0;
}

/* By system calls: the C library keeps two signals for itself. */
static int die(int number)
{
	unsigned long action[4] = {0}, none = 0;

	syscall(SYS_rt_sigaction, number, action, NULL, 8);
	syscall(SYS_rt_sigprocmask, SIG_SETMASK, &none, NULL, 8);
	syscall(SYS_kill, getpid(), number);
	return 99;
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";
	int number = argc > 2 ? atoi(argv[2]) : 0;

	if (!strcmp(what, "count") || !strcmp(what, "job") || !strcmp(what, "family"))
		return count(!strcmp(what, "job"), !strcmp(what, "family"));
	if (!strcmp(what, "read"))
		return read_word();
	if (!strcmp(what, "exit") || (!strcmp(what, "apart") && setpgid(0, 0) == 0))
		return number;
	if (!strcmp(what, "die"))
		return die(number);
	if (!strcmp(what, "fault"))
		*(volatile char *)8 = 0;
	fprintf(stderr, "usage: receiver count|job|family|read|fault, receiver exit|apart CODE, receiver die NUMBER\n");
	return 98;
}
