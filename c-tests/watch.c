/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Shows from outside what a program may do at the moment of its system calls:
 *
 *   watch [user=ID] [apart] CALL... -- PROGRAM [ARGUMENT...]
 *
 *   user=ID   the program runs with this user and group id and without further groups
 *   apart     it has mounts, host name and System V IPC of its own
 *
 * Standard output gets {"program": PID}, and a line of JSON before the kernel does each CALL of the program or of a child of it: the
 * call's name and arguments, and of the calling thread what /proc/PID/status says. watch ends with the program's status, or with 128 +
 * the signal that ended it; should watch be killed, the program dies as well.
 */
#include <errno.h>
#include <grp.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* Newer architectures do without: no call has this number. */
#ifndef SYS_open
#define SYS_open -1
#define SYS_access -1
#endif

#define LENGTH(list) (sizeof(list) / sizeof((list)[0]))

static const struct {
    const char *name;
    int number;
} calls[] = {
    {"chdir", SYS_chdir},           {"chroot", SYS_chroot},         {"execve", SYS_execve},
    {"faccessat", SYS_faccessat},   {"faccessat2", SYS_faccessat2}, {"fchownat", SYS_fchownat},
    {"getdents64", SYS_getdents64}, {"ioctl", SYS_ioctl},           {"mkdirat", SYS_mkdirat},
    {"mount", SYS_mount},           {"move_mount", SYS_move_mount}, {"newfstatat", SYS_newfstatat},
    {"openat", SYS_openat},         {"openat2", SYS_openat2},       {"pivot_root", SYS_pivot_root},
    {"readlinkat", SYS_readlinkat}, {"sendmsg", SYS_sendmsg},       {"setns", SYS_setns},
    {"sethostname", SYS_sethostname}, {"statx", SYS_statx},         {"symlinkat", SYS_symlinkat},
    {"umask", SYS_umask},           {"umount2", SYS_umount2},
    {"access", SYS_access},         {"open", SYS_open},
};

static int watched[LENGTH(calls)], count;

static void check(long result, const char *what) {
    if (result < 0) {
        perror(what);
        exit(99);
    }
}

static int number_of(const char *name) {
    for (size_t at = 0; at < LENGTH(calls); at++) {
        if (!strcmp(calls[at].name, name)) {
            return calls[at].number;
        }
    }
    fprintf(stderr, "watch: no such call in its list: %s\n", name);
    exit(99);
}

static const char *name_of(int number) {
    for (size_t at = 0; at < LENGTH(calls); at++) {
        if (calls[at].number == number) {
            return calls[at].name;
        }
    }
    return "?";
}

/* Lets the kernel ask before each watched call; the descriptor on which it asks. */
static int filter(void) {
    struct sock_filter code[LENGTH(calls) + 3];
    unsigned char last = (unsigned char)count;
    code[0] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    for (unsigned char at = 0; at < last; at++) {
        unsigned char ask = (unsigned char)(last - at);
        code[1 + at] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned int)watched[at], ask, 0);
    }
    code[1 + last] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    code[2 + last] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF);
    struct sock_fprog program = {.len = (unsigned short)(last + 3), .filter = code};
    /* As root there is no need for no_new_privs, under which a file's capabilities would not count. */
    return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
}

static void program(volatile int *listener, int apart, unsigned int user, char **arguments) {
    if (apart) {
        check(unshare(CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC), "unshare");
        check(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), "make / private");
    }
    *listener = filter();
    check(*listener, "seccomp");
    raise(SIGSTOP);
    if (user) {
        check(setgroups(0, NULL), "setgroups");
        check(setresgid(user, user, user), "setresgid");
        check(setresuid(user, user, user), "setresuid");
    }
    execv(arguments[0], arguments);
    check(-1, arguments[0]);
}

/* A process that kills the program when the write end of `alive` closes, which happens when watch ends in any way. */
static void guard(int alive, int program_fd) {
    char nothing;
    check(alive = dup2(alive, 0), "dup2");
    check(program_fd = dup2(program_fd, 1), "dup2");
    check(syscall(SYS_close_range, 2, ~0U, 0), "close_range");
    while (read(alive, &nothing, 1) < 0 && errno == EINTR) {
    }
    syscall(SYS_pidfd_send_signal, program_fd, SIGKILL, NULL, 0);
    _exit(0);
}

static void show_status(unsigned int thread) {
    static const char *const sets[] = {"CapInh", "CapPrm", "CapEff", "CapBnd", "NoNewPrivs"};
    char path[64], line[1024];
    unsigned int id;
    snprintf(path, sizeof(path), "/proc/%u/status", thread);
    FILE *status = fopen(path, "r");
    while (status && fgets(line, sizeof(line), status)) {
        char *value = strchr(line, ':');
        if (!value) {
            continue;
        }
        *value++ = 0;
        value[strcspn(value, "\n")] = 0;
        if (sscanf(value, "%*u %*u %*u %u", &id) == 1 && (!strcmp(line, "Uid") || !strcmp(line, "Gid"))) {
            printf(", \"%s\": %u", *line == 'U' ? "fsuid" : "fsgid", id);
        }
        for (size_t at = 0; at < LENGTH(sets); at++) {
            if (!strcmp(line, sets[at])) {
                printf(", \"%s\": \"%s\"", line, value + strspn(value, " \t"));
            }
        }
    }
    if (status) {
        fclose(status);
    }
}

static void answer(int listener) {
    struct seccomp_notif asked;
    memset(&asked, 0, sizeof(asked));
    if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &asked) < 0) {
        return;
    }
    printf("{\"call\": \"%s\", \"thread\": %u, \"arguments\": [", name_of(asked.data.nr), asked.pid);
    for (int at = 0; at < 6; at++) {
        printf("%s%llu", at ? ", " : "", (unsigned long long)asked.data.args[at]);
    }
    printf("]");
    show_status(asked.pid);
    printf("}\n");
    fflush(stdout);
    struct seccomp_notif_resp go_on = {.id = asked.id, .flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE};
    ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &go_on);
}

int main(int argc, char **argv) {
    int at = 1, apart = 0, status, alive[2];
    unsigned int user = 0;
    for (; at < argc && strcmp(argv[at], "--"); at++) {
        if (!strncmp(argv[at], "user=", 5)) {
            user = (unsigned int)strtoul(argv[at] + 5, NULL, 10);
        } else if (!strcmp(argv[at], "apart")) {
            apart = 1;
        } else if (count < (int)LENGTH(watched)) {
            watched[count++] = number_of(argv[at]);
        }
    }
    if (at + 1 >= argc) {
        fprintf(stderr, "usage: watch [user=ID] [apart] CALL... -- PROGRAM [ARGUMENT...]\n");
        return 99;
    }
    volatile int *number = mmap(NULL, sizeof(int), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pid_t child = fork();
    check(child, "fork");
    if (child == 0) {
        program(number, apart, user, argv + at + 1);
    }
    check(waitpid(child, &status, WUNTRACED), "waitpid");
    if (!WIFSTOPPED(status)) {
        return 99;
    }
    int child_fd = (int)syscall(SYS_pidfd_open, child, 0);
    check(child_fd, "pidfd_open");
    int listener = (int)syscall(SYS_pidfd_getfd, child_fd, *number, 0);
    check(listener, "pidfd_getfd");
    check(pipe(alive), "pipe");
    pid_t guarding = fork();
    check(guarding, "fork");
    if (guarding == 0) {
        guard(alive[0], child_fd);
    }
    /* What the program was given must close when the program ends. */
    for (int fd = 3; fd < 1024; fd++) {
        if (fd != listener && fd != child_fd && fd != alive[1]) {
            close(fd);
        }
    }
    printf("{\"program\": %d}\n", (int)child);
    fflush(stdout);
    kill(child, SIGCONT);
    struct pollfd both[] = {{.fd = child_fd, .events = POLLIN}, {.fd = listener, .events = POLLIN}};
    while (poll(both, 2, -1) >= 0 || errno == EINTR) {
        if (both[1].revents & POLLIN) {
            answer(listener);
        } else if (both[0].revents) {
            break;
        }
    }
    check(waitpid(child, &status, 0), "waitpid");
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
