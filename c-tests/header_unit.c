/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* The other unit of header_twice.c. */
#include <pinion.h>

size_t length_elsewhere(const char *text);

size_t length_elsewhere(const char *text)
{
	return pinion_str(text).length;
}
