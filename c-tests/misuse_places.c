/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* As misuse.c: views without an end, lists and structures that are not there, places for results that are none. */
#include <sys/socket.h>

#include "misuse.h"

static pinion_operations table;
static pinion_launch_options options;
static pinion_builtin_options choice;
static pinion_host host;
static pinion_renamed renamed;
static pinion_namespace namespaces[1];
static pinion_config *some_config;
static pinion_engine *some_engine;
static pinion_client *some_client;

static pinion_builtin_options *choose(pinion_view product, pinion_view local, pinion_view wire)
{
	memset(&choice, 0, sizeof choice);
	choice.size = sizeof choice;
	choice.product = product;
	renamed.local = local, renamed.wire = wire;
	choice.renamed = &renamed, choice.renamed_count = 1;
	return &choice;
}

static pinion_launch_options *launch(pinion_view starter, pinion_view suid, pinion_view variable)
{
	options = pinion_launch_options_init();
	options.starter = starter, options.starter_suid = suid, options.level_variable = variable;
	return &options;
}

static pinion_launch_options *good_launch(void)
{
	return launch(pinion_str("/nonexistent"), pinion_str(""), pinion_str(""));
}

static pinion_namespace *namespace(pinion_view kind, pinion_view path)
{
	namespaces[0].kind = kind, namespaces[0].path = path;
	return namespaces;
}

static const pinion_host *host_with(pinion_view variable)
{
	host.size = sizeof host;
	host.level_variable = variable;
	return &host;
}

/* The set is used up: each call has one of its own. */
static pinion_methods *set(void)
{
	pinion_methods *methods = NULL;

	code_of(pinion_methods_new(&methods));
	return methods;
}

/* V(call, code): `view` is NULL with a length, or too long. */
#define VIEW_CALLS(V)                                                                                                   \
	V(pinion_bytes_new, code_of(pinion_bytes_new(view, &some_bytes)))                                               \
	V(pinion_error_new, code_of(pinion_error_new(1, 0, view)))                                                      \
	V(pinion_error_new_with_data, code_of(pinion_error_new_with_data(1, 0, view, &live, NULL, NULL)))               \
	V(pinion_error_during, code_of(pinion_error_during(pinion_error_new(1, 0, word()), view)))                      \
	V(pinion_error_with_help, code_of(pinion_error_with_help(pinion_error_new(1, 0, word()), view)))                \
	V(pinion_log, (pinion_log(1, view), PINION_MISUSE))                                                             \
	V(pinion_record_event, code_of(pinion_record_event(view, pinion_str(""))))                                      \
	V(pinion_record_event, code_of(pinion_record_event(word(), view)))                                              \
	V(pinion_common_set_container_id, code_of(pinion_common_set_container_id(live.common, view)))                   \
	V(pinion_common_plugin, code_of(pinion_common_plugin(live.common, view, &some_bytes)))                          \
	V(pinion_common_set_plugin, code_of(pinion_common_set_plugin(live.common, view, word())))                       \
	V(pinion_common_set_plugin, code_of(pinion_common_set_plugin(live.common, word(), view)))                       \
	V(pinion_config_new, code_of(pinion_config_new(view, false, &some_config)))                                     \
	V(pinion_config_set_mount_propagation, code_of(pinion_config_set_mount_propagation(live.config, view)))         \
	V(pinion_config_write, code_of(pinion_config_write(live.config, view)))                                         \
	V(pinion_config_set_ns_flags_from_spec,                                                                         \
	  code_of(pinion_config_set_ns_flags_from_spec(live.config, namespace(view, word()), 1)))                       \
	V(pinion_config_set_ns_flags_from_spec,                                                                         \
	  code_of(pinion_config_set_ns_flags_from_spec(live.config, namespace(pinion_str("pid"), view), 1)))            \
	V(pinion_config_set_ns_path, code_of(pinion_config_set_ns_path(live.config, view, word())))                     \
	V(pinion_config_set_ns_path, code_of(pinion_config_set_ns_path(live.config, pinion_str("pid"), view)))          \
	V(pinion_config_set_ns_path_from_spec,                                                                          \
	  code_of(pinion_config_set_ns_path_from_spec(live.config, namespace(view, word()), 1)))                        \
	V(pinion_config_set_capabilities, code_of(pinion_config_set_capabilities(live.config, view, NULL, 0)))          \
	V(pinion_config_set_capabilities,                                                                               \
	  code_of(pinion_config_set_capabilities(live.config, pinion_str("ambient"), &view, 1)))                        \
	V(pinion_config_note_mount, code_of(pinion_config_note_mount(live.config, view)))                               \
	V(pinion_config_note_file, code_of(pinion_config_note_file(live.config, view)))                                 \
	V(pinion_config_note_directory, code_of(pinion_config_note_directory(live.config, view)))                       \
	V(pinion_register, code_of(pinion_register(view, &table, NULL, NULL)))                                          \
	V(pinion_replace, code_of(pinion_replace(view, &table, NULL, NULL)))                                            \
	V(pinion_register_rpc_methods, code_of(pinion_register_rpc_methods(view, set())))                               \
	V(pinion_replace_rpc_methods, code_of(pinion_replace_rpc_methods(view, set())))                                 \
	V(pinion_choose_builtin_methods, code_of(pinion_choose_builtin_methods(view, choose(pinion_str(""), word(), word())))) \
	V(pinion_choose_builtin_methods, code_of(pinion_choose_builtin_methods(word(), choose(view, word(), word()))))  \
	V(pinion_choose_builtin_methods,                                                                                \
	  code_of(pinion_choose_builtin_methods(word(), choose(pinion_str(""), view, word()))))                         \
	V(pinion_choose_builtin_methods,                                                                                \
	  code_of(pinion_choose_builtin_methods(word(), choose(pinion_str(""), word(), view))))                         \
	V(pinion_get, code_of(pinion_get(view, &some_engine)))                                                          \
	V(pinion_methods_add_json, code_of(pinion_methods_add_json(live.methods, view, word(), no_method, NULL, NULL))) \
	V(pinion_methods_add_json, code_of(pinion_methods_add_json(live.methods, word(), view, no_method, NULL, NULL))) \
	V(pinion_methods_add_gob, code_of(pinion_methods_add_gob(live.methods, view, no_method, NULL, NULL)))           \
	V(pinion_methods_add_later, code_of(pinion_methods_add_later(live.methods, view, no_later_method, NULL, NULL))) \
	V(pinion_client_new, code_of(pinion_client_new(live.socket, view, 1, &some_client)))                            \
	V(pinion_client_send, code_of(pinion_client_send(live.client, view, pinion_str(""), word(), &some_sequence)))   \
	V(pinion_client_send, code_of(pinion_client_send(live.client, word(), view, word(), &some_sequence)))           \
	V(pinion_client_send, code_of(pinion_client_send(live.client, word(), pinion_str(""), view, &some_sequence)))   \
	V(pinion_client_call, code_of(pinion_client_call(live.client, view, pinion_str(""), word(), NULL)))             \
	V(pinion_client_call, code_of(pinion_client_call(live.client, word(), view, word(), NULL)))                     \
	V(pinion_client_call, code_of(pinion_client_call(live.client, word(), pinion_str(""), view, NULL)))             \
	V(pinion_launch_exec, code_of(pinion_launch_exec(view, word(), good_launch())))                                 \
	V(pinion_launch_exec, code_of(pinion_launch_exec(word(), view, good_launch())))                                 \
	V(pinion_launch_exec, code_of(pinion_launch_exec(word(), word(), launch(view, pinion_str(""), pinion_str(""))))) \
	V(pinion_launch_exec, code_of(pinion_launch_exec(word(), word(), launch(word(), view, pinion_str("")))))        \
	V(pinion_launch_exec, code_of(pinion_launch_exec(word(), word(), launch(word(), pinion_str(""), view))))        \
	V(pinion_serve_rpc_methods, code_of(pinion_serve_rpc_methods(view, -1)))                                         \
	V(pinion_launch_run, code_of(pinion_launch_run(view, word(), good_launch(), &some_number)))                     \
	V(pinion_launch_run, code_of(pinion_launch_run(word(), view, good_launch(), &some_number)))                     \
	V(pinion_lifecycle_start, code_of(pinion_lifecycle_start(host_with(view))))                                     \
	V(pinion_lifecycle_run, code_of(pinion_lifecycle_run(host_with(view))))

#define VIEW_ROW(call, code)                                                                                            \
	{                                                                                                               \
		if (code != PINION_MISUSE) {                                                                            \
			printf("#   %s: not misuse\n", #call);                                                          \
			wrong++;                                                                                        \
		}                                                                                                       \
	}

static int views(pinion_view view)
{
	int wrong = 0;

	VIEW_CALLS(VIEW_ROW)
	return wrong;
}

/* P(call, type, code): `place` is NULL, or not aligned. Each begins with room for a size, so that the place is what is wrong. */
#define PLACE_CALLS(P)                                                                                                  \
	P(pinion_bytes_new, pinion_bytes *, pinion_bytes_new(word(), place))                                            \
	P(pinion_credentials_read, pinion_credentials, pinion_credentials_read(place))                                  \
	P(pinion_common_engine_name, pinion_bytes *, pinion_common_engine_name(live.common, place))                     \
	P(pinion_common_container_id, pinion_bytes *, pinion_common_container_id(live.common, place))                   \
	P(pinion_common_plugin, pinion_bytes *, pinion_common_plugin(live.common, word(), place))                       \
	P(pinion_common_encode, pinion_bytes *, pinion_common_encode(live.common, place))                               \
	P(pinion_config_new, pinion_config *, pinion_config_new(word(), false, place))                                  \
	P(pinion_config_settings, pinion_bytes *, pinion_config_settings(live.config, place))                           \
	P(pinion_config_json, pinion_bytes *, pinion_config_json(live.config, place))                                   \
	P(pinion_config_warnings, pinion_bytes *, pinion_config_warnings(live.config, place))                           \
	P(pinion_config_add_uid_mappings, const pinion_id_mapping, pinion_config_add_uid_mappings(live.config, place, 1)) \
	P(pinion_config_add_gid_mappings, const pinion_id_mapping, pinion_config_add_gid_mappings(live.config, place, 1)) \
	P(pinion_config_set_ns_flags_from_spec, const pinion_namespace,                                                 \
	  pinion_config_set_ns_flags_from_spec(live.config, place, 1))                                                  \
	P(pinion_config_set_ns_path_from_spec, const pinion_namespace,                                                  \
	  pinion_config_set_ns_path_from_spec(live.config, place, 1))                                                   \
	P(pinion_config_set_capabilities, const pinion_view,                                                            \
	  pinion_config_set_capabilities(live.config, pinion_str("ambient"), place, 1))                                 \
	P(pinion_config_set_target_gid, const int64_t, pinion_config_set_target_gid(live.config, place, 1))             \
	P(pinion_context_new, pinion_context *, pinion_context_new(place))                                              \
	P(pinion_context_keep, pinion_context *, pinion_context_keep(live.context, place))                              \
	P(pinion_signals_new, pinion_signals *, pinion_signals_new(live.context, place))                                \
	P(pinion_signals_from, pinion_signals *, pinion_signals_from(live.context, live.socket, place))                 \
	P(pinion_signals_next, int32_t, pinion_signals_next(live.signals, place))                                       \
	P(pinion_signals_fds, int32_t, pinion_signals_fds(live.signals, place, &some_number))                           \
	P(pinion_signals_fds, int32_t, pinion_signals_fds(live.signals, &some_number, place))                           \
	P(pinion_register, const pinion_operations, pinion_register(word(), place, NULL, NULL))                         \
	P(pinion_replace, const pinion_operations, pinion_replace(word(), place, NULL, NULL))                           \
	P(pinion_set_feeder, const uint64_t, pinion_set_feeder(no_feed, NULL, place))                                   \
	P(pinion_choose_builtin_methods, const pinion_builtin_options, pinion_choose_builtin_methods(word(), place))    \
	P(pinion_names, pinion_bytes *, pinion_names(place))                                                            \
	P(pinion_get, pinion_engine *, pinion_get(pinion_str("{\"engineName\":\"places\"}"), place))                    \
	P(pinion_engine_common, pinion_common *, pinion_engine_common(live.engine, place))                              \
	P(pinion_engine_declaration, pinion_declaration, pinion_engine_declaration(live.engine, place))                 \
	P(pinion_engine_start_process, int32_t, pinion_engine_start_process(live.engine, dup(live.socket), place))      \
	P(pinion_engine_monitor_container, int32_t,                                                                     \
	  pinion_engine_monitor_container(live.engine, 1, live.signals, place))                                         \
	P(pinion_methods_new, pinion_methods *, pinion_methods_new(place))                                              \
	P(pinion_client_new, pinion_client *, pinion_client_new(live.socket, word(), 1, place))                         \
	P(pinion_client_send, uint64_t, pinion_client_send(live.client, word(), pinion_str(""), word(), place))         \
	P(pinion_client_receive, pinion_bytes *, pinion_client_receive(live.client, 0, place))                          \
	P(pinion_launch_exec, const pinion_launch_options, pinion_launch_exec(word(), word(), place))                   \
	P(pinion_launch_run, const pinion_launch_options, pinion_launch_run(word(), word(), place, &some_number))       \
	P(pinion_launch_run, int32_t, pinion_launch_run(word(), word(), good_launch(), place))

#define PLACE_ROW(call, type, error)                                                                                    \
	{                                                                                                               \
		type *place = given;                                                                                    \
		int32_t code = code_of(error);                                                                          \
		if (code != PINION_MISUSE) {                                                                            \
			printf("#   %s: %d\n", #call, code);                                                            \
			wrong++;                                                                                        \
		}                                                                                                       \
	}

static int places(void *given)
{
	int wrong = 0;

	PLACE_CALLS(PLACE_ROW)
	return wrong;
}

/* More elements than there can be. */
static int endless_lists(size_t count)
{
	int64_t gid = 1;
	pinion_view name = pinion_str("CAP_CHOWN");
	pinion_builtin_options *many = choose(pinion_str(""), word(), word());

	many->renamed_count = count;
	return (code_of(pinion_config_add_uid_mappings(live.config, &some_mapping, count)) != PINION_MISUSE) +
	       (code_of(pinion_config_add_gid_mappings(live.config, &some_mapping, count)) != PINION_MISUSE) +
	       (code_of(pinion_config_set_ns_flags_from_spec(live.config, namespace(word(), word()), count)) != PINION_MISUSE) +
	       (code_of(pinion_config_set_ns_path_from_spec(live.config, namespace(word(), word()), count)) != PINION_MISUSE) +
	       (code_of(pinion_config_set_capabilities(live.config, pinion_str("ambient"), &name, count)) != PINION_MISUSE) +
	       (code_of(pinion_config_set_target_gid(live.config, &gid, count)) != PINION_MISUSE) +
	       (code_of(pinion_choose_builtin_methods(word(), many)) != PINION_MISUSE);
}

/* What comes back in a structure that begins with its size. */
static void sizes(void)
{
	pinion_credentials credentials[2];
	pinion_declaration declarations[2];
	unsigned char untouched[sizeof credentials];
	size_t size;

	memset(untouched, 0x5a, sizeof untouched);
	for (size = 0; size < 2 * sizeof *credentials; size += sizeof(void *)) {
		bool known = size == sizeof *credentials;

		memset(credentials, 0x5a, sizeof credentials);
		credentials[0].size = size;
		check((code_of(pinion_credentials_read(credentials)) == 0) == known, "credentials of %zu bytes", size);
		check(memcmp(&credentials[1], untouched, sizeof *credentials) == 0 &&
			      (known || memcmp(credentials->uid, untouched, sizeof credentials->uid) == 0) &&
			      credentials->size == size,
		      "... nothing is written beyond");
	}
	for (size = 0; size < 2 * sizeof *declarations; size += sizeof(void *)) {
		bool known = size == sizeof *declarations;

		memset(declarations, 0x5a, sizeof declarations);
		declarations[0].size = size;
		check((code_of(pinion_engine_declaration(live.engine, declarations)) == 0) == known, "a declaration of %zu", size);
		check(memcmp(&declarations[1], untouched, sizeof *declarations) == 0 &&
			      (known || declarations->monitor == 0x5a5a5a5a) && declarations->size == size,
		      "... nothing is written beyond");
	}
	for (size = 0; size < 2 * sizeof host; size += sizeof(void *)) {
		if (size == sizeof host)
			continue;
		host.size = size;
		check(code_of(pinion_lifecycle_start(&host)) == (size < sizeof host ? PINION_MISUSE : PINION_REFUSED) &&
			      code_of(pinion_lifecycle_run(&host)) == (size < sizeof host ? PINION_MISUSE : PINION_REFUSED),
		      "a host of %zu bytes", size);
	}
}

static int bootstrap_in_child(void *data)
{
	close(2);
	pinion_lifecycle_bootstrap(data);
	return 1;
}

int main(void)
{
	static union {
		char bytes[256];
		void *aligned;
	} room;
	size_t count;
	int sockets[2];

	table = idle_engine();
	put_engine("places", &table, NULL, NULL);
	live.engine = get_engine("places");
	succeeds(pinion_engine_common(live.engine, &live.common), "a configuration");
	succeeds(pinion_config_new(word(), false, &live.config), "a starter configuration");
	succeeds(pinion_context_new(&live.context), "a context");
	succeeds(pinion_signals_new(live.context, &live.signals), "a queue of signals");
	succeeds(pinion_methods_new(&live.methods), "a set of methods");
	check(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets) == 0, "sockets");
	live.socket = sockets[1];
	succeeds(pinion_client_new(sockets[0], word(), 1, &live.client), "a client");
	count = pinion_object_count();

	check(views(view_of(NULL, 1)) == 0, "views that are NULL with a length");
	check(views(view_of(NULL, SIZE_MAX)) == 0, "views that are NULL without an end");
	check(views(view_of("x", SIZE_MAX)) == 0, "views without an end");
	check(views(view_of("x", (size_t)PTRDIFF_MAX + 1)) == 0, "views that are one byte too long");
	check(places(NULL) == 0, "places that are NULL");
	check(places(room.bytes + 1) == 0, "places that are misaligned");
	check(places(room.bytes + 2) == 0, "... by two");
	check(endless_lists(SIZE_MAX) == 0, "lists without an end");
	check(endless_lists((size_t)PTRDIFF_MAX / 2) == 0, "lists that are longer than memory");
	sizes();
	host.size = 0;
	check(in_child(bootstrap_in_child, &host) == 255, "a bootstrap with a wrong structure ends the process with 255");
	check(in_child(bootstrap_in_child, room.bytes + 1) == 255, "... and one with a misaligned one");
	expect(pinion_client_call(live.client, word(), pinion_str(""), word(), (pinion_bytes **)(void *)(room.bytes + 1)),
	       PINION_MISUSE, "misaligned", "a place for a reply that is none");
	check(pinion_object_count() == count, "nothing is left of that (%zu, then %zu)", count, pinion_object_count());

	check(pinion_common_free(live.common) == 0 && pinion_config_free(live.config) == 0 &&
		      pinion_signals_free(live.signals) == 0 && pinion_context_free(live.context) == 0 &&
		      pinion_engine_free(live.engine) == 0 && pinion_methods_free(live.methods) == 0 &&
		      pinion_client_free(live.client) == 0,
	      "every object is freed");
	close(sockets[0]), close(sockets[1]);
	return done();
}
