/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* A client of an engine's methods, and their server in a thread beside it. */
#ifndef CLIENT_H
#define CLIENT_H

#include <pthread.h>
#include <sys/socket.h>

#include "engine.h"

struct server {
	pthread_t thread;
	pinion_engine *engine;
	int sockets[2];
	/* Whose methods are served where there is no engine. */
	const char *name;
	/* What serving said. */
	pinion_error *error;
};

static inline void *serve(void *data)
{
	struct server *server = data;

	server->error = server->engine != NULL ? pinion_serve_rpc_requests(server->engine, server->sockets[1])
					       : pinion_serve_rpc_methods(pinion_str(server->name), server->sockets[1]);
	close(server->sockets[1]);
	return NULL;
}

/* Serves an engine in a thread; the client's end is sockets[0]. */
static inline bool begin_server(struct server *server, pinion_engine *engine, const char *name)
{
	server->engine = engine;
	server->name = name;
	server->error = NULL;
	return socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, server->sockets) == 0 &&
	       pthread_create(&server->thread, NULL, serve, server) == 0;
}

static inline pinion_client *begin_client(struct server *server, pinion_engine *engine, const char *name)
{
	pinion_client *client = NULL;

	check(begin_server(server, engine, name), "a server");
	succeeds(pinion_client_new(server->sockets[0], pinion_str(name), 60000, &client), "a client");
	return client;
}

/* Ends both, which the server takes well. */
static inline void end_server(struct server *server, pinion_client *client)
{
	check(pinion_client_free(client) == 0, "the client is freed");
	close(server->sockets[0]);
	pthread_join(server->thread, NULL);
	succeeds(server->error, "the server ends well with its client");
}

/* Calls a method whose reply is to have this part. */
static inline void calls(pinion_client *client, const char *method, const char *type, const char *argument, const char *part)
{
	pinion_bytes *reply = NULL;
	pinion_error *error =
		pinion_client_call(client, pinion_str(method), pinion_str(type), pinion_str(argument), &reply);

	succeeds(error, "%s(%.40s)", method, argument);
	if (!check(holds(reply, part), "... replies %.40s", part))
		printf("#   expected %s\n", part);
}

/* Calls a method that fails. */
static inline void refuses(pinion_client *client, const char *method, const char *type, const char *argument, int32_t code,
			   const char *text)
{
	pinion_bytes *reply = NULL;
	pinion_error *error =
		pinion_client_call(client, pinion_str(method), pinion_str(type), pinion_str(argument), &reply);

	expect(error, code, text, "%s(%.40s) fails: %.60s", method, argument, text);
	check(reply == NULL, "... and stores no reply");
	pinion_bytes_free(reply);
}

#endif
