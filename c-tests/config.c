/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* The starter configuration: of each setter the last good value and the first bad one, and what is decided after it. */
#include <limits.h>
#include <sched.h>

#include "check.h"

static pinion_config *config;

/* What is decided so far, as JSON; valid until the next call. */
static const char *settings(void)
{
	static char text[1 << 18];
	pinion_bytes *json = NULL;
	pinion_error *error = pinion_config_settings(config, &json);
	pinion_view view = pinion_bytes_view(json);

	snprintf(text, sizeof text, "%.*s", (int)view.length, view.data == NULL ? "" : (const char *)view.data);
	pinion_bytes_free(json);
	return error == NULL ? text : pinion_error_text(error);
}

/* A good value and what it decides. */
#define good(call, part, ...)                                                                                           \
	do {                                                                                                            \
		succeeds((call), __VA_ARGS__);                                                                           \
		if (!check(strstr(settings(), (part)) != NULL, "... decides %.60s", (part)))                             \
			printf("#   %.2000s\n", settings());                                                            \
	} while (0)

/* A bad value, which changes nothing. */
#define bad(call, part, ...) bad_with((call), PINION_INVALID, (part), __VA_ARGS__)
#define bad_with(call, code, part, ...)                                                                                 \
	do {                                                                                                            \
		char *before = strdup(settings());                                                                      \
		expect((call), (code), (part), __VA_ARGS__);                                                             \
		check(strcmp(before, settings()) == 0, "... changes nothing");                                          \
		free(before);                                                                                           \
	} while (0)

static const struct {
	const char *key;
	pinion_error *(*set)(pinion_config *config, bool on);
} SWITCHES[] = {
	{ "instance", pinion_config_set_instance },
	{ "no_new_privs", pinion_config_set_no_new_privs },
	{ "master_propagate_mount", pinion_config_set_master_propagate_mount },
	{ "join_only", pinion_config_set_namespace_join_only },
	{ "bring_loopback", pinion_config_set_bring_loopback_interface },
	{ "nvidia_capabilities", pinion_config_set_nvccli_caps },
	{ "hybrid", pinion_config_set_hybrid_workflow },
	{ "allow_setgroups", pinion_config_set_allow_setgroups },
	{ "no_setgroups", pinion_config_set_no_setgroups },
	{ "native_rpc", pinion_config_set_native_rpc },
};

static void switches(void)
{
	char on[64], off[64];
	size_t i;

	for (i = 0; i < sizeof SWITCHES / sizeof *SWITCHES; i++) {
		snprintf(on, sizeof on, "\"%s\":true", SWITCHES[i].key);
		snprintf(off, sizeof off, "\"%s\":false", SWITCHES[i].key);
		check(strstr(settings(), off) != NULL, "%s is off", SWITCHES[i].key);
		good(SWITCHES[i].set(config, true), on, "%s is set", SWITCHES[i].key);
		good(SWITCHES[i].set(config, false), off, "... the last call wins");
	}
}

static void descriptors(void)
{
	int32_t fd;
	pinion_error *error = NULL;

	check(pinion_config_image_fd(config) == -1, "no image descriptor is -1");
	good(pinion_config_set_image_fd(config, 0), "\"image_fd\":0", "descriptor 0");
	check(pinion_config_image_fd(config) == 0, "... is known");
	good(pinion_config_set_image_fd(config, INT32_MAX), "\"image_fd\":2147483647", "the last descriptor");
	bad(pinion_config_set_image_fd(config, -1), "-1", "descriptor -1");
	check(pinion_config_image_fd(config) == INT32_MAX, "... is not known");
	good(pinion_config_set_working_directory_fd(config, INT32_MAX), "\"working_directory_fd\":2147483647", "any descriptor");
	good(pinion_config_set_working_directory_fd(config, 0), "\"working_directory_fd\":0", "descriptor 0");
	bad(pinion_config_set_working_directory_fd(config, -1), "-1", "descriptor -1");
	bad(pinion_config_set_working_directory_fd(config, INT32_MIN), "-2147483648", "the lowest descriptor");
	bad(pinion_config_keep_file_descriptor(config, -1), "-1", "descriptor -1");
	for (fd = 0; fd < 1024 && error == NULL; fd++)
		error = pinion_config_keep_file_descriptor(config, fd);
	succeeds(error, "1024 descriptors are kept");
	check(strstr(settings(), ",1022,1023]") != NULL, "... all of them");
	bad(pinion_config_keep_file_descriptor(config, 1024), "1024", "one more");
	succeeds(pinion_config_keep_file_descriptor(config, 5), "one of them again is no further one");
}

static void ids(void)
{
	static const int64_t BAD[] = { -1, 4294967295, 4294967296, INT64_MIN, INT64_MAX };
	int64_t groups[33];
	pinion_bytes *lines = NULL;
	size_t i;

	good(pinion_config_set_target_uid(config, 4294967294), "\"target_uid\":4294967294", "the last user id");
	good(pinion_config_set_target_uid(config, 0), "\"target_uid\":0", "the first user id");
	for (i = 0; i < sizeof BAD / sizeof *BAD; i++)
		bad(pinion_config_set_target_uid(config, BAD[i]), "user id", "user id %lld", (long long)BAD[i]);
	for (i = 0; i < 33; i++)
		groups[i] = (int64_t)i + 100;
	good(pinion_config_set_target_gid(config, groups, 32), "130,131]", "32 groups");
	succeeds(pinion_config_warnings(config, &lines), "warnings");
	check(same(lines, ""), "... are none");
	groups[0] = 4294967294;
	good(pinion_config_set_target_gid(config, groups, 33), "[4294967294,101,", "33 groups");
	check(strstr(settings(), "130,131]") != NULL, "... the first 32 of them");
	succeeds(pinion_config_warnings(config, &lines), "warnings");
	check(pinion_bytes_view(lines).length > 10 && pinion_bytes_view(lines).data[pinion_bytes_view(lines).length - 1] == 0,
	      "... are ended by a NUL");
	check(holds(lines, "33 groups"), "... and say so");
	for (i = 0; i < sizeof BAD / sizeof *BAD; i++) {
		groups[31] = BAD[i];
		bad(pinion_config_set_target_gid(config, groups, 33), "group id", "group id %lld", (long long)BAD[i]);
	}
	bad_with(pinion_config_set_target_gid(config, NULL, 1), PINION_MISUSE, "NULL", "groups of NULL");
	bad_with(pinion_config_set_target_gid(config, groups, SIZE_MAX), PINION_MISUSE, "", "groups without end");
	good(pinion_config_set_target_gid(config, NULL, 0), "\"target_gids\":[]", "no groups");
}

typedef pinion_error *map_setter(pinion_config *config, const pinion_id_mapping *lines, size_t count);

static void maps(map_setter *set, const char *key)
{
	static const struct {
		const char *what;
		pinion_id_mapping lines[2];
		size_t count;
		const char *part;
	} BAD[] = {
		{ "no ids", { { 0, 5, 0 } }, 1, "no ids" },
		{ "a last id too high", { { 1, 0, UINT32_MAX } }, 1, "beyond" },
		{ "a last id too high on the host", { { 0, 1, UINT32_MAX } }, 1, "beyond" },
		{ "the id that is none", { { 0, UINT32_MAX, 1 } }, 1, "beyond" },
		{ "lines that overlap", { { 0, 100, 10 }, { 9, 200, 1 } }, 2, "overlap" },
		{ "lines that overlap on the host", { { 0, 100, 10 }, { 20, 91, 10 } }, 2, "overlap" },
	};
	pinion_id_mapping lines[341];
	char decided[64];
	uint32_t i;

	snprintf(decided, sizeof decided, "\"%s\":[{\"container_id\":0,\"host_id\":1000,\"size\":1}]", key);
	for (i = 0; i < 341; i++) {
		/* "100000178 1000000178 1\n": 178 of these are 4,094 bytes. */
		lines[i].container_id = 100000000 + i;
		lines[i].host_id = 1000000000 + i;
		lines[i].size = 1;
	}
	succeeds(set(config, lines, 178), "%s of 4,094 bytes", key);
	bad(set(config, lines, 179), "4094", "%s of 4,117 bytes", key);
	for (i = 0; i < 341; i++)
		lines[i].container_id = lines[i].host_id = i;
	succeeds(set(config, lines, 340), "%s of 340 lines", key);
	bad(set(config, lines, 341), "340", "%s of 341 lines", key);
	lines[0].size = UINT32_MAX;
	succeeds(set(config, lines, 1), "%s of every id", key);
	lines[0].host_id = 1000, lines[0].size = 1;
	good(set(config, lines, 1), decided, "%s in place of an earlier one", key);
	for (i = 0; i < sizeof BAD / sizeof *BAD; i++)
		bad(set(config, BAD[i].lines, BAD[i].count), BAD[i].part, "%s with %s", key, BAD[i].what);
	bad_with(set(config, NULL, 1), PINION_MISUSE, "NULL", "%s of NULL", key);
	bad_with(set(config, lines, SIZE_MAX / 4), PINION_MISUSE, "", "%s without end", key);
	bad_with(set(config, (const pinion_id_mapping *)(const void *)((char *)lines + 1), 1), PINION_MISUSE, "misaligned",
		 "%s that is misaligned", key);
	snprintf(decided, sizeof decided, "\"%s\":[]", key);
	good(set(config, NULL, 0), decided, "%s without lines", key);
}

static void times(void)
{
	good(pinion_config_set_timeouts(config, 1, UINT32_MAX), "{\"handshake_ms\":1,\"container_ms\":4294967295,", "1 ms");
	good(pinion_config_set_timeouts(config, 3600000, 0), "{\"handshake_ms\":3600000,\"container_ms\":0,", "an hour");
	bad(pinion_config_set_timeouts(config, 0, 0), "0 ms", "0 ms");
	bad(pinion_config_set_timeouts(config, 3600001, 0), "3600001", "an hour and 1 ms");
	bad(pinion_config_set_timeouts(config, UINT32_MAX, 0), "4294967295", "seven weeks");
}

/* A document of this many bytes. */
static pinion_view document(char *room, size_t size)
{
	memset(room, 'd', size);
	room[0] = room[size - 1] = '"';
	return view_of(room, size);
}

static void documents(void)
{
	static const char *const BAD[] = { "", " ", "{", "{}{}", "nul", "\"\xff", "[1,]", "\xef\xbb\xbf{}" };
	const size_t limit = 64 << 20;
	char *room = malloc(limit + 1);
	pinion_bytes *json = NULL;
	size_t i;

	succeeds(pinion_config_json(config, &json), "the document");
	check(same(json, "{\"engineName\":\"x\"}"), "... is the one given");
	succeeds(pinion_config_write(config, document(room, limit)), "a document of 64 MiB");
	succeeds(pinion_config_json(config, &json), "... is written");
	check(pinion_bytes_view(json).length == limit && pinion_bytes_free(json) == 0, "... whole");
	bad(pinion_config_write(config, document(room, limit + 1)), "67108864", "a document of 64 MiB and a byte");
	free(room);
	succeeds(pinion_config_write(config, pinion_str("7")), "any JSON value");
	for (i = 0; i < sizeof BAD / sizeof *BAD; i++)
		bad(pinion_config_write(config, pinion_str(BAD[i])), "engine configuration", "no JSON: case %zu", i);
	bad_with(pinion_config_write(config, view_of(NULL, 4)), PINION_MISUSE, "NULL", "a document of NULL");
	succeeds(pinion_config_json(config, &json), "the document");
	check(same(json, "7"), "... is the last that was written");
}

static void facts(void)
{
	pinion_config *setuid = NULL;
	pinion_bytes *json = NULL;

	check(!pinion_config_is_suid(config) && pinion_config_container_pid(config) == 0, "no setuid flow, no container yet");
	succeeds(pinion_config_new(pinion_str(""), true, &setuid), "a configuration of the setuid flow");
	check(pinion_config_is_suid(setuid), "... is one");
	expect(pinion_config_set_newuidmap_path(setuid), PINION_REFUSED, "newuidmap", "... which has no newuidmap");
	expect(pinion_config_set_newgidmap_path(setuid), PINION_REFUSED, "newgidmap", "... and no newgidmap");
	succeeds(pinion_config_release(setuid), "... is released");
	check(pinion_config_is_suid(setuid), "... and still one");
	succeeds(pinion_config_json(setuid, &json), "the document after that");
	check(same(json, ""), "... is empty");
	check(pinion_config_free(setuid) == 0 && pinion_config_free(setuid) == PINION_MISUSE, "a configuration is freed once");
	expect(pinion_config_note_mount(config, pinion_str("/tmp/x")), PINION_REFUSED, "cleanup-host", "no journal for mounts");
	expect(pinion_config_note_file(config, pinion_str("/tmp/x")), PINION_REFUSED, "cleanup-host", "no journal for files");
	expect(pinion_config_note_directory(config, pinion_str("/tmp/x")), PINION_REFUSED, "cleanup-host", "... directories");
}

int main(void)
{
	succeeds(pinion_config_new(pinion_str("{\"engineName\":\"x\"}"), false, &config), "a starter configuration");
	check(strstr(settings(), "\"handshake_ms\":60000") != NULL, "a handshake has a minute where nothing is set");
	facts();
	switches();
	descriptors();
	ids();
	maps(pinion_config_add_uid_mappings, "uid_mappings");
	maps(pinion_config_add_gid_mappings, "gid_mappings");
	times();
	documents();
	check(pinion_config_free(config) == 0, "the configuration is freed");
	return done();
}
