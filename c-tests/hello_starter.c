/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* The smallest whole starter: an engine that runs one program in new namespaces under a host name of its own. docs/c-starter.md
 * walks through it. */
#define _GNU_SOURCE
#include <errno.h>
#include <pinion.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* The engine's configuration: the program to run, as a JSON string. */
struct config {
	char *program;
};

/* The engine: what its callbacks get as data. */
struct hello {
	struct config *config;
};

static pinion_error *failed(const char *what)
{
	char text[256];

	snprintf(text, sizeof text, "%s: %s", what, strerror(errno));
	return pinion_error_new(PINION_SYSTEM, errno, pinion_str(text));
}

/* Config: the object at its zero value. */
static pinion_error *make_config(void *data, void **config)
{
	struct hello *hello = data;

	hello->config = calloc(1, sizeof *hello->config);
	*config = hello->config;
	return hello->config == NULL ? failed("make the configuration") : NULL;
}

/* A real engine has a JSON library; this one takes a string without escapes. */
static pinion_error *decode_config(void *object, pinion_view json)
{
	struct config *config = object;
	const char *text = (const char *)json.data;

	if (json.length < 2 || text[0] != '"' || memchr(text, '\\', json.length) != NULL)
		return pinion_error_new(PINION_INVALID, 0, pinion_str("engineConfig: expected a string, the program's path"));
	config->program = strndup(text + 1, json.length - 2);
	return config->program == NULL ? failed("read the configuration") : NULL;
}

static pinion_error *encode_config(void *object, pinion_bytes **json)
{
	const struct config *config = object;
	char text[4096];

	snprintf(text, sizeof text, "\"%s\"", config->program == NULL ? "" : config->program);
	return pinion_bytes_new(pinion_str(text), json);
}

static void destroy_config(void *object)
{
	struct config *config = object;

	free(config->program);
	free(config);
}

/* PrepareConfig, stage 1: which namespaces, and for an ordinary user the id maps. */
static pinion_error *prepare_config(void *data, pinion_config *starter)
{
	struct hello *hello = data;
	int flags = CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC;
	pinion_error *error = NULL;

	if (hello->config->program == NULL)
		return pinion_error_new(PINION_INVALID, 0, pinion_str("engineConfig: there is no program to run"));
	if (getuid() != 0) {
		pinion_id_mapping user = { getuid(), getuid(), 1 };
		pinion_id_mapping group = { getgid(), getgid(), 1 };

		flags |= CLONE_NEWUSER;
		error = pinion_config_add_uid_mappings(starter, &user, 1);
		if (error == NULL)
			error = pinion_config_add_gid_mappings(starter, &group, 1);
	}
	if (error == NULL)
		error = pinion_config_set_ns_flags(starter, flags);
	if (error == NULL)
		error = pinion_config_set_mount_propagation(starter, pinion_str("rprivate"));
	return error;
}

/* CreateContainer, master: the RPC server in the container's namespaces does what needs privileges there. */
static pinion_error *create_container(void *data, const pinion_context *context, int32_t container, int32_t rpc)
{
	pinion_client *client = NULL;
	pinion_error *error;

	(void)data;
	(void)context;
	(void)container;
	error = pinion_client_new(rpc, pinion_str("hello"), 10000, &client);
	if (error == NULL)
		error = pinion_client_call(client, pinion_str("SetHostname"), pinion_str(""),
					   pinion_str("{\"Hostname\":\"hello\"}"), NULL);
	pinion_client_free(client);
	return error;
}

/* StartProcess, stage 2: becomes the program. */
static pinion_error *start_process(void *data, pinion_master *master, int32_t *status)
{
	struct hello *hello = data;

	(void)master;
	(void)status;
	execl(hello->config->program, hello->config->program, (char *)NULL);
	return failed(hello->config->program);
}

/* MonitorContainer, master: reaps the container, and passes signals on to it meanwhile. */
static pinion_error *monitor_container(void *data, int32_t container, pinion_signals *signals, int32_t *status)
{
	int32_t number;

	(void)data;
	for (;;) {
		pinion_error *error = pinion_signals_next(signals, &number);

		if (error != NULL)
			return error;
		if (number == 0)
			return pinion_error_new(PINION_CALLBACK, 0, pinion_str("the run was cancelled"));
		if (number != SIGCHLD)
			kill(container, number);
		else if (waitpid(container, status, WNOHANG) == container)
			return NULL;
	}
}

static pinion_error *register_hello(struct hello *hello)
{
	pinion_operations operations;

	memset(&operations, 0, sizeof operations);
	operations.size = sizeof operations;
	operations.config = make_config;
	operations.decode_config = decode_config;
	operations.encode_config = encode_config;
	operations.destroy_config = destroy_config;
	operations.prepare_config = prepare_config;
	operations.create_container = create_container;
	operations.start_process = start_process;
	operations.monitor_container = monitor_container;
	return pinion_register(pinion_str("hello"), &operations, hello, NULL);
}

int main(void)
{
	struct hello hello = { NULL };
	pinion_error *error = register_hello(&hello);

	if (error == NULL)
		error = pinion_lifecycle_run(NULL);
	fprintf(stderr, "hello-starter: %s\n", pinion_error_text(error));
	pinion_error_free(error);
	return 255;
}
