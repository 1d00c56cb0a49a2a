/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* Mistakes for c-tests/sanitize.sh to find: what it takes for clean is worth something only if these are found. */
#include <fcntl.h>
#include <limits.h>
#include <pinion.h>
#include <stdlib.h>

int main(int count, char **arguments)
{
	volatile char *volatile bytes = malloc(8);
	volatile int number = INT_MAX;
	char what = count > 1 ? arguments[1][0] : 0;

	/* Pinion's own, so that its allocations are seen: an error that nobody frees has a text. */
	pinion_error *error = pinion_error_new(PINION_CALLBACK, 0, pinion_str("planted"));

	if (what == 'o')
		bytes[8 + count] = 1;
	if (what == 'u')
		number += count;
	if (what == 'f' && open("/dev/null", O_RDONLY | O_CLOEXEC) < 0)
		return 2;
	if (what != 'l')
		free((void *)bytes);
	bytes = NULL;
	return pinion_error_free(error);
}
