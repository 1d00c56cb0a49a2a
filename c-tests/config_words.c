/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* As config.c: the setters that take words, and that none works after the release. */
#include <sched.h>

#include "check.h"

static pinion_config *config;

static bool decided(const char *part)
{
	pinion_bytes *json = NULL;
	pinion_error *error = pinion_config_settings(config, &json);

	return error == NULL && holds(json, part);
}

static void propagation(void)
{
	static const char *const KINDS[] = { "shared", "slave", "private", "unbindable" };
	static const char *const BAD[] = { "", "r", "Shared", "rrshared", "shared ", "rec", "sharedx" };
	char word[16], part[96];
	size_t i;

	for (i = 0; i < 8; i++) {
		snprintf(word, sizeof word, "%s%s", i < 4 ? "" : "r", KINDS[i % 4]);
		snprintf(part, sizeof part, "\"mount_propagation\":{\"kind\":\"%s\",\"recursive\":%s}", KINDS[i % 4],
			 i < 4 ? "false" : "true");
		succeeds(pinion_config_set_mount_propagation(config, pinion_str(word)), "propagation %s", word);
		check(decided(part), "... is decided");
	}
	for (i = 0; i < sizeof BAD / sizeof *BAD; i++)
		expect(pinion_config_set_mount_propagation(config, pinion_str(BAD[i])), PINION_INVALID, "propagation",
		       "propagation \"%s\"", BAD[i]);
	expect(pinion_config_set_mount_propagation(config, view_of("\xff", 1)), PINION_INVALID, "UTF-8", "propagation of no text");
	expect(pinion_config_set_mount_propagation(config, view_of("shared\0", 7)), PINION_INVALID, "shared\\0", "... with a NUL");
	check(decided(part), "the last good one stays");
}

static const struct {
	const char *word;
	int32_t bit;
} KINDS[] = {
	/* In the order in which they are entered. */
	{ "user", CLONE_NEWUSER }, { "pid", CLONE_NEWPID }, { "network", CLONE_NEWNET }, { "uts", CLONE_NEWUTS },
	{ "ipc", CLONE_NEWIPC },   { "cgroup", CLONE_NEWCGROUP }, { "mount", CLONE_NEWNS },
};
#define KIND_COUNT (sizeof KINDS / sizeof *KINDS)

static void namespaces(void)
{
	static const int32_t BAD[] = { 1, -1, CLONE_NEWTIME, CLONE_NEWNS | CLONE_NEWTIME, CLONE_VM, INT32_MIN };
	const char *every = "\"create\":[\"user\",\"pid\",\"network\",\"uts\",\"ipc\",\"cgroup\",\"mount\"]";
	pinion_namespace list[KIND_COUNT + 1], swapped;
	char part[64];
	int32_t all = 0;
	size_t i;

	for (i = 0; i < KIND_COUNT; i++) {
		all |= KINDS[i].bit;
		list[i].kind = pinion_str(KINDS[i].word);
		list[i].path = pinion_str("");
		snprintf(part, sizeof part, "\"create\":[\"%s\"]", KINDS[i].word);
		succeeds(pinion_config_set_ns_flags(config, KINDS[i].bit), "flag %#x", (unsigned)KINDS[i].bit);
		check(decided(part), "... is a new %s namespace", KINDS[i].word);
		succeeds(pinion_config_set_ns_flags_from_spec(config, &list[i], 1), "kind %s", KINDS[i].word);
		check(decided(part), "... is that, too");
	}
	succeeds(pinion_config_set_ns_flags(config, all), "all flags");
	check(decided(every), "... are all kinds");
	for (i = 0; i < sizeof BAD / sizeof *BAD; i++)
		expect(pinion_config_set_ns_flags(config, BAD[i]), PINION_INVALID, "namespace", "flags %#x", (unsigned)BAD[i]);
	check(decided(every), "... change nothing");
	succeeds(pinion_config_set_ns_flags(config, 0), "no flag");
	check(decided("\"create\":[]"), "... is no namespace");
	swapped = list[0], list[0] = list[6], list[6] = swapped;
	list[KIND_COUNT] = list[2];
	succeeds(pinion_config_set_ns_flags_from_spec(config, list, KIND_COUNT + 1), "all kinds, one of them twice, in any order");
	check(decided(every), "... are all kinds");
	list[3].path = pinion_str("/proc/1/ns/uts");
	succeeds(pinion_config_set_ns_flags_from_spec(config, list + 3, 2), "one with a path, one without");
	check(decided("\"create\":[\"ipc\"]"), "... the latter is made");
	list[4].kind = pinion_str("time");
	expect(pinion_config_set_ns_flags_from_spec(config, list, KIND_COUNT), PINION_INVALID, "time", "a kind that is not there");
	expect(pinion_config_set_ns_flags_from_spec(config, NULL, 2), PINION_MISUSE, "NULL", "a list of NULL");
	check(decided("\"create\":[\"ipc\"]"), "... change nothing");
}

static void joins(void)
{
	static const char *const BAD[] = { "", "time", "PID", "pid ", "net" };
	static char path[4097];
	pinion_namespace list[3];
	size_t i;

	memset(path, 'p', sizeof path - 1);
	succeeds(pinion_config_set_ns_path(config, pinion_str("pid"), view_of(path, 4095)), "a path of 4,095 bytes");
	expect(pinion_config_set_ns_path(config, pinion_str("pid"), view_of(path, 4096)), PINION_INVALID, "4095", "4,096 bytes");
	succeeds(pinion_config_set_ns_path(config, pinion_str("pid"), pinion_str("ns/pid")), "a relative path");
	check(decided("\"join\":{\"pid\":\"ns/pid\"}"), "... is decided, the last call wins");
	expect(pinion_config_set_ns_path(config, pinion_str("pid"), pinion_str("")), PINION_INVALID, "empty", "no path");
	expect(pinion_config_set_ns_path(config, pinion_str("pid"), view_of("a\0b", 3)), PINION_INVALID, "NUL", "a NUL");
	for (i = 0; i < sizeof BAD / sizeof *BAD; i++)
		expect(pinion_config_set_ns_path(config, pinion_str(BAD[i]), pinion_str("/x")), PINION_INVALID, "namespace",
		       "kind \"%s\"", BAD[i]);
	for (i = 0; i < 3; i++) {
		list[i].kind = pinion_str(KINDS[i].word);
		list[i].path = pinion_str("/ns");
	}
	list[2].path = view_of("/n\0s", 4);
	expect(pinion_config_set_ns_path_from_spec(config, list, 3), PINION_INVALID, "NUL", "a list whose last path is bad");
	check(decided("\"join\":{\"pid\":\"ns/pid\"}"), "... changes nothing: all or none");
	list[2].path = pinion_str("");
	succeeds(pinion_config_set_ns_path_from_spec(config, list, 3), "a list, one without a path");
	check(decided("\"join\":{\"user\":\"/ns\",\"pid\":\"/ns\"}"), "... are those with a path");
}

static void capabilities(void)
{
	static const char *const SETS[] = { "permitted", "effective", "inheritable", "bounding", "ambient" };
	pinion_view names[2], odd[2];
	char part[64];
	size_t i;

	names[0] = pinion_str("CAP_CHOWN");
	names[1] = pinion_str("CAP_CHECKPOINT_RESTORE");
	for (i = 0; i < 5; i++) {
		snprintf(part, sizeof part, "\"%s\":%llu", SETS[i], i == 0 ? 1ull << 40 | 1 : 1ull << 40);
		succeeds(pinion_config_set_capabilities(config, pinion_str(SETS[i]), names + (i != 0), 2 - (i != 0)), "%s capabilities",
			 SETS[i]);
		check(decided(part), "... are decided");
	}
	odd[0] = names[0];
	odd[1] = pinion_str("CAP_41");
	expect(pinion_config_set_capabilities(config, pinion_str("permitted"), odd, 2), PINION_INVALID, "CAP_41", "a capability");
	odd[1] = pinion_str("cap_chown");
	expect(pinion_config_set_capabilities(config, pinion_str("permitted"), odd, 2), PINION_INVALID, "cap_chown", "lower case");
	odd[1] = pinion_str("CHOWN");
	expect(pinion_config_set_capabilities(config, pinion_str("permitted"), odd, 2), PINION_INVALID, "CHOWN", "no prefix");
	expect(pinion_config_set_capabilities(config, pinion_str("Permitted"), odd, 1), PINION_INVALID, "Permitted", "a set");
	expect(pinion_config_set_capabilities(config, pinion_str("permitted"), NULL, 1), PINION_MISUSE, "NULL", "names of NULL");
	check(decided("\"permitted\":1099511627777"), "... change nothing");
	succeeds(pinion_config_set_capabilities(config, pinion_str("permitted"), NULL, 0), "no capabilities");
	check(decided("\"permitted\":0"), "... are none");
}

/* newuidmap and newgidmap are there or not; an error says how to get them. */
static void helpers(void)
{
	pinion_error *(*const SETTERS[])(pinion_config *) = { pinion_config_set_newuidmap_path, pinion_config_set_newgidmap_path };
	static const char *const PARTS[] = { "\"newuidmap\":\"/", "\"newgidmap\":\"/" };
	size_t i;

	for (i = 0; i < 2; i++) {
		pinion_error *error = SETTERS[i](config);

		if (error == NULL)
			check(decided(PARTS[i]), "the helper is found at an absolute path");
		else
			expect(error, PINION_NOT_FOUND, "uidmap", "the helper is not there, and what helps is said");
	}
}

/* What no longer works after the release. */
static void released(void)
{
	pinion_id_mapping line = { 0, 0, 1 };
	pinion_namespace namespace = { pinion_str("pid"), pinion_str("/x") };
	pinion_view word = pinion_str("private"), name = pinion_str("CAP_CHOWN"), kind = pinion_str("pid"), path = pinion_str("/x");
	int64_t gid = 1;
	pinion_bytes *json = NULL;
	size_t i;

	succeeds(pinion_config_set_image_fd(config, 7), "a descriptor");
	succeeds(pinion_config_release(config), "the release");
	{
		pinion_error *const ERRORS[] = {
			pinion_config_set_instance(config, true),
			pinion_config_set_no_new_privs(config, true),
			pinion_config_set_master_propagate_mount(config, true),
			pinion_config_set_namespace_join_only(config, true),
			pinion_config_set_bring_loopback_interface(config, true),
			pinion_config_set_mount_propagation(config, word),
			pinion_config_set_working_directory_fd(config, 1),
			pinion_config_set_image_fd(config, 1),
			pinion_config_keep_file_descriptor(config, 1),
			pinion_config_set_nvccli_caps(config, true),
			pinion_config_set_hybrid_workflow(config, true),
			pinion_config_set_allow_setgroups(config, true),
			pinion_config_set_no_setgroups(config, true),
			pinion_config_write(config, pinion_str("{}")),
			pinion_config_add_uid_mappings(config, &line, 1),
			pinion_config_add_gid_mappings(config, &line, 1),
			pinion_config_set_newuidmap_path(config),
			pinion_config_set_newgidmap_path(config),
			pinion_config_set_ns_flags(config, 0),
			pinion_config_set_ns_flags_from_spec(config, &namespace, 1),
			pinion_config_set_ns_path(config, kind, path),
			pinion_config_set_ns_path_from_spec(config, &namespace, 1),
			pinion_config_set_capabilities(config, pinion_str("ambient"), &name, 1),
			pinion_config_set_target_uid(config, 1),
			pinion_config_set_target_gid(config, &gid, 1),
			pinion_config_set_native_rpc(config, true),
			pinion_config_set_timeouts(config, 1, 1),
			pinion_config_release(config),
			pinion_config_note_mount(config, path),
			pinion_config_note_file(config, path),
			pinion_config_note_directory(config, path),
		};

		for (i = 0; i < sizeof ERRORS / sizeof *ERRORS; i++)
			expect(ERRORS[i], PINION_REFUSED, "", "setter %zu is refused after the release", i + 1);
	}
	check(pinion_config_image_fd(config) == -1 && !pinion_config_is_suid(config) && pinion_config_container_pid(config) == 0,
	      "getters are neutral");
	succeeds(pinion_config_json(config, &json), "the document");
	check(same(json, ""), "... is empty");
	check(decided("\"image_fd\":7"), "what was decided stays decided");
}

int main(void)
{
	succeeds(pinion_config_new(pinion_str("{}"), false, &config), "a starter configuration");
	propagation();
	namespaces();
	joins();
	capabilities();
	helpers();
	released();
	check(pinion_config_free(config) == 0, "the configuration is freed");
	return done();
}
