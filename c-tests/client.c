/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* The RPC client against pinion's own server: methods that are built in, methods of an engine, and what goes wrong. */
#include <poll.h>

#include "client.h"

static struct server server;
static pinion_engine *engine;

/* Replies the argument, as JSON or as gob. */
static pinion_error *echo(void *data, pinion_view argument, pinion_bytes **reply)
{
	++*(int *)data;
	return pinion_bytes_new(argument, reply);
}

static pinion_error *length(void *data, pinion_view argument, pinion_bytes **reply)
{
	char text[32];

	(void)data;
	snprintf(text, sizeof text, "%zu", argument.length);
	return pinion_bytes_new(pinion_str(text), reply);
}

/* What the method below does wrong. */
static const char *wrong;
static pinion_bytes *misused;

static pinion_error *do_wrong(void *data, pinion_view argument, pinion_bytes **reply)
{
	pinion_error *error = NULL;

	(void)data, (void)argument;
	if (strcmp(wrong, "an error") == 0)
		return pinion_error_with_help(pinion_error_new(PINION_REFUSED, 0, pinion_str("the very \"text\": no")), pinion_str("h"));
	if (strcmp(wrong, "a foreign error") == 0)
		return (pinion_error *)(void *)&server;
	if (strcmp(wrong, "a freed error") == 0) {
		error = pinion_error_new(1, 0, pinion_str("x"));
		pinion_error_free(error);
		return error;
	}
	if (strcmp(wrong, "nothing") == 0)
		return NULL;
	if (strcmp(wrong, "a foreign reply") == 0) {
		*reply = (pinion_bytes *)(void *)&server;
		return NULL;
	}
	if (strcmp(wrong, "an engine") == 0) {
		*reply = (pinion_bytes *)(void *)engine;
		return NULL;
	}
	error = pinion_bytes_new(pinion_str(strcmp(wrong, "no JSON") == 0 ? "{" : "\"a text\""), &misused);
	*reply = misused;
	if (strcmp(wrong, "a freed reply") == 0)
		pinion_bytes_free(misused);
	if (strcmp(wrong, "a reply and an error") == 0)
		return pinion_error_new(PINION_REFUSED, 0, pinion_str("after all"));
	return error;
}

static int own_calls, gob_calls, lstat_calls;

static void register_methods(void)
{
	pinion_operations table = idle_engine();
	pinion_methods *set = NULL;

	put_engine("rpc", &table, NULL, NULL);
	succeeds(pinion_methods_new(&set), "a set of methods");
	succeeds(pinion_methods_add_json(set, pinion_str("Echo"), pinion_str("struct { Name string; Sizes []int }"), echo,
					 &own_calls, NULL),
		 "a method of our own");
	succeeds(pinion_methods_add_json(set, pinion_str("Length"), pinion_str("int"), length, NULL, NULL), "another");
	succeeds(pinion_methods_add_json(set, pinion_str("Wrong"), pinion_str("int"), do_wrong, NULL, NULL), "one that errs");
	succeeds(pinion_methods_add_gob(set, pinion_str("WrongGob"), do_wrong, NULL, NULL), "one that errs in gob");
	succeeds(pinion_methods_add_gob(set, pinion_str("EchoGob"), echo, &gob_calls, NULL), "a method with gob");
	succeeds(pinion_methods_add_json(set, pinion_str("Lstat"), pinion_str("struct { Path string }"), echo, &lstat_calls, NULL),
		 "a method with a built-in one's name");
	succeeds(pinion_replace_rpc_methods(pinion_str("rpc"), set), "... are registered");
	engine = get_engine("rpc");
}

static void good_calls(void)
{
	pinion_client *client = begin_client(&server, engine, "rpc");

	calls(client, "Stat", "", "{\"Path\":\"/nonexistent\"}", "\"/nonexistent\"");
	calls(client, "Stat", "", "{\"Path\":\"/proc/self\"}", "\"Fi\":{\"type\":");
	calls(client, "Echo", "struct { Name string; Sizes []int }", "{\"Name\":\"\xc3\xa9\",\"Sizes\":[1,-2]}",
	      "{\"Name\":\"\xc3\xa9\",\"Sizes\":[1,-2]}");
	calls(client, "Echo", "", "{\"Name\":\"inferred\",\"Sizes\":[3]}", "{\"Name\":\"inferred\",\"Sizes\":[3]}");
	calls(client, "Length", "string", "\"four\"", "6");
	calls(client, "EchoGob", "[]string", "[\"a\",\"b\"]", "[\"a\",\"b\"]");
	calls(client, "EchoGob", "struct { A uint64; B map[string]bool }", "{\"A\":18446744073709551615,\"B\":{\"x\":true}}",
	      "18446744073709551615");
	calls(client, "Lstat", "", "{\"Path\":\"/proc/self\"}", "{\"Path\":\"/proc/self\"}");
	check(own_calls == 2 && gob_calls == 2 && lstat_calls == 1, "an engine's own method wins over a built-in one");
	succeeds(pinion_client_call(client, pinion_str("Length"), pinion_str(""), pinion_str("1"), NULL), "no place for a reply");
	end_server(&server, client);
}

static void refused_calls(void)
{
	static const struct {
		const char *wrong, *text;
	} WRONG[] = {
		{ "an error", "the very \"text\": no" },	  { "a foreign error", "not made by pinion" },
		{ "a freed error", "freed before" },		  { "nothing", "stored no bytes" },
		{ "a foreign reply", "not made by pinion" },	  { "an engine", "pointer to pinion_engine" },
		{ "a freed reply", "freed before" },		  { "no JSON", "" },
		{ "a reply of a wrong type", "" },		  { "a reply and an error", "after all" },
	};
	pinion_client *client = begin_client(&server, engine, "rpc"), *other = NULL;
	size_t i;

	refuses(client, "Nope", "", "1", PINION_RPC, "rpc: can't find method rpc.Nope");
	succeeds(pinion_client_new(server.sockets[0], pinion_str("other"), 60000, &other), "a client of another service");
	check(pinion_client_free(other) == 0, "... that says nothing");
	refuses(client, "Length", "nonsense", "1", PINION_INVALID, "");
	refuses(client, "Length", "struct {", "1", PINION_INVALID, "");
	refuses(client, "Length", "int", "\"text\"", PINION_INVALID, "");
	refuses(client, "Length", "", "{", PINION_INVALID, "JSON");
	refuses(client, "Length", "", "", PINION_INVALID, "JSON");
	refuses(client, "Stat", "", "{\"Path\":7}", PINION_INVALID, "Path");
	calls(client, "Length", "", "1", "1");
	for (i = 0; i < sizeof WRONG / sizeof *WRONG; i++) {
		wrong = WRONG[i].wrong;
		refuses(client, "Wrong", "", "1", PINION_RPC, WRONG[i].text);
		refuses(client, "WrongGob", "", "1", PINION_RPC, WRONG[i].text);
	}
	check(pinion_object_count() == 2, "nothing is left of that but engine and client (%zu)", pinion_object_count());
	calls(client, "Length", "", "1", "1");
	end_server(&server, client);
	client = begin_client(&server, NULL, "rpc");
	calls(client, "Length", "", "1", "1");
	end_server(&server, client);
	expect(pinion_serve_rpc_methods(pinion_str("nobody"), server.sockets[0]), PINION_SYSTEM, "descriptor", "a closed socket");
	client = begin_client(&server, engine, "none");
	refuses(client, "Length", "", "1", PINION_RPC, "rpc: can't find service none.Length");
	end_server(&server, client);
}

static void pipelined(void)
{
	pinion_client *client = begin_client(&server, engine, "rpc");
	pinion_bytes *reply = NULL;
	uint64_t numbers[4] = { 9, 9, 9, 9 };
	char argument[16];
	size_t i;

	for (i = 0; i < 4; i++) {
		snprintf(argument, sizeof argument, "\"%.*s\"", (int)i, "xxxx");
		succeeds(pinion_client_send(client, i == 1 ? pinion_str("Nope") : pinion_str("Length"), pinion_str("string"),
					    pinion_str(argument), &numbers[i]),
			 "request %zu", i);
	}
	expect(pinion_client_send(client, pinion_str("Length"), pinion_str("int"), pinion_str("[]"), &numbers[3]), PINION_INVALID,
	       "", "a request that cannot be sent");
	check(numbers[0] != numbers[1] && numbers[1] != numbers[2] && numbers[2] != numbers[3], "each has a number of its own");
	succeeds(pinion_client_flush(client), "they are sent");
	succeeds(pinion_client_flush(client), "nothing is sent");
	succeeds(pinion_client_receive(client, numbers[3], &reply), "the last reply");
	check(same(reply, "5"), "... first");
	reply = NULL;
	expect(pinion_client_receive(client, numbers[1], &reply), PINION_RPC, "rpc: can't find method rpc.Nope", "a failed one");
	check(reply == NULL, "... has no reply");
	succeeds(pinion_client_receive(client, numbers[0], &reply), "the first reply");
	check(same(reply, "2"), "... then");
	expect(pinion_client_receive(client, numbers[0], &reply), PINION_INVALID, "awaited", "a reply twice");
	expect(pinion_client_receive(client, UINT64_MAX, &reply), PINION_INVALID, "awaited", "a reply that nobody asked for");
	succeeds(pinion_client_receive(client, numbers[2], &reply), "a reply that nothing was said about");
	check(same(reply, "4"), "... last");
	succeeds(pinion_client_send(client, pinion_str("Length"), pinion_str(""), pinion_str("true"), &numbers[0]), "a request");
	succeeds(pinion_client_receive(client, numbers[0], &reply), "... goes out with its reply's wait");
	check(same(reply, "4"), "... as it is");
	end_server(&server, client);
}

static void broken_connections(void)
{
	pinion_client *client = NULL;
	pinion_bytes *reply = NULL;
	uint64_t number;
	char room[4096];
	int sockets[2];

	check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) == 0, "sockets");
	succeeds(pinion_client_new(sockets[0], pinion_str("rpc"), 50, &client), "a client with a limit of 50 ms");
	refuses(client, "Length", "", "1", PINION_TIMEOUT, "");
	refuses(client, "Length", "", "1", PINION_PEER_DIED, "");
	check(pinion_client_free(client) == 0, "a reply that comes too late ends the connection");

	close(sockets[0]), close(sockets[1]);
	check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) == 0, "sockets");
	succeeds(pinion_client_new(sockets[0], pinion_str("rpc"), 0, &client), "a client without a limit");
	succeeds(pinion_client_send(client, pinion_str("Length"), pinion_str(""), pinion_str("1"), &number), "a request");
	succeeds(pinion_client_flush(client), "... is sent");
	check(read(sockets[1], room, sizeof room) > 0 && write(sockets[1], "\x05", 1) == 1, "a server begins to reply");
	close(sockets[1]);
	expect(pinion_client_receive(client, number, &reply), PINION_PEER_DIED, "", "... and dies");
	expect(pinion_client_send(client, pinion_str("Length"), pinion_str(""), pinion_str("1"), &number), PINION_PEER_DIED, "",
	       "after the connection's end");
	check(pinion_client_free(client) == 0 && pinion_client_free(client) == PINION_MISUSE, "a client is freed once");
	close(sockets[0]);

	expect(pinion_client_new(-1, pinion_str("rpc"), 0, &client), PINION_SYSTEM, "descriptor", "no socket");
	expect(pinion_serve_rpc_requests(engine, -1), PINION_SYSTEM, "descriptor", "no socket to serve");
}

/* Whole messages that are none: a type that nobody defined, a value that ends too early, a length that is none. */
static void other_protocols(void)
{
	static const char *const GARBAGE[] = { "\x02\x7e\x01", "\x03\xff\xff\xff", "\xf0\x01\x01\x01" };
	pinion_client *client = NULL;
	int sockets[2];
	size_t i;

	for (i = 0; i < sizeof GARBAGE / sizeof *GARBAGE; i++) {
		ssize_t size = (ssize_t)strlen(GARBAGE[i]);

		check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) == 0, "sockets");
		succeeds(pinion_client_new(sockets[0], pinion_str("rpc"), 60000, &client), "a client");
		check(write(sockets[1], GARBAGE[i], strlen(GARBAGE[i])) == size, "a server that is none: %zu", i);
		refuses(client, "Length", "", "1", PINION_PROTOCOL, "");
		pinion_client_free(client);
		close(sockets[0]), close(sockets[1]);
		check(begin_server(&server, engine, "") && write(server.sockets[0], GARBAGE[i], strlen(GARBAGE[i])) == size,
		      "a client that is none: %zu", i);
		pthread_join(server.thread, NULL);
		expect(server.error, PINION_PROTOCOL, "", "... is an error of the server");
		close(server.sockets[0]);
	}
}

/* A second thread that uses the client while the first one waits. */
static void *receive(void *data)
{
	static pinion_error *error;
	pinion_bytes *reply = NULL;

	error = pinion_client_call(data, pinion_str("Length"), pinion_str(""), pinion_str("1"), &reply);
	pinion_bytes_free(reply);
	return &error;
}

static void two_threads(void)
{
	pinion_client *client = NULL;
	pthread_t thread;
	struct pollfd request;
	uint64_t number;
	void *error;
	int sockets[2];

	check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) == 0, "sockets");
	succeeds(pinion_client_new(sockets[0], pinion_str("rpc"), 60000, &client), "a client");
	check(pthread_create(&thread, NULL, receive, client) == 0, "a thread that waits for a reply");
	request.fd = sockets[1];
	request.events = POLLIN;
	check(poll(&request, 1, 60000) == 1, "... has sent its request");
	expect(pinion_client_flush(client), PINION_MISUSE, "in use", "another thread is refused meanwhile");
	expect(pinion_client_send(client, pinion_str("A"), pinion_str(""), pinion_str("1"), &number), PINION_MISUSE, "in use",
	       "... whatever it wants");
	check(pinion_client_free(client) == PINION_MISUSE, "... and cannot free the client");
	close(sockets[1]);
	pthread_join(thread, &error);
	expect(*(pinion_error **)error, PINION_PEER_DIED, "", "the first goes on");
	check(pinion_client_free(client) == 0, "the client is freed then");
	close(sockets[0]);
}

int main(void)
{
	register_methods();
	good_calls();
	refused_calls();
	pipelined();
	broken_connections();
	other_protocols();
	two_threads();
	pinion_engine_free(engine);
	return done();
}
