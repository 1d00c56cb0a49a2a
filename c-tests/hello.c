/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* The smallest front end: hello STARTER PROGRAM runs a program under hello_starter.c and ends as it did. */
#define _GNU_SOURCE
#include <pinion.h>
#include <stdio.h>
#include <sys/wait.h>

int main(int argc, char **argv)
{
	pinion_launch_options options = pinion_launch_options_init();
	pinion_error *error;
	int32_t status = 0;
	char json[8192];

	if (argc != 3) {
		fprintf(stderr, "usage: hello STARTER PROGRAM, both absolute paths\n");
		return 2;
	}
	snprintf(json, sizeof json, "{\"engineName\":\"hello\",\"containerID\":\"first\",\"engineConfig\":\"%s\"}", argv[2]);
	options.starter = pinion_str(argv[1]);
	error = pinion_launch_run(pinion_str("hello runtime"), pinion_str(json), &options, &status);
	if (error != NULL) {
		fprintf(stderr, "hello: %s\n", pinion_error_text(error));
		if (pinion_error_help(error) != NULL)
			fprintf(stderr, "  help: %s\n", pinion_error_help(error));
		pinion_error_free(error);
		return 255;
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
