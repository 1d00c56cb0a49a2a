/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* What Go cannot write: the table of callbacks as a constant of C, and calls by numbers in place of pointers, since what is registered
 * from Go is a handle. */
#ifndef PINION_GO_VTABLE_H
#define PINION_GO_VTABLE_H

#include <pinion.h>

/* Tells errors of this program's Go part from others: its address. */
extern const char pinion_go_errors;

/* Which build of the archive this was compiled for, if pkg-config said so. */
extern const uint64_t pinion_go_build;

/* How often something was registered in Go. Changed atomically. */
extern uint64_t pinion_go_registered;

pinion_error *pinion_go_replace(pinion_view name, uintptr_t engine, bool pre_start_process);
pinion_error *pinion_go_error(int32_t code, int32_t error_number, pinion_view text, uintptr_t error);
uintptr_t pinion_go_error_data(const pinion_error *error);
pinion_error *pinion_go_set_sink(void);
pinion_error *pinion_go_set_feeder(void);
pinion_error *pinion_go_add_method(pinion_methods *methods, pinion_view name, uintptr_t method);

#endif
