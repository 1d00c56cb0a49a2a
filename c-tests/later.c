/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Methods that answer later, from another thread than the server's. */
#include "client.h"

/* The calls that were begun and not answered, in their order. */
static struct {
	pinion_call *call;
	char argument[64];
	size_t length;
} begun[8];
static size_t begun_count;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t more = PTHREAD_COND_INITIALIZER;

static void begin(void *data, pinion_view argument, pinion_call *call)
{
	(void)data;
	pthread_mutex_lock(&mutex);
	begun[begun_count].call = call;
	begun[begun_count].length = argument.length;
	memcpy(begun[begun_count].argument, argument.data, argument.length);
	begun_count++;
	pthread_cond_signal(&more);
	pthread_mutex_unlock(&mutex);
}

static void await(size_t count)
{
	pthread_mutex_lock(&mutex);
	while (begun_count < count)
		pthread_cond_wait(&more, &mutex);
	pthread_mutex_unlock(&mutex);
}

static pinion_view argument_of(size_t i)
{
	pinion_view view = { (const uint8_t *)begun[i].argument, begun[i].length };

	return view;
}

static uint64_t send_number(pinion_client *client, const char *number)
{
	uint64_t sequence = 0;

	succeeds(pinion_client_send(client, pinion_str("Later"), pinion_str("int"), pinion_str(number), &sequence), "a request");
	succeeds(pinion_client_flush(client), "... goes out");
	return sequence;
}

static void receives(pinion_client *client, uint64_t sequence, const char *number)
{
	pinion_bytes *reply = NULL;

	succeeds(pinion_client_receive(client, sequence, &reply), "call %d is answered", (int)sequence);
	check(holds(reply, number), "... by %s", number);
}

static void refused(pinion_client *client, uint64_t sequence, const char *text)
{
	pinion_bytes *reply = NULL;

	expect(pinion_client_receive(client, sequence, &reply), PINION_RPC, text, "call %d fails", (int)sequence);
	check(reply == NULL, "... without a reply");
}

static pinion_engine *engine;
static int destroyed;

static void answers(void)
{
	struct server server;
	pinion_client *client = begin_client(&server, engine, "later");
	uint64_t calls_sent[3];
	int i;

	begun_count = 0;
	for (i = 0; i < 3; i++)
		calls_sent[i] = send_number(client, i == 0 ? "11" : i == 1 ? "12" : "13");
	await(3);
	calls(client, "Stat", "", "{\"Path\":\"/proc/self\"}", "\"Fi\":{\"type\":");
	for (i = 2; i >= 0; i--)
		succeeds(pinion_call_reply(begun[i].call, argument_of((size_t)i)), "a reply from another thread, the last call's first");
	receives(client, calls_sent[0], "11");
	receives(client, calls_sent[2], "13");
	receives(client, calls_sent[1], "12");
	expect(pinion_call_reply(begun[0].call, argument_of(0)), PINION_MISUSE, "freed", "a second reply");
	expect(pinion_call_fail(begun[0].call, pinion_str("late")), PINION_MISUSE, "freed", "an error after the reply");
	end_server(&server, client);
}

static void failures(void)
{
	struct server server;
	pinion_client *client = begin_client(&server, engine, "later");
	pinion_view none = { NULL, 0 }, null = { NULL, 7 };
	uint64_t calls_sent[5];
	size_t i;

	begun_count = 0;
	for (i = 0; i < 5; i++)
		calls_sent[i] = send_number(client, "7");
	await(5);
	succeeds(pinion_call_fail(begun[0].call, pinion_str("no \"luck\"")), "an error");
	refused(client, calls_sent[0], "no \"luck\"");
	succeeds(pinion_call_fail(begun[1].call, none), "an error without a text");
	refused(client, calls_sent[1], "rpc: method later.Later failed");
	succeeds(pinion_call_reply(begun[2].call, none), "no reply");
	refused(client, calls_sent[2], "the reply is no gob of one value: EOF");
	succeeds(pinion_call_reply(begun[3].call, pinion_str("nonsense")), "a reply that is no gob");
	refused(client, calls_sent[3], "the reply is no gob of one value");
	expect(pinion_call_reply(begun[4].call, null), PINION_MISUSE, "NULL", "a reply that is nowhere");
	refused(client, calls_sent[4], "gave no reply");
	end_server(&server, client);
}

/* The server has nothing else to do than to wait for the method: it ends after it, with its client long gone. */
static void a_client_that_leaves(void)
{
	struct server server;
	pinion_client *client = begin_client(&server, engine, "later");

	begun_count = 0;
	send_number(client, "5");
	await(1);
	check(pinion_client_free(client) == 0, "the client is freed");
	close(server.sockets[0]);
	expect(pinion_call_reply((pinion_call *)(void *)engine, argument_of(0)), PINION_MISUSE, "pinion_engine", "an engine as a call");
	expect(pinion_call_fail(NULL, pinion_str("text")), PINION_MISUSE, "NULL", "no call");
	succeeds(pinion_call_reply(begun[0].call, argument_of(0)), "an answer for nobody");
	pthread_join(server.thread, NULL);
	succeeds(server.error, "... ends the server");
}

int main(void)
{
	pinion_operations table = idle_engine();
	pinion_methods *set = NULL;
	size_t count;

	put_engine("later", &table, NULL, NULL);
	succeeds(pinion_methods_new(&set), "a set of methods");
	expect(pinion_methods_add_later(set, pinion_str("Later"), NULL, &destroyed, count_up), PINION_MISUSE, "NULL", "no function");
	check(destroyed == 1, "... and its data is destroyed");
	expect(pinion_methods_add_later(set, pinion_str("A.B"), begin, &destroyed, count_up), PINION_INVALID, "full stop", "a name");
	check(destroyed == 2, "... and its data is destroyed");
	succeeds(pinion_methods_add_later(set, pinion_str("Later"), begin, &destroyed, count_up), "a method");
	succeeds(pinion_replace_rpc_methods(pinion_str("later"), set), "... is registered");
	engine = get_engine("later");
	count = pinion_object_count();
	answers();
	failures();
	a_client_that_leaves();
	check(pinion_object_count() == count, "nothing is left (%zu, then %zu)", count, pinion_object_count());
	check(destroyed == 2, "the registered method is kept");
	succeeds(pinion_methods_new(&set), "another set");
	succeeds(pinion_replace_rpc_methods(pinion_str("later"), set), "... in its place");
	check(destroyed == 3, "... and its data is destroyed");
	pinion_engine_free(engine);
	return done();
}
