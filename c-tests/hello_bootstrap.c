/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* The engine of hello_starter.c in a program that has a runtime of its own: the lifecycle begins before main, which registers the
 * engine when it knows its role, and runs that: where argv[0] holds the word "thread", in a second thread, while main does work of
 * its own. */
#define main hello_main
#include "hello_starter.c"
#undef main
#include <pthread.h>

PINION_BOOTSTRAP(NULL)

static void *run_role(void *unused)
{
	pinion_error *error = pinion_lifecycle_run_role();

	(void)unused;
	fprintf(stderr, "hello-bootstrap: %s\n", pinion_error_text(error));
	pinion_error_free(error);
	exit(255);
}

int main(int argc, char **argv)
{
	static struct hello hello;
	pinion_error *error = NULL;
	pthread_t thread;

	if (pinion_lifecycle_role() == PINION_ROLE_NONE)
		return 254;
	error = register_hello(&hello);
	if (error != NULL) {
		fprintf(stderr, "hello-bootstrap: %s\n", pinion_error_text(error));
		pinion_error_free(error);
		return 255;
	}
	if (argc > 0 && strstr(argv[0], "thread") != NULL && pthread_create(&thread, NULL, run_role, NULL) == 0)
		for (;;)
			pause();
	run_role(NULL);
}
