/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* The configuration of the engine in engine.c: a JSON object of texts without escapes. */
#ifndef MIXED_ENGINE_CONFIG_H
#define MIXED_ENGINE_CONFIG_H

#include "shared.h"

enum key {
	LOG,      /* the file that the callbacks write to, a line each */
	SCRIPT,   /* what the container's shell does; without one the engine stays as an init shim */
	GATE,     /* the FIFO that PostStartProcess opens for the script */
	FAIL,     /* the callback that fails; "later" is work that PreStartProcess begins */
	WAIT,     /* the callback that waits for the run's cancellation */
	SAY,      /* what CreateContainer and PreStartProcess say on their connections, before they wait for a byte */
	PEER,     /* what PostStartHost puts in front of the error of the engine "peer", which it calls */
	TAKE,     /* the name that PostStartHost registers an engine under */
	PREPARED, /* what PrepareConfig left */
	KEYS
};

static const char *const key_names[KEYS] = {
	"Log", "Script", "Gate", "Fail", "Wait", "Say", "Peer", "Take", "Prepared",
};

struct config {
	char *text[KEYS];
};

static inline bool is_set(const struct config *config, enum key key)
{
	return config->text[key] != NULL;
}

static inline bool is(const struct config *config, enum key key, const char *text)
{
	return is_set(config, key) && strcmp(config->text[key], text) == 0;
}

static inline pinion_error *make_config(void *data, void **made)
{
	(void)data;
	*made = calloc(1, sizeof(struct config));
	return *made == NULL ? failed("make the configuration") : NULL;
}

/* The value of one key, to be freed; NULL where there is none. */
static inline char *value_of(const char *json, const char *key)
{
	char quoted[32];
	const char *begin;

	snprintf(quoted, sizeof(quoted), "\"%s\":\"", key);
	begin = strstr(json, quoted);
	if (begin == NULL)
		return NULL;
	begin += strlen(quoted);
	return strndup(begin, strcspn(begin, "\""));
}

static inline pinion_error *decode_config(void *made, pinion_view json)
{
	struct config *config = made;
	char *text = strndup((const char *)json.data, json.length);
	pinion_error *error = NULL;
	int key;

	if (text == NULL)
		return failed("read the configuration");
	if (text[0] != '{' || strchr(text, '\\') != NULL)
		error = refuse("engineConfig: expected an object of texts without escapes");
	for (key = 0; error == NULL && key < KEYS; key++)
		config->text[key] = value_of(text, key_names[key]);
	free(text);
	return error;
}

static inline pinion_error *encode_config(void *made, pinion_bytes **json)
{
	const struct config *config = made;
	pinion_error *error;
	size_t length = 0;
	char *text = NULL;
	const char *before = "{";
	FILE *out = open_memstream(&text, &length);
	int key;

	if (out == NULL)
		return failed("write the configuration");
	for (key = 0; key < KEYS; key++) {
		if (!is_set(config, key))
			continue;
		fprintf(out, "%s\"%s\":\"%s\"", before, key_names[key], config->text[key]);
		before = ",";
	}
	fputs(before[0] == '{' ? "{}" : "}", out);
	if (fclose(out) != 0)
		error = failed("write the configuration");
	else
		error = pinion_bytes_new(pinion_str(text), json);
	free(text);
	return error;
}

static inline void destroy_config(void *made)
{
	struct config *config = made;
	int key;

	for (key = 0; key < KEYS; key++)
		free(config->text[key]);
	free(config);
}

#endif
