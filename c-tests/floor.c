/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* The floor of a container start: clone, mounts, pivot, exec, wait, and nothing else. What a runtime adds to it is its own
 * cost. Usage: floor ROOT PROGRAM [ARGS...] (as root; ROOT holds empty directories proc and dev). */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static int failed(const char *what)
{
	fprintf(stderr, "floor: %s: %s\n", what, strerror(errno));
	return 255;
}

static int container(const char *root, char **program)
{
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0)
		return failed("make / private");
	if (mount(root, root, NULL, MS_BIND | MS_REC, NULL) != 0)
		return failed("bind the root");
	if (chdir(root) != 0)
		return failed("enter the root");
	if (mount("proc", "proc", "proc", MS_NOSUID | MS_NOEXEC | MS_NODEV, NULL) != 0)
		return failed("mount proc");
	if (mount("tmpfs", "dev", "tmpfs", MS_NOSUID, "mode=755") != 0)
		return failed("mount dev");
	if (sethostname("floor", 5) != 0)
		return failed("set the host name");
	if (syscall(SYS_pivot_root, ".", ".") != 0)
		return failed("pivot");
	if (umount2(".", MNT_DETACH) != 0)
		return failed("detach the old root");
	if (chdir("/") != 0)
		return failed("enter /");
	execv(program[0], program);
	return failed(program[0]);
}

int main(int argc, char **argv)
{
	unsigned long flags = CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS | SIGCHLD;
	int status;
	long pid;

	if (argc < 3) {
		fprintf(stderr, "usage: floor ROOT PROGRAM [ARGS...]\n");
		return 255;
	}
	pid = syscall(SYS_clone, flags, NULL, NULL, NULL, NULL);
	if (pid < 0)
		return failed("clone");
	if (pid == 0)
		_exit(container(argv[1], argv + 2));
	while (waitpid((pid_t)pid, &status, 0) < 0)
		if (errno != EINTR)
			return failed("wait");
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
