/* SPDX-License-Identifier: Apache-2.0 OR MIT */
#include <pinion.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

bool pinion_boot_ran;

extern char **environ;

/* The name of the variable that ends in _MESSAGELEVEL: products of the family differ in what comes before. */
static pinion_view level_variable(void)
{
	static const char END[] = "_MESSAGELEVEL=";
	pinion_view name = { NULL, 0 };
	char **entry;

	for (entry = environ; entry != NULL && *entry != NULL; entry++) {
		const char *end = strstr(*entry, END), *value = strchr(*entry, '=');

		if (end != NULL && value == end + sizeof END - 2) {
			name.data = (const uint8_t *)*entry;
			name.length = (size_t)(value - *entry);
		}
	}
	return name;
}

/* Package core says both too, but not before stage 1 has been made and engines have been initialised. */
static void refuse_another_library(void)
{
#ifdef PINION_BUILD
	const unsigned long long with = PINION_BUILD, is = pinion_build();
#else
	const unsigned long long with = 0, is = 0;
#endif

	if (pinion_abi_version() != PINION_ABI_VERSION)
		dprintf(2, "pinion: error: use libpinion: its interface has version %u, and this program was built for version %u\n"
			"  help: build the program again with the header that belongs to the library\n",
			(unsigned)pinion_abi_version(), (unsigned)PINION_ABI_VERSION);
	else if (is != 0 && is != with)
		dprintf(2, "pinion: error: use libpinion: this program was compiled for build %016llx of the archive and linked with "
			"build %016llx\n  help: build it with go build -a, as the go command does not look into archives\n", with, is);
	else
		return;
	_exit(255);
}

__attribute__((constructor)) static void boot(void)
{
	pinion_host host;
	sigset_t all;

	refuse_another_library();
	memset(&host, 0, sizeof host);
	host.size = sizeof host;
	host.level_variable = level_variable();
	pinion_boot_ran = true;
	pinion_lifecycle_bootstrap(&host);
	/* Go's threads keep the mask with which they begin, and hand it on to the programs that they execute. */
	sigfillset(&all);
	pthread_sigmask(SIG_UNBLOCK, &all, NULL);
}
