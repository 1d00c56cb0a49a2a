/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* An engine that does nothing, for measuring what a call into C costs. Its declare callback fills in the declaration;
 * the mandatory others are there and fail. */
#include <pinion.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* cgo hands an object of CGO_LDFLAGS to the linker once for each package that has C in it. Of the copies one
 * registers: a weak variable is the same for all. */
__attribute__((weak)) bool bench_engine_is_registered = false;

static char nothing;

static pinion_error *refused(void)
{
	return pinion_error_new(PINION_REFUSED, 0, pinion_str("bench-c: this engine starts no container"));
}

static pinion_error *config(void *data, void **made)
{
	(void)data;
	*made = &nothing;
	return NULL;
}

static pinion_error *decode_config(void *made, pinion_view json)
{
	(void)made, (void)json;
	return NULL;
}

static pinion_error *encode_config(void *made, pinion_bytes **json)
{
	(void)made;
	return pinion_bytes_new(pinion_str("{}"), json);
}

static pinion_error *declare(void *data, pinion_declaration *declaration)
{
	(void)data;
	declaration->pre_start_process = false;
	declaration->monitor = PINION_MONITOR_ENGINE;
	return NULL;
}

static pinion_error *prepare_config(void *data, pinion_config *starter)
{
	(void)data, (void)starter;
	return refused();
}

static pinion_error *create_container(void *data, const pinion_context *context, int32_t container, int32_t rpc)
{
	(void)data, (void)context, (void)container, (void)rpc;
	return refused();
}

static pinion_error *start_process(void *data, pinion_master *master, int32_t *status)
{
	(void)data, (void)master, (void)status;
	return refused();
}

static pinion_error *monitor_container(void *data, int32_t container, pinion_signals *signals, int32_t *status)
{
	(void)data, (void)container, (void)signals, (void)status;
	return refused();
}

__attribute__((constructor)) static void register_engine(void)
{
	pinion_operations operations;
	pinion_error *error;

	if (bench_engine_is_registered)
		return;
	bench_engine_is_registered = true;
	memset(&operations, 0, sizeof(operations));
	operations.size = sizeof(operations);
	operations.config = config;
	operations.decode_config = decode_config;
	operations.encode_config = encode_config;
	operations.declare = declare;
	operations.prepare_config = prepare_config;
	operations.create_container = create_container;
	operations.start_process = start_process;
	operations.monitor_container = monitor_container;
	error = pinion_register(pinion_str("bench-c"), &operations, NULL, NULL);
	if (error == NULL)
		return;
	fprintf(stderr, "bench-c: %s\n", pinion_error_text(error));
	abort();
}
