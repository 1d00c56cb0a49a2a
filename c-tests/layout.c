/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* The binary interface in numbers, on a machine with pointers of 64 bits: what fails here is an ABI that changed. */
#include "check.h"

#if UINTPTR_MAX != 0xffffffffffffffff || !defined(__LP64__)
#error "these numbers are those of LP64"
#endif

#define FIELD(type, field, offset, size)                                                                                \
	{                                                                                                               \
		#type "." #field, offsetof(type, field), offset, sizeof(((type *)NULL)->field), size                    \
	}
#define WHOLE(type, alignment, size)                                                                                    \
	{                                                                                                               \
		#type, offsetof(struct { char first; type second; }, second), alignment, sizeof(type), size             \
	}

/* Of a whole type the first two numbers are its alignment. */
static const struct {
	const char *what;
	size_t offset, expected_offset, size, expected_size;
} PLACES[] = {
	WHOLE(pinion_view, 8, 16),
	FIELD(pinion_view, data, 0, 8),
	FIELD(pinion_view, length, 8, 8),
	WHOLE(pinion_credentials, 8, 56),
	FIELD(pinion_credentials, size, 0, 8),
	FIELD(pinion_credentials, uid, 8, 12),
	FIELD(pinion_credentials, gid, 20, 12),
	FIELD(pinion_credentials, effective, 32, 8),
	FIELD(pinion_credentials, permitted, 40, 8),
	FIELD(pinion_credentials, inheritable, 48, 8),
	WHOLE(pinion_id_mapping, 4, 12),
	FIELD(pinion_id_mapping, container_id, 0, 4),
	FIELD(pinion_id_mapping, host_id, 4, 4),
	FIELD(pinion_id_mapping, size, 8, 4),
	WHOLE(pinion_namespace, 8, 32),
	FIELD(pinion_namespace, kind, 0, 16),
	FIELD(pinion_namespace, path, 16, 16),
	WHOLE(pinion_declaration, 8, 16),
	FIELD(pinion_declaration, size, 0, 8),
	FIELD(pinion_declaration, pre_start_process, 8, 1),
	FIELD(pinion_declaration, monitor, 12, 4),
	WHOLE(pinion_operations, 8, 144),
	FIELD(pinion_operations, size, 0, 8),
	FIELD(pinion_operations, config, 8, 8),
	FIELD(pinion_operations, decode_config, 16, 8),
	FIELD(pinion_operations, encode_config, 24, 8),
	FIELD(pinion_operations, destroy_config, 32, 8),
	FIELD(pinion_operations, init_config, 40, 8),
	FIELD(pinion_operations, declare, 48, 8),
	FIELD(pinion_operations, prepare_config, 56, 8),
	FIELD(pinion_operations, create_container, 64, 8),
	FIELD(pinion_operations, start_process, 72, 8),
	FIELD(pinion_operations, pre_start_process, 80, 8),
	FIELD(pinion_operations, post_start_host, 88, 8),
	FIELD(pinion_operations, post_start_process, 96, 8),
	FIELD(pinion_operations, monitor_container, 104, 8),
	FIELD(pinion_operations, cleanup_container, 112, 8),
	FIELD(pinion_operations, cleanup_host, 120, 8),
	FIELD(pinion_operations, decode_document, 128, 8),
	FIELD(pinion_operations, encode_document, 136, 8),
	WHOLE(pinion_renamed, 8, 32),
	FIELD(pinion_renamed, local, 0, 16),
	FIELD(pinion_renamed, wire, 16, 16),
	WHOLE(pinion_builtin_options, 8, 48),
	FIELD(pinion_builtin_options, size, 0, 8),
	FIELD(pinion_builtin_options, product, 8, 16),
	FIELD(pinion_builtin_options, mount_reply, 24, 4),
	FIELD(pinion_builtin_options, resolver, 28, 4),
	FIELD(pinion_builtin_options, renamed, 32, 8),
	FIELD(pinion_builtin_options, renamed_count, 40, 8),
	WHOLE(pinion_launch_options, 8, 88),
	FIELD(pinion_launch_options, size, 0, 8),
	FIELD(pinion_launch_options, starter, 8, 16),
	FIELD(pinion_launch_options, starter_suid, 24, 16),
	FIELD(pinion_launch_options, level_variable, 40, 16),
	FIELD(pinion_launch_options, level, 56, 4),
	FIELD(pinion_launch_options, stdin_fd, 60, 4),
	FIELD(pinion_launch_options, stdout_fd, 64, 4),
	FIELD(pinion_launch_options, stderr_fd, 68, 4),
	FIELD(pinion_launch_options, record_fd, 72, 4),
	FIELD(pinion_launch_options, by_descriptor, 76, 1),
	FIELD(pinion_launch_options, use_suid, 77, 1),
	FIELD(pinion_launch_options, load_overlay_module, 78, 1),
	FIELD(pinion_launch_options, post_start_host, 79, 1),
	FIELD(pinion_launch_options, cleanup_host, 80, 1),
	WHOLE(pinion_host, 8, 24),
	FIELD(pinion_host, size, 0, 8),
	FIELD(pinion_host, level_variable, 8, 16),
};

#define CONSTANT(name, value)                                                                                           \
	{                                                                                                               \
		#name, name, value                                                                                      \
	}
static const struct {
	const char *what;
	long long is, expected;
} CONSTANTS[] = {
	CONSTANT(PINION_ABI_VERSION, 1),
	CONSTANT(PINION_INVALID, 1),
	CONSTANT(PINION_REFUSED, 2),
	CONSTANT(PINION_NOT_FOUND, 3),
	CONSTANT(PINION_ALREADY_EXISTS, 4),
	CONSTANT(PINION_SYSTEM, 5),
	CONSTANT(PINION_PEER_DIED, 6),
	CONSTANT(PINION_TIMEOUT, 7),
	CONSTANT(PINION_PROTOCOL, 8),
	CONSTANT(PINION_CALLBACK, 9),
	CONSTANT(PINION_PANIC, 10),
	CONSTANT(PINION_RPC, 11),
	CONSTANT(PINION_MISUSE, 12),
	CONSTANT(PINION_MONITOR_ENGINE, 0),
	CONSTANT(PINION_MONITOR_CORE, 1),
	CONSTANT(PINION_MOUNT_REPLY_OF_PRODUCT, 0),
	CONSTANT(PINION_MOUNT_REPLY_STRUCT, 1),
	CONSTANT(PINION_MOUNT_REPLY_PLAIN, 2),
	CONSTANT(PINION_RESOLVER_KERNEL, 0),
	CONSTANT(PINION_RESOLVER_WALKER, 1),
	CONSTANT(PINION_ROLE_NONE, 0),
	CONSTANT(PINION_ROLE_POST_START_HOST, 1),
	CONSTANT(PINION_ROLE_CLEANUP_HOST, 2),
	CONSTANT(PINION_ROLE_CLEANUP_SPARE, 3),
	CONSTANT(PINION_ROLE_STAGE1, 4),
	CONSTANT(PINION_ROLE_MASTER, 5),
	CONSTANT(PINION_ROLE_RPC_SERVER, 7),
	CONSTANT(PINION_ROLE_STAGE2, 8),
};

/* Each callback has exactly this type: anything else does not compile. */
static pinion_error *(*config)(void *, void **);
static pinion_error *(*decode_config)(void *, pinion_view);
static pinion_error *(*encode_config)(void *, pinion_bytes **);
static void (*destroy_config)(void *);
static void (*init_config)(void *, pinion_common *);
static pinion_error *(*declare)(void *, pinion_declaration *);
static pinion_error *(*prepare_config)(void *, pinion_config *);
static pinion_error *(*create_container)(void *, const pinion_context *, int32_t, int32_t);
static pinion_error *(*start_process)(void *, pinion_master *, int32_t *);
static pinion_error *(*pre_start_process)(void *, const pinion_context *, int32_t, int32_t);
static pinion_error *(*post_start_host)(void *, const pinion_context *);
static pinion_error *(*post_start_process)(void *, const pinion_context *, int32_t);
static pinion_error *(*monitor_container)(void *, int32_t, pinion_signals *, int32_t *);
static pinion_error *(*cleanup_container)(void *, const pinion_context *, const pinion_error *, int32_t);
static pinion_error *(*cleanup_host)(void *, const pinion_context *);
static pinion_error *(*decode_document)(void *, pinion_view);
static pinion_error *(*encode_document)(void *, pinion_bytes **);
static pinion_error *(*method)(void *, pinion_view, pinion_bytes **);
static void (*destroy)(void *);
static void (*sink)(void *, int32_t, const char *);

static pinion_operations typed_table(void)
{
	const pinion_operations table = {
		sizeof table,	 config,	   decode_config,    encode_config,	destroy_config,	  init_config,
		declare,	 prepare_config,   create_container, start_process,	pre_start_process, post_start_host,
		post_start_process, monitor_container, cleanup_container, cleanup_host,	decode_document,  encode_document,
	};

	return table;
}

int main(void)
{
	pinion_operations table = typed_table();
	pinion_method typed_method = method;
	pinion_destroy typed_destroy = destroy;
	pinion_log_sink typed_sink = sink;
	char version[32];
	size_t i;

	for (i = 0; i < sizeof PLACES / sizeof *PLACES; i++)
		check(PLACES[i].offset == PLACES[i].expected_offset && PLACES[i].size == PLACES[i].expected_size,
		      "%s: %zu, %zu bytes (%zu, %zu)", PLACES[i].what, PLACES[i].expected_offset, PLACES[i].expected_size,
		      PLACES[i].offset, PLACES[i].size);
	for (i = 0; i < sizeof CONSTANTS / sizeof *CONSTANTS; i++)
		check(CONSTANTS[i].is == CONSTANTS[i].expected, "%s is %lld (%lld)", CONSTANTS[i].what, CONSTANTS[i].expected,
		      CONSTANTS[i].is);
	check(table.size == sizeof table && typed_method == NULL && typed_destroy == NULL && typed_sink == NULL,
	      "callbacks have their types");
	check(sizeof(bool) == 1, "a bool is a byte");
	check(pinion_abi_version() == PINION_ABI_VERSION, "the library's interface is the header's");
	check(strcmp(pinion_version(), PINION_VERSION) == 0, "the library's version is the header's");
	snprintf(version, sizeof version, "%d.%d.%d", PINION_VERSION_MAJOR, PINION_VERSION_MINOR, PINION_VERSION_PATCH);
	check(strcmp(version, PINION_VERSION) == 0, "the version's parts are the version's");
	return done();
}
