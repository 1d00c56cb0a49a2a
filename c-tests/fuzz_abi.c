/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Sequences of calls of the C interface, for libFuzzer. The input is a program for a small machine: eight places with objects of any
 * kind, freed ones and numbers that never were objects among them; an instruction is a function and the places and texts that it gets.
 * Whatever the sequence, nothing crashes, what was handed over is destroyed once, and nothing is left at the end. */
#include "pinion.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define PLACES 8
/* Further places, for what callbacks were lent. */
#define LENT 2

struct input {
	const uint8_t *data;
	size_t length;
};

/* One place holds a pointer of whatever kind: what is right for one function is a foreign object for the next. */
static void *places[PLACES + LENT];
static long taken;
static long destroyed;

static uint8_t byte(struct input *input)
{
	if (input->length == 0)
		return 0;
	input->length--;
	return *input->data++;
}

/* Where something is put that has to be freed. */
static void **place(struct input *input)
{
	return &places[byte(input) % PLACES];
}

/* Anything. */
static void *any(struct input *input)
{
	return places[byte(input) % (PLACES + LENT)];
}

/* A text of the input, or one that comes near something useful, or one that is none. */
static pinion_view text(struct input *input)
{
	static const char *const known[] = {
		"a", "b", "", "{\"engineName\":\"a\"}", "{\"engineName\":\"b\",\"engineConfig\":{},\"plugin\":{\"p\":1}}",
		"int", "struct { A int; B []string }", "{\"A\":1,\"B\":[\"x\"]}", "1", "null", "Method", "Lstat",
		"{\"Path\":\"/\"}", "effective", "CAP_CHOWN", "pid", "/proc/self/ns/pid", "rslave",
	};
	uint8_t choice = byte(input);
	pinion_view view;

	if (choice < 0x80)
		return pinion_str(known[choice % (sizeof known / sizeof known[0])]);
	view.data = choice == 0xff ? NULL : input->data;
	view.length = choice & 0x3f;
	if (choice == 0xfe)
		view.length = SIZE_MAX;
	else if (view.data != NULL && view.length > input->length)
		view.length = input->length;
	if (choice == 0xfe)
		view.data = NULL;
	return view;
}

/* A name that may be registered: there are two, so that the registry does not grow. */
static pinion_view name(struct input *input)
{
	static const char *const names[] = { "a", "b", "" };

	return pinion_str(names[byte(input) % 3]);
}

/* A method that may be called: built-in ones that change the machine are not among them. */
static pinion_view asked(struct input *input)
{
	static const char *const methods[] = { "Method", "Lstat", "a", "", "No.Method" };

	return pinion_str(methods[byte(input) % 5]);
}

static void destroy(void *data)
{
	(void)data;
	destroyed++;
}

/* Data that is handed over: its destruction is counted. */
static void *data(void)
{
	taken++;
	return &taken;
}

static pinion_error *config(void *unused, void **object)
{
	(void)unused;
	*object = data();
	return NULL;
}

static pinion_error *decode(void *object, pinion_view json)
{
	(void)object;
	return json.length % 7 == 6 ? pinion_error_new(PINION_INVALID, 0, json) : NULL;
}

static pinion_error *encode(void *object, pinion_bytes **json)
{
	(void)object;
	return pinion_bytes_new(pinion_str("{}"), json);
}

/* Callbacks use the places as well, so that what they are lent gets out and what is in use is used again. */
static void init(void *unused, pinion_common *common)
{
	(void)unused;
	places[PLACES] = common;
}

static pinion_error *prepare(void *unused, pinion_config *starter)
{
	(void)unused;
	places[PLACES + 1] = starter;
	(void)!pinion_config_free(starter);
	return (pinion_error *)places[2];
}

static pinion_error *create(void *unused, const pinion_context *context, int32_t container, int32_t rpc)
{
	(void)unused;
	(void)rpc;
	places[PLACES + 1] = (void *)context;
	return container % 2 == 0 ? NULL : (pinion_error *)places[3];
}

static pinion_error *start(void *unused, pinion_master *master, int32_t *status)
{
	(void)unused;
	places[PLACES + 1] = master;
	*status = 0;
	return pinion_master_close(master);
}

static pinion_error *monitor(void *unused, int32_t container, pinion_signals *signals, int32_t *status)
{
	(void)unused;
	places[PLACES + 1] = signals;
	*status = container;
	return NULL;
}

static pinion_error *cleanup(void *unused, const pinion_context *context, const pinion_error *fatal, int32_t status)
{
	(void)unused;
	(void)context;
	(void)status;
	places[PLACES + 1] = (void *)fatal;
	return (pinion_error *)places[2];
}

static pinion_error *method(void *unused, pinion_view argument, pinion_bytes **reply)
{
	(void)unused;
	*reply = (pinion_bytes *)places[4];
	return argument.length % 3 == 2 ? (pinion_error *)places[5] : NULL;
}

/* Nobody else answers it: the server waits for that. */
static void later(void *unused, pinion_view argument, pinion_call *call)
{
	(void)unused;
	places[PLACES + 1] = call;
	pinion_error_free(argument.length % 2 == 0 ? pinion_call_reply(call, argument) : pinion_call_fail(call, argument));
}

static pinion_operations table(uint8_t flaw)
{
	pinion_operations operations;

	memset(&operations, 0, sizeof operations);
	operations.size = flaw == 1 ? 3 : flaw == 2 ? sizeof operations + 8 : sizeof operations;
	operations.config = flaw == 3 ? NULL : config;
	operations.decode_config = decode;
	operations.encode_config = encode;
	operations.destroy_config = destroy;
	operations.init_config = flaw & 0x80 ? init : NULL;
	operations.prepare_config = prepare;
	operations.create_container = create;
	operations.start_process = start;
	operations.monitor_container = flaw == 4 ? NULL : monitor;
	operations.cleanup_container = cleanup;
	return operations;
}

static void release(void *object)
{
	/* One of them is the right one. */
	(void)!pinion_error_free(object);
	(void)!pinion_bytes_free(object);
	(void)!pinion_common_free(object);
	(void)!pinion_config_free(object);
	(void)!pinion_context_free(object);
	(void)!pinion_signals_free(object);
	(void)!pinion_engine_free(object);
	(void)!pinion_methods_free(object);
	(void)!pinion_client_free(object);
}

/* What a call returned goes into a place, or is freed. */
static void keep(struct input *input, pinion_error *error)
{
	void **kept = place(input);

	if (error != NULL && byte(input) % 2 == 0) {
		release(*kept);
		*kept = error;
	} else {
		pinion_error_free(error);
	}
}

/* What a function gives out goes into a place of its own first. */
#define GIVEN(type, call)                       \
	do {                                    \
		type *given = NULL;             \
		pinion_error *failed = call;    \
		void **kept = place(input);     \
		if (failed == NULL) {           \
			release(*kept);         \
			*kept = given;          \
		}                               \
		keep(input, failed);            \
	} while (0)

static void make(struct input *input)
{
	pinion_operations operations;
	void **forged;

	switch (byte(input) % 11) {
	case 0:
		keep(input, pinion_error_new(byte(input), byte(input), text(input)));
		break;
	case 1:
		keep(input, pinion_error_new_with_data(byte(input) % 16, 0, text(input), &taken, data(), destroy));
		break;
	case 2:
		GIVEN(pinion_bytes, pinion_bytes_new(text(input), &given));
		break;
	case 3:
		operations = table(byte(input));
		keep(input, pinion_replace(name(input), byte(input) == 0 ? NULL : &operations, data(), destroy));
		break;
	case 4:
		GIVEN(pinion_engine, pinion_get(text(input), &given));
		break;
	case 5:
		GIVEN(pinion_common, pinion_engine_common(any(input), &given));
		break;
	case 6:
		GIVEN(pinion_config, pinion_config_new(text(input), byte(input) % 2 == 1, &given));
		break;
	case 7:
		GIVEN(pinion_context, pinion_context_new(&given));
		break;
	case 8:
		GIVEN(pinion_signals, pinion_signals_new(any(input), &given));
		break;
	case 9:
		GIVEN(pinion_methods, pinion_methods_new(&given));
		break;
	default:
		forged = place(input);
		release(*forged);
		*forged = (void *)(uintptr_t)(byte(input) * 0x0101010101010101u);
	}
}

static void change(struct input *input)
{
	void *object = any(input);
	pinion_view views[2];
	pinion_id_mapping mapping;
	int64_t id = (int64_t)byte(input) - 1;

	switch (byte(input) % 19) {
	case 0:
		keep(input, pinion_config_set_capabilities(object, text(input), (views[0] = text(input), views), 1));
		break;
	case 1:
		keep(input, pinion_config_set_ns_path(object, text(input), text(input)));
		break;
	case 2:
		keep(input, pinion_config_set_target_gid(object, &id, byte(input) % 2));
		break;
	case 3:
		mapping.container_id = byte(input);
		mapping.host_id = byte(input);
		mapping.size = byte(input);
		keep(input, pinion_config_add_uid_mappings(object, &mapping, byte(input) % 2));
		break;
	case 4:
		keep(input, pinion_config_write(object, text(input)));
		break;
	case 5:
		keep(input, pinion_config_release(object));
		break;
	case 6:
		keep(input, pinion_methods_add_json(object, text(input), text(input), method, data(), destroy));
		break;
	case 7:
		keep(input, pinion_methods_add_gob(object, text(input), byte(input) == 0 ? NULL : method, data(), destroy));
		break;
	case 8:
		keep(input, pinion_replace_rpc_methods(name(input), object));
		break;
	case 9:
		keep(input, pinion_common_set_plugin(object, text(input), text(input)));
		break;
	case 10:
		keep(input, pinion_common_set_container_id(object, text(input)));
		break;
	case 11:
		keep(input, pinion_context_cancel(object));
		break;
	case 12:
		keep(input, pinion_error_during(object, text(input)));
		break;
	case 13:
		keep(input, pinion_methods_add_later(object, text(input), byte(input) == 0 ? NULL : later, data(), destroy));
		break;
	case 14:
		GIVEN(pinion_context, pinion_context_keep(object, &given));
		break;
	case 15:
		keep(input, pinion_context_fail(object, any(input)));
		break;
	case 16:
		keep(input, pinion_context_failure(object));
		break;
	case 17:
		keep(input, byte(input) % 2 == 0 ? pinion_call_reply(object, text(input)) : pinion_call_fail(object, text(input)));
		break;
	default:
		keep(input, pinion_error_with_help(object, text(input)));
	}
}

static void read_out(struct input *input)
{
	void *object = any(input);

	switch (byte(input) % 9) {
	case 0:
		(void)pinion_error_text(object);
		(void)pinion_error_help(object);
		(void)pinion_error_data(object, &taken);
		(void)pinion_error_code(object);
		break;
	case 1:
		(void)pinion_bytes_view(object);
		break;
	case 2:
		GIVEN(pinion_bytes, pinion_config_settings(object, &given));
		break;
	case 3:
		GIVEN(pinion_bytes, pinion_config_json(object, &given));
		break;
	case 4:
		GIVEN(pinion_bytes, pinion_common_encode(object, &given));
		break;
	case 5:
		GIVEN(pinion_bytes, pinion_common_plugin(object, text(input), &given));
		break;
	case 6:
		(void)pinion_context_is_cancelled(object);
		(void)pinion_context_fd(object);
		break;
	case 7:
		GIVEN(pinion_bytes, pinion_names(&given));
		break;
	default:
		(void)pinion_common_engine_config(object);
		(void)pinion_config_image_fd(object);
	}
}

static void operate(struct input *input)
{
	void *engine = any(input);
	void *other = any(input);
	int pair[2];
	int32_t status;

	switch (byte(input) % 6) {
	case 0:
		keep(input, pinion_engine_prepare_config(engine, other));
		break;
	case 1:
		keep(input, pinion_engine_create_container(engine, other, byte(input), byte(input) % 3 == 0 ? -1 : 0));
		break;
	case 2:
		keep(input, pinion_engine_monitor_container(engine, byte(input) * 16, other, &status));
		break;
	case 3:
		keep(input, pinion_engine_cleanup_container(engine, other, any(input), byte(input)));
		break;
	case 4:
		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
			abort();
		keep(input, pinion_engine_start_process(engine, pair[0], &status));
		close(pair[1]);
		break;
	default:
		/* Calls are written ahead, then the server answers them until the end of the stream. */
		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
			abort();
		{
			pinion_client *client = NULL;
			uint64_t sequence = byte(input);
			pinion_bytes *reply = NULL;

			keep(input, pinion_client_new(pair[0], text(input), 1, &client));
			keep(input, pinion_client_send(client, asked(input), text(input), text(input), &sequence));
			keep(input, pinion_client_flush(client));
			shutdown(pair[0], SHUT_WR);
			keep(input, pinion_serve_rpc_requests(engine, pair[1]));
			keep(input, pinion_client_receive(client, sequence, &reply));
			pinion_bytes_free(reply);
			pinion_client_free(client);
		}
		close(pair[0]);
		close(pair[1]);
	}
}

static void must(bool holds)
{
	if (!holds)
		abort();
}

/* Nothing of the input stays: its objects are freed, its engines and methods replaced by such without data. */
static void forget(void)
{
	static const char *const names[] = { "a", "b" };
	pinion_operations plain = table(0);
	size_t i;

	for (i = 0; i < PLACES; i++) {
		release(places[i]);
		places[i] = NULL;
	}
	for (i = 0; i < 2; i++) {
		pinion_methods *methods = NULL;

		must(pinion_replace(pinion_str(names[i]), &plain, NULL, NULL) == NULL);
		must(pinion_methods_new(&methods) == NULL);
		must(pinion_replace_rpc_methods(pinion_str(names[i]), methods) == NULL);
	}
	must(pinion_object_count() == 0);
	must(taken == destroyed);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	struct input whole = { bytes, length };
	struct input *input = &whole;

	while (input->length > 0) {
		switch (byte(input) % 8) {
		case 0:
		case 1:
		case 2:
			make(input);
			break;
		case 3:
		case 4:
			change(input);
			break;
		case 5:
			read_out(input);
			break;
		case 6:
			operate(input);
			break;
		default:
			/* Freed, and left where it is. */
			release(any(input));
		}
	}
	forget();
	return 0;
}
