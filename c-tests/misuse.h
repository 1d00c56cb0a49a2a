/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* What the tables of misuse.c and misuse_places.c need, which rust/tests/c_tests.rs compares with the header. */
#ifndef MISUSE_H
#define MISUSE_H

#include "engine.h"

/* What calls need beside what is wrong with them. */
struct objects {
	pinion_bytes *bytes;
	pinion_error *error;
	pinion_common *common;
	pinion_config *config;
	pinion_context *context;
	pinion_signals *signals;
	pinion_master *master;
	pinion_engine *engine;
	pinion_methods *methods;
	pinion_client *client;
	int socket;
};
static struct objects live;

static pinion_bytes *some_bytes;
static pinion_id_mapping some_mapping = { 0, 0, 1 };
static int32_t some_number;
static uint64_t some_sequence;

static inline int32_t code_of(pinion_error *error)
{
	int32_t code = pinion_error_code(error);

	pinion_error_free(error);
	pinion_bytes_free(some_bytes);
	some_bytes = NULL;
	return code;
}

static inline int32_t neutral(bool is)
{
	return is ? PINION_MISUSE : 0;
}

static inline pinion_view word(void)
{
	return pinion_str("1");
}

static inline pinion_error *no_method(void *data, pinion_view argument, pinion_bytes **reply)
{
	(void)data, (void)argument, (void)reply;
	return NULL;
}

static inline void no_later_method(void *data, pinion_view argument, pinion_call *call)
{
	(void)data, (void)argument;
	pinion_error_free(pinion_call_fail(call, pinion_str("no")));
}

static inline void no_feed(void *data)
{
	(void)data;
}

#endif
