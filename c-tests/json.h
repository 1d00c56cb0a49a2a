/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* JSON for the C programs of this folder: a strict reader (RFC 8259) that makes a tree, and a writer into memory.
 *
 *   struct json_error wrong;
 *   struct json *tree = json_parse(text, length, &wrong);
 *   const struct json *name = json_get(tree, "name");      NULL where there is none, or tree is no object
 *   for (item = list->first; item != NULL; item = item->next) ...
 *   json_free(tree);                                       the whole of it; NULL does nothing
 *
 *   struct json_writer writer = {0};
 *   json_open(&writer, '{');
 *   json_put_key(&writer, "name");                         commas come by themselves
 *   json_put_text(&writer, "a text");
 *   json_close(&writer, '}');
 *   if (!writer.failed) ...                                writer.data, writer.length; it is ended by a NUL as well
 *   free(writer.data);
 *
 * Stricter than JSON has to be: the key of an object stands there once, arrays and objects are at most JSON_DEPTH deep,
 * and no text has a NUL (\u0000), since texts are C strings here. */
#ifndef JSON_H
#define JSON_H

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define JSON_DEPTH 128

enum json_kind { JSON_NULL, JSON_BOOL, JSON_NUMBER, JSON_TEXT, JSON_ARRAY, JSON_OBJECT };

/* A value and what is in it. */
struct json {
	enum json_kind kind;
	bool truth;              /* of a JSON_BOOL */
	char *text;              /* of a JSON_TEXT, without escapes; of a JSON_NUMBER as it was written */
	char *key;               /* under which it stands in an object */
	const struct json *in;   /* the array or object that it stands in; NULL for the outermost */
	struct json *first;      /* of a JSON_ARRAY's or JSON_OBJECT's members */
	struct json *next;       /* member of the same array or object */
};

/* What is wrong with a text, and at which byte of it. */
struct json_error {
	const char *what;
	size_t at;
};

/* ---- the tree */

static inline void json_free(struct json *value)
{
	while (value != NULL) {
		struct json *next = value->next;

		json_free(value->first);
		free(value->text);
		free(value->key);
		free(value);
		value = next;
	}
}

static inline const struct json *json_get(const struct json *object, const char *key)
{
	const struct json *member;

	if (object == NULL || object->kind != JSON_OBJECT)
		return NULL;
	for (member = object->first; member != NULL; member = member->next)
		if (member->key != NULL && strcmp(member->key, key) == 0)
			return member;
	return NULL;
}

static inline size_t json_count(const struct json *list)
{
	const struct json *member;
	size_t count = 0;

	for (member = list->first; member != NULL; member = member->next)
		count++;
	return count;
}

/* Whether the value is a text with these letters. */
static inline bool json_is(const struct json *value, const char *text)
{
	return value != NULL && value->kind == JSON_TEXT && strcmp(value->text, text) == 0;
}

/* A number without fraction and exponent, if it is in this range. */
static inline bool json_integer(const struct json *value, int64_t least, int64_t most, int64_t *integer)
{
	intmax_t read;

	if (value == NULL || value->kind != JSON_NUMBER || value->text[strspn(value->text, "-0123456789")] != '\0')
		return false;
	errno = 0;
	read = strtoimax(value->text, NULL, 10);
	if (errno != 0 || read < least || read > most)
		return false;
	*integer = read;
	return true;
}

static inline const char *json_kind_name(const struct json *value)
{
	static const char *const names[] = {"null", "a boolean", "a number", "a string", "an array", "an object"};

	return names[value->kind];
}

/* ---- reading */

struct json_reader {
	const char *at, *end;
	const char *what;        /* is wrong */
};

static inline bool json_fail(struct json_reader *reader, const char *what)
{
	reader->what = what;
	return false;
}

/* The byte that comes next; 0, which is none of JSON's, at the end. */
static inline char json_peek(const struct json_reader *reader)
{
	return reader->at < reader->end ? *reader->at : '\0';
}

/* The same behind white space. */
static inline char json_next(struct json_reader *reader)
{
	while (reader->at < reader->end && strchr(" \t\r\n", *reader->at) != NULL && *reader->at != '\0')
		reader->at++;
	return json_peek(reader);
}

static inline bool json_accept(struct json_reader *reader, char wanted)
{
	if (json_next(reader) != wanted)
		return false;
	reader->at++;
	return true;
}

/* A copy of the bytes from `from` to where the reader is. */
static inline char *json_copy(struct json_reader *reader, const char *from)
{
	size_t length = (size_t)(reader->at - from);
	char *copy = malloc(length + 1);

	if (copy == NULL) {
		json_fail(reader, "no memory is left");
		return NULL;
	}
	memcpy(copy, from, length);
	copy[length] = '\0';
	return copy;
}

/* How long the character at `at` is in UTF-8, 0 for what is none (RFC 3629). */
static inline size_t json_character(const char *at, const char *end)
{
	unsigned char first = (unsigned char)*at;
	unsigned char second = end - at > 1 ? (unsigned char)at[1] : 0;
	size_t length = first < 0x80 ? 1 : first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 0;
	size_t byte;

	if (length > (size_t)(end - at))
		return 0;
	for (byte = 1; byte < length; byte++)
		if (((unsigned char)at[byte] & 0xc0) != 0x80)
			return 0;
	/* Longer than need be, surrogates, beyond U+10FFFF. */
	if ((first == 0xe0 && second < 0xa0) || (first == 0xed && second > 0x9f) ||
	    (first == 0xf0 && second < 0x90) || (first == 0xf4 && second > 0x8f))
		return 0;
	return length;
}

/* Writes a code point in UTF-8; returns where the next one goes. */
static inline char *json_encode(char *to, uint32_t code)
{
	if (code < 0x80) {
		*to++ = (char)code;
		return to;
	}
	if (code < 0x800) {
		*to++ = (char)(0xc0 | code >> 6);
	} else if (code < 0x10000) {
		*to++ = (char)(0xe0 | code >> 12);
		*to++ = (char)(0x80 | (code >> 6 & 0x3f));
	} else {
		*to++ = (char)(0xf0 | code >> 18);
		*to++ = (char)(0x80 | (code >> 12 & 0x3f));
		*to++ = (char)(0x80 | (code >> 6 & 0x3f));
	}
	*to++ = (char)(0x80 | (code & 0x3f));
	return to;
}

/* The four digits of \uXXXX. */
static inline bool json_unit(struct json_reader *reader, uint32_t *unit)
{
	static const char digits[] = "0123456789abcdef0123456789ABCDEF";
	int left;

	*unit = 0;
	for (left = 4; left > 0; left--) {
		char byte = json_peek(reader);
		const char *digit = byte == '\0' ? NULL : strchr(digits, byte);

		if (digit == NULL)
			return json_fail(reader, "expected four hexadecimal digits");
		*unit = *unit << 4 | ((uint32_t)(digit - digits) & 0xf);
		reader->at++;
	}
	return true;
}

/* What stands behind \u: a code point, of which the large ones are two units. */
static inline bool json_code(struct json_reader *reader, char **to)
{
	uint32_t code, second;

	if (!json_unit(reader, &code))
		return false;
	if (code == 0)
		return json_fail(reader, "a NUL in a text");
	if (code >= 0xd800 && code < 0xe000) {
		if (reader->end - reader->at < 2 || memcmp(reader->at, "\\u", 2) != 0)
			return json_fail(reader, "half a character");
		reader->at += 2;
		if (!json_unit(reader, &second))
			return false;
		if (code >= 0xdc00 || second < 0xdc00 || second >= 0xe000)
			return json_fail(reader, "half a character");
		code = 0x10000 + ((code - 0xd800) << 10) + (second - 0xdc00);
	}
	*to = json_encode(*to, code);
	return true;
}

/* What stands behind a backslash. */
static inline bool json_escape(struct json_reader *reader, char **to)
{
	static const char names[] = "\"\\/bfnrt", bytes[] = "\"\\/\b\f\n\r\t";
	char name = json_peek(reader);
	const char *found = name == '\0' ? NULL : strchr(names, name);

	reader->at++;
	if (name == 'u')
		return json_code(reader, to);
	if (found == NULL)
		return json_fail(reader, "an unknown escape");
	*(*to)++ = bytes[found - names];
	return true;
}

/* One character of a text, escaped or not. */
static inline bool json_read_character(struct json_reader *reader, char **to)
{
	size_t length;

	if (*reader->at == '\\') {
		reader->at++;
		return json_escape(reader, to);
	}
	if ((unsigned char)*reader->at < 0x20)
		return json_fail(reader, "a control character in a text");
	length = json_character(reader->at, reader->end);
	if (length == 0)
		return json_fail(reader, "a text is not UTF-8");
	memcpy(*to, reader->at, length);
	*to += length;
	reader->at += length;
	return true;
}

static inline bool json_read_text(struct json_reader *reader, char **text)
{
	const char *close;
	char *to;

	if (json_peek(reader) != '"')
		return json_fail(reader, "expected a text");
	close = reader->at + 1;
	while (close < reader->end && *close != '"')
		close += *close == '\\' ? 2 : 1;
	if (close >= reader->end)
		return json_fail(reader, "a text without an end");
	/* Without its escapes it is no longer than with them. */
	*text = to = malloc((size_t)(close - reader->at));
	if (to == NULL)
		return json_fail(reader, "no memory is left");
	reader->at++;
	while (reader->at < close) {
		if (!json_read_character(reader, &to)) {
			*to = '\0';
			return false;
		}
	}
	*to = '\0';
	reader->at = close + 1;
	return true;
}

static inline bool json_digits(struct json_reader *reader)
{
	const char *from = reader->at;

	while (json_peek(reader) >= '0' && json_peek(reader) <= '9')
		reader->at++;
	return reader->at > from || json_fail(reader, "expected a digit");
}

static inline bool json_read_number(struct json_reader *reader, char **text)
{
	const char *from = reader->at;
	char first;

	if (json_peek(reader) == '-')
		reader->at++;
	first = json_peek(reader);
	if (first == '0')
		reader->at++;
	else if (!json_digits(reader))
		return false;
	if (json_peek(reader) == '.') {
		reader->at++;
		if (!json_digits(reader))
			return false;
	}
	if (json_peek(reader) == 'e' || json_peek(reader) == 'E') {
		reader->at++;
		if (json_peek(reader) == '+' || json_peek(reader) == '-')
			reader->at++;
		if (!json_digits(reader))
			return false;
	}
	*text = json_copy(reader, from);
	return *text != NULL;
}

static inline bool json_read_word(struct json_reader *reader, const char *word)
{
	size_t length = strlen(word);

	if ((size_t)(reader->end - reader->at) < length || memcmp(reader->at, word, length) != 0)
		return json_fail(reader, "expected a value");
	reader->at += length;
	return true;
}

static inline bool json_read_key(struct json_reader *reader, struct json *member)
{
	char *key = NULL;
	bool read;

	json_next(reader);
	read = json_read_text(reader, &key);
	if (read && json_get(member->in, key) != NULL)
		read = json_fail(reader, "a key that stands there twice");
	member->key = key;
	return read && (json_accept(reader, ':') || json_fail(reader, "expected a colon"));
}

static inline bool json_read_value(struct json_reader *reader, struct json *value, unsigned int depth);

static inline bool json_read_members(struct json_reader *reader, struct json *in, char close, unsigned int depth)
{
	struct json **last = &in->first;

	if (depth > JSON_DEPTH)
		return json_fail(reader, "too many arrays and objects within each other");
	reader->at++;
	if (json_accept(reader, close))
		return true;
	do {
		struct json *member = calloc(1, sizeof(*member));

		if (member == NULL)
			return json_fail(reader, "no memory is left");
		member->in = in;
		*last = member;
		last = &member->next;
		if (in->kind == JSON_OBJECT && !json_read_key(reader, member))
			return false;
		if (!json_read_value(reader, member, depth))
			return false;
	} while (json_accept(reader, ','));
	return json_accept(reader, close) || json_fail(reader, "expected a comma or the end of the array or object");
}

static inline bool json_read_value(struct json_reader *reader, struct json *value, unsigned int depth)
{
	char next = json_next(reader);

	switch (next) {
	case '{':
		value->kind = JSON_OBJECT;
		return json_read_members(reader, value, '}', depth + 1);
	case '[':
		value->kind = JSON_ARRAY;
		return json_read_members(reader, value, ']', depth + 1);
	case '"':
		value->kind = JSON_TEXT;
		return json_read_text(reader, &value->text);
	case 't':
		value->kind = JSON_BOOL;
		value->truth = true;
		return json_read_word(reader, "true");
	case 'f':
		value->kind = JSON_BOOL;
		return json_read_word(reader, "false");
	case 'n':
		return json_read_word(reader, "null");
	default:
		if (next == '\0' || strchr("-0123456789", next) == NULL)
			return json_fail(reader, "expected a value");
		value->kind = JSON_NUMBER;
		return json_read_number(reader, &value->text);
	}
}

/* The one value that the text is. NULL for what is none: then `error` says why. The caller frees it with json_free. */
static inline struct json *json_parse(const char *text, size_t length, struct json_error *error)
{
	struct json_reader reader = {text, text + length, "no memory is left"};
	struct json *value = calloc(1, sizeof(*value));

	if (value != NULL && json_read_value(&reader, value, 0)) {
		json_next(&reader);
		if (reader.at == reader.end)
			return value;
		json_fail(&reader, "expected the end");
	}
	json_free(value);
	error->what = reader.what;
	error->at = (size_t)(reader.at - text);
	return NULL;
}

/* ---- writing */

/* A text that grows. All zero, it is empty. */
struct json_writer {
	char *data;
	size_t length, room;
	bool failed;             /* for want of memory: what is there is not the whole */
};

/* Puts bytes as they are. */
static inline void json_put_bytes(struct json_writer *writer, const char *bytes, size_t length)
{
	size_t needed = writer->length + length + 1;

	if (!writer->failed && needed > writer->room) {
		char *larger = realloc(writer->data, 2 * needed);

		if (larger == NULL) {
			writer->failed = true;
		} else {
			writer->data = larger;
			writer->room = 2 * needed;
		}
	}
	if (writer->failed)
		return;
	memcpy(writer->data + writer->length, bytes, length);
	writer->length += length;
	writer->data[writer->length] = '\0';
}

/* Puts a C string as it is. */
static inline void json_put(struct json_writer *writer, const char *text)
{
	json_put_bytes(writer, text, strlen(text));
}

/* Puts a comma, unless what comes is the first of its array or object, or stands under a key. */
static inline void json_put_comma(struct json_writer *writer)
{
	if (writer->length > 0 && strchr("[{:", writer->data[writer->length - 1]) == NULL)
		json_put(writer, ",");
}

/* Puts a text in quotation marks. NULL is empty. */
static inline void json_quote(struct json_writer *writer, const char *text)
{
	char escape[8];

	json_put(writer, "\"");
	for (; text != NULL && *text != '\0'; text++) {
		if (*text == '"' || *text == '\\') {
			snprintf(escape, sizeof(escape), "\\%c", *text);
			json_put(writer, escape);
		} else if ((unsigned char)*text < 0x20) {
			snprintf(escape, sizeof(escape), "\\u%04x", (unsigned int)(unsigned char)*text);
			json_put(writer, escape);
		} else {
			json_put_bytes(writer, text, 1);
		}
	}
	json_put(writer, "\"");
}

/* Begins an array or object: [ or {. */
static inline void json_open(struct json_writer *writer, char bracket)
{
	json_put_comma(writer);
	json_put_bytes(writer, &bracket, 1);
}

/* Ends it: ] or }. */
static inline void json_close(struct json_writer *writer, char bracket)
{
	json_put_bytes(writer, &bracket, 1);
}

static inline void json_put_key(struct json_writer *writer, const char *key)
{
	json_put_comma(writer);
	json_quote(writer, key);
	json_put(writer, ":");
}

/* Puts what is JSON already: a number, true, false, null. */
static inline void json_put_word(struct json_writer *writer, const char *word)
{
	json_put_comma(writer);
	json_put(writer, word);
}

static inline void json_put_text(struct json_writer *writer, const char *text)
{
	json_put_comma(writer);
	json_quote(writer, text);
}

static inline void json_put_bool(struct json_writer *writer, bool truth)
{
	json_put_word(writer, truth ? "true" : "false");
}

static inline void json_put_integer(struct json_writer *writer, int64_t integer)
{
	char digits[24];

	snprintf(digits, sizeof(digits), "%" PRId64, integer);
	json_put_word(writer, digits);
}

/* Puts a whole tree. */
static inline void json_put_value(struct json_writer *writer, const struct json *value)
{
	const struct json *member;

	switch (value->kind) {
	case JSON_NULL:
		json_put_word(writer, "null");
		break;
	case JSON_BOOL:
		json_put_bool(writer, value->truth);
		break;
	case JSON_NUMBER:
		json_put_word(writer, value->text);
		break;
	case JSON_TEXT:
		json_put_text(writer, value->text);
		break;
	case JSON_ARRAY:
	case JSON_OBJECT:
		json_open(writer, value->kind == JSON_ARRAY ? '[' : '{');
		for (member = value->first; member != NULL; member = member->next) {
			if (value->kind == JSON_OBJECT)
				json_put_key(writer, member->key);
			json_put_value(writer, member);
		}
		json_close(writer, value->kind == JSON_ARRAY ? ']' : '}');
		break;
	}
}

/* Puts where a value stands: `.fail.CreateContainer`, `.uid_map[0][2]`. Nothing for the outermost. */
static inline void json_put_path(struct json_writer *writer, const struct json *value)
{
	const struct json *member;
	char index[24];
	size_t number = 0;

	if (value->in == NULL)
		return;
	json_put_path(writer, value->in);
	if (value->in->kind == JSON_OBJECT) {
		json_put(writer, ".");
		json_put(writer, value->key);
		return;
	}
	for (member = value->in->first; member != value; member = member->next)
		number++;
	snprintf(index, sizeof(index), "[%zu]", number);
	json_put(writer, index);
}

#endif
