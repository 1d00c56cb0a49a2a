/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Every call with what is no object of its kind: the documented answer, and everything else as it was. */
#include <sys/socket.h>

#include "misuse.h"

static pinion_context *some_context;
static pinion_signals *some_signals;
static pinion_common *some_common;
static pinion_declaration some_declaration = { sizeof(pinion_declaration), false, 0 };

/* X(kind, call, code): `bad` stands in the place of an object of this kind; a neutral answer is PINION_MISUSE as well. */
#define OBJECT_CALLS(X)                                                                                                 \
	X(bytes, pinion_bytes_view, neutral(pinion_bytes_view(bad).data == NULL && pinion_bytes_view(bad).length == 0)) \
	X(bytes, pinion_bytes_free, pinion_bytes_free(bad))                                                             \
	X(error, pinion_error_during, code_of(pinion_error_during(bad, word())))                                        \
	X(error, pinion_error_with_help, code_of(pinion_error_with_help(bad, word())))                                  \
	X(error, pinion_error_code, pinion_error_code(bad))                                                             \
	X(error, pinion_error_errno, neutral(pinion_error_errno(bad) == 0))                                             \
	X(error, pinion_error_text, neutral(pinion_error_text(bad) != NULL))                                            \
	X(error, pinion_error_help, neutral(pinion_error_help(bad) == NULL))                                            \
	X(error, pinion_error_data, neutral(pinion_error_data(bad, &live) == NULL))                                     \
	X(error, pinion_error_free, pinion_error_free(bad))                                                             \
	X(error, pinion_lifecycle_fail_role, code_of(pinion_lifecycle_fail_role(bad)))                                  \
	X(common, pinion_common_engine_name, code_of(pinion_common_engine_name(bad, &some_bytes)))                      \
	X(common, pinion_common_container_id, code_of(pinion_common_container_id(bad, &some_bytes)))                    \
	X(common, pinion_common_set_container_id, code_of(pinion_common_set_container_id(bad, word())))                 \
	X(common, pinion_common_engine_config, neutral(pinion_common_engine_config(bad) == NULL))                       \
	X(common, pinion_common_plugin, code_of(pinion_common_plugin(bad, word(), &some_bytes)))                        \
	X(common, pinion_common_set_plugin, code_of(pinion_common_set_plugin(bad, word(), word())))                     \
	X(common, pinion_common_encode, code_of(pinion_common_encode(bad, &some_bytes)))                                \
	X(common, pinion_common_free, pinion_common_free(bad))                                                          \
	X(config, pinion_config_settings, code_of(pinion_config_settings(bad, &some_bytes)))                            \
	X(config, pinion_config_is_suid, neutral(!pinion_config_is_suid(bad)))                                          \
	X(config, pinion_config_container_pid, neutral(pinion_config_container_pid(bad) == 0))                          \
	X(config, pinion_config_set_instance, code_of(pinion_config_set_instance(bad, true)))                           \
	X(config, pinion_config_set_no_new_privs, code_of(pinion_config_set_no_new_privs(bad, true)))                   \
	X(config, pinion_config_set_master_propagate_mount, code_of(pinion_config_set_master_propagate_mount(bad, true))) \
	X(config, pinion_config_set_namespace_join_only, code_of(pinion_config_set_namespace_join_only(bad, true)))     \
	X(config, pinion_config_set_bring_loopback_interface,                                                           \
	  code_of(pinion_config_set_bring_loopback_interface(bad, true)))                                               \
	X(config, pinion_config_set_mount_propagation, code_of(pinion_config_set_mount_propagation(bad, word())))       \
	X(config, pinion_config_set_working_directory_fd, code_of(pinion_config_set_working_directory_fd(bad, 0)))      \
	X(config, pinion_config_set_image_fd, code_of(pinion_config_set_image_fd(bad, 0)))                              \
	X(config, pinion_config_image_fd, neutral(pinion_config_image_fd(bad) == -1))                                   \
	X(config, pinion_config_keep_file_descriptor, code_of(pinion_config_keep_file_descriptor(bad, 0)))              \
	X(config, pinion_config_set_nvccli_caps, code_of(pinion_config_set_nvccli_caps(bad, true)))                     \
	X(config, pinion_config_set_hybrid_workflow, code_of(pinion_config_set_hybrid_workflow(bad, true)))             \
	X(config, pinion_config_set_allow_setgroups, code_of(pinion_config_set_allow_setgroups(bad, true)))             \
	X(config, pinion_config_set_no_setgroups, code_of(pinion_config_set_no_setgroups(bad, true)))                   \
	X(config, pinion_config_json, code_of(pinion_config_json(bad, &some_bytes)))                                    \
	X(config, pinion_config_write, code_of(pinion_config_write(bad, word())))                                       \
	X(config, pinion_config_add_uid_mappings, code_of(pinion_config_add_uid_mappings(bad, &some_mapping, 1)))       \
	X(config, pinion_config_add_gid_mappings, code_of(pinion_config_add_gid_mappings(bad, &some_mapping, 1)))       \
	X(config, pinion_config_set_newuidmap_path, code_of(pinion_config_set_newuidmap_path(bad)))                     \
	X(config, pinion_config_set_newgidmap_path, code_of(pinion_config_set_newgidmap_path(bad)))                     \
	X(config, pinion_config_set_ns_flags, code_of(pinion_config_set_ns_flags(bad, 0)))                              \
	X(config, pinion_config_set_ns_flags_from_spec, code_of(pinion_config_set_ns_flags_from_spec(bad, NULL, 0)))    \
	X(config, pinion_config_set_ns_path, code_of(pinion_config_set_ns_path(bad, word(), word())))                   \
	X(config, pinion_config_set_ns_path_from_spec, code_of(pinion_config_set_ns_path_from_spec(bad, NULL, 0)))      \
	X(config, pinion_config_set_capabilities, code_of(pinion_config_set_capabilities(bad, word(), NULL, 0)))        \
	X(config, pinion_config_set_target_uid, code_of(pinion_config_set_target_uid(bad, 1)))                          \
	X(config, pinion_config_set_target_gid, code_of(pinion_config_set_target_gid(bad, NULL, 0)))                    \
	X(config, pinion_config_set_native_rpc, code_of(pinion_config_set_native_rpc(bad, true)))                       \
	X(config, pinion_config_set_timeouts, code_of(pinion_config_set_timeouts(bad, 1, 1)))                           \
	X(config, pinion_config_release, code_of(pinion_config_release(bad)))                                           \
	X(config, pinion_config_warnings, code_of(pinion_config_warnings(bad, &some_bytes)))                            \
	X(config, pinion_config_note_mount, code_of(pinion_config_note_mount(bad, word())))                             \
	X(config, pinion_config_note_file, code_of(pinion_config_note_file(bad, word())))                               \
	X(config, pinion_config_note_directory, code_of(pinion_config_note_directory(bad, word())))                     \
	X(config, pinion_config_free, pinion_config_free(bad))                                                          \
	X(config, pinion_engine_prepare_config, code_of(pinion_engine_prepare_config(live.engine, bad)))                \
	X(context, pinion_context_cancel, code_of(pinion_context_cancel(bad)))                                          \
	X(context, pinion_context_is_cancelled, neutral(pinion_context_is_cancelled(bad)))                              \
	X(context, pinion_context_fd, neutral(pinion_context_fd(bad) == -1))                                            \
	X(context, pinion_context_keep, code_of(pinion_context_keep(bad, &some_context)))                               \
	X(context, pinion_context_fail, code_of(pinion_context_fail(bad, pinion_error_new(1, 0, word()))))              \
	X(error, pinion_context_fail, code_of(pinion_context_fail(live.context, bad)))                                  \
	X(context, pinion_context_failure, code_of(pinion_context_failure(bad)))                                        \
	X(context, pinion_context_free, pinion_context_free(bad))                                                       \
	X(context, pinion_signals_new, code_of(pinion_signals_new(bad, &some_signals)))                                 \
	X(context, pinion_signals_from, code_of(pinion_signals_from(bad, live.socket, &some_signals)))                  \
	X(context, pinion_engine_create_container, code_of(pinion_engine_create_container(live.engine, bad, 1, live.socket))) \
	X(context, pinion_engine_pre_start_process,                                                                     \
	  code_of(pinion_engine_pre_start_process(live.engine, bad, 1, live.socket)))                                   \
	X(context, pinion_engine_post_start_host, code_of(pinion_engine_post_start_host(live.engine, bad)))             \
	X(context, pinion_engine_post_start_process, code_of(pinion_engine_post_start_process(live.engine, bad, 1)))    \
	X(context, pinion_engine_cleanup_container, code_of(pinion_engine_cleanup_container(live.engine, bad, NULL, 0))) \
	X(context, pinion_engine_cleanup_host, code_of(pinion_engine_cleanup_host(live.engine, bad)))                   \
	X(signals, pinion_signals_free, pinion_signals_free(bad))                                                       \
	X(signals, pinion_signals_next, code_of(pinion_signals_next(bad, &some_number)))                                \
	X(signals, pinion_signals_fds, code_of(pinion_signals_fds(bad, &some_number, &some_number)))                    \
	X(signals, pinion_engine_monitor_container,                                                                     \
	  code_of(pinion_engine_monitor_container(live.engine, 1, bad, &some_number)))                                  \
	X(master, pinion_master_fd, neutral(pinion_master_fd(bad) == -1))                                               \
	X(master, pinion_master_close, code_of(pinion_master_close(bad)))                                               \
	X(engine, pinion_engine_common, code_of(pinion_engine_common(bad, &some_common)))                               \
	X(engine, pinion_engine_declaration, code_of(pinion_engine_declaration(bad, &some_declaration)))                \
	X(engine, pinion_engine_prepare_config, code_of(pinion_engine_prepare_config(bad, live.config)))                \
	X(engine, pinion_engine_create_container, code_of(pinion_engine_create_container(bad, live.context, 1, live.socket))) \
	X(engine, pinion_engine_start_process, code_of(pinion_engine_start_process(bad, dup(live.socket), &some_number))) \
	X(engine, pinion_engine_pre_start_process,                                                                      \
	  code_of(pinion_engine_pre_start_process(bad, live.context, 1, live.socket)))                                  \
	X(engine, pinion_engine_post_start_host, code_of(pinion_engine_post_start_host(bad, live.context)))             \
	X(engine, pinion_engine_post_start_process, code_of(pinion_engine_post_start_process(bad, live.context, 1)))    \
	X(engine, pinion_engine_monitor_container,                                                                      \
	  code_of(pinion_engine_monitor_container(bad, 1, live.signals, &some_number)))                                 \
	X(engine, pinion_engine_cleanup_container, code_of(pinion_engine_cleanup_container(bad, live.context, NULL, 0))) \
	X(engine, pinion_engine_cleanup_host, code_of(pinion_engine_cleanup_host(bad, live.context)))                   \
	X(engine, pinion_serve_rpc_requests, code_of(pinion_serve_rpc_requests(bad, live.socket)))                      \
	X(engine, pinion_engine_free, pinion_engine_free(bad))                                                          \
	X(methods, pinion_methods_add_json, code_of(pinion_methods_add_json(bad, word(), pinion_str("int"), no_method, NULL, NULL))) \
	X(methods, pinion_methods_add_gob, code_of(pinion_methods_add_gob(bad, word(), no_method, NULL, NULL)))         \
	X(methods, pinion_methods_add_later, code_of(pinion_methods_add_later(bad, word(), no_later_method, NULL, NULL))) \
	X(call, pinion_call_reply, code_of(pinion_call_reply(bad, word())))                                             \
	X(call, pinion_call_fail, code_of(pinion_call_fail(bad, word())))                                               \
	X(methods, pinion_register_rpc_methods, code_of(pinion_register_rpc_methods(word(), bad)))                      \
	X(methods, pinion_replace_rpc_methods, code_of(pinion_replace_rpc_methods(word(), bad)))                        \
	X(methods, pinion_methods_free, pinion_methods_free(bad))                                                       \
	X(client, pinion_client_send, code_of(pinion_client_send(bad, word(), pinion_str(""), word(), &some_sequence))) \
	X(client, pinion_client_flush, code_of(pinion_client_flush(bad)))                                               \
	X(client, pinion_client_receive, code_of(pinion_client_receive(bad, 0, &some_bytes)))                           \
	X(client, pinion_client_call, code_of(pinion_client_call(bad, word(), pinion_str(""), word(), NULL)))           \
	X(client, pinion_client_free, pinion_client_free(bad))

/* A call is there only while a server has it: later.c. */
enum kind { bytes, error, common, config, context, signals, master, engine, methods, client, kinds, call };

#define NAMED(kind, call, code)                                                                                         \
	static int32_t kind##_##call(void *bad)                                                                         \
	{                                                                                                               \
		return code;                                                                                            \
	}
OBJECT_CALLS(NAMED)

#define ROW(kind, call, code) { #call, kind, kind##_##call },
static const struct row {
	const char *name;
	enum kind kind;
	int32_t (*call)(void *bad);
} CALLS[] = { OBJECT_CALLS(ROW) };
#define CALL_COUNT (sizeof CALLS / sizeof *CALLS)

static bool ends_in(const char *text, const char *end)
{
	return strlen(text) >= strlen(end) && strcmp(text + strlen(text) - strlen(end), end) == 0;
}

/* What NULL is: nothing to free, no error, and misuse elsewhere. */
static int32_t of_null(const struct row *row)
{
	if (ends_in(row->name, "_free"))
		return 0;
	if (row->kind == error && (strstr(row->name, "_during") || strstr(row->name, "_with_help") || strstr(row->name, "_code")))
		return 0;
	return PINION_MISUSE;
}

/* The pointer in the place of an object of each kind that there is. */
static void *object(enum kind kind)
{
	void *const objects[] = { live.bytes,	live.error,  live.common, live.config,	live.context,
				  live.signals, live.master, live.engine, live.methods, live.client };

	return objects[kind];
}

/* Calls everything with one pointer, except where it is of the right kind; says how many gave another answer. */
static int wrong_answers(void *bad, int skipped)
{
	int wrong = 0;
	size_t i;

	for (i = 0; i < CALL_COUNT; i++) {
		int32_t expected = bad == NULL ? of_null(&CALLS[i]) : PINION_MISUSE, answer;

		if ((int)CALLS[i].kind == skipped)
			continue;
		answer = CALLS[i].call(bad);
		if (answer == expected)
			continue;
		printf("#   %s (of %d): %d instead of %d for %p\n", CALLS[i].name, (int)CALLS[i].kind, answer, expected, bad);
		wrong++;
	}
	return wrong;
}

static void strangers(void)
{
	static const uintptr_t NUMBERS[] = { 1, 2, 7, 8, 4096, 0x7fffffffffff, 0x7fffffffffffffff, 0x80ffffffffffffff, UINTPTR_MAX };
	char odd[16];
	void *heap = malloc(1);
	size_t i;

	check(wrong_answers(NULL, -1) == 0, "NULL");
	for (i = 0; i < sizeof NUMBERS / sizeof *NUMBERS; i++)
		check(wrong_answers((void *)NUMBERS[i], -1) == 0, "the number %#llx", (unsigned long long)NUMBERS[i]);
	for (i = 0; i < 3; i++)
		check(wrong_answers(odd + i, -1) == 0, "a variable's address, and %zu", i);
	check(wrong_answers(heap, -1) == 0, "memory of the heap");
	check(wrong_answers((void *)&live, -1) == 0, "a structure's address");
	free(heap);
}

/* Objects in the place of those of another kind, and numbers beside theirs. */
static void other_kinds(void)
{
	int kind;

	for (kind = 0; kind < kinds; kind++) {
		uintptr_t number = (uintptr_t)object((enum kind)kind);

		check(wrong_answers(object((enum kind)kind), kind) == 0, "an object of kind %d in the place of others", kind);
		check(wrong_answers((void *)(number + (1ull << 24)), -1) == 0, "... a later one of its place");
		check(wrong_answers((void *)(number - (1ull << 24)), -1) == 0, "... an earlier one of its place");
		check(wrong_answers((void *)(number | 0xffffff), -1) == 0, "... one of a place that is not there");
		check(wrong_answers((void *)(number ^ (1ull << 56)), -1) == 0, "... one of another process");
		check(wrong_answers((void *)(number & ~(1ull << 63)), -1) == 0, "... one without its mark");
	}
}

static int in_a_fork(void *data)
{
	int kind, wrong = 0;

	for (kind = 0; kind < kinds; kind++) {
		/* Calls with two objects: both are of the parent. */
		wrong += wrong_answers(object((enum kind)kind), -1);
	}
	(void)data;
	return wrong < 99 ? wrong : 99;
}

static void freed(void)
{
	struct objects before = live;
	int kind, sockets[2];

	check(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets) == 0, "sockets");
	succeeds(pinion_bytes_new(word(), &before.bytes), "bytes");
	before.error = pinion_error_new(1, 0, word());
	succeeds(pinion_engine_common(live.engine, &before.common), "a configuration");
	succeeds(pinion_config_new(word(), false, &before.config), "a starter configuration");
	succeeds(pinion_context_new(&before.context), "a context");
	succeeds(pinion_signals_new(before.context, &before.signals), "a queue of signals");
	before.engine = get_engine("misuse");
	succeeds(pinion_methods_new(&before.methods), "a set of methods");
	succeeds(pinion_client_new(sockets[0], word(), 1, &before.client), "a client");
	check(pinion_bytes_free(before.bytes) == 0 && pinion_error_free(before.error) == 0 &&
		      pinion_common_free(before.common) == 0 && pinion_config_free(before.config) == 0 &&
		      pinion_signals_free(before.signals) == 0 && pinion_context_free(before.context) == 0 &&
		      pinion_engine_free(before.engine) == 0 && pinion_methods_free(before.methods) == 0 &&
		      pinion_client_free(before.client) == 0,
	      "... are freed");
	close(sockets[0]), close(sockets[1]);
	{
		void *const gone[] = { before.bytes,   before.error,  before.common,  before.config, before.context,
				       before.signals, before.engine, before.methods, before.client };

		for (kind = 0; kind < (int)(sizeof gone / sizeof *gone); kind++)
			check(wrong_answers(gone[kind], -1) == 0, "freed object %d", kind);
	}
}

/* Everything happens in StartProcess: its connection to master is an object that there is nowhere else. */
static pinion_error *start(void *data, pinion_master *given, int32_t *status)
{
	size_t count = pinion_object_count();

	(void)data;
	*status = 0;
	live.master = given;
	strangers();
	other_kinds();
	check(in_child(in_a_fork, NULL) == 0, "a forked process has none of its parent's objects");
	freed();
	check(pinion_object_count() == count, "nothing was made or freed by all that (%zu, then %zu)", count,
	      pinion_object_count());
	check(pinion_bytes_view(live.bytes).length == 1 && pinion_error_code(live.error) == PINION_REFUSED &&
		      pinion_common_engine_config(live.common) != NULL && pinion_config_is_suid(live.config) &&
		      pinion_context_fd(live.context) >= 0 && !pinion_context_is_cancelled(live.context) &&
		      pinion_master_fd(live.master) >= 0,
	      "every object is still what it was");
	return NULL;
}

int main(void)
{
	pinion_operations table = idle_engine();
	int sockets[2], others[2];
	int32_t status;

	/* What takes no pointer cannot be misused: */
	check(pinion_abi_version() == 1 && pinion_version() != NULL && pinion_object_count() == 0, "versions and objects");
#ifdef PINION_BUILD
	check(pinion_build() == PINION_BUILD, "the archive is the one that pkg-config's words belong to");
#else
	check(pinion_build() == 0, "cargo's own archive is no build");
#endif
	check(pinion_lifecycle_role() == PINION_ROLE_NONE && !pinion_record_is_on(), "no role, no record");
	pinion_log_set_level(INT32_MIN);
	check(pinion_log_level() == INT32_MIN, "any level");
	pinion_log_set_level(INT32_MAX);
	pinion_log_set_level(1);
	succeeds(pinion_log_set_sink(NULL, NULL, NULL), "no sink");
	expect(pinion_lifecycle_run_role(), PINION_REFUSED, "role", "no role to run");
	expect(pinion_lifecycle_signals_from(-1), PINION_SYSTEM, "-1", "no descriptor for signals");
	expect(pinion_lifecycle_fail_role(pinion_error_new(1, 0, word())), PINION_REFUSED, "role", "no role to end");

	table.start_process = start;
	put_engine("misuse", &table, NULL, NULL);
	live.engine = get_engine("misuse");
	succeeds(pinion_bytes_new(word(), &live.bytes), "bytes");
	live.error = pinion_error_new(PINION_REFUSED, 0, word());
	succeeds(pinion_engine_common(live.engine, &live.common), "a configuration");
	succeeds(pinion_config_new(word(), true, &live.config), "a starter configuration");
	succeeds(pinion_context_new(&live.context), "a context");
	succeeds(pinion_signals_new(live.context, &live.signals), "a queue of signals");
	succeeds(pinion_methods_new(&live.methods), "a set of methods");
	check(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets) == 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, others) == 0, "sockets");
	live.socket = others[0];
	succeeds(pinion_client_new(sockets[0], word(), 1, &live.client), "a client");
	succeeds(pinion_engine_start_process(live.engine, dup(sockets[0]), &status), "StartProcess");
	check(pinion_bytes_free(live.bytes) == 0 && pinion_error_free(live.error) == 0 && pinion_common_free(live.common) == 0 &&
		      pinion_config_free(live.config) == 0 && pinion_signals_free(live.signals) == 0 &&
		      pinion_context_free(live.context) == 0 && pinion_engine_free(live.engine) == 0 &&
		      pinion_methods_free(live.methods) == 0 && pinion_client_free(live.client) == 0,
	      "every object can be freed");
	close(sockets[0]), close(sockets[1]), close(others[0]), close(others[1]);
	return done();
}
