/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* A starter without Go, for the engine that another object registers. */
#include "shared.h"

int main(void)
{
	must(pinion_lifecycle_run(NULL));
	return 0;
}
