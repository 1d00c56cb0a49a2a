/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* The header twice in one unit, and, in header_unit.c, in another one of the same program. */
#include <pinion.h>
#include <pinion.h>

size_t length_elsewhere(const char *text);

int main(void)
{
	return !(length_elsewhere("text") == pinion_str("text").length);
}
