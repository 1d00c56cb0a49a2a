// SPDX-License-Identifier: Apache-2.0 OR MIT
// The header alone in C++.
#include <pinion.h>

#include <string>

static pinion_error *answer(void *data, pinion_view argument, pinion_bytes **reply)
{
	static_cast<std::string *>(data)->assign(reinterpret_cast<const char *>(argument.data), argument.length);
	return pinion_bytes_new(argument, reply);
}

int main()
{
	const pinion_launch_options options = pinion_launch_options_init();
	std::string data;
	pinion_methods *methods = nullptr;
	pinion_error *error = pinion_methods_new(&methods);

	if (error != nullptr || options.size != sizeof options || std::string(pinion_version()) != PINION_VERSION)
		return 1;
	error = pinion_methods_add_gob(methods, pinion_str("A"), answer, &data, nullptr);
	const int32_t code = pinion_error_code(error);
	pinion_error_free(error);
	return code == 0 && pinion_methods_free(methods) == 0 && pinion_object_count() == 0 ? 0 : 1;
}
