/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* The smallest engine: every callback of its table may be exchanged. Its configuration object is any JSON, kept as a text. */
#ifndef ENGINE_H
#define ENGINE_H

#include "check.h"

/* Destroys an int by counting. */
static inline void count_up(void *data)
{
	++*(int *)data;
}

/* The engine's configuration objects: how many are there, and the last one. */
struct text {
	char json[256];
};
static int texts;
static struct text *last_text;

static inline pinion_error *text_config(void *data, void **config)
{
	struct text *text = calloc(1, sizeof *text);

	(void)data;
	if (text == NULL)
		return pinion_error_new(PINION_SYSTEM, ENOMEM, pinion_str("make a configuration object"));
	strcpy(text->json, "{}");
	texts++;
	*config = last_text = text;
	return NULL;
}

static inline pinion_error *text_decode(void *config, pinion_view json)
{
	struct text *text = config;

	if (json.length >= sizeof text->json)
		return pinion_error_new(PINION_INVALID, 0, pinion_str("the engine's configuration is too long"));
	memcpy(text->json, json.data, json.length);
	text->json[json.length] = '\0';
	return NULL;
}

static inline pinion_error *text_encode(void *config, pinion_bytes **json)
{
	return pinion_bytes_new(pinion_str(((struct text *)config)->json), json);
}

static inline void text_destroy(void *config)
{
	texts--;
	free(config);
}

static inline pinion_error *idle_prepare(void *data, pinion_config *starter)
{
	(void)data, (void)starter;
	return NULL;
}

static inline pinion_error *idle_create(void *data, const pinion_context *context, int32_t container, int32_t rpc)
{
	(void)data, (void)context, (void)container, (void)rpc;
	return NULL;
}

static inline pinion_error *idle_start(void *data, pinion_master *master, int32_t *status)
{
	(void)data, (void)master;
	*status = 0;
	return NULL;
}

static inline pinion_error *idle_monitor(void *data, int32_t container, pinion_signals *signals, int32_t *status)
{
	(void)data, (void)container, (void)signals;
	*status = 0;
	return NULL;
}

/* A table with the mandatory callbacks alone, and destroy_config. */
static inline pinion_operations idle_engine(void)
{
	pinion_operations table;

	memset(&table, 0, sizeof table);
	table.size = sizeof table;
	table.config = text_config;
	table.decode_config = text_decode;
	table.encode_config = text_encode;
	table.destroy_config = text_destroy;
	table.prepare_config = idle_prepare;
	table.create_container = idle_create;
	table.start_process = idle_start;
	table.monitor_container = idle_monitor;
	return table;
}

/* Puts an engine in the place of whatever has the name. */
static inline void put_engine(const char *name, const pinion_operations *table, void *data, pinion_destroy destroy)
{
	succeeds(pinion_replace(pinion_str(name), table, data, destroy), "engine %s is registered", name);
}

/* The engine of that name with an empty configuration of its own. */
static inline pinion_engine *get_engine(const char *name)
{
	pinion_engine *engine = NULL;
	char json[128];

	snprintf(json, sizeof json, "{\"engineName\":\"%s\",\"containerID\":\"c1\",\"engineConfig\":{\"a\":1}}", name);
	succeeds(pinion_get(pinion_str(json), &engine), "engine %s is found", name);
	return engine;
}

#endif
