/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Errors: what they say, and that errno is always the caller's. What happens to their data is in ownership_objects.c. */
#include <sys/socket.h>

#include "engine.h"

static const int32_t CODES[] = { PINION_INVALID,   PINION_REFUSED, PINION_NOT_FOUND, PINION_ALREADY_EXISTS,
				 PINION_SYSTEM,	   PINION_PEER_DIED, PINION_TIMEOUT, PINION_PROTOCOL,
				 PINION_CALLBACK,  PINION_PANIC,   PINION_RPC,	     PINION_MISUSE };

static void made(void)
{
	pinion_error *error;
	size_t i;

	for (i = 0; i < sizeof CODES / sizeof *CODES; i++) {
		error = pinion_error_new(CODES[i], 0, pinion_str("load the tape"));
		check(pinion_error_code(error) == CODES[i] && strcmp(pinion_error_text(error), "load the tape") == 0,
		      "an error with code %d", CODES[i]);
		check(pinion_error_errno(error) == 0 && pinion_error_help(error) == NULL, "... and nothing else");
		check(pinion_error_free(error) == 0, "... is freed");
	}
	error = pinion_error_new(PINION_SYSTEM, ENOSPC, pinion_str("write the tape: no space left on device"));
	check(pinion_error_errno(error) == ENOSPC, "errno is kept");
	error = pinion_error_during(error, pinion_str("make a copy"));
	error = pinion_error_during(error, pinion_str(""));
	error = pinion_error_during(error, pinion_str("back up \"/home\""));
	check(strcmp(pinion_error_text(error), "back up \"/home\": make a copy: write the tape: no space left on device") == 0,
	      "the text goes from outer to inner");
	check(pinion_error_code(error) == PINION_SYSTEM && pinion_error_errno(error) == ENOSPC, "code and errno survive that");
	error = pinion_error_with_help(error, pinion_str("insert another tape"));
	check(strcmp(pinion_error_help(error), "insert another tape") == 0, "what helps");
	error = pinion_error_with_help(pinion_error_during(error, pinion_str("today")), pinion_str("wait until tomorrow"));
	check(strcmp(pinion_error_help(error), "wait until tomorrow") == 0, "the last help counts");
	check(strncmp(pinion_error_text(error), "today: back up", 14) == 0, "help is no part of the text");
	check(pinion_error_free(error) == 0 && pinion_error_free(error) == PINION_MISUSE, "an error is freed once");
}

static void odd_texts(void)
{
	static const struct {
		const char *what, *text;
		size_t length;
		const char *shown;
	} TEXTS[] = {
		{ "no text", NULL, 0, "" },
		{ "a NUL", "a\0b", 3, "a\\0b" },
		{ "only NULs", "\0\0", 2, "\\0\\0" },
		{ "no UTF-8", "a\xff\xc3", 3, "a\xef\xbf\xbd\xef\xbf\xbd" },
		{ "UTF-8", "\xc3\xa9\xe2\x82\xac\xf0\x9f\x93\xbc", 9, "\xc3\xa9\xe2\x82\xac\xf0\x9f\x93\xbc" },
		{ "a length that ends it", "abcdef", 3, "abc" },
	};
	static char large[1 << 16];
	pinion_error *error;
	size_t i;

	for (i = 0; i < sizeof TEXTS / sizeof *TEXTS; i++) {
		pinion_view view = view_of(TEXTS[i].text, TEXTS[i].length);

		error = pinion_error_with_help(pinion_error_new(PINION_INVALID, 0, view), view);
		check(strcmp(pinion_error_text(error), TEXTS[i].shown) == 0, "a text with %s", TEXTS[i].what);
		check(strcmp(pinion_error_help(error), TEXTS[i].shown) == 0, "a help with %s", TEXTS[i].what);
		pinion_error_free(error);
		error = pinion_error_during(pinion_error_new(PINION_INVALID, 0, pinion_str("x")), view);
		check(strncmp(pinion_error_text(error), TEXTS[i].shown, strlen(TEXTS[i].shown)) == 0, "what was done with %s",
		      TEXTS[i].what);
		pinion_error_free(error);
	}
	memset(large, 'l', sizeof large);
	error = pinion_error_new(PINION_INVALID, 0, view_of(large, sizeof large));
	check(strlen(pinion_error_text(error)) == sizeof large, "a text of 64 KiB");
	memset(large, 'm', sizeof large);
	check(pinion_error_text(error)[0] == 'l', "a text is copied");
	pinion_error_free(error);
}

static void null_everywhere(void)
{
	check(pinion_error_code(NULL) == 0, "the code of NULL is 0");
	check(pinion_error_errno(NULL) == 0, "the errno of NULL is 0");
	check(pinion_error_text(NULL) != NULL, "the text of NULL is one");
	check(pinion_error_help(NULL) == NULL, "the help of NULL is none");
	check(pinion_error_data(NULL, "kind") == NULL, "the data of NULL is none");
	check(pinion_error_free(NULL) == 0, "NULL is freed");
	check(pinion_error_during(NULL, pinion_str("what")) == NULL, "NULL during something is NULL");
	check(pinion_error_with_help(NULL, pinion_str("help")) == NULL, "NULL with help is NULL");
	check(pinion_error_during(NULL, view_of(NULL, 5)) == NULL, "NULL during what cannot be used is NULL");
	expect(pinion_error_with_help(pinion_error_new(PINION_REFUSED, 0, pinion_str("no")), view_of(NULL, 5)), PINION_MISUSE,
	       "NULL", "a help that cannot be used");
}

static const char MINE[1], YOURS[1];
static pinion_error *kept;

/* Sets errno, as callbacks do, and returns what is kept. */
static pinion_error *create(void *data, const pinion_context *context, int32_t container, int32_t rpc)
{
	pinion_error *error = kept;

	(void)data, (void)context, (void)container, (void)rpc;
	kept = NULL;
	errno = EDOM;
	return error;
}

static bool seen_mine, seen_yours;
static int32_t seen_code, seen_errno;

static pinion_error *cleanup(void *data, const pinion_context *context, const pinion_error *fatal, int32_t status)
{
	int number = 7;

	(void)data, (void)context, (void)status;
	seen_mine = pinion_error_data(fatal, MINE) != NULL;
	seen_yours = pinion_error_data(fatal, YOURS) != NULL;
	seen_code = pinion_error_code(fatal);
	seen_errno = pinion_error_errno(fatal);
	/* The other direction: what goes out is of another kind. */
	return pinion_error_new_with_data(PINION_TIMEOUT, number, pinion_str("clean up"), YOURS, &seen_yours, NULL);
}

static void kinds(pinion_engine *engine, pinion_context *context, int rpc)
{
	pinion_error *fatal, *error;
	int mine = 5;

	kept = pinion_error_new_with_data(PINION_NOT_FOUND, ENOENT, pinion_str("a"), MINE, &mine, NULL);
	kept = pinion_error_with_help(pinion_error_during(kept, pinion_str("look for it")), pinion_str("search"));
	fatal = pinion_engine_create_container(engine, context, 1, rpc);
	check(pinion_error_data(fatal, MINE) == &mine, "a callback's own error is found by its kind");
	check(pinion_error_data(fatal, YOURS) == NULL, "... and not by another kind");
	check(pinion_error_code(fatal) == PINION_NOT_FOUND && pinion_error_errno(fatal) == ENOENT, "... with code and errno");
	check(strcmp(pinion_error_text(fatal), "look for it: a") == 0 && strcmp(pinion_error_help(fatal), "search") == 0,
	      "... its text and help as they are");
	error = pinion_engine_cleanup_container(engine, context, fatal, 0);
	check(seen_mine && !seen_yours && seen_code == PINION_NOT_FOUND && seen_errno == ENOENT, "a callback finds it again");
	check(pinion_error_data(error, YOURS) == &seen_yours && pinion_error_data(error, MINE) == NULL, "kinds do not mix");
	expect(error, PINION_TIMEOUT, "clean up", "CleanupContainer's own error");
	pinion_error_free(fatal);
	expect(pinion_engine_cleanup_container(engine, context, NULL, 0), PINION_TIMEOUT, "clean up", "CleanupContainer again");
	check(!seen_mine && seen_code == 0, "... where nothing was fatal");
}

static void change_errno(void *data)
{
	(void)data;
	errno = EDOM;
}

/* What is called with errno set, and whether that is still so afterwards. */
#define KEEPS(call, what) (errno = ELOOP, (void)(call), kept_errno(errno, what))
static void kept_errno(int number, const char *what)
{
	check(number == ELOOP, "errno is kept by %s (%d)", what, number);
}

static void kept_with(pinion_error *error, const char *what)
{
	kept_errno(errno, what);
	pinion_error_free(error);
}
#define KEEPS_WITH(call, what) (errno = ELOOP, kept_with((call), (what)))

static void errno_is_the_callers(pinion_engine *engine, pinion_context *context, int rpc)
{
	pinion_operations table = idle_engine();
	pinion_error *error = pinion_error_new(PINION_SYSTEM, ENOENT, pinion_str("x"));
	pinion_launch_options options = pinion_launch_options_init();
	pinion_credentials credentials;
	pinion_config *config = NULL;
	int32_t status;

	credentials.size = sizeof credentials;
	succeeds(pinion_config_new(pinion_str("{}"), false, &config), "a configuration");
	KEEPS(pinion_error_code(error), "a getter");
	KEEPS(pinion_error_text((pinion_error *)8), "a getter that has nothing");
	KEEPS(pinion_error_free(error), "a free");
	KEEPS(pinion_error_free(error), "a free that is refused");
	KEEPS(pinion_object_count(), "a count");
	KEEPS(pinion_log_set_level(pinion_log_level()), "the level");
	KEEPS(pinion_context_is_cancelled(context), "a poll");
	KEEPS_WITH(pinion_error_new(0, 0, pinion_str("")), "an error that cannot be made");
	KEEPS_WITH(pinion_error_new_with_data(1, 0, view_of(NULL, 1), NULL, NULL, change_errno), "a destroy function");
	KEEPS_WITH(pinion_engine_create_container(engine, context, 1, rpc), "a callback that sets it");
	KEEPS_WITH(pinion_engine_create_container(engine, context, 1, -1), "a descriptor that is none");
	KEEPS_WITH(pinion_get(pinion_str("{"), &engine), "JSON that is none");
	KEEPS_WITH(pinion_register(pinion_str(""), &table, NULL, change_errno), "a refused engine");
	KEEPS_WITH(pinion_replace(pinion_str("other"), &table, NULL, change_errno), "a registered engine");
	KEEPS_WITH(pinion_replace(pinion_str("other"), &table, NULL, NULL), "a replaced engine");
	KEEPS_WITH(pinion_config_set_newuidmap_path(config), "a search in the file system");
	KEEPS_WITH(pinion_credentials_read(&credentials), "system calls");
	options.starter = pinion_str("/nonexistent/starter");
	KEEPS_WITH(pinion_launch_run(pinion_str("s"), pinion_str("{}"), &options, &status), "a launch that fails");
	KEEPS_WITH(pinion_launch_exec(pinion_str("s"), pinion_str("{}"), &options), "an exec that fails");
	options.starter = pinion_str("/bin/false");
	KEEPS_WITH(pinion_launch_run(pinion_str("s"), pinion_str("{}"), &options, &status), "a launch");
	KEEPS_WITH(pinion_log_set_sink(NULL, NULL, change_errno), "a sink");
	KEEPS_WITH(pinion_lifecycle_run_role(), "a role that is none");
	KEEPS(pinion_config_free(config), "a free of something large");
}

int main(void)
{
	pinion_operations table = idle_engine();
	pinion_context *context = NULL;
	pinion_engine *engine;
	int sockets[2];

	made();
	odd_texts();
	null_everywhere();
	table.create_container = create;
	table.cleanup_container = cleanup;
	put_engine("errors", &table, NULL, NULL);
	engine = get_engine("errors");
	succeeds(pinion_context_new(&context), "a context");
	check(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets) == 0, "sockets");
	kinds(engine, context, sockets[0]);
	errno_is_the_callers(engine, context, sockets[0]);
	close(sockets[0]), close(sockets[1]);
	pinion_context_free(context);
	pinion_engine_free(engine);
	return done();
}
