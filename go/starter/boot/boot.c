/* SPDX-License-Identifier: Apache-2.0 OR MIT */
#include <pinion.h>
#include <signal.h>
#include <string.h>

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

__attribute__((constructor)) static void boot(void)
{
	pinion_host host;
	sigset_t urgent;

	memset(&host, 0, sizeof host);
	host.size = sizeof host;
	host.level_variable = level_variable();
	pinion_boot_ran = true;
	pinion_lifecycle_bootstrap(&host);
	/* Go interrupts its threads with it. */
	sigemptyset(&urgent);
	sigaddset(&urgent, SIGURG);
	pthread_sigmask(SIG_UNBLOCK, &urgent, NULL);
}
