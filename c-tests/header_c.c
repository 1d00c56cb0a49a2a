/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* The header alone in C: it needs nothing before it, and what it has for C alone works. */
#include <pinion.h>

int main(void)
{
	pinion_launch_options options = pinion_launch_options_init();
	pinion_view none = pinion_str(NULL), text = pinion_str("text");

	return !(pinion_abi_version() == PINION_ABI_VERSION && none.length == 0 && none.data == NULL && text.length == 4 &&
		 options.size == sizeof options && options.level == 1 && options.stdin_fd == -1 && options.stdout_fd == -1 &&
		 options.stderr_fd == -1 && options.record_fd == -1 && options.by_descriptor && !options.use_suid &&
		 !options.load_overlay_module && !options.post_start_host && !options.cleanup_host &&
		 options.starter.length == 0);
}
