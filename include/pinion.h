/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* pinion: the engine layer of a container runtime. This file is made by `make header` from rust/src/ffi/abi; docs/abi.md has
 * the reasons, docs/c-starter.md walks through a starter.
 *
 * Link with `pkg-config --cflags --libs pinion`; with --static for the archive libpinion.a.
 *
 * The rules, which every comment below relies on:
 *
 * Results. A function that may fail returns NULL for success, or an error object that its caller frees with
 *   pinion_error_free. Results are written through pointers, and only on success. Nothing is both in and out, but for
 *   the size with which a structure begins. There is no last error, and errno is what it was before the call.
 * Texts. What goes in is a pinion_view, a pointer and a length, in UTF-8 where nothing else is said; pinion_str makes one of a
 *   C string. What comes out of pinion for people is a C string; everything else is a pinion_view or pinion_bytes.
 * Ownership. What is passed in is borrowed for the call and copied, unless the comment says that pinion takes it: then it
 *   is pinion's from the first line of the call, refusals included. Data that is registered with callbacks comes with a
 *   function that destroys it, which is called exactly once. What comes out says who frees it. Every function whose name
 *   ends in _free takes NULL. Descriptors stay the caller's unless the comment says otherwise.
 * Objects. Pointers to incomplete types are numbers that are checked at every use, not addresses: what was freed, is of another
 *   kind, or comes from somewhere else is an error with PINION_MISUSE. A process that was forked has none of its parent's
 *   objects. An object lent to a callback ends when that returns.
 * Threads. Functions may be called from any thread at any time where nothing else is said. An owned object is used by one
 *   thread at a time; a second one gets an error.
 * Structures begin with their size where they may grow; fields are only ever added at the end. One that is shorter than the
 *   library's has zeros for the rest; one that is longer is refused.
 * Numbers have the unit and the range that their comment says. Wait statuses are those of wait(2).
 * Panics of the library become errors with PINION_PANIC. Leaving a callback by longjmp or by a C++ exception is undefined.
 * A good guest. Outside of a lifecycle pinion sets no signal handler and no alternate stack, makes no thread, registers nothing
 *   with atexit, changes nothing of the environment and prints nothing. It exports nothing but pinion_*. */
#ifndef PINION_H
#define PINION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/** The library's version that this header belongs to. */
#define PINION_VERSION "0.1.0"
#define PINION_VERSION_MAJOR 0
#define PINION_VERSION_MINOR 1
#define PINION_VERSION_PATCH 0

#if defined(__GNUC__) || defined(__clang__)
#define PINION_MUST_USE __attribute__((warn_unused_result))
#else
#define PINION_MUST_USE
#endif

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Bytes as an object of their own: what a function gives out that its caller is to keep, and what a callback replies
 * with.
 */
typedef struct pinion_bytes pinion_bytes;

/**
 * What was tried, on what, why it failed, and what helps.
 */
typedef struct pinion_error pinion_error;

/**
 * One engine's configuration.
 */
typedef struct pinion_common pinion_common;

/**
 * What a start will do.
 */
typedef struct pinion_config pinion_config;

/**
 * Tells a callback that its result is no longer wanted. Any thread.
 */
typedef struct pinion_context pinion_context;

/**
 * StartProcess's connection to master. Executing a program closes it, which master takes for the start of the
 * container. Only for the thread of StartProcess.
 */
typedef struct pinion_master pinion_master;

/**
 * The signals that master received since before CreateContainer: each kind that arrived is delivered at least once,
 * SIGCHLD always. Only for the thread of MonitorContainer.
 */
typedef struct pinion_signals pinion_signals;

/**
 * An engine and its configuration. Any thread.
 */
typedef struct pinion_engine pinion_engine;

/**
 * One call that waits for its answer, which any thread gives.
 */
typedef struct pinion_call pinion_call;

/**
 * The methods that an engine brings, until they are registered. One thread at a time.
 */
typedef struct pinion_methods pinion_methods;

/**
 * A connection to a server.
 */
typedef struct pinion_client pinion_client;

/* ---- version
 *
 * Versions. The header's macros say what a program was compiled with, the functions what it runs with.
 */

/**
 * The version of the binary interface. It changes when something that was possible is no longer so; additions leave
 * it.
 */
#define PINION_ABI_VERSION 1

/**
 * The library's PINION_ABI_VERSION. A program that was compiled with another one must not go on.
 */
uint32_t pinion_abi_version(void);

/**
 * The library's version, as in PINION_VERSION: three numbers with full stops between them. Static; not to be freed.
 */
const char *pinion_version(void);

/**
 * Which build of the archive a program runs with: a digest of its content, PINION_BUILD of the pkg-config file that
 * belongs to it. A program that was compiled with another one is mixed, as happens where its build tool does not look
 * into archives. 0 in the shared library, which may be exchanged.
 */
uint64_t pinion_build(void);

/* ---- objects
 *
 * Objects. What the program holds of pinion is a pointer to an incomplete type that leads nowhere: a number that
 * pinion looks up at every use. An object that was freed, one of another kind, of the process that this one was
 * forked from or, where a comment says so, of another thread, and a pointer that pinion never gave are errors with
 * PINION_MISUSE, or neutral answers.
 */

/**
 * How many objects this process holds and has not freed, what pinion lends to running callbacks included. For tests
 * of leaks.
 */
size_t pinion_object_count(void);

/* ---- foreign
 *
 * What a program hands over together with a callback: its data, and the function that destroys it. The data belongs
 * to pinion from the first line of the call, refusals included, and is destroyed exactly once, when nothing can call
 * back any more: at the latest with the process, by an exec or _exit then not at all.
 */

/**
 * Destroys a program's data. Called at most once, on any thread, never during a call of one of the callbacks that
 * the data belongs to. NULL where nothing is to be done.
 */
typedef void (*pinion_destroy)(void *data);

/* ---- view
 *
 * Bytes in and out. A view is borrowed, bytes are an object.
 *
 * What a program passes in as a view is copied, or used up, before the call returns. What a function or a callback's
 * argument gives out as a view stays valid as long as the comment there says, and is not to be written to.
 */

/**
 * Borrowed bytes: a text in UTF-8 unless something else is said, with no NUL at its end. pinion_str makes one of a C
 * string.
 */
typedef struct pinion_view {
    /**
     * The first byte. May be NULL where length is 0.
     */
    const uint8_t *data;
    /**
     * How many bytes, at most PTRDIFF_MAX.
     */
    size_t length;
} pinion_view;

/**
 * Makes bytes out of a copy. The caller frees them with pinion_bytes_free, unless it hands them over. Errors:
 * PINION_MISUSE.
 */
PINION_MUST_USE pinion_error *pinion_bytes_new(pinion_view copied, pinion_bytes **bytes);

/**
 * What the bytes are, valid until they are freed. NULL and 0 for what are no bytes. Any thread.
 */
pinion_view pinion_bytes_view(const pinion_bytes *bytes);

/**
 * Frees bytes. NULL does nothing. Returns 0, or PINION_MISUSE for what are no bytes any more.
 */
int32_t pinion_bytes_free(pinion_bytes *bytes);

/* ---- error
 *
 * Errors. A function that may fail returns NULL or an error, which its caller frees with pinion_error_free. A
 * callback returns in the same way, and pinion frees what it returned. An error never changes: any thread may look
 * at it.
 */

/**
 * Input that cannot be used: a configuration, an argument, an environment variable.
 */
#define PINION_INVALID 1

/**
 * A combination that is refused.
 */
#define PINION_REFUSED 2

/**
 * Something named is not there: an engine, a file, a container.
 */
#define PINION_NOT_FOUND 3

/**
 * A name is taken.
 */
#define PINION_ALREADY_EXISTS 4

/**
 * A system call failed; pinion_error_errno says how.
 */
#define PINION_SYSTEM 5

/**
 * A peer process ended before it had answered.
 */
#define PINION_PEER_DIED 6

/**
 * A wait came to its end.
 */
#define PINION_TIMEOUT 7

/**
 * A peer said something that is not legal in its state.
 */
#define PINION_PROTOCOL 8

/**
 * A callback's own error.
 */
#define PINION_CALLBACK 9

/**
 * A panic in the library or in an engine written in Rust or Go.
 */
#define PINION_PANIC 10

/**
 * The RPC server answered with an error.
 */
#define PINION_RPC 11

/**
 * The program broke a rule of this interface: NULL where something is needed, an object that was freed, is of
 * another kind, thread or process, or was not made by pinion.
 */
#define PINION_MISUSE 12

/**
 * Makes an error, for a callback to return. `text` says what was tried, on what and why it failed, in lower case and
 * without a full stop; it is copied. `code` is one of the codes above, PINION_CALLBACK where none fits;
 * `error_number` is the errno of the system call that failed, or 0. Never NULL: what cannot be made into an error is
 * an error with PINION_MISUSE.
 */
PINION_MUST_USE
pinion_error *pinion_error_new(int32_t code,
                               int32_t error_number,
                               pinion_view text);

/**
 * As pinion_error_new, with something of the program's own inside, which pinion_error_data finds again wherever the
 * error comes to within this process: in CleanupContainer for example, when CreateContainer returned it. `kind`
 * tells programs in one process apart: the address of something that the program has one of. `data` is pinion's from
 * here on, also when the error that is returned is another one, and is destroyed with the last error that holds it.
 */
PINION_MUST_USE
pinion_error *pinion_error_new_with_data(int32_t code,
                                         int32_t error_number,
                                         pinion_view text,
                                         const void *kind,
                                         void *data,
                                         pinion_destroy destroy);

/**
 * Puts what was being done in front of the text: `what: ...`. Takes `error`, which may be NULL, and returns what is
 * to be used in its place; NULL for NULL. The copied `what` may be empty: nothing changes then.
 */
PINION_MUST_USE
pinion_error *pinion_error_during(pinion_error *error,
                                  pinion_view what);

/**
 * Says what helps. Takes `error`, which may be NULL, and returns what is to be used in its place; NULL for NULL. The
 * text is copied.
 */
PINION_MUST_USE
pinion_error *pinion_error_with_help(pinion_error *error,
                                     pinion_view help);

/**
 * The error's code; PINION_MISUSE for what is no error. NULL is 0.
 */
int32_t pinion_error_code(const pinion_error *error);

/**
 * The errno of the system call that failed, 0 if none did.
 */
int32_t pinion_error_errno(const pinion_error *error);

/**
 * The error in one line, from outer to inner, ended by a NUL. Valid until the error is freed. Never NULL.
 */
const char *pinion_error_text(const pinion_error *error);

/**
 * What helps, ended by a NUL; NULL where nothing is known to. Valid until the error is freed.
 */
const char *pinion_error_help(const pinion_error *error);

/**
 * The data that pinion_error_new_with_data put in with this `kind`; NULL where there is none. It stays pinion's, and
 * valid until the error is freed.
 */
void *pinion_error_data(const pinion_error *error,
                        const void *kind);

/**
 * Frees an error. NULL does nothing. Returns 0, or PINION_MISUSE for what is no error any more.
 */
int32_t pinion_error_free(pinion_error *error);

/* ---- log
 *
 * Messages for people. Outside of a lifecycle pinion says nothing by itself. Any thread.
 */

/**
 * Gets a message in place of the standard error stream: its level, -4 (fatal) to 5 (debug), and its text in one
 * line, with what helps in a second one; valid for the call. Called on the thread that says something, at any
 * moment, also by two threads at once.
 */
typedef void (*pinion_log_sink)(void *data, int32_t level, const char *text);

/**
 * Sets the level up to which messages are written: -3 error, -2 warning, -1 log, 1 info (the default), 2 to 4
 * verbose, 5 debug; beyond ±90 the same without colours.
 */
void pinion_log_set_level(int32_t level);

/**
 * The level as it was set.
 */
int32_t pinion_log_level(void);

/**
 * Lets messages go to `sink` in place of the standard error stream; NULL lets them go there again. `data` is
 * pinion's from here on, refusals included, and is destroyed when another sink is set.
 */
PINION_MUST_USE pinion_error *pinion_log_set_sink(pinion_log_sink sink, void *data, pinion_destroy destroy);

/**
 * Says something as pinion does: at this level, in one line.
 */
void pinion_log(int32_t level, pinion_view text);

/* ---- record
 *
 * The record of a life: JSON lines, one write each, from every process into one descriptor. A lifecycle begins it by
 * itself where its launcher asked for it (pinion_launch_options); its events are those of `pinion run --record`.
 */

/**
 * Adds an event of the program's own to the record, if one is kept: a name, and a JSON object with its keys; empty
 * for none. Errors: PINION_INVALID for a name that is empty, or what is no JSON object.
 */
PINION_MUST_USE
pinion_error *pinion_record_event(pinion_view name,
                                  pinion_view keys);

/**
 * Whether a record is kept.
 */
bool pinion_record_is_on(void);

/* ---- privileges
 *
 * What the kernel says of the calling thread: user and group ids, capabilities (credentials(7), capabilities(7)).
 */

/**
 * Ids and capability sets of a thread. A set has one bit a capability, bit 0 being CAP_CHOWN.
 */
typedef struct pinion_credentials {
    /**
     * sizeof(pinion_credentials), set by the caller.
     */
    size_t size;
    /**
     * User ids: real, effective, saved.
     */
    uint32_t uid[3];
    /**
     * Group ids: real, effective, saved.
     */
    uint32_t gid[3];
    /**
     * Effective capabilities.
     */
    uint64_t effective;
    /**
     * Permitted capabilities.
     */
    uint64_t permitted;
    /**
     * Inheritable capabilities.
     */
    uint64_t inheritable;
} pinion_credentials;

/**
 * Reads what the calling thread has. Errors: PINION_SYSTEM; PINION_MISUSE for a size that is none.
 */
PINION_MUST_USE pinion_error *pinion_credentials_read(pinion_credentials *credentials);

/* ---- common
 *
 * The configuration that every engine has: the engine's name, the container's id, the engine's own configuration
 * object, and what plugins have. Any thread; a change is seen by all holders of the same one. What PrepareConfig
 * leaves in it is what master, RPC server and stage 2 see: each parses it again.
 */

/**
 * The engine's name in the registry. The caller frees `name` with pinion_bytes_free.
 */
PINION_MUST_USE
pinion_error *pinion_common_engine_name(const pinion_common *common,
                                        pinion_bytes **name);

/**
 * The container's id. The caller frees `id` with pinion_bytes_free.
 */
PINION_MUST_USE
pinion_error *pinion_common_container_id(const pinion_common *common,
                                         pinion_bytes **id);

/**
 * Sets the container's id. Copied.
 */
PINION_MUST_USE pinion_error *pinion_common_set_container_id(pinion_common *common, pinion_view id);

/**
 * The engine's own configuration object, as its `config` callback made it; NULL for an engine that was not
 * registered from C. It stays the engine's.
 */
void *pinion_common_engine_config(const pinion_common *common);

/**
 * A plugin's configuration as JSON. The caller frees `json` with pinion_bytes_free. Errors: PINION_NOT_FOUND.
 */
PINION_MUST_USE
pinion_error *pinion_common_plugin(const pinion_common *common,
                                   pinion_view plugin,
                                   pinion_bytes **json);

/**
 * Sets a plugin's configuration: one JSON value, copied. Errors: PINION_INVALID for what is no JSON.
 */
PINION_MUST_USE
pinion_error *pinion_common_set_plugin(pinion_common *common,
                                       pinion_view plugin,
                                       pinion_view json);

/**
 * The whole as the JSON document that a launch takes and PrepareConfig writes. The caller frees `json` with
 * pinion_bytes_free. Errors: the engine's own; more than 64 MiB.
 */
PINION_MUST_USE pinion_error *pinion_common_encode(const pinion_common *common, pinion_bytes **json);

/**
 * Lets go of a configuration that pinion_engine_common gave. NULL does nothing. Returns 0, or PINION_MISUSE for what
 * is none any more.
 */
int32_t pinion_common_free(pinion_common *common);

/* ---- config
 *
 * The starter configuration: what PrepareConfig decides about everything that follows. Setters may be called in any
 * order, and the last call wins; one that fails changes nothing. After pinion_config_release each setter is an error
 * and each getter neutral, but what was decided and the warnings stay. Only for the thread of PrepareConfig.
 */

/**
 * One line of an id map (user_namespaces(7)).
 */
typedef struct pinion_id_mapping {
    /**
     * The first id inside the container.
     */
    uint32_t container_id;
    /**
     * The first id on the host.
     */
    uint32_t host_id;
    /**
     * How many ids follow each other, at least 1.
     */
    uint32_t size;
} pinion_id_mapping;

/**
 * A namespace as the OCI runtime specification has it.
 */
typedef struct pinion_namespace {
    /**
     * pid, network, mount, ipc, uts, user or cgroup.
     */
    pinion_view kind;
    /**
     * The namespace to join, empty to create one.
     */
    pinion_view path;
} pinion_namespace;

/**
 * Makes a starter configuration outside of a lifecycle, for a program that has a starter of its own and calls
 * PrepareConfig by pinion_engine_prepare_config. `json` is the engine configuration's document, copied. The caller
 * frees it with pinion_config_free; any thread may use it, one at a time.
 */
PINION_MUST_USE
pinion_error *pinion_config_new(pinion_view json,
                                bool is_suid,
                                pinion_config **config);

/**
 * What was decided, as JSON: the settings from which the plan is made. The caller frees `json` with
 * pinion_bytes_free.
 */
PINION_MUST_USE pinion_error *pinion_config_settings(pinion_config *config, pinion_bytes **json);

/**
 * Whether the setuid flow runs. A fact: also known after the release.
 */
bool pinion_config_is_suid(pinion_config *config);

/**
 * The container process's pid on the host. 0: in stage 1 there is none yet.
 */
int32_t pinion_config_container_pid(pinion_config *config);

/**
 * Makes the container an instance: it runs on in a session of its own, with master, and who launched it
 * gets 0 as soon as PostStartProcess has returned.
 */
PINION_MUST_USE pinion_error *pinion_config_set_instance(pinion_config *config, bool on);

/**
 * Sets no_new_privs for the container process.
 */
PINION_MUST_USE pinion_error *pinion_config_set_no_new_privs(pinion_config *config, bool on);

/**
 * Shares a mount namespace with master.
 */
PINION_MUST_USE pinion_error *pinion_config_set_master_propagate_mount(pinion_config *config, bool on);

/**
 * Joins a running container: no RPC server, no engine in master.
 */
PINION_MUST_USE pinion_error *pinion_config_set_namespace_join_only(pinion_config *config, bool on);

/**
 * Brings `lo` up in a new network namespace.
 */
PINION_MUST_USE
pinion_error *pinion_config_set_bring_loopback_interface(pinion_config *config,
                                                         bool on);

/**
 * Sets the propagation of / in the new mount namespace: shared, slave, private or unbindable, with an r in front for
 * the whole tree of mounts. Errors: PINION_INVALID for another word.
 */
PINION_MUST_USE
pinion_error *pinion_config_set_mount_propagation(pinion_config *config,
                                                  pinion_view propagation);

/**
 * Sets the starter's working directory after stage 1. `fd` stays the caller's, and must be open when PrepareConfig
 * returns. Errors: PINION_INVALID for a negative number.
 */
PINION_MUST_USE
pinion_error *pinion_config_set_working_directory_fd(pinion_config *config,
                                                     int32_t fd);

/**
 * Sets the descriptor that master closes before host clean-up, at this number. As
 * pinion_config_set_working_directory_fd.
 */
PINION_MUST_USE pinion_error *pinion_config_set_image_fd(pinion_config *config, int32_t fd);

/**
 * The descriptor that pinion_config_set_image_fd set; -1 if none is.
 */
int32_t pinion_config_image_fd(pinion_config *config);

/**
 * Lets a descriptor survive stage 1 at the same number, with close-on-exec. `fd` stays the caller's, and must be
 * open when PrepareConfig returns. Errors: PINION_INVALID for a negative number, or more than 1024 descriptors.
 */
PINION_MUST_USE
pinion_error *pinion_config_keep_file_descriptor(pinion_config *config,
                                                 int32_t fd);

/**
 * Enlarges the bounding set of the RPC server, for nvidia-container-cli.
 */
PINION_MUST_USE pinion_error *pinion_config_set_nvccli_caps(pinion_config *config, bool on);

/**
 * Leaves master outside the new user namespace in which the container runs (fakeroot).
 */
PINION_MUST_USE pinion_error *pinion_config_set_hybrid_workflow(pinion_config *config, bool on);

/**
 * Allows setgroups in the container.
 */
PINION_MUST_USE pinion_error *pinion_config_set_allow_setgroups(pinion_config *config, bool on);

/**
 * Keeps the host's supplementary groups.
 */
PINION_MUST_USE pinion_error *pinion_config_set_no_setgroups(pinion_config *config, bool on);

/**
 * A copy of the engine configuration's bytes, as last written; empty after the release. The caller frees `json` with
 * pinion_bytes_free.
 */
PINION_MUST_USE
pinion_error *pinion_config_json(pinion_config *config,
                                 pinion_bytes **json);

/**
 * Writes a document over the engine configuration, copied. Errors: PINION_INVALID for what is not one JSON value, or
 * more than 64 MiB.
 */
PINION_MUST_USE
pinion_error *pinion_config_write(pinion_config *config,
                                  pinion_view json);

/**
 * Sets the user id map of `count` lines in place of an earlier one. Errors: PINION_INVALID for a size of 0, ids that
 * overlap or go beyond 4,294,967,294, more than 340 lines, or a text of more than 4,094 bytes.
 */
PINION_MUST_USE
pinion_error *pinion_config_add_uid_mappings(pinion_config *config,
                                             const pinion_id_mapping *lines,
                                             size_t count);

/**
 * As pinion_config_add_uid_mappings, for groups.
 */
PINION_MUST_USE
pinion_error *pinion_config_add_gid_mappings(pinion_config *config,
                                             const pinion_id_mapping *lines,
                                             size_t count);

/**
 * Finds newuidmap in the default PATH, to write a user id map of more than one id for an ordinary user. Errors:
 * PINION_REFUSED in the setuid flow, or where others than root can write it; PINION_NOT_FOUND.
 */
PINION_MUST_USE
pinion_error *pinion_config_set_newuidmap_path(pinion_config *config);

/**
 * As pinion_config_set_newuidmap_path, for newgidmap.
 */
PINION_MUST_USE pinion_error *pinion_config_set_newgidmap_path(pinion_config *config);

/**
 * Sets the namespaces to create, as CLONE_NEW* bits (clone(2)). Errors: PINION_INVALID for other bits.
 */
PINION_MUST_USE pinion_error *pinion_config_set_ns_flags(pinion_config *config, int32_t flags);

/**
 * Sets the namespaces to create: those of `count` that have no path. Errors: PINION_INVALID for an unknown kind.
 */
PINION_MUST_USE
pinion_error *pinion_config_set_ns_flags_from_spec(pinion_config *config,
                                                   const pinion_namespace *list,
                                                   size_t count);

/**
 * Sets a namespace to join. `path` may be relative to the working directory that is set. Errors: PINION_INVALID for
 * an unknown kind, or a path that is empty, has a NUL or more than 4,095 bytes.
 */
PINION_MUST_USE
pinion_error *pinion_config_set_ns_path(pinion_config *config,
                                        pinion_view kind,
                                        pinion_view path);

/**
 * Sets the namespaces to join: those of `count` that have a path; all or none. Errors: as pinion_config_set_ns_path.
 */
PINION_MUST_USE
pinion_error *pinion_config_set_ns_path_from_spec(pinion_config *config,
                                                  const pinion_namespace *list,
                                                  size_t count);

/**
 * Sets one of the container process's five capability sets (permitted, effective, inheritable, bounding, ambient) to
 * `count` names as in capabilities(7), CAP_CHOWN for example. Errors: PINION_INVALID for an unknown set or name.
 */
PINION_MUST_USE
pinion_error *pinion_config_set_capabilities(pinion_config *config,
                                             pinion_view capability_set,
                                             const pinion_view *names,
                                             size_t count);

/**
 * Sets the user id of the container process, 0 to 4,294,967,294. Errors: PINION_INVALID for any other number.
 */
PINION_MUST_USE pinion_error *pinion_config_set_target_uid(pinion_config *config, int64_t uid);

/**
 * Sets the `count` group ids of the container process, each 0 to 4,294,967,294, the first being its gid. Of more
 * than 32 the first 32 count, with a warning. Errors: PINION_INVALID for any other number.
 */
PINION_MUST_USE
pinion_error *pinion_config_set_target_gid(pinion_config *config,
                                           const int64_t *gids,
                                           size_t count);

/**
 * Lets the RPC server serve built-in methods only, without the program's own runtime.
 */
PINION_MUST_USE pinion_error *pinion_config_set_native_rpc(pinion_config *config, bool on);

/**
 * Sets the limits of the waits in milliseconds: of one message of a handshake, 1 to 3,600,000 (60,000 where nothing
 * is set), and of the container's life, 0 for none. Errors: PINION_INVALID.
 */
PINION_MUST_USE
pinion_error *pinion_config_set_timeouts(pinion_config *config,
                                         uint32_t handshake_ms,
                                         uint32_t container_ms);

/**
 * Ends the use of this configuration. Errors: PINION_REFUSED if it was released before.
 */
PINION_MUST_USE pinion_error *pinion_config_release(pinion_config *config);

/**
 * What was accepted only in part, one line after the other, each ended by a NUL. The caller frees `lines` with
 * pinion_bytes_free.
 */
PINION_MUST_USE
pinion_error *pinion_config_warnings(pinion_config *config,
                                     pinion_bytes **lines);

/**
 * Writes down that PrepareConfig is about to mount something on the host, so that whoever survives unmounts it.
 * Before it is done. Errors: PINION_INVALID for a path that is not absolute; PINION_REFUSED where the launcher did not
 * ask for the cleanup-host process, or after a release; PINION_SYSTEM.
 */
PINION_MUST_USE
pinion_error *pinion_config_note_mount(pinion_config *config,
                                       pinion_view path);

/**
 * As pinion_config_note_mount, for a file, symbolic link or socket.
 */
PINION_MUST_USE pinion_error *pinion_config_note_file(pinion_config *config, pinion_view path);

/**
 * As pinion_config_note_mount, for a directory, which is removed if it is empty by then.
 */
PINION_MUST_USE pinion_error *pinion_config_note_directory(pinion_config *config, pinion_view path);

/**
 * Frees a configuration that pinion_config_new made. NULL does nothing. Returns 0, or PINION_MISUSE for what is none
 * any more, or was lent to PrepareConfig.
 */
int32_t pinion_config_free(pinion_config *config);

/* ---- context
 *
 * What callbacks get besides: contexts, master's signals, stage 2's connection to master. They are valid until the
 * callback returns.
 */

/**
 * Makes a context, for calling an engine oneself. The caller frees it with pinion_context_free. Errors:
 * PINION_SYSTEM.
 */
PINION_MUST_USE pinion_error *pinion_context_new(pinion_context **context);

/**
 * Cancels a context for everybody who looks at it.
 */
PINION_MUST_USE pinion_error *pinion_context_cancel(const pinion_context *context);

/**
 * Whether the context was cancelled; true for what is no context.
 */
bool pinion_context_is_cancelled(const pinion_context *context);

/**
 * A descriptor that is readable once the context is cancelled, for poll(2). It stays the context's: not to be read,
 * closed or kept. -1 for what is no context.
 */
int32_t pinion_context_fd(const pinion_context *context);

/**
 * Makes an object of the program's own of a callback's context, for work that goes on after the callback has
 * returned. The caller frees `kept` with pinion_context_free.
 */
PINION_MUST_USE
pinion_error *pinion_context_keep(const pinion_context *context,
                                  pinion_context **kept);

/**
 * Ends a run by an error of work that goes on after its callback has returned, as PreStartProcess's may: it is the
 * fatal error, unless another one came before, and cancels the context. Takes `failure`, refusals included.
 */
PINION_MUST_USE
pinion_error *pinion_context_fail(const pinion_context *context,
                                  pinion_error *failure);

/**
 * The error that pinion_context_fail was given, for a program that calls an engine by itself. The caller frees it.
 * NULL where there is none; PINION_MISUSE for what is no context.
 */
PINION_MUST_USE
pinion_error *pinion_context_failure(const pinion_context *context);

/**
 * Frees a context that pinion_context_new or pinion_context_keep made. NULL does nothing. Returns 0, or PINION_MISUSE
 * for what is none any more.
 */
int32_t pinion_context_free(pinion_context *context);

/**
 * Makes a queue of every signal that can be blocked, for calling MonitorContainer oneself. All threads of the
 * program must have them blocked, before: a signal that one thread has not never comes to the queue. `context` stays
 * the caller's; its cancellation is that of the run. The caller frees `signals` with pinion_signals_free. Errors:
 * PINION_SYSTEM.
 */
PINION_MUST_USE
pinion_error *pinion_signals_new(const pinion_context *context,
                                 pinion_signals **signals);

/**
 * The same for a program whose own runtime receives its signals: `source` is read as a signalfd(2) is, a struct
 * signalfd_siginfo for each signal, and may be a pipe. It does not block, and stays the caller's, who may close it
 * after this.
 */
PINION_MUST_USE
pinion_error *pinion_signals_from(const pinion_context *context,
                                  int32_t source,
                                  pinion_signals **signals);

/**
 * Frees a queue that pinion_signals_new or pinion_signals_from made. NULL does nothing. Returns 0, or PINION_MISUSE
 * for what is none any more, or was lent to a callback.
 */
int32_t pinion_signals_free(pinion_signals *signals);

/**
 * Waits for the next signal and stores its number; 0 once the run is cancelled, after which MonitorContainer is to
 * return soon. Errors: PINION_SYSTEM.
 */
PINION_MUST_USE
pinion_error *pinion_signals_next(pinion_signals *signals,
                                  int32_t *number);

/**
 * Descriptors for poll(2): one is readable when a signal is there, the other once the run is cancelled. They stay
 * pinion's.
 */
PINION_MUST_USE
pinion_error *pinion_signals_fds(pinion_signals *signals,
                                 int32_t *signal_fd,
                                 int32_t *cancel_fd);

/**
 * The stream socket, on which bytes go to PreStartProcess: to be written to with MSG_NOSIGNAL, since master may be
 * gone. It stays pinion's: pinion_master_close closes it. -1 once it is closed.
 */
int32_t pinion_master_fd(pinion_master *master);

/**
 * Says that the container has started, without executing a program: for an init shim, which goes on in StartProcess.
 * A second call does nothing.
 */
PINION_MUST_USE
pinion_error *pinion_master_close(pinion_master *master);

/* ---- operations
 *
 * The operations of an engine: ten callbacks in the order of a container's life, an optional one, and what belongs
 * to the engine's configuration object. Each is called in the process and with the privileges that its comment
 * names; `data` is what the program registered with the table.
 *
 * A callback returns NULL, or an error made by pinion_error_new or returned by another function of pinion, which is
 * pinion's then; what it stored beside an error is pinion's as well. It leaves user and group ids, capabilities,
 * signal mask, umask and working directory as it found them, does not execute another program or end the process
 * (StartProcess may), and does not come back in a process that it forked: where it does, that is noticed. The forked
 * process ends with 255, a process that was ended is named, and everything else is the callback's error. Jumping or
 * throwing out of a callback is undefined.
 *
 * Signals are blocked in a lifecycle, but in StartProcess; a child that a callback makes inherits that, and empties
 * its mask before it executes anything. Where pinion monitors, SIGTERM and SIGALRM are open in master's callbacks:
 * its handlers end master if a callback does not come back in time after a SIGTERM.
 *
 * Callbacks of one process may run at the same time: CreateContainer, MonitorContainer, and PreStartProcess or
 * PostStartProcess, each in a thread of its own, unless `declare` leaves the monitoring to pinion: then one after
 * the other. CleanupContainer comes after them, also in a thread of its own, or when one of them has hung for too long.
 */

/**
 * MonitorContainer waits for the container, beside master's other two activities. The default.
 */
#define PINION_MONITOR_ENGINE 0

/**
 * pinion waits for the container and passes signals on to it; MonitorContainer is not called.
 */
#define PINION_MONITOR_CORE 1

/**
 * What an engine says of itself once, in stage 1 after PrepareConfig.
 */
typedef struct pinion_declaration {
    /**
     * sizeof(pinion_declaration): set by who provides the room.
     */
    size_t size;
    /**
     * Whether PreStartProcess is to be called: StartProcess then writes one byte to master before it executes. Set
     * to whether the table has that callback.
     */
    bool pre_start_process;
    /**
     * PINION_MONITOR_ENGINE, to which it is set, or PINION_MONITOR_CORE.
     */
    int32_t monitor;
} pinion_declaration;

/**
 * The callbacks of an engine. A field that is not called mandatory may be NULL: then nothing is done there.
 */
typedef struct pinion_operations {
    /**
     * sizeof(pinion_operations).
     */
    size_t size;
    /**
     * Config, every process, with any privileges. Mandatory. Makes the engine's configuration object at its zero
     * value and stores it in `config`: the JSON is decoded into this very object, and it is serialised after
     * PrepareConfig.
     */
    pinion_error *(*config)(void *data, void **config);
    /**
     * Fills the configuration object from its JSON, valid for the call. Mandatory. Called at most once for an
     * object, of which there may be several at a time, and not where the document has none, or null.
     */
    pinion_error *(*decode_config)(void *config, pinion_view json);
    /**
     * Stores the object as JSON in `json`, made by pinion_bytes_new and pinion's then. Mandatory. Not while another
     * callback of the process runs, but for PrepareConfig's own calls of pinion_common_encode.
     */
    pinion_error *(*encode_config)(void *config, pinion_bytes **json);
    /**
     * Destroys the object, once.
     */
    void (*destroy_config)(void *config);
    /**
     * InitConfig, every process, with any privileges. Stores the parsed configuration, which stays valid until the
     * next InitConfig, or the end of the engine. It makes no thread: before the process's role that ends the run.
     */
    void (*init_config)(void *data, pinion_common *common);
    /**
     * Stage 1, after PrepareConfig: changes what the engine says of itself.
     */
    pinion_error *(*declare)(void *data, pinion_declaration *declaration);
    /**
     * PrepareConfig, stage 1: the real user, no privileges and none to be gained. Mandatory. Validates the
     * configuration and decides how the container is to be started. `starter` is valid for the call, in its thread.
     */
    pinion_error *(*prepare_config)(void *data, pinion_config *starter);
    /**
     * CreateContainer, master. Mandatory. Prepares the container's environment through the RPC server at the other
     * end of the socket `rpc`, which stays pinion's: after success it is shut down, which ends the server and
     * releases stage 2.
     */
    pinion_error *(*create_container)(void *data,
                                      const pinion_context *context,
                                      int32_t container,
                                      int32_t rpc);
    /**
     * StartProcess, stage 2: the container's process itself, with the container's privileges. Mandatory. Executes
     * the program; or calls pinion_master_close and goes on as the container's first process for as long as it
     * likes, an init shim: then it stores in `status` how the container ended, as wait(2) encodes it, and returns
     * NULL.
     */
    pinion_error *(*start_process)(void *data, pinion_master *master, int32_t *status);
    /**
     * PreStartProcess, master, if declared: after stage 2 wrote one byte to the socket `master`, which stays
     * pinion's, and before it executes.
     */
    pinion_error *(*pre_start_process)(void *data,
                                       const pinion_context *context,
                                       int32_t container,
                                       int32_t master);
    /**
     * PostStartHost, a process of its own on the host, never privileged: after the container process executed.
     */
    pinion_error *(*post_start_host)(void *data, const pinion_context *context);
    /**
     * PostStartProcess, master: after the container process executed and PostStartHost succeeded.
     */
    pinion_error *(*post_start_process)(void *data, const pinion_context *context, int32_t container);
    /**
     * MonitorContainer, master. Mandatory. Waits for the container process, reaps it and stores in `status` how it
     * ended, as wait(2) encodes it. `signals` is valid for the call, in its thread.
     */
    pinion_error *(*monitor_container)(void *data, int32_t container, pinion_signals *signals, int32_t *status);
    /**
     * CleanupContainer, master, once. Tears down what CreateContainer made, in whatever state it is. `fatal` is the
     * error that ended the run, or NULL; it stays pinion's. `status` is how the container ended. An error is logged
     * and hides nothing.
     */
    pinion_error *(*cleanup_container)(void *data,
                                       const pinion_context *context,
                                       const pinion_error *fatal,
                                       int32_t status);
    /**
     * CleanupHost, a process of its own on the host, never privileged, exactly once if the launcher asked for it;
     * stage 1 if PrepareConfig failed. Undoes what was made on the host.
     */
    pinion_error *(*cleanup_host)(void *data, const pinion_context *context);
    /**
     * Fills the configuration object from the whole document, valid for the call, in place of decode_config: for a
     * program that keeps the other keys together with the object, in its own types. The document's name, id and
     * plugins are those of pinion_common as well, but changes there do not reach it.
     */
    pinion_error *(*decode_document)(void *config, pinion_view document);
    /**
     * Stores the whole document in `document`, made by pinion_bytes_new and pinion's then, in place of encode_config.
     * It and decode_document are there both, or neither.
     */
    pinion_error *(*encode_document)(void *config, pinion_bytes **document);
} pinion_operations;

/* ---- registry
 *
 * The engines of this process by name, whichever language they are written in, and the RPC methods that each brings.
 * Names are case-sensitive texts without NUL. Any thread. Registration ends when a role begins to run.
 */

/**
 * The product's own form of Mount's reply.
 */
#define PINION_MOUNT_REPLY_OF_PRODUCT 0

/**
 * Mount's failure travels in the reply.
 */
#define PINION_MOUNT_REPLY_STRUCT 1

/**
 * Mount's failure is the error of the call.
 */
#define PINION_MOUNT_REPLY_PLAIN 2

/**
 * Paths inside a root are resolved by openat2(2), or by a walker with the same rules where the kernel has none.
 */
#define PINION_RESOLVER_KERNEL 0

/**
 * By the walker alone.
 */
#define PINION_RESOLVER_WALKER 1

/**
 * A registered type of Go's that the clients' packages call otherwise.
 */
typedef struct pinion_renamed {
    /**
     * The name here, `*rpc.fileInfo` for example.
     */
    pinion_view local;
    /**
     * The name on the wire.
     */
    pinion_view wire;
} pinion_renamed;

/**
 * Which built-in methods answer beside an engine's own. All zero, but for the size, is the default.
 */
typedef struct pinion_builtin_options {
    /**
     * sizeof(pinion_builtin_options).
     */
    size_t size;
    /**
     * Whose methods: `singularityce`, which empty means too, or `apptainer`.
     */
    pinion_view product;
    /**
     * One of PINION_MOUNT_REPLY_*.
     */
    int32_t mount_reply;
    /**
     * One of PINION_RESOLVER_*.
     */
    int32_t resolver;
    /**
     * Registered types under other names.
     */
    const pinion_renamed *renamed;
    /**
     * How many.
     */
    size_t renamed_count;
} pinion_builtin_options;

/**
 * Registers, by pinion_replace and pinion_replace_rpc_methods, what another runtime of the program keeps. On the
 * thread that looks at the registry; two threads may call it at once, and each returns when all is registered.
 */
typedef void (*pinion_feed)(void *data);

/**
 * Makes an engine known under a name. The table is copied. `data` is passed to every callback and is pinion's from
 * here on, refusals included: `destroy` is called once. Errors: PINION_INVALID for a name that is empty or has a
 * NUL; PINION_ALREADY_EXISTS; PINION_REFUSED once a role has begun to run, or for a table of a newer library;
 * PINION_MISUSE for a table without a mandatory callback.
 */
PINION_MUST_USE
pinion_error *pinion_register(pinion_view name,
                              const pinion_operations *operations,
                              void *data,
                              pinion_destroy destroy);

/**
 * As pinion_register, in place of an engine that has the name. That one's data is destroyed when nobody uses it any
 * more.
 */
PINION_MUST_USE
pinion_error *pinion_replace(pinion_view name,
                             const pinion_operations *operations,
                             void *data,
                             pinion_destroy destroy);

/**
 * Makes the RPC methods known that the RPC server serves for an engine, before or after the engine itself. Takes
 * `methods`, refusals included. Errors: as pinion_register.
 */
PINION_MUST_USE
pinion_error *pinion_register_rpc_methods(pinion_view name,
                                          pinion_methods *methods);

/**
 * As pinion_register_rpc_methods, in place of methods that were registered.
 */
PINION_MUST_USE pinion_error *pinion_replace_rpc_methods(pinion_view name, pinion_methods *methods);

/**
 * Chooses the built-in methods that answer beside an engine's own; the last choice holds. Errors: PINION_NOT_FOUND
 * for an unknown product; PINION_INVALID; PINION_REFUSED.
 */
PINION_MUST_USE
pinion_error *pinion_choose_builtin_methods(pinion_view name,
                                            const pinion_builtin_options *choice);

/**
 * Lets another runtime of the program keep its engines to itself until somebody looks for one: for runtimes to which
 * a call into C is dear. `registered` counts what was registered there: it is read atomically before the registry is
 * looked at or changed, and where it has grown `feed` is called first. It stays valid as long as the process lives.
 * `data` is passed to `feed`; it is never destroyed. Once; any thread. Errors: PINION_ALREADY_EXISTS; PINION_MISUSE.
 */
PINION_MUST_USE
pinion_error *pinion_set_feeder(pinion_feed feed,
                                void *data,
                                const uint64_t *registered);

/**
 * The names of the engines, sorted, each ended by a NUL. The caller frees `names` with pinion_bytes_free.
 */
PINION_MUST_USE pinion_error *pinion_names(pinion_bytes **names);

/* ---- engine
 *
 * An engine with its configuration, for programs that call its operations themselves: those that have a starter of
 * their own. In a lifecycle pinion calls them. In which process and with which privileges each may be called stands
 * with the callbacks of pinion_operations. A callback's error is returned as it is.
 */

/**
 * Finds the engine that a JSON document names, decodes the document around the engine's own configuration object and
 * hands it to InitConfig. The caller frees `engine` with pinion_engine_free. Errors: PINION_INVALID for what is no
 * JSON, a key of a wrong type, with its path, or a missing engineName; PINION_NOT_FOUND, with the names that are
 * registered; a callback's own.
 */
PINION_MUST_USE
pinion_error *pinion_get(pinion_view json,
                         pinion_engine **engine);

/**
 * The engine's configuration, the same that InitConfig stored. The caller lets go of `common` with
 * pinion_common_free.
 */
PINION_MUST_USE
pinion_error *pinion_engine_common(const pinion_engine *engine,
                                   pinion_common **common);

/**
 * What the engine says of itself: to be asked after PrepareConfig.
 */
PINION_MUST_USE
pinion_error *pinion_engine_declaration(const pinion_engine *engine,
                                        pinion_declaration *declaration);

/**
 * Calls PrepareConfig. After success the configuration is written to `starter`, as a lifecycle does, unless
 * PrepareConfig released that.
 */
PINION_MUST_USE
pinion_error *pinion_engine_prepare_config(const pinion_engine *engine,
                                           pinion_config *starter);

/**
 * Calls CreateContainer. The socket `rpc` stays the caller's, who closes it after that.
 */
PINION_MUST_USE
pinion_error *pinion_engine_create_container(const pinion_engine *engine,
                                             const pinion_context *context,
                                             int32_t container,
                                             int32_t rpc);

/**
 * Calls StartProcess. Takes the socket `master`, refusals included. Returns where an init shim has come to its end;
 * `status` says how.
 */
PINION_MUST_USE
pinion_error *pinion_engine_start_process(const pinion_engine *engine,
                                          int32_t master,
                                          int32_t *status);

/**
 * Calls PreStartProcess. The socket `master` stays the caller's.
 */
PINION_MUST_USE
pinion_error *pinion_engine_pre_start_process(const pinion_engine *engine,
                                              const pinion_context *context,
                                              int32_t container,
                                              int32_t master);

/**
 * Calls PostStartHost.
 */
PINION_MUST_USE
pinion_error *pinion_engine_post_start_host(const pinion_engine *engine,
                                            const pinion_context *context);

/**
 * Calls PostStartProcess.
 */
PINION_MUST_USE
pinion_error *pinion_engine_post_start_process(const pinion_engine *engine,
                                               const pinion_context *context,
                                               int32_t container);

/**
 * Calls MonitorContainer, which returns when the container has ended; `status` says how, as wait(2) encodes it. The
 * signals are those of pinion_signals_new.
 */
PINION_MUST_USE
pinion_error *pinion_engine_monitor_container(const pinion_engine *engine,
                                              int32_t container,
                                              pinion_signals *signals,
                                              int32_t *status);

/**
 * Calls CleanupContainer. `fatal` is the error that ended the run, or NULL; it stays the caller's. `status` is how
 * the container ended.
 */
PINION_MUST_USE
pinion_error *pinion_engine_cleanup_container(const pinion_engine *engine,
                                              const pinion_context *context,
                                              const pinion_error *fatal,
                                              int32_t status);

/**
 * Calls CleanupHost.
 */
PINION_MUST_USE
pinion_error *pinion_engine_cleanup_host(const pinion_engine *engine,
                                         const pinion_context *context);

/**
 * Frees an engine. NULL does nothing. Returns 0, or PINION_MISUSE for what is none any more.
 */
int32_t pinion_engine_free(pinion_engine *engine);

/* ---- methods
 *
 * RPC methods, and the server. A method is called in the RPC server's process, on the server's thread, one call after
 * the other, with the privileges that the process has; one that was added by pinion_methods_add_later may go on
 * elsewhere. A method of an engine's own wins over a built-in one of the same name.
 */

/**
 * Answers one call: reads `argument`, valid for the call, and stores in `reply` what pinion_bytes_new made, pinion's
 * then. An error's text is the error that the client gets.
 */
typedef pinion_error *(*pinion_method)(void *data, pinion_view argument, pinion_bytes **reply);

/**
 * Begins to answer one call: reads `argument`, valid until it returns, and sees to it that `call` is answered some
 * time, by pinion_call_reply or pinion_call_fail. The server waits meanwhile for other calls.
 */
typedef void (*pinion_later_method)(void *data, pinion_view argument, pinion_call *call);

/**
 * Makes a set without methods. The caller registers it, or frees it with pinion_methods_free.
 */
PINION_MUST_USE pinion_error *pinion_methods_new(pinion_methods **methods);

/**
 * Adds a method that takes and gives JSON. Its argument comes as JSON with Go's field names, whatever type the
 * client sends; `reply_type` is the reply's type as Go writes it: `int`, `[]string`, `struct { Message string; Errno
 * uint }`. A method of the same name is replaced. `data` is pinion's from here on, refusals included. Errors:
 * PINION_INVALID for a name that is empty or has a full stop, or a type that is none.
 */
PINION_MUST_USE
pinion_error *pinion_methods_add_json(pinion_methods *methods,
                                      pinion_view name,
                                      pinion_view reply_type,
                                      pinion_method method,
                                      void *data,
                                      pinion_destroy destroy);

/**
 * Adds a method that takes and gives gob: a whole stream each way, its type definitions and one value, as Go's
 * gob.NewEncoder(w).Encode(v) writes. Else as pinion_methods_add_json.
 */
PINION_MUST_USE
pinion_error *pinion_methods_add_gob(pinion_methods *methods,
                                     pinion_view name,
                                     pinion_method method,
                                     void *data,
                                     pinion_destroy destroy);

/**
 * Adds a method whose calls run beside each other and beside those of other methods: `method` begins one on the
 * server's thread and returns, and the answer follows from any thread. Argument and reply are as in
 * pinion_methods_add_gob. The server ends after the last answer, even where the client has closed the connection.
 * Else as pinion_methods_add_gob.
 */
PINION_MUST_USE
pinion_error *pinion_methods_add_later(pinion_methods *methods,
                                       pinion_view name,
                                       pinion_later_method method,
                                       void *data,
                                       pinion_destroy destroy);

/**
 * Answers a call with a whole gob stream of one value. Takes `call`. Any thread. A stream that is none is the error
 * of the call, which the client gets.
 */
PINION_MUST_USE
pinion_error *pinion_call_reply(pinion_call *call,
                                pinion_view reply);

/**
 * Answers a call with an error, whose text the client gets. Takes `call`. Any thread.
 */
PINION_MUST_USE pinion_error *pinion_call_fail(pinion_call *call, pinion_view text);

/**
 * Frees a set that was not registered. NULL does nothing. Returns 0, or PINION_MISUSE for what is none any more.
 */
int32_t pinion_methods_free(pinion_methods *methods);

/**
 * Serves the RPC methods that are registered under an engine's name, and the built-in ones: as
 * pinion_serve_rpc_requests, for an engine that need not be ready. Errors: PINION_NOT_FOUND where nothing has the
 * name, and those.
 */
PINION_MUST_USE
pinion_error *pinion_serve_rpc_methods(pinion_view name,
                                       int32_t connection);

/**
 * Serves the engine's RPC methods, its own before the built-in ones, on the calling thread until the client closes
 * the connection. `connection` is a Unix stream socket, which stays the caller's. Errors: PINION_PROTOCOL where a
 * request's header cannot be decoded; PINION_SYSTEM.
 */
PINION_MUST_USE
pinion_error *pinion_serve_rpc_requests(const pinion_engine *engine,
                                        int32_t connection);

/* ---- client
 *
 * The RPC client: for any server of Go's net/rpc, pinion's own first of all. Requests can be sent ahead and their
 * replies taken later, in any order. One thread at a time.
 */

/**
 * Makes a client of the service `service`, an engine's name, at the other end of a Unix stream socket. `connection`
 * stays the caller's and is duplicated: the server sees the end when both are closed. `limit_ms` is the longest wait
 * for one reply in milliseconds, 0 for none; a reply that comes too late ends the connection. The caller frees
 * `client` with pinion_client_free. Errors: PINION_SYSTEM.
 */
PINION_MUST_USE
pinion_error *pinion_client_new(int32_t connection,
                                pinion_view service,
                                uint32_t limit_ms,
                                pinion_client **client);

/**
 * Prepares a request and stores its number in `sequence`. It goes out with the next pinion_client_flush or
 * pinion_client_receive, together with all prepared before. `argument` is JSON with Go's field names,
 * `argument_type` its type as Go writes it; empty means that of the built-in method of this name, or else the one
 * that the JSON looks like. Errors: PINION_INVALID for an argument that does not fit: then nothing is sent;
 * PINION_PEER_DIED after the connection's end.
 */
PINION_MUST_USE
pinion_error *pinion_client_send(pinion_client *client,
                                 pinion_view method,
                                 pinion_view argument_type,
                                 pinion_view argument,
                                 uint64_t *sequence);

/**
 * Sends what was prepared.
 */
PINION_MUST_USE pinion_error *pinion_client_flush(pinion_client *client);

/**
 * Waits for the reply to the request with this number and stores it as JSON in `reply`, which the caller frees with
 * pinion_bytes_free. Errors: PINION_RPC with the server's very text; PINION_PEER_DIED; PINION_TIMEOUT;
 * PINION_PROTOCOL; PINION_INVALID for a number that is not awaited.
 */
PINION_MUST_USE
pinion_error *pinion_client_receive(pinion_client *client,
                                    uint64_t sequence,
                                    pinion_bytes **reply);

/**
 * Sends one request and waits for its reply: pinion_client_send and pinion_client_receive. `reply` may be NULL for a
 * reply that nobody needs.
 */
PINION_MUST_USE
pinion_error *pinion_client_call(pinion_client *client,
                                 pinion_view method,
                                 pinion_view argument_type,
                                 pinion_view argument,
                                 pinion_bytes **reply);

/**
 * Closes the connection and frees the client. NULL does nothing. Returns 0, or PINION_MISUSE for what is none any
 * more.
 */
int32_t pinion_client_free(pinion_client *client);

/* ---- launch
 *
 * Launching a starter, as a front end does: its environment is made from nothing, and the configuration travels by a
 * sealed memory file or in the environment.
 */

/**
 * What a launch needs. Begin with pinion_launch_options_init.
 */
typedef struct pinion_launch_options {
    /**
     * sizeof(pinion_launch_options).
     */
    size_t size;
    /**
     * The plain starter's absolute path; any bytes but NUL.
     */
    pinion_view starter;
    /**
     * The setuid starter's; empty where there is none.
     */
    pinion_view starter_suid;
    /**
     * The variable that holds the message level; empty for PINION_MESSAGELEVEL.
     */
    pinion_view level_variable;
    /**
     * The message level, as pinion_log_set_level takes it.
     */
    int32_t level;
    /**
     * The starter's standard input, output and error stream, which stay the caller's; -1 for the caller's own
     * streams.
     */
    int32_t stdin_fd;
    /**
     * See stdin_fd.
     */
    int32_t stdout_fd;
    /**
     * See stdin_fd.
     */
    int32_t stderr_fd;
    /**
     * Where the starter writes its record of the run, which stays the caller's; -1 for none.
     */
    int32_t record_fd;
    /**
     * Whether the configuration goes by descriptor: a starter of pinion takes it, one of the family's does not.
     */
    bool by_descriptor;
    /**
     * Whether the setuid starter is taken.
     */
    bool use_suid;
    /**
     * Whether the kernel is nudged to load overlay.
     */
    bool load_overlay_module;
    /**
     * Whether PostStartHost runs.
     */
    bool post_start_host;
    /**
     * Whether CleanupHost runs.
     */
    bool cleanup_host;
} pinion_launch_options;

/**
 * Replaces this program by the starter, with `name` as argv[0] and `json` as the engine configuration. Returns only
 * with an error: PINION_NOT_FOUND; PINION_INVALID for an unusable name or path, or a configuration that is empty or
 * too big for its way; PINION_SYSTEM.
 */
PINION_MUST_USE
pinion_error *pinion_launch_exec(pinion_view name,
                                 pinion_view json,
                                 const pinion_launch_options *options);

/**
 * Starts the starter, waits for its end and stores in `status` how it ended, as wait(2) encodes it. A program that
 * ignores SIGCHLD, or reaps any child in another thread, must not call this. Errors: as pinion_launch_exec; a status
 * that is not success is none.
 */
PINION_MUST_USE
pinion_error *pinion_launch_run(pinion_view name,
                                pinion_view json,
                                const pinion_launch_options *options,
                                int32_t *status);

/* ---- lifecycle
 *
 * The whole life of a starter that a launcher has executed. Half a dozen processes go through it, each in a role;
 * engines are registered before a role runs. A program either calls pinion_lifecycle_run in `main`; or, where it
 * needs its own runtime, begins in a constructor by PINION_BOOTSTRAP, asks for the role in `main` and runs it there,
 * or runs it in another thread and keeps the main thread for work of its own (StartProcess then runs in that other
 * thread).
 */

/**
 * No role yet: the starter before pinion_lifecycle_start.
 */
#define PINION_ROLE_NONE 0

/**
 * Runs PostStartHost on the host.
 */
#define PINION_ROLE_POST_START_HOST 1

/**
 * Runs CleanupHost on the host.
 */
#define PINION_ROLE_CLEANUP_HOST 2

/**
 * Takes the place of the process that runs CleanupHost if that is killed.
 */
#define PINION_ROLE_CLEANUP_SPARE 3

/**
 * Runs PrepareConfig.
 */
#define PINION_ROLE_STAGE1 4

/**
 * Watches over the container: runs CreateContainer, PreStartProcess, PostStartProcess, MonitorContainer and
 * CleanupContainer.
 */
#define PINION_ROLE_MASTER 5

/**
 * Does the privileged work inside the container's namespaces: runs the RPC methods.
 */
#define PINION_ROLE_RPC_SERVER 7

/**
 * The container's process: runs StartProcess.
 */
#define PINION_ROLE_STAGE2 8

/**
 * What a product that embeds pinion decides about its starter. All zero, but for the size, is the default. Whether root's
 * policy holds for its setuid flow is decided when the library is built (docs/policy.md).
 */
typedef struct pinion_host {
    /**
     * sizeof(pinion_host).
     */
    size_t size;
    /**
     * The environment variable with the message level, whose text is kept; empty for PINION_MESSAGELEVEL.
     */
    pinion_view level_variable;
} pinion_host;

/**
 * Goes through the steps of a start until this process has its role, and returns in every process that has one.
 * Where the start fails it says why on the standard error stream, cleans up, and ends the process with 255; a
 * process without a callback ends in here, too. To be called once, before the program has a second thread: in a
 * constructor, or first thing in `main`. `host` may be NULL. Errors: PINION_REFUSED for a second call, or a process
 * with several threads.
 */
PINION_MUST_USE
pinion_error *pinion_lifecycle_start(const pinion_host *host);

/**
 * pinion_lifecycle_start for a constructor, which has nobody to return an error to: an error is said on the standard
 * error stream and ends the process with 255. PINION_BOOTSTRAP makes such a constructor.
 */
void pinion_lifecycle_bootstrap(const pinion_host *host);

/**
 * The role of this process, one of PINION_ROLE_*.
 */
int32_t pinion_lifecycle_role(void);

/**
 * Lets master take its signals from the program's own runtime, before its role: `source` is read as in
 * pinion_signals_from, and nothing needs to be blocked. For every kind that is to be passed on, SIGCHLD among them;
 * without it they come from a signalfd(2). Errors: PINION_REFUSED for a second call; PINION_SYSTEM.
 */
PINION_MUST_USE
pinion_error *pinion_lifecycle_signals_from(int32_t source);

/**
 * Runs the role and ends the process as it has to end. Registration ends here. Any thread, once; the program's other
 * threads must leave credentials, working directory and umask alone. Returns only with an error: PINION_REFUSED
 * where pinion_lifecycle_start did not run or the role runs already, as happens when a constructor was not linked
 * in.
 */
PINION_MUST_USE
pinion_error *pinion_lifecycle_run_role(void);

/**
 * Ends the role of this process by an error of the program's, whose engines cannot be had for example, and the
 * process with 255. It is said once, whichever process meets it first. Takes `error`. Returns only with an error, as
 * pinion_lifecycle_run_role.
 */
PINION_MUST_USE
pinion_error *pinion_lifecycle_fail_role(pinion_error *error);

/**
 * pinion_lifecycle_start and pinion_lifecycle_run_role in one: for programs whose engines are registered before.
 * Returns only with an error, as those two.
 */
PINION_MUST_USE
pinion_error *pinion_lifecycle_run(const pinion_host *host);

/* ---- for C alone */

/** A view of a C string, which stays where it is. NULL is empty. */
static inline pinion_view pinion_str(const char *text)
{
    pinion_view view;
    view.data = (const uint8_t *)text;
    view.length = text == NULL ? 0 : strlen(text);
    return view;
}

/** The options of a launch before anything is chosen. */
static inline pinion_launch_options pinion_launch_options_init(void)
{
    pinion_launch_options options;
    memset(&options, 0, sizeof options);
    options.size = sizeof options;
    options.level = 1;
    options.stdin_fd = options.stdout_fd = options.stderr_fd = options.record_fd = -1;
    options.by_descriptor = true;
    return options;
}

/** Lets the lifecycle begin before `main`, in whose object file this stands once, outside of a function: main then registers engines
 * and calls pinion_lifecycle_run_role. `host` is a const pinion_host *, or NULL. GNU C. */
#define PINION_BOOTSTRAP(host)                                                                                         \
    __attribute__((constructor)) static void pinion_bootstrap_constructor(void)                                        \
    {                                                                                                                  \
        pinion_lifecycle_bootstrap(host);                                                                              \
    }

#ifdef __cplusplus
}
#endif

#endif
