/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* ---- for C alone */

/** A view of a C string, which stays where it is. NULL is empty. */
static inline pinion_view pinion_str(const char *text)
{
    pinion_view view;
    view.data = (const uint8_t *)text;
    view.length = text == NULL ? 0 : strlen(text);
    return view;
}

/** The options of a launch before anything is chosen. */
static inline pinion_launch_options pinion_launch_options_init(void)
{
    pinion_launch_options options;
    memset(&options, 0, sizeof options);
    options.size = sizeof options;
    options.level = 1;
    options.stdin_fd = options.stdout_fd = options.stderr_fd = options.record_fd = -1;
    options.by_descriptor = true;
    return options;
}

/** Lets the lifecycle begin before `main`, in whose object file this stands once, outside of a function: main then registers engines
 * and calls pinion_lifecycle_run_role. `host` is a const pinion_host *, or NULL. GNU C. */
#define PINION_BOOTSTRAP(host)                                                                                         \
    __attribute__((constructor)) static void pinion_bootstrap_constructor(void)                                        \
    {                                                                                                                  \
        pinion_lifecycle_bootstrap(host);                                                                              \
    }

#ifdef __cplusplus
}
#endif

#endif
