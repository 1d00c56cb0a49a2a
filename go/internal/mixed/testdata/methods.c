/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* RPC methods in C for the engine "mixed-go", which is written in Go: one that takes JSON, one that takes gob, and one
 * that a thread answers later. */
#define _POSIX_C_SOURCE 200809L
#include <pthread.h>

#include "shared.h"

/* cgo hands an object of CGO_LDFLAGS to the linker once for each package that has C in it. Of the copies one
 * registers: a weak variable is the same for all. */
__attribute__((weak)) bool mixed_methods_are_registered = false;

/* Repeat: struct { Text string; Times int }, to the text as often as that, and its length. */
static pinion_error *repeat(void *data, pinion_view argument, pinion_bytes **reply)
{
	char json[256], text[32], answer[512], many[320] = "";
	int times = 0, read = 0;

	(void)data;
	if (argument.length >= sizeof(json))
		return refuse("repeat: the argument is too long");
	memcpy(json, argument.data, argument.length);
	json[argument.length] = '\0';
	read = sscanf(json, "{\"Text\":\"%31[^\"]\",\"Times\":%d}", text, &times);
	if (read != 2 || times < 0 || times > 9) {
		snprintf(answer, sizeof(answer), "repeat %s: a text is repeated 0 to 9 times", json);
		return refuse(answer);
	}
	while (times-- > 0)
		strcat(many, text);
	snprintf(answer, sizeof(answer), "{\"Text\":\"%s\",\"Length\":%zu}", many, strlen(many));
	return pinion_bytes_new(pinion_str(answer), reply);
}

/* Double: int, to twice as much. A small int is four bytes of gob: the length, the type, 0, and the value times two. */
static pinion_error *twice(void *data, pinion_view argument, pinion_bytes **reply)
{
	static const uint8_t begin[] = { 3, 4, 0 };
	uint8_t answer[4];
	pinion_view view = { answer, sizeof(answer) };

	(void)data;
	if (argument.length != sizeof(answer) || memcmp(argument.data, begin, sizeof(begin)) != 0 || argument.data[3] > 0x3f)
		return refuse("double: expected an int from -32 to 31");
	memcpy(answer, argument.data, sizeof(answer));
	/* The sign is the lowest bit, and a negative value counts from -1. */
	answer[3] = (uint8_t)(argument.data[3] & 1 ? argument.data[3] * 2 + 1 : argument.data[3] * 2);
	return pinion_bytes_new(view, reply);
}

/* Ask: whatever comes goes back, once Answer was called; an error where it holds the word "refuse". */
struct asked {
	pinion_call *call;
	size_t length;
	uint8_t argument[];
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
/* How many of the asked are to be answered. */
static int due;

static bool holds(const struct asked *asked, const char *word)
{
	size_t length = strlen(word), at;

	for (at = 0; at + length <= asked->length; at++)
		if (memcmp(asked->argument + at, word, length) == 0)
			return true;
	return false;
}

static void *answer_later(void *data)
{
	struct asked *asked = data;
	pinion_view argument = { asked->argument, asked->length };

	pthread_mutex_lock(&mutex);
	while (due == 0)
		pthread_cond_wait(&changed, &mutex);
	due--;
	pthread_mutex_unlock(&mutex);
	must(holds(asked, "refuse") ? pinion_call_fail(asked->call, pinion_str("ask: the thread refuses"))
	                                     : pinion_call_reply(asked->call, argument));
	free(asked);
	return NULL;
}

static void ask(void *data, pinion_view argument, pinion_call *call)
{
	struct asked *asked = malloc(sizeof(*asked) + argument.length);
	pthread_t thread;

	(void)data;
	if (asked == NULL) {
		must(pinion_call_fail(call, pinion_str("ask: no memory")));
		return;
	}
	asked->call = call;
	asked->length = argument.length;
	memcpy(asked->argument, argument.data, argument.length);
	if (pthread_create(&thread, NULL, answer_later, asked) != 0) {
		must(pinion_call_fail(call, pinion_str("ask: make a thread")));
		free(asked);
		return;
	}
	pthread_detach(thread);
}

static pinion_error *answer(void *data, pinion_view argument, pinion_bytes **reply)
{
	(void)data, (void)argument;
	pthread_mutex_lock(&mutex);
	due++;
	pthread_cond_signal(&changed);
	pthread_mutex_unlock(&mutex);
	return pinion_bytes_new(pinion_str("true"), reply);
}

__attribute__((constructor)) static void register_methods(void)
{
	pinion_methods *methods;

	if (mixed_methods_are_registered)
		return;
	mixed_methods_are_registered = true;
	must(pinion_methods_new(&methods));
	must(pinion_methods_add_json(methods, pinion_str("Repeat"), pinion_str("struct { Text string; Length int }"),
	                                      repeat, NULL, NULL));
	must(pinion_methods_add_gob(methods, pinion_str("Double"), twice, NULL, NULL));
	must(pinion_methods_add_later(methods, pinion_str("Ask"), ask, NULL, NULL));
	must(pinion_methods_add_json(methods, pinion_str("Answer"), pinion_str("bool"), answer, NULL, NULL));
	must(pinion_register_rpc_methods(pinion_str("mixed-go"), methods));
}
