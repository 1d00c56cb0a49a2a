/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* What a call across the C interface costs. Usage: bench_abi WAY COUNT, where WAY is
 *
 *   empty     the loop alone
 *   indirect  a call of a C function through a pointer
 *   guard     a call of pinion on an engine whose table has no such callback
 *   table     the same where it has one: C, pinion, the callback in C, and back
 *   context   a callback that gets an object besides
 *
 * Prints nanoseconds a call. Counts of instructions come from running it under callgrind with two values of COUNT. */
#include "pinion.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static unsigned long calls;

static pinion_error *make_config(void *data, void **config)
{
	*config = data;
	return NULL;
}

static pinion_error *decode_config(void *config, pinion_view json)
{
	(void)config;
	(void)json;
	return NULL;
}

static pinion_error *encode_config(void *config, pinion_bytes **json)
{
	(void)config;
	return pinion_bytes_new(pinion_str("{}"), json);
}

static pinion_error *prepare_config(void *data, pinion_config *starter)
{
	(void)data;
	(void)starter;
	return NULL;
}

static pinion_error *create_container(void *data, const pinion_context *context, int32_t container, int32_t rpc)
{
	(void)data;
	(void)context;
	(void)container;
	(void)rpc;
	return NULL;
}

static pinion_error *start_process(void *data, pinion_master *master, int32_t *status)
{
	(void)data;
	(void)master;
	*status = 0;
	return NULL;
}

static pinion_error *monitor_container(void *data, int32_t container, pinion_signals *signals, int32_t *status)
{
	(void)data;
	(void)container;
	(void)signals;
	*status = 0;
	return NULL;
}

static pinion_error *declare(void *data, pinion_declaration *declaration)
{
	(void)data;
	(void)declaration;
	calls++;
	return NULL;
}

static pinion_error *cleanup_host(void *data, const pinion_context *context)
{
	(void)data;
	(void)context;
	calls++;
	return NULL;
}

static void must(pinion_error *error)
{
	if (error != NULL) {
		fprintf(stderr, "bench_abi: %s\n", pinion_error_text(error));
		exit(1);
	}
}

static pinion_engine *engine(const char *name, const char *json, bool whole)
{
	pinion_operations table;
	pinion_engine *found = NULL;

	memset(&table, 0, sizeof table);
	table.size = sizeof table;
	table.config = make_config;
	table.decode_config = decode_config;
	table.encode_config = encode_config;
	table.prepare_config = prepare_config;
	table.create_container = create_container;
	table.start_process = start_process;
	table.monitor_container = monitor_container;
	if (whole) {
		table.declare = declare;
		table.cleanup_host = cleanup_host;
	}
	must(pinion_register(pinion_str(name), &table, NULL, NULL));
	must(pinion_get(pinion_str(json), &found));
	return found;
}

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

int main(int argc, char **argv)
{
	/* Volatile, so that the compiler does not see through it. */
	pinion_error *(*volatile pointer)(void *, pinion_declaration *) = declare;
	pinion_declaration declaration = { sizeof declaration, false, 0 };
	pinion_engine *bare = engine("bare", "{\"engineName\":\"bare\"}", false);
	pinion_engine *whole = engine("whole", "{\"engineName\":\"whole\"}", true);
	pinion_context *context = NULL;
	const char *way = argc == 3 ? argv[1] : "";
	unsigned long count = argc == 3 ? strtoul(argv[2], NULL, 10) : 0;
	unsigned long i;
	double begin;

	must(pinion_context_new(&context));
	begin = now();
	if (strcmp(way, "indirect") == 0) {
		for (i = 0; i < count; i++)
			must(pointer(NULL, &declaration));
	} else if (strcmp(way, "guard") == 0) {
		for (i = 0; i < count; i++)
			must(pinion_engine_declaration(bare, &declaration));
	} else if (strcmp(way, "table") == 0) {
		for (i = 0; i < count; i++)
			must(pinion_engine_declaration(whole, &declaration));
	} else if (strcmp(way, "context") == 0) {
		for (i = 0; i < count; i++)
			must(pinion_engine_cleanup_host(whole, context));
	} else if (strcmp(way, "empty") == 0) {
		for (i = 0; i < count; i++)
			must(pointer == NULL ? (pinion_error *)context : NULL);
	} else {
		fprintf(stderr, "usage: bench_abi empty|indirect|guard|table|context COUNT\n");
		return 2;
	}
	printf("%.2f\n", (now() - begin) / (double)(count == 0 ? 1 : count));
	pinion_context_free(context);
	pinion_engine_free(whole);
	pinion_engine_free(bare);
	return 0;
}
