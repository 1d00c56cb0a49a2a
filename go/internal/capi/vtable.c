/* SPDX-License-Identifier: Apache-2.0 OR MIT */
#include "vtable.h"

#include "_cgo_export.h"

const char pinion_go_errors = 0;

#ifdef PINION_BUILD
const uint64_t pinion_go_build = PINION_BUILD;
#else
const uint64_t pinion_go_build = 0;
#endif

static void drop(void *data)
{
	pinionGoDrop((uintptr_t)data);
}

static void gone(void *data)
{
	pinionGoGone((uintptr_t)data);
}

static pinion_error *config(void *data, void **made)
{
	uintptr_t handle = 0;
	pinion_error *error = pinionGoConfig((uintptr_t)data, &handle);

	*made = (void *)handle;
	return error;
}

static pinion_error *decode_config(void *made, pinion_view json)
{
	(void)made, (void)json;
	return pinion_error_new(PINION_MISUSE, 0, pinion_str("decode_config: an engine written in Go decodes whole documents"));
}

static pinion_error *encode_config(void *made, pinion_bytes **json)
{
	return pinionGoEncodeConfig((uintptr_t)made, json);
}

static pinion_error *decode_document(void *made, pinion_view document)
{
	return pinionGoDecodeDocument((uintptr_t)made, document);
}

static pinion_error *encode_document(void *made, pinion_bytes **document)
{
	return pinionGoEncodeDocument((uintptr_t)made, document);
}

static void init_config(void *data, pinion_common *common)
{
	/* decode_document has called it. */
	(void)data, (void)common;
}

static pinion_error *declare(void *data, pinion_declaration *declaration)
{
	return pinionGoDeclare((uintptr_t)data, &declaration->pre_start_process, &declaration->monitor);
}

static pinion_error *prepare_config(void *data, pinion_config *starter)
{
	return pinionGoPrepareConfig((uintptr_t)data, starter);
}

static pinion_error *create_container(void *data, const pinion_context *context, int32_t container, int32_t rpc)
{
	return pinionGoCreateContainer((uintptr_t)data, (pinion_context *)context, container, rpc);
}

static pinion_error *start_process(void *data, pinion_master *master, int32_t *status)
{
	return pinionGoStartProcess((uintptr_t)data, master, status);
}

static pinion_error *pre_start_process(void *data, const pinion_context *context, int32_t container, int32_t master)
{
	return pinionGoPreStartProcess((uintptr_t)data, (pinion_context *)context, container, master);
}

static pinion_error *post_start_host(void *data, const pinion_context *context)
{
	return pinionGoPostStartHost((uintptr_t)data, (pinion_context *)context);
}

static pinion_error *post_start_process(void *data, const pinion_context *context, int32_t container)
{
	return pinionGoPostStartProcess((uintptr_t)data, (pinion_context *)context, container);
}

static pinion_error *monitor_container(void *data, int32_t container, pinion_signals *signals, int32_t *status)
{
	return pinionGoMonitorContainer((uintptr_t)data, container, signals, status);
}

static pinion_error *cleanup_container(void *data, const pinion_context *context, const pinion_error *fatal, int32_t status)
{
	return pinionGoCleanupContainer((uintptr_t)data, (pinion_context *)context, (pinion_error *)fatal, status);
}

static pinion_error *cleanup_host(void *data, const pinion_context *context)
{
	return pinionGoCleanupHost((uintptr_t)data, (pinion_context *)context);
}

pinion_error *pinion_go_replace(pinion_view name, uintptr_t engine, bool has_pre_start_process)
{
	pinion_operations table = {
		.size = sizeof table,
		.config = config,
		.decode_config = decode_config,
		.encode_config = encode_config,
		.destroy_config = drop,
		.init_config = init_config,
		.declare = declare,
		.prepare_config = prepare_config,
		.create_container = create_container,
		.start_process = start_process,
		.pre_start_process = has_pre_start_process ? pre_start_process : NULL,
		.post_start_host = post_start_host,
		.post_start_process = post_start_process,
		.monitor_container = monitor_container,
		.cleanup_container = cleanup_container,
		.cleanup_host = cleanup_host,
		.decode_document = decode_document,
		.encode_document = encode_document,
	};

	return pinion_replace(name, &table, (void *)engine, gone);
}

pinion_error *pinion_go_error(int32_t code, int32_t error_number, pinion_view text, uintptr_t error)
{
	return pinion_error_new_with_data(code, error_number, text, &pinion_go_errors, (void *)error, drop);
}

uintptr_t pinion_go_error_data(const pinion_error *error)
{
	return (uintptr_t)pinion_error_data(error, &pinion_go_errors);
}

static void say(void *data, int32_t level, const char *text)
{
	(void)data;
	pinionGoSay(level, (char *)text);
}

pinion_error *pinion_go_set_sink(void)
{
	return pinion_log_set_sink(say, NULL, NULL);
}

static void begin(void *data, pinion_view argument, pinion_call *call)
{
	pinionGoBegin((uintptr_t)data, argument, call);
}

pinion_error *pinion_go_add_method(pinion_methods *methods, pinion_view name, uintptr_t method)
{
	return pinion_methods_add_later(methods, name, begin, (void *)method, drop);
}

uint64_t pinion_go_registered;

static void feed(void *data)
{
	(void)data;
	pinionGoFeed();
}

pinion_error *pinion_go_set_feeder(void)
{
	return pinion_set_feeder(feed, NULL, &pinion_go_registered);
}
