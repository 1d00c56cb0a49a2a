/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Shows of other processes what /proc does not tell:
 *
 *   posture look PID...   of each thread of each process, a line of JSON for each: whether it is dumpable, its
 *                         securebits, and the signal that it gets when its parent dies
 *   posture sockets       of each Unix socket of this network namespace: its inode, its type, the inode of its peer
 *   posture reach PID     the errno with which the kernel keeps posture from tracing the process, from taking a
 *                         descriptor of it, and from reading its memory; 0 where it does not
 *
 * The kernel answers prctl(2) only to the thread itself. `look` therefore stops one thread at a time, has it make the
 * system calls, and lets it go on as it was, a blocked system call included.
 */
#include <dirent.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct user_regs_struct registers;

/* How the system call instruction looks, where it may begin, and which registers it takes. */
#if defined(__x86_64__)
static const unsigned char instruction[] = {0x0f, 0x05};
enum { ALIGNED = 1, RED_ZONE = 128 };

static unsigned long position(const registers *of) { return of->rip; }
static unsigned long stack(const registers *of) { return of->rsp; }
static long result(const registers *of) { return (long)of->rax; }

static void prepare(registers *of, unsigned long at, unsigned long number, const unsigned long arguments[5]) {
    of->rip = at;
    of->rax = number;
    /* Else the kernel would take the number for that of a call to be restarted. */
    of->orig_rax = (unsigned long)-1;
    of->rdi = arguments[0];
    of->rsi = arguments[1];
    of->rdx = arguments[2];
    of->r10 = arguments[3];
    of->r8 = arguments[4];
}
#elif defined(__aarch64__)
static const unsigned char instruction[] = {0x01, 0x00, 0x00, 0xd4};
enum { ALIGNED = 4, RED_ZONE = 0 };

static unsigned long position(const registers *of) { return of->pc; }
static unsigned long stack(const registers *of) { return of->sp; }
static long result(const registers *of) { return (long)of->regs[0]; }

static void prepare(registers *of, unsigned long at, unsigned long number, const unsigned long arguments[5]) {
    of->pc = at;
    of->regs[8] = number;
    for (int index = 0; index < 5; index++) {
        of->regs[index] = arguments[index];
    }
}
#else
#error "posture.c knows the registers of x86_64 and aarch64"
#endif

static void check(long outcome, const char *what) {
    if (outcome < 0) {
        fprintf(stderr, "posture: %s: %s\n", what, strerror(errno));
        exit(1);
    }
}

static void refuse(const char *what) {
    fprintf(stderr, "posture: %s\n", what);
    exit(1);
}

/* A thread that has been stopped. */
struct stopped {
    pid_t thread;
    registers before;
    /* Where a system call instruction lies. */
    unsigned long call;
    /* A signal that came meanwhile. */
    int held;
};

/* Waits for the thread's next stop: the signal that has come to it, or 0 if it is ptrace(2)'s own stop. */
static int next_stop(pid_t thread) {
    int status;
    check(waitpid(thread, &status, __WALL), "wait for a thread");
    if (!WIFSTOPPED(status)) {
        refuse("a thread has ended");
    }
    return status >> 16 == PTRACE_EVENT_STOP ? 0 : WSTOPSIG(status);
}

static void get_registers(pid_t thread, registers *into) {
    struct iovec room = {.iov_base = into, .iov_len = sizeof(*into)};
    check(ptrace(PTRACE_GETREGSET, thread, (void *)NT_PRSTATUS, &room), "read the registers");
}

static void set_registers(pid_t thread, registers *from) {
    struct iovec room = {.iov_base = from, .iov_len = sizeof(*from)};
    check(ptrace(PTRACE_SETREGSET, thread, (void *)NT_PRSTATUS, &room), "set the registers");
}

/* The next system call instruction from an address on, or 0. */
static unsigned long find_call(pid_t thread, unsigned long from) {
    char path[32];
    unsigned char text[4096];
    const size_t overlap = 4, limit = 1 << 20;
    unsigned long found = 0;
    ssize_t got = sizeof(text);
    snprintf(path, sizeof(path), "/proc/%d/mem", (int)thread);
    int memory = open(path, O_RDONLY | O_CLOEXEC);
    check(memory, "open a thread's memory");
    for (unsigned long at = from; !found && got == sizeof(text) && at < from + limit; at += sizeof(text) - overlap) {
        got = pread(memory, text, sizeof(text), (off_t)at);
        for (ssize_t index = 0; !found && index + (ssize_t)sizeof(instruction) <= got; index += ALIGNED) {
            found = memcmp(text + index, instruction, sizeof(instruction)) ? 0 : at + (unsigned long)index;
        }
    }
    close(memory);
    return found;
}

/* An instruction after the one at which the thread has stopped if there is one: where that call is to be restarted, the
 * kernel treats a return to it in a way of its own. */
static unsigned long choose_call(pid_t thread, unsigned long stopped_at) {
    unsigned long after = find_call(thread, stopped_at + ALIGNED);
    unsigned long call = after ? after : find_call(thread, stopped_at - sizeof(instruction));
    if (!call) {
        refuse("a thread stopped where there is no system call instruction");
    }
    return call;
}

static struct stopped stop(pid_t thread) {
    struct stopped it = {.thread = thread};
    check(ptrace(PTRACE_SEIZE, thread, 0, 0), "trace a thread");
    check(ptrace(PTRACE_INTERRUPT, thread, 0, 0), "stop a thread");
    for (int signal; (signal = next_stop(thread)) != 0;) {
        check(ptrace(PTRACE_CONT, thread, 0, (void *)(long)signal), "pass a signal on");
    }
    get_registers(thread, &it.before);
    it.call = choose_call(thread, position(&it.before));
    return it;
}

/* Has the thread make one call of prctl(2). */
static long ask(struct stopped *it, unsigned long option, unsigned long argument) {
    const unsigned long arguments[5] = {option, argument, 0, 0, 0};
    registers now = it->before;
    prepare(&now, it->call, SYS_prctl, arguments);
    set_registers(it->thread, &now);
    for (int signal = 0; signal != SIGTRAP;) {
        check(ptrace(PTRACE_SINGLESTEP, it->thread, 0, 0), "have a thread make a call");
        signal = next_stop(it->thread);
        if (signal != 0 && signal != SIGTRAP) {
            it->held = signal;
        }
    }
    get_registers(it->thread, &now);
    if (position(&now) != it->call + sizeof(instruction)) {
        refuse("a thread went astray");
    }
    if (result(&now) < 0) {
        refuse("a thread's call of prctl(2) failed");
    }
    return result(&now);
}

/* As `ask`, for an answer that the kernel writes to memory: to the thread's stack, below what is in use. */
static int ask_by_memory(struct stopped *it, unsigned long option) {
    unsigned long place = (stack(&it->before) - RED_ZONE - 64) & ~15UL;
    errno = 0;
    long kept = ptrace(PTRACE_PEEKDATA, it->thread, (void *)place, 0);
    check(-errno, "read a thread's stack");
    ask(it, option, place);
    long answer = ptrace(PTRACE_PEEKDATA, it->thread, (void *)place, 0);
    check(-errno, "read a thread's stack");
    check(ptrace(PTRACE_POKEDATA, it->thread, (void *)place, (void *)kept), "restore a thread's stack");
    int number;
    memcpy(&number, &answer, sizeof(number));
    return number;
}

static void look_at_thread(pid_t thread) {
    struct stopped it = stop(thread);
    long dumpable = ask(&it, PR_GET_DUMPABLE, 0), securebits = ask(&it, PR_GET_SECUREBITS, 0);
    int death_signal = ask_by_memory(&it, PR_GET_PDEATHSIG);
    set_registers(thread, &it.before);
    check(ptrace(PTRACE_DETACH, thread, 0, (void *)(long)it.held), "let a thread go on");
    printf("{\"thread\": %d, \"dumpable\": %ld, \"securebits\": %ld, ", (int)thread, dumpable, securebits);
    printf("\"death_signal\": %d}", death_signal);
}

static void look(pid_t process) {
    char path[32];
    const char *before = "";
    snprintf(path, sizeof(path), "/proc/%d/task", (int)process);
    DIR *tasks = opendir(path);
    check(tasks ? 0 : -1, "list a process's threads");
    printf("{\"pid\": %d, \"threads\": [", (int)process);
    for (struct dirent *entry; (entry = readdir(tasks)) != NULL;) {
        if (entry->d_name[0] != '.') {
            fputs(before, stdout);
            look_at_thread((pid_t)strtol(entry->d_name, NULL, 10));
            before = ", ";
        }
    }
    printf("]}\n");
    closedir(tasks);
}

static void show_socket(const struct nlmsghdr *message) {
    struct unix_diag_msg *socket = NLMSG_DATA(message);
    int left = (int)(message->nlmsg_len - NLMSG_LENGTH(sizeof(*socket)));
    unsigned int peer = 0;
    for (struct rtattr *at = (struct rtattr *)(socket + 1); RTA_OK(at, left); at = RTA_NEXT(at, left)) {
        if (at->rta_type == UNIX_DIAG_PEER) {
            memcpy(&peer, RTA_DATA(at), sizeof(peer));
        }
    }
    printf("{\"inode\": %u, \"type\": %d, \"peer\": %u}\n", socket->udiag_ino, socket->udiag_type, peer);
}

static void sockets(void) {
    struct {
        struct nlmsghdr header;
        struct unix_diag_req request;
    } all = {
        .header = {.nlmsg_len = sizeof(all), .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
        .request = {.sdiag_family = AF_UNIX, .udiag_states = ~0U, .udiag_show = UDIAG_SHOW_PEER},
    };
    all.header.nlmsg_type = SOCK_DIAG_BY_FAMILY;
    static union {
        struct nlmsghdr first;
        char bytes[1 << 16];
    } room;
    int kernel = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
    check(kernel, "ask for the sockets");
    check(send(kernel, &all, sizeof(all), 0), "ask for the sockets");
    for (;;) {
        ssize_t got = recv(kernel, &room, sizeof(room), 0);
        check(got, "hear of the sockets");
        int left = (int)got;
        for (struct nlmsghdr *at = &room.first; NLMSG_OK(at, (unsigned int)left); at = NLMSG_NEXT(at, left)) {
            if (at->nlmsg_type == NLMSG_DONE) {
                return;
            }
            if (at->nlmsg_type == NLMSG_ERROR) {
                errno = -((struct nlmsgerr *)NLMSG_DATA(at))->error;
                check(-1, "hear of the sockets");
            }
            show_socket(at);
        }
    }
}

static int errno_of(long outcome) { return outcome < 0 ? errno : 0; }

static void reach(pid_t process) {
    char byte;
    struct iovec here = {.iov_base = &byte, .iov_len = 1}, there = {.iov_base = &byte, .iov_len = 1};
    int fd = (int)syscall(SYS_pidfd_open, process, 0);
    check(fd, "open a process");
    /* An address at which there is nothing comes later than the question whether it may be read. */
    int memory = errno_of(process_vm_readv(process, &here, 1, &there, 1, 0));
    int descriptor = errno_of(syscall(SYS_pidfd_getfd, fd, 0, 0));
    int tracing = errno_of(ptrace(PTRACE_SEIZE, process, 0, 0));
    printf("{\"trace\": %d, \"descriptor\": %d, \"memory\": %d}\n", tracing, descriptor, memory == EFAULT ? 0 : memory);
}

int main(int argc, char **argv) {
    if (argc > 2 && !strcmp(argv[1], "look")) {
        for (int at = 2; at < argc; at++) {
            look((pid_t)strtol(argv[at], NULL, 10));
        }
    } else if (argc == 2 && !strcmp(argv[1], "sockets")) {
        sockets();
    } else if (argc == 3 && !strcmp(argv[1], "reach")) {
        reach((pid_t)strtol(argv[2], NULL, 10));
    } else {
        fprintf(stderr, "usage: posture look PID... | sockets | reach PID\n");
        return 2;
    }
    return 0;
}
