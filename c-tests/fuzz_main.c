/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* The inputs of fuzz_abi.c that are known, in an ordinary test run: fuzz_main FILE... */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

int main(int argc, char **argv)
{
	static uint8_t bytes[1 << 16];
	int i;

	for (i = 1; i < argc; i++) {
		FILE *file = fopen(argv[i], "rb");

		if (file == NULL) {
			perror(argv[i]);
			return 1;
		}
		LLVMFuzzerTestOneInput(bytes, fread(bytes, 1, sizeof bytes, file));
		fclose(file);
	}
	return argc > 1 ? 0 : 1;
}
