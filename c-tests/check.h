/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* TAP for the programs in here, which `prove -e '' FILE...` runs. With PINION_STRICT=1 what is left out is a failure. */
#ifndef CHECK_H
#define CHECK_H

#include <errno.h>
#include <pinion.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static int check_count, check_failures;

/* check(condition, "what holds", ...): one line of TAP; where it does not hold, the place as well. */
#define check(condition, ...) check_line((condition), __FILE__, __LINE__, __VA_ARGS__)
__attribute__((format(printf, 4, 5))) static inline bool check_line(bool holds, const char *file, int line,
								    const char *what, ...)
{
	va_list words;

	printf("%s %d - ", holds ? "ok" : "not ok", ++check_count);
	va_start(words, what);
	vprintf(what, words);
	va_end(words);
	printf(holds ? "\n" : "\n#   at %s:%d\n", file, line);
	check_failures += !holds;
	fflush(stdout);
	return holds;
}

/* Leaves something out, and says why. */
static inline void skip(const char *what, const char *reason)
{
	const char *strict = getenv("PINION_STRICT");
	bool fails = strict != NULL && strcmp(strict, "1") == 0;

	printf("%s %d - %s # SKIP %s\n", fails ? "not ok" : "ok", ++check_count, what, reason);
	check_failures += fails;
}

/* expect(error, code, "part of text or help", "what holds", ...): takes the error. Code 0 is success. */
#define expect(error, code, part, ...) expect_line((error), (code), (part), __FILE__, __LINE__, __VA_ARGS__)
__attribute__((format(printf, 6, 7))) static inline bool expect_line(pinion_error *error, int32_t code, const char *part,
								     const char *file, int line, const char *what, ...)
{
	const char *text = error == NULL ? "(none)" : pinion_error_text(error);
	const char *help = pinion_error_help(error);
	bool holds = pinion_error_code(error) == code;
	char words[512];
	va_list list;

	if (code != 0)
		holds = holds && (strstr(text, part) != NULL || (help != NULL && strstr(help, part) != NULL));
	va_start(list, what);
	vsnprintf(words, sizeof words, what, list);
	va_end(list);
	if (!check_line(holds, file, line, "%s", words))
		printf("#   expected %d \"%s\"\n#   got %d: %.400s (%.400s)\n", code, part, pinion_error_code(error), text,
		       help == NULL ? "" : help);
	return pinion_error_free(error) == 0 && holds;
}
#define succeeds(error, ...) expect(error, 0, "", __VA_ARGS__)

/* same(bytes, "text"), holds(bytes, "part"): take the bytes. */
static inline bool has(pinion_bytes *bytes, const char *text, bool whole)
{
	pinion_view view = pinion_bytes_view(bytes);
	size_t length = strlen(text), from = 0;
	bool found = false;

	for (; !found && view.data != NULL && from + length <= view.length; from++)
		found = memcmp(view.data + from, text, length) == 0 && (!whole || view.length == length);
	if (!found)
		printf("#   not so: %.*s\n", (int)(view.length < 2000 ? view.length : 2000), (const char *)view.data);
	return pinion_bytes_free(bytes) == 0 && found;
}
#define same(bytes, text) has((bytes), (text), true)
#define holds(bytes, part) has((bytes), (part), false)

static inline pinion_view view_of(const void *data, size_t length)
{
	pinion_view view;

	view.data = (const uint8_t *)data;
	view.length = length;
	return view;
}

/* What a child made of something, as an exit code from 0 to 99; more is 100 and its signal. A minute is all it gets. */
static inline int in_child(int (*body)(void *data), void *data)
{
	int status = 0;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		alarm(60);
		_exit(body(data));
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 100 + WTERMSIG(status);
}

/* Ends a program: nothing of pinion's may be left. */
static inline int done(void)
{
	check(pinion_object_count() == 0, "no object is left (%zu)", pinion_object_count());
	printf("1..%d\n", check_count);
	return check_failures == 0 ? 0 : 1;
}

#endif
