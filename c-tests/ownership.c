/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* What a program hands over is destroyed exactly once, on every way out of every call that takes it. */
#include <stddef.h>
#include <sys/socket.h>

#include "engine.h"

typedef pinion_error *registers(pinion_view name, const pinion_operations *table, void *data, pinion_destroy destroy);

#define BUT(field) offsetof(pinion_operations, field)

/* Tables that are refused: a size, or a callback that is not there. */
static const struct {
	const char *what, *part;
	size_t size, without;
	int32_t code;
} TABLES[] = {
	{ "a size of 0", "least possible", 0, 0, PINION_MISUSE },
	{ "a size one too small", "least possible", offsetof(pinion_operations, decode_document) - 1, 0, PINION_MISUSE },
	{ "a size of SIZE_MAX", "newer libpinion", SIZE_MAX, 0, PINION_REFUSED },
	{ "a newer library's size", "newer libpinion", sizeof(pinion_operations) + sizeof(void *), 0, PINION_REFUSED },
	{ "no config", "no config", sizeof(pinion_operations), BUT(config), PINION_MISUSE },
	{ "no decode_config", "no decode_config", sizeof(pinion_operations), BUT(decode_config), PINION_MISUSE },
	{ "no encode_config", "no encode_config", sizeof(pinion_operations), BUT(encode_config), PINION_MISUSE },
	{ "no prepare_config", "no prepare_config", sizeof(pinion_operations), BUT(prepare_config), PINION_MISUSE },
	{ "no create_container", "no create_container", sizeof(pinion_operations), BUT(create_container), PINION_MISUSE },
	{ "no start_process", "no start_process", sizeof(pinion_operations), BUT(start_process), PINION_MISUSE },
	{ "no monitor_container", "no monitor_container", sizeof(pinion_operations), BUT(monitor_container), PINION_MISUSE },
};

/* Names that are refused by every call that takes the name of something. */
static const struct {
	const char *what;
	pinion_view name;
	int32_t code;
} NAMES[] = {
	{ "an empty name", { NULL, 0 }, PINION_INVALID },
	{ "a name with a NUL", { (const uint8_t *)"a\0b", 3 }, PINION_INVALID },
	{ "a name that is no UTF-8", { (const uint8_t *)"a\xff", 2 }, PINION_INVALID },
	{ "a name of NULL", { NULL, 1 }, PINION_MISUSE },
	{ "a name without end", { (const uint8_t *)"a", SIZE_MAX }, PINION_MISUSE },
};

#define COUNT(array) (sizeof(array) / sizeof *(array))

static void registering(registers *call, const char *who)
{
	pinion_operations table = idle_engine();
	char odd[sizeof table + sizeof(void *)];
	size_t i;
	int destroyed;

	for (i = 0; i < COUNT(NAMES); i++) {
		destroyed = 0;
		expect(call(NAMES[i].name, &table, &destroyed, count_up), NAMES[i].code, "name", "%s: %s", who, NAMES[i].what);
		check(destroyed == 1, "%s: %s: data is destroyed once (%d)", who, NAMES[i].what, destroyed);
	}
	for (i = 0; i < COUNT(TABLES); i++) {
		pinion_operations refused = idle_engine();

		destroyed = 0;
		refused.size = TABLES[i].size;
		if (TABLES[i].without != 0)
			memset((char *)&refused + TABLES[i].without, 0, sizeof(void (*)(void)));
		expect(call(pinion_str("refused"), &refused, &destroyed, count_up), TABLES[i].code, TABLES[i].part, "%s: %s",
		       who, TABLES[i].what);
		check(destroyed == 1, "%s: %s: data is destroyed once (%d)", who, TABLES[i].what, destroyed);
	}
	destroyed = 0;
	expect(call(pinion_str("refused"), NULL, &destroyed, count_up), PINION_MISUSE, "NULL", "%s: no table", who);
	check(destroyed == 1, "%s: no table: data is destroyed once (%d)", who, destroyed);
	memcpy(odd + 1, &table, sizeof table);
	expect(call(pinion_str("refused"), (const pinion_operations *)(const void *)(odd + 1), &destroyed, count_up),
	       PINION_MISUSE, "misaligned", "%s: a misaligned table", who);
	check(destroyed == 2, "%s: a misaligned table: data is destroyed once (%d)", who, destroyed - 1);
	expect(call(pinion_str("refused"), NULL, &destroyed, NULL), PINION_MISUSE, "NULL", "%s: nothing to destroy with", who);
	expect(call(pinion_str("refused"), NULL, NULL, NULL), PINION_MISUSE, "NULL", "%s: nothing to destroy", who);
}

static pinion_error *replace_myself(void *data, const pinion_context *context, int32_t container, int32_t rpc)
{
	pinion_operations table = idle_engine();
	pinion_error *error = pinion_replace(pinion_str("owned"), &table, NULL, NULL);

	(void)context, (void)container, (void)rpc;
	/* The container's number says how often the data was destroyed before and after. */
	return error != NULL || *(int *)data != 0 ? pinion_error_new(PINION_CALLBACK, 0, pinion_str("destroyed too early")) : NULL;
}

static void registered(void)
{
	pinion_operations table = idle_engine();
	pinion_context *context = NULL;
	pinion_engine *engine;
	int first = 0, second = 0, third = 0, sockets[2];

	table.size = offsetof(pinion_operations, decode_document);
	succeeds(pinion_register(pinion_str("older"), &table, NULL, NULL), "a table of the first version");
	table.size = sizeof table;
	succeeds(pinion_register(pinion_str("owned"), &table, &first, count_up), "an engine is registered");
	check(first == 0, "data of a registered engine stays");
	expect(pinion_register(pinion_str("owned"), &table, &second, count_up), PINION_ALREADY_EXISTS, "owned",
	       "a name is registered once");
	check(second == 1 && first == 0, "the refused engine's data is destroyed, the registered one's stays");
	second = 0;
	engine = get_engine("owned");
	put_engine("owned", &table, &second, count_up);
	check(first == 0, "data of a replaced engine stays as long as the engine is used");
	check(pinion_engine_free(engine) == 0 && first == 1 && second == 0, "... and is destroyed with its last use");

	table.create_container = replace_myself;
	put_engine("owned", &table, &third, count_up);
	check(second == 1, "data of a replaced engine that nobody uses is destroyed");
	engine = get_engine("owned");
	succeeds(pinion_context_new(&context), "a context");
	check(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets) == 0, "sockets");
	succeeds(pinion_engine_create_container(engine, context, 1, sockets[0]), "an engine replaces itself in a callback");
	close(sockets[0]), close(sockets[1]);
	check(third == 0, "... and its data stays as long as it is used");
	check(pinion_engine_free(engine) == 0 && third == 1, "... and is destroyed then");
	pinion_context_free(context);
}

static pinion_error *answer(void *data, pinion_view argument, pinion_bytes **reply)
{
	(void)data;
	return pinion_bytes_new(argument, reply);
}

/* Adds a JSON method if there is a type, else one for gob. */
static pinion_error *add(pinion_methods *methods, pinion_view name, const char *type, pinion_method method, int *destroyed)
{
	*destroyed = 0;
	return type == NULL ? pinion_methods_add_gob(methods, name, method, destroyed, count_up)
			    : pinion_methods_add_json(methods, name, pinion_str(type), method, destroyed, count_up);
}

static void methods(const char *type)
{
	const char *who = type == NULL ? "gob" : "json";
	pinion_methods *set = NULL, *freed = NULL;
	int destroyed, other;
	size_t i;

	succeeds(pinion_methods_new(&set), "%s: a set", who);
	succeeds(pinion_methods_new(&freed), "%s: another", who);
	pinion_methods_free(freed);
	for (i = 0; i < COUNT(NAMES); i++) {
		expect(add(set, NAMES[i].name, type, answer, &destroyed), NAMES[i].code, "", "%s: %s", who, NAMES[i].what);
		check(destroyed == 1, "%s: %s: data is destroyed once (%d)", who, NAMES[i].what, destroyed);
	}
	expect(add(set, pinion_str("A.B"), type, answer, &destroyed), PINION_INVALID, "full stop", "%s: a full stop", who);
	check(destroyed == 1, "%s: a full stop: data is destroyed once (%d)", who, destroyed);
	expect(add(set, pinion_str("A"), type, NULL, &destroyed), PINION_MISUSE, "NULL", "%s: no function", who);
	check(destroyed == 1, "%s: no function: data is destroyed once (%d)", who, destroyed);
	expect(add(freed, pinion_str("A"), type, answer, &destroyed), PINION_MISUSE, "freed", "%s: a freed set", who);
	check(destroyed == 1, "%s: a freed set: data is destroyed once (%d)", who, destroyed);
	expect(add(NULL, pinion_str("A"), type, answer, &destroyed), PINION_MISUSE, "NULL", "%s: no set", who);
	check(destroyed == 1, "%s: no set: data is destroyed once (%d)", who, destroyed);
	for (i = 0; type != NULL && i < 3; i++) {
		static const char *const TYPES[] = { "nonsense", "struct {", "[]" };

		expect(add(set, pinion_str("A"), TYPES[i], answer, &destroyed), PINION_INVALID, "", "the type %s", TYPES[i]);
		check(destroyed == 1, "the type %s: data is destroyed once (%d)", TYPES[i], destroyed);
	}
	succeeds(add(set, pinion_str("A"), type, answer, &destroyed), "%s: a method", who);
	succeeds(add(set, pinion_str("A"), type, answer, &other), "%s: another of its name", who);
	check(destroyed == 1 && other == 0, "%s: a replaced method's data is destroyed", who);
	check(pinion_methods_free(set) == 0 && other == 1 && destroyed == 1, "%s: a freed set's methods are destroyed", who);
}

static pinion_methods *set_with(int *destroyed)
{
	pinion_methods *set = NULL;

	if (succeeds(pinion_methods_new(&set), "a set"))
		succeeds(add(set, pinion_str("A"), NULL, answer, destroyed), "a method");
	return set;
}

static void registered_methods(void)
{
	pinion_methods *set;
	int first, second;
	size_t i;

	for (i = 0; i < COUNT(NAMES); i++) {
		set = set_with(&first);
		expect(pinion_register_rpc_methods(NAMES[i].name, set), NAMES[i].code, "", "methods: %s", NAMES[i].what);
		check(first == 1, "methods: %s: the set is destroyed", NAMES[i].what);
		check(pinion_methods_free(set) == PINION_MISUSE, "methods: %s: the set is gone", NAMES[i].what);
		set = set_with(&first);
		expect(pinion_replace_rpc_methods(NAMES[i].name, set), NAMES[i].code, "", "replaced: %s", NAMES[i].what);
		check(first == 1, "replaced: %s: the set is destroyed", NAMES[i].what);
	}
	set = set_with(&first);
	succeeds(pinion_register_rpc_methods(pinion_str("owned"), set), "methods are registered");
	check(first == 0, "registered methods stay");
	check(pinion_methods_free(set) == PINION_MISUSE && first == 0, "a set that was handed over is not to be freed");
	expect(pinion_register_rpc_methods(pinion_str("owned"), set), PINION_MISUSE, "freed", "... and not registered again");
	expect(pinion_register_rpc_methods(pinion_str("owned"), set_with(&second)), PINION_ALREADY_EXISTS, "owned",
	       "methods are registered once");
	check(second == 1 && first == 0, "the refused set is destroyed, the registered one stays");
	succeeds(pinion_replace_rpc_methods(pinion_str("owned"), set_with(&second)), "methods are replaced");
	check(first == 1 && second == 0, "the replaced set is destroyed, the other stays");
	succeeds(pinion_methods_new(&set), "an empty set");
	succeeds(pinion_replace_rpc_methods(pinion_str("owned"), set), "methods are replaced by none");
	check(second == 1, "the replaced set is destroyed");
}

int main(void)
{
	registering(pinion_register, "register");
	registering(pinion_replace, "replace");
	registered();
	methods(NULL);
	methods("[]string");
	registered_methods();
	return done();
}
