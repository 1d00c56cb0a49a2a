/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Starts a program under conditions that a careless or hostile caller leaves behind:
 *
 *   under CONDITION... -- PROGRAM [ARGUMENT...]
 *
 *   close=N            descriptor N is closed
 *   open=N:PATH        descriptor N is PATH (read-only for a directory, else for reading and writing)
 *   socket=N           descriptor N is one end of a socket pair
 *   many=N             N further descriptors of / are open
 *   config=FILE:SEALS  descriptor 7 is a memory file with FILE's content and the seals SEALS (fcntl's numbers)
 *   block              all signals are blocked
 *   ignore=N           signal N is ignored
 *   umask=OCTAL        the umask
 *   nowhere            the working directory is a deleted one
 *   argc0, argv0=WORD  no arguments at all, or another name
 *   noenv              an empty environment
 *   timer=MS           ITIMER_REAL is armed, once
 *   virtual=MS, prof=MS  ITIMER_VIRTUAL or ITIMER_PROF is
 *   nnp                no_new_privs is set
 *   limit=N:VALUE      resource limit N (sys/resource.h), soft and hard
 *   deny=NR[:ERRNO[:ARG:MASK]]  system call NR fails (ENOSYS unless given) if a bit of MASK is set in argument ARG
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#define LENGTH(list) (sizeof(list) / sizeof((list)[0]))

static char **program;
static char **variables;
extern char **environ;

static void fail(const char *what) {
    perror(what);
    exit(99);
}

static void check(int result, const char *what) {
    if (result < 0) {
        fail(what);
    }
}

static void move_to(int fd, int number, const char *what) {
    check(fd, what);
    if (fd != number) {
        check(dup2(fd, number), what);
        close(fd);
    }
}

static void open_as(const char *text) {
    char *path;
    int number = (int)strtol(text, &path, 10);
    struct stat about;
    path++;
    check(stat(path, &about), path);
    move_to(open(path, S_ISDIR(about.st_mode) ? O_RDONLY : O_RDWR), number, path);
}

static void configure(char *text) {
    static char content[1 << 16];
    char *seals = strrchr(text, ':');
    *seals++ = 0;
    int file = open(text, O_RDONLY);
    check(file, text);
    ssize_t size = read(file, content, sizeof(content));
    check((int)size, text);
    close(file);
    int memory = memfd_create("config", MFD_ALLOW_SEALING);
    check(memory, "memfd_create");
    if (write(memory, content, (size_t)size) != size) {
        fail("write");
    }
    check(fcntl(memory, F_ADD_SEALS, atoi(seals)), "seal");
    move_to(memory, 7, "config");
}

static void nowhere(void) {
    char path[] = "/tmp/pinion-nowhere-XXXXXX";
    if (!mkdtemp(path) || chdir(path) || rmdir(path)) {
        fail(path);
    }
}

static void deny(char *text) {
    unsigned int number = (unsigned int)strtoul(text, &text, 10);
    unsigned int error = ENOSYS, argument = 0, mask = 0;
    sscanf(text, ":%u:%u:%u", &error, &argument, &mask);
    const unsigned int at = (unsigned int)offsetof(struct seccomp_data, args) + 8 * argument;
    struct sock_filter by_number[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, at),
        BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, mask, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    if (!mask) {
        by_number[3] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 0, 0, 1);
    }
    struct sock_fprog filter = {.len = LENGTH(by_number), .filter = by_number};
    /* As root there is no need for no_new_privs, which would be a condition of its own. */
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter)) {
        check(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs");
        check(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter), "seccomp");
    }
}

static void arm(int which, const char *text) {
    struct itimerval timer = {.it_value = {atoi(text) / 1000, atoi(text) % 1000 * 1000}};
    check(setitimer(which, &timer, NULL), "setitimer");
}

static void limit(char *text) {
    int resource = (int)strtol(text, &text, 10);
    rlim_t value = strtoul(text + 1, NULL, 10);
    struct rlimit both = {value, value};
    check(setrlimit(resource, &both), "setrlimit");
}

static void apply(char *condition) {
    static char *none[] = {NULL};
    char *value = strchr(condition, '=');
    value = value ? (*value = 0, value + 1) : condition + strlen(condition);
    if (!strcmp(condition, "close")) {
        close(atoi(value));
    } else if (!strcmp(condition, "open")) {
        open_as(value);
    } else if (!strcmp(condition, "socket")) {
        int pair[2];
        check(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), "socketpair");
        move_to(pair[0], atoi(value), "socket");
    } else if (!strcmp(condition, "many")) {
        for (int left = atoi(value); left > 0; left--) {
            check(open("/", O_RDONLY), "/");
        }
    } else if (!strcmp(condition, "config")) {
        configure(value);
    } else if (!strcmp(condition, "block")) {
        sigset_t all;
        sigfillset(&all);
        sigprocmask(SIG_SETMASK, &all, NULL);
    } else if (!strcmp(condition, "ignore")) {
        signal(atoi(value), SIG_IGN);
    } else if (!strcmp(condition, "umask")) {
        umask((mode_t)strtol(value, NULL, 8));
    } else if (!strcmp(condition, "nowhere")) {
        nowhere();
    } else if (!strcmp(condition, "argc0")) {
        program[1] = NULL;
        program[0] = NULL;
    } else if (!strcmp(condition, "argv0")) {
        program[0] = value;
    } else if (!strcmp(condition, "noenv")) {
        variables = none;
    } else if (!strcmp(condition, "timer")) {
        arm(ITIMER_REAL, value);
    } else if (!strcmp(condition, "virtual")) {
        arm(ITIMER_VIRTUAL, value);
    } else if (!strcmp(condition, "prof")) {
        arm(ITIMER_PROF, value);
    } else if (!strcmp(condition, "nnp")) {
        check(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs");
    } else if (!strcmp(condition, "limit")) {
        limit(value);
    } else if (!strcmp(condition, "deny")) {
        deny(value);
    } else {
        fprintf(stderr, "no such condition: %s\n", condition);
        exit(99);
    }
}

int main(int count, char **arguments) {
    int first = 1;
    while (first < count && strcmp(arguments[first], "--")) {
        first++;
    }
    if (first + 1 >= count) {
        return 99;
    }
    program = arguments + first + 1;
    variables = environ;
    char *path = program[0];
    for (int at = 1; at < first; at++) {
        apply(arguments[at]);
    }
    execve(path, program, variables);
    fail(path);
}
