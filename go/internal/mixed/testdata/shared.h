/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* What the objects of the mixed set have in common. */
#ifndef MIXED_SHARED_H
#define MIXED_SHARED_H

#include <errno.h>
#include <pinion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* An error of the system call that failed last. */
static inline pinion_error *failed(const char *what)
{
	int number = errno;
	char text[256];

	snprintf(text, sizeof(text), "%s: %s", what, strerror(number));
	return pinion_error_new(PINION_SYSTEM, number, pinion_str(text));
}

static inline pinion_error *refuse(const char *text)
{
	return pinion_error_new(PINION_INVALID, 0, pinion_str(text));
}

/* Ends the program for an error that there is nobody to return to, as in a constructor. */
static inline void must(pinion_error *error)
{
	if (error == NULL)
		return;
	fprintf(stderr, "mixed: %s\n", pinion_error_text(error));
	abort();
}

#endif
