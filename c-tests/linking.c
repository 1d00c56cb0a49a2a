/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* What c-tests/linkers.sh links in every way: the whole of pinion, and with -DNEIGHBOUR another Rust archive beside it. Says what does
 * not work and exits with 1. */
#include <pinion.h>
#include <stdio.h>

/* In the libraries that are made for tests. */
pinion_error *pinion_fault_panic(pinion_view text) __attribute__((weak));

/* c-tests/neighbour.rs */
int neighbour(void);

static int failures;

static void check(bool holds, const char *what)
{
	if (!holds)
		fprintf(stderr, "does not hold: %s\n", what);
	failures += !holds;
}

static bool is(pinion_error *error, int32_t code)
{
	bool holds = pinion_error_code(error) == code;

	return pinion_error_free(error) == 0 && holds;
}

int main(int argc, char **argv)
{
	pinion_engine *engine = NULL;

	(void)argv;
	check(pinion_abi_version() == PINION_ABI_VERSION, "the library is that of the header");
	check(is(pinion_get(pinion_str("{\"engineName\":\"none\"}"), &engine), PINION_NOT_FOUND), "an engine is not found");
	if (pinion_fault_panic != NULL)
		check(is(pinion_fault_panic(pinion_str("planted")), PINION_PANIC), "a panic of pinion is caught");
#ifdef NEIGHBOUR
	check(neighbour() == 7, "a panic of the other Rust library is caught");
	if (pinion_fault_panic != NULL)
		check(is(pinion_fault_panic(pinion_str("planted")), PINION_PANIC), "... and one of pinion after it");
#endif
	check(pinion_object_count() == 0, "no object is left");
	/* Never so, but no compiler knows. */
	if (argc > 1000)
		return is(pinion_lifecycle_run(NULL), 0);
	return failures != 0;
}
