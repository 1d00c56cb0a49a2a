/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Launches of a starter: what it sees, what is refused, and that nothing is left. The starter is this program itself, by the
 * name that it is called by, or a shell script. */
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "check.h"

extern char **environ;

#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL)

/* How many descriptors there are; says which on a stream that is not NULL. */
static int descriptors(FILE *report)
{
	DIR *folder = opendir("/proc/self/fd");
	struct dirent *entry;
	int count = 0, fd;

	while (folder != NULL && (entry = readdir(folder)) != NULL) {
		fd = atoi(entry->d_name);
		if (entry->d_name[0] == '.' || fd == dirfd(folder))
			continue;
		count++;
		if (report != NULL)
			fprintf(report, " %d", fd);
	}
	if (folder != NULL)
		closedir(folder);
	return count;
}

static void report_configuration(FILE *report, int fd)
{
	struct stat stat;
	unsigned sum = 0;
	char room[65536];
	off_t offset = 0;
	ssize_t length, i;

	if (fstat(fd, &stat) != 0)
		return;
	while ((length = pread(fd, room, sizeof room, offset)) > 0)
		for (i = 0, offset += length; i < length; i++)
			sum = sum * 31 + (unsigned char)room[i];
	fprintf(report, "config %lld bytes, sum %u, %s\n", (long long)stat.st_size, sum,
		(fcntl(fd, F_GET_SEALS) & SEALS) == SEALS ? "sealed" : "not sealed");
}

/* The starter: says on the descriptor that its name ends in what it sees, and ends as the configuration's first byte says. */
static int stand_in(int argc, char **argv)
{
	FILE *report = fdopen(atoi(argv[0] + strlen(argv[0]) - 1), "w");
	const char *config = getenv("PINION_CONFIG_FD"), *record = getenv("PINION_RECORD_FD");
	struct stat stat;
	char first = 0;
	int i;

	fprintf(report, "argc %d, name %s\nfds", argc, argv[0]);
	descriptors(report);
	for (i = 0; i < 3; i++)
		if (fstat(i, &stat) == 0)
			fprintf(report, "\nstream %d is %llu:%llu", i, (unsigned long long)stat.st_dev,
				(unsigned long long)stat.st_ino);
	fprintf(report, "\n");
	for (i = 0; environ[i] != NULL; i++)
		fprintf(report, "variable %.60s, %zu bytes\n", environ[i], strlen(environ[i]));
	if (config != NULL) {
		report_configuration(report, atoi(config));
		if (pread(atoi(config), &first, 1, 0) != 1)
			first = 0;
	} else if (getenv("ENGINE_CONFIG1") != NULL) {
		first = getenv("ENGINE_CONFIG1")[0];
	}
	if (record != NULL)
		fprintf(report, "record written: %zd\n", write(atoi(record), "recorded", 8));
	fclose(report);
	if (first == 'k')
		raise(SIGKILL);
	return first == 'e' ? 42 : 0;
}

static char self[4096], seen[1 << 16];

static pinion_launch_options options_for_self(void)
{
	pinion_launch_options options = pinion_launch_options_init();

	options.starter = pinion_str(self);
	return options;
}

/* Runs this program as a starter that writes to its standard output, and keeps what it says. */
static pinion_error *run(pinion_view json, pinion_launch_options options, int32_t *status)
{
	int out = memfd_create("out", MFD_CLOEXEC);
	pinion_error *error;
	ssize_t length;

	options.stdout_fd = out;
	error = pinion_launch_run(pinion_str("stand-in 1"), json, &options, status);
	length = pread(out, seen, sizeof seen - 1, 0);
	seen[length < 0 ? 0 : length] = '\0';
	close(out);
	return error;
}

static bool sees(const char *part)
{
	if (strstr(seen, part) != NULL)
		return true;
	printf("#   expected %s\n#   in %.1500s\n", part, seen);
	return false;
}

static int variables(void)
{
	const char *line = seen;
	int count = 0;

	for (; (line = strstr(line, "variable ")) != NULL; line++)
		count++;
	return count;
}

static void by_descriptor(void)
{
	pinion_launch_options options = options_for_self();
	int32_t status = -1;
	size_t size = 64 << 20;
	char *large = malloc(size + 1), *line, part[64];

	setenv("OF_THE_CALLER", "secret", 1);
	succeeds(run(pinion_str("{\"a\":1}"), options, &status), "a launch by descriptor");
	check(status == 0 && sees("argc 1, name stand-in 1\n"), "the starter has its name");
	check(sees("variable GOGC=off,") && sees("variable PINION_MESSAGELEVEL=1,") && sees("variable PINION_CONFIG_FD=") &&
		      variables() == 3,
	      "... three variables and none of the caller's");
	check(sees("config 7 bytes") && sees(", sealed"), "... the configuration, sealed");
	line = strstr(seen, "PINION_CONFIG_FD=");
	snprintf(part, sizeof part, "fds 0 1 2 %d\n", line == NULL ? -1 : atoi(line + strlen("PINION_CONFIG_FD=")));
	check(sees(part), "... and no other descriptor");
	options.level = -93;
	options.level_variable = pinion_str("MY_LEVEL");
	options.load_overlay_module = options.post_start_host = options.cleanup_host = true;
	succeeds(run(pinion_str("exit"), options, &status), "a launch with everything");
	check(status == 42 << 8, "how the starter ended is stored");
	check(sees("variable MY_LEVEL=-93,") && sees("variable LOAD_OVERLAY_MODULE=1,") && sees("variable POST_START_HOST=1,") &&
		      sees("variable CLEANUP_HOST=1,") && variables() == 6,
	      "... who saw what was asked for");
	succeeds(run(pinion_str("kill"), options, &status), "a starter that is killed");
	check(status == SIGKILL, "... ended so");
	memset(large, 'x', size + 1);
	succeeds(run(view_of(large, size), options, &status), "64 MiB");
	check(sees("config 67108864 bytes"), "... arrive");
	status = 4711;
	expect(run(view_of(large, size + 1), options, &status), PINION_INVALID, "67108864", "64 MiB and a byte");
	check(status == 4711, "... and no status");
	free(large);
}

static void by_environment(void)
{
	pinion_launch_options options = options_for_self();
	const size_t chunk = 131056;
	char *large = malloc(8 * chunk + 1);
	int32_t status = -1;

	options.by_descriptor = false;
	succeeds(run(pinion_str("{\"a\":1}"), options, &status), "a launch by environment");
	check(sees("variable ENGINE_CONFIG_CHUNKS=1,") && sees("variable ENGINE_CONFIG1={\"a\":1},") && variables() == 4,
	      "... one chunk");
	check(strstr(seen, "fds 0 1 2\n") != NULL, "... and no further descriptor");
	memset(large, 'x', 8 * chunk + 1);
	succeeds(run(view_of(large, chunk), options, &status), "the largest chunk");
	check(sees("variable ENGINE_CONFIG_CHUNKS=1,") && sees(", 131071 bytes"), "... is one");
	succeeds(run(view_of(large, chunk + 1), options, &status), "a byte more");
	check(sees("variable ENGINE_CONFIG_CHUNKS=2,") && sees("variable ENGINE_CONFIG2=x, 16 bytes"), "... is two");
	succeeds(run(view_of(large, 8 * chunk), options, &status), "eight chunks");
	check(sees("variable ENGINE_CONFIG_CHUNKS=8,") && sees("variable ENGINE_CONFIG8=x"), "... arrive");
	expect(run(view_of(large, 8 * chunk + 1), options, &status), PINION_INVALID, "by descriptor", "a byte more");
	expect(run(view_of("{}\0", 3), options, &status), PINION_INVALID, "NUL", "a NUL");
	free(large);
}

static void streams(void)
{
	pinion_launch_options options = options_for_self();
	int err = memfd_create("err", MFD_CLOEXEC), in = memfd_create("in", MFD_CLOEXEC), record = memfd_create("r", MFD_CLOEXEC);
	struct stat stat;
	char part[64], room[16] = "";
	int32_t status;
	int i;

	options.stdin_fd = in;
	options.stderr_fd = err;
	options.record_fd = record;
	succeeds(run(pinion_str("{}"), options, &status), "every stream and a record");
	fstat(in, &stat);
	snprintf(part, sizeof part, "stream 0 is %llu:%llu", (unsigned long long)stat.st_dev, (unsigned long long)stat.st_ino);
	check(sees(part), "standard input is the one given");
	fstat(err, &stat);
	snprintf(part, sizeof part, "stream 2 is %llu:%llu", (unsigned long long)stat.st_dev, (unsigned long long)stat.st_ino);
	check(sees(part), "the standard error stream is the one given");
	check(sees("record written: 8") && pread(record, room, 8, 0) == 8 && strcmp(room, "recorded") == 0, "the record is written");
	check(fcntl(in, F_GETFD) == FD_CLOEXEC && fcntl(err, F_GETFD) == FD_CLOEXEC && fcntl(record, F_GETFD) == FD_CLOEXEC,
	      "they stay the caller's, as they were");

	options = options_for_self();
	options.record_fd = err;
	options.stderr_fd = err;
	succeeds(pinion_launch_run(pinion_str("stand-in 2"), pinion_str("{}"), &options, &status), "streams of the caller");
	seen[pread(err, seen, sizeof seen - 1, 0)] = '\0';
	for (i = 0; i < 2; i++) {
		fstat(i, &stat);
		snprintf(part, sizeof part, "stream %d is %llu:%llu", i, (unsigned long long)stat.st_dev,
			 (unsigned long long)stat.st_ino);
		check(sees(part), "stream %d is the caller's own", i);
	}
	check(sees("record written: 8"), "one descriptor may be two things");
	close(in), close(err), close(record);
}

/* What is refused. A script that cannot be executed, and one that can, are in a folder of our own. */
static char folder[] = "/tmp/pinion-launch-XXXXXX", plain[64], script[64];

static void write_script(char *path, const char *name, mode_t mode)
{
	FILE *file;

	snprintf(path, sizeof plain, "%s/%s", folder, name);
	file = fopen(path, "w");
	fprintf(file, "#!/bin/sh\nexit 5\n");
	fclose(file);
	chmod(path, mode);
}

static void refusals(void)
{
	static const struct {
		const char *what;
		pinion_view name, json, starter;
		int32_t code;
		const char *part;
	} CASES[] = {
#define TEXT(text) { (const uint8_t *)(text), sizeof(text) - 1 }
		{ "a relative path", TEXT("s"), TEXT("{}"), TEXT("bin/true"), PINION_INVALID, "absolute" },
		{ "no path", TEXT("s"), TEXT("{}"), TEXT(""), PINION_INVALID, "absolute" },
		{ "a path with a NUL", TEXT("s"), TEXT("{}"), TEXT("/bin/\0true"), PINION_INVALID, "NUL" },
		{ "a missing file", TEXT("s"), TEXT("{}"), TEXT("/nonexistent/starter"), PINION_NOT_FOUND, "installed" },
		{ "a folder", TEXT("s"), TEXT("{}"), TEXT("/proc"), PINION_SYSTEM, "/proc" },
		{ "a name with a NUL", TEXT("s\0t"), TEXT("{}"), TEXT("/bin/true"), PINION_INVALID, "argv[0]" },
		{ "a name of NULL", { NULL, 2 }, TEXT("{}"), TEXT("/bin/true"), PINION_MISUSE, "argv[0]" },
		{ "no configuration", TEXT("s"), TEXT(""), TEXT("/bin/true"), PINION_INVALID, "empty" },
		{ "a configuration of NULL", TEXT("s"), { NULL, 1 }, TEXT("/bin/true"), PINION_MISUSE, "configuration" },
	};
	pinion_launch_options options;
	pinion_view name = pinion_str("s"), json = pinion_str("{}");
	int32_t status = 4711, *const fields[] = { &options.stdin_fd, &options.stdout_fd, &options.stderr_fd, &options.record_fd };
	size_t i;

	for (i = 0; i < 2 * sizeof CASES / sizeof *CASES; i++) {
		options = pinion_launch_options_init();
		options.by_descriptor = i % 2 == 0;
		options.starter = CASES[i / 2].starter;
		expect(pinion_launch_run(CASES[i / 2].name, CASES[i / 2].json, &options, &status), CASES[i / 2].code,
		       CASES[i / 2].part, "run: %s", CASES[i / 2].what);
		expect(pinion_launch_exec(CASES[i / 2].name, CASES[i / 2].json, &options), CASES[i / 2].code, CASES[i / 2].part,
		       "exec: %s", CASES[i / 2].what);
	}
	options = options_for_self();
	for (i = 0; i < 8; i++) {
		*fields[i / 2] = i % 2 == 0 ? -2 : 1 << 20;
		expect(pinion_launch_run(name, json, &options, &status), PINION_SYSTEM, "descriptor", "descriptor %d as %zu",
		       *fields[i / 2], i / 2);
		*fields[i / 2] = -1;
	}
	options.starter = pinion_str(plain);
	expect(pinion_launch_run(name, json, &options, &status), PINION_SYSTEM, "executable", "a file that is not executable");
	options.use_suid = true;
	expect(pinion_launch_run(name, json, &options, &status), PINION_NOT_FOUND, "setuid", "a setuid starter that is not there");
	options.level_variable = pinion_str("A=B");
	options.starter_suid = pinion_str(script);
	expect(pinion_launch_run(name, json, &options, &status), PINION_INVALID, "variable", "a variable that is none");
	options.level_variable = pinion_str("");
	check(status == 4711, "... and no status is stored");
	succeeds(pinion_launch_run(name, json, &options, &status), "the setuid starter is taken, a script");
	check(status == 5 << 8, "... and runs");
	expect(pinion_launch_run(name, json, &options, NULL), PINION_MISUSE, "NULL", "no place for the status");
	expect(pinion_launch_run(name, json, NULL, &status), PINION_MISUSE, "NULL", "run: no options");
	expect(pinion_launch_exec(name, json, NULL), PINION_MISUSE, "NULL", "exec: no options");
	for (i = 0; i < 4; i++) {
		static const size_t SIZES[] = { 0, sizeof options - 1, sizeof options + 1, SIZE_MAX };

		options.size = SIZES[i];
		expect(pinion_launch_exec(name, json, &options), i < 2 ? PINION_MISUSE : PINION_REFUSED, "size", "a size of %zu",
		       options.size);
	}
}

static int exec_in_child(void *data)
{
	pinion_launch_options options = options_for_self();
	int out = open("/dev/null", O_WRONLY | O_CLOEXEC);

	options.stdout_fd = out;
	options.by_descriptor = data == NULL;
	pinion_error_free(pinion_launch_exec(pinion_str("stand-in 1"), pinion_str("exit"), &options));
	return 1;
}

int main(int argc, char **argv)
{
	int before, again, fd;

	if (strncmp(argv[0], "stand-in", 8) == 0)
		return stand_in(argc, argv);
	if (readlink("/proc/self/exe", self, sizeof self - 1) < 0 || mkdtemp(folder) == NULL)
		return 2;
	/* What this program was given by chance would be the starter's as well. */
	for (fd = 3; fd < 1024; fd++)
		close(fd);
	write_script(plain, "plain", 0644);
	write_script(script, "script", 0755);
	before = descriptors(NULL);
	by_descriptor();
	by_environment();
	streams();
	refusals();
	check(in_child(exec_in_child, NULL) == 42, "exec replaces the program, by descriptor");
	check(in_child(exec_in_child, folder) == 42, "... and by environment");
	again = descriptors(NULL);
	check(before == again, "no descriptor is left (%d, then %d)", before, again);
	check(waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD, "no child is left");
	unlink(plain), unlink(script), rmdir(folder);
	return done();
}
