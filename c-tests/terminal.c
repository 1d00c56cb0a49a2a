/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* A terminal, and a shell with one job in it:
 *
 *   terminal [user=ID] PLACE PROGRAM [ARGUMENT...]
 *
 *   foreground  the job has the terminal
 *   background  the shell has it
 *   leader      there is no shell: the job leads the terminal's session, as in a terminal's window or behind ssh -t
 *   session     the shell has the terminal, the job a session of its own
 *   none        there is no terminal; shell and job are in one process group
 *
 * The job's standard input and error are the terminal, or /dev/null; its output is the one of this program, which tells there what it
 * sees, a line each: `job PID`, `stopped SIGNAL`, `continued`, `exited CODE`, `killed SIGNAL`; `shell SIGNAL` for what came to the
 * shell, which a hang-up ends, and `gone` at its end. Standard input is told what to do, a line each: `type TEXT`, `enter`, `resize`, `hangup`, `signal NUMBER`
 * to the job's process, `group NUMBER` to its process group; `front` gives the job the terminal, which is told when it is done. At its
 * end the job is killed.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

static struct shared {
	volatile pid_t job;
	volatile int over;
} *shared;

static int master = -1, slave = -1;
static unsigned int user;
static const char *place;

static void check(long result, const char *what)
{
	if (result < 0) {
		perror(what);
		exit(99);
	}
}

static int is(const char *name)
{
	return !strcmp(place, name);
}

/* In one write each: lines of several processes do not mix. */
static void say(const char *what, int number)
{
	char line[64];

	snprintf(line, sizeof line, number < 0 ? "%s\n" : "%s %d\n", what, number);
	check(write(1, line, strlen(line)), "write");
}

static void open_terminal(void)
{
	struct termios modes;

	master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	check(master, "posix_openpt");
	check(grantpt(master), "grantpt");
	check(unlockpt(master), "unlockpt");
	slave = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
	check(slave, "open the terminal");
	check(tcgetattr(slave, &modes), "tcgetattr");
	modes.c_lflag &= ~(tcflag_t)ECHO;
	check(tcsetattr(slave, TCSANOW, &modes), "tcsetattr");
}

/* Becomes the program, with default dispositions and an empty mask. */
static void job(char **arguments)
{
	int in = slave >= 0 ? slave : open("/dev/null", O_RDWR | O_CLOEXEC);
	sigset_t none;

	shared->job = getpid();
	say("job", (int)getpid());
	if (is("foreground") || is("background"))
		check(setpgid(0, 0), "setpgid");
	if (is("foreground"))
		check(tcsetpgrp(slave, getpid()), "tcsetpgrp");
	if (is("session"))
		check(setsid(), "setsid");
	check(dup2(in, 0), "dup2");
	check(dup2(in, 2), "dup2");
	if (user) {
		check(setgroups(0, NULL), "setgroups");
		check(setresgid(user, user, user), "setresgid");
		check(setresuid(user, user, user), "setresuid");
	}
	for (int number = 1; number < 65; number++)
		signal(number, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	execv(arguments[0], arguments);
	check(-1, arguments[0]);
}

/* Tells what became of children; whether a child that is not the job has ended. */
static int look(void)
{
	int status, ended = 0;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG | WUNTRACED | WCONTINUED)) > 0) {
		if (pid != shared->job) {
			ended |= WIFEXITED(status) || WIFSIGNALED(status);
			continue;
		}
		/* A shell takes the terminal back. */
		if (getpid() == getsid(0) && slave >= 0 && !WIFCONTINUED(status))
			tcsetpgrp(slave, getpgrp());
		if (WIFSTOPPED(status))
			say("stopped", WSTOPSIG(status));
		else if (WIFCONTINUED(status))
			say("continued", -1);
		else if (WIFEXITED(status))
			say("exited", WEXITSTATUS(status));
		else
			say("killed", WTERMSIG(status));
		shared->over |= WIFEXITED(status) || WIFSIGNALED(status);
	}
	return ended;
}

/* The shell: its signals, and `front` as one byte. */
static void shell(int commands, int signals, char **arguments)
{
	struct pollfd both[] = {{.fd = signals, .events = POLLIN}, {.fd = commands, .events = POLLIN}};
	struct signalfd_siginfo info;
	char command;
	pid_t pid;

	check(prctl(PR_SET_PDEATHSIG, SIGKILL), "prctl");
	check(setsid(), "setsid");
	if (slave >= 0)
		check(ioctl(slave, TIOCSCTTY, 0), "TIOCSCTTY");
	close(master);
	if (is("leader"))
		job(arguments);
	pid = fork();
	check(pid, "fork");
	if (pid == 0)
		job(arguments);
	while (!shared->over) {
		check(poll(both, 2, -1), "poll");
		if (both[0].revents && read(signals, &info, sizeof info) == sizeof info) {
			if (info.ssi_signo != SIGCHLD)
				say("shell", (int)info.ssi_signo);
			if (info.ssi_signo == SIGHUP)
				_exit(0);
		}
		if (both[1].revents && read(commands, &command, 1) == 1) {
			check(tcsetpgrp(slave, pid), "tcsetpgrp");
			say("front", -1);
		}
		look();
	}
	_exit(0);
}

static void command(char *line, int to_shell)
{
	struct winsize size = {.ws_row = 24, .ws_col = 80};
	char *word = strchr(line, ' ');

	if (word)
		*word++ = 0;
	if (!strcmp(line, "type")) {
		check(write(master, word, strlen(word)), "type");
	} else if (!strcmp(line, "enter")) {
		check(write(master, "\n", 1), "enter");
	} else if (!strcmp(line, "resize")) {
		check(ioctl(master, TIOCGWINSZ, &size), "TIOCGWINSZ");
		size.ws_col++;
		check(ioctl(master, TIOCSWINSZ, &size), "TIOCSWINSZ");
	} else if (!strcmp(line, "hangup")) {
		close(master);
		master = -1;
	} else if (!strcmp(line, "signal")) {
		check(kill(shared->job, atoi(word)), "kill");
	} else if (!strcmp(line, "group")) {
		check(kill(-shared->job, atoi(word)), "kill");
	} else if (!strcmp(line, "front")) {
		check(write(to_shell, line, 1), "tell the shell");
	} else {
		fprintf(stderr, "terminal: no such command: %s\n", line);
		exit(99);
	}
}

/* What comes from the test, from the job by way of the terminal, and what becomes of the shell. */
static void serve(int to_shell, int signals, pid_t child)
{
	struct pollfd all[] = {{.fd = 0, .events = POLLIN}, {.fd = signals, .events = POLLIN}, {.events = POLLIN}};
	struct signalfd_siginfo info;
	char line[256], text[512];
	size_t length = 0;
	int shell_lives = !is("leader"), terminal_lives = 1;

	while (!shared->over || shell_lives) {
		all[2].fd = terminal_lives ? master : -1;
		check(poll(all, 3, -1), "poll");
		if (all[1].revents && read(signals, &info, sizeof info) == sizeof info && look()) {
			shell_lives = 0;
			say("gone", -1);
		}
		if (all[2].revents) {
			ssize_t size = read(master, text, sizeof text);

			/* Without a word: nobody has it open any more. */
			terminal_lives = size > 0 && write(2, text, (size_t)size) > 0;
		}
		if (all[0].revents) {
			if (read(0, line + length, 1) <= 0 || length + 2 > sizeof line)
				break;
			if (line[length++] == '\n') {
				line[length - 1] = 0;
				length = 0;
				command(line, to_shell);
			}
		}
	}
	if (!shared->over && shared->job)
		kill(shared->job, SIGKILL);
	if (shell_lives)
		waitpid(child, NULL, 0);
}

int main(int argc, char **argv)
{
	int commands[2], signals;
	sigset_t all;
	pid_t child;

	if (argc > 1 && !strncmp(argv[1], "user=", 5)) {
		user = (unsigned int)strtoul(argv[1] + 5, NULL, 10);
		argc--, argv++;
	}
	if (argc < 3) {
		fprintf(stderr, "usage: terminal [user=ID] PLACE PROGRAM [ARGUMENT...]\n");
		return 99;
	}
	place = argv[1];
	shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	check(shared == MAP_FAILED ? -1 : 0, "mmap");
	if (!is("none"))
		open_terminal();
	/* A caller may have left some ignored, SIGCHLD among them. */
	for (int number = 1; number < 65; number++)
		signal(number, SIG_DFL);
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	signals = signalfd(-1, &all, SFD_CLOEXEC);
	check(signals, "signalfd");
	check(pipe2(commands, O_CLOEXEC), "pipe2");
	check(prctl(PR_SET_CHILD_SUBREAPER, 1), "prctl");
	child = fork();
	check(child, "fork");
	if (child == 0)
		shell(commands[0], signals, argv + 2);
	close(slave);
	slave = -1;
	serve(commands[1], signals, child);
	return 0;
}
