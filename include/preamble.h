/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* pinion: the engine layer of a container runtime. This file is made by `make header` from rust/src/ffi/abi; docs/abi.md has
 * the reasons, docs/c-starter.md walks through a starter.
 *
 * Link with `pkg-config --cflags --libs pinion`; with --static for the archive libpinion.a.
 *
 * The rules, which every comment below relies on:
 *
 * Results. A function that may fail returns NULL for success, or an error object that its caller frees with
 *   pinion_error_free. Results are written through pointers, and only on success. Nothing is both in and out, but for
 *   the size with which a structure begins. There is no last error, and errno is what it was before the call.
 * Texts. What goes in is a pinion_view, a pointer and a length, in UTF-8 where nothing else is said; pinion_str makes one of a
 *   C string. What comes out of pinion for people is a C string; everything else is a pinion_view or pinion_bytes.
 * Ownership. What is passed in is borrowed for the call and copied, unless the comment says that pinion takes it: then it
 *   is pinion's from the first line of the call, refusals included. Data that is registered with callbacks comes with a
 *   function that destroys it, which is called exactly once. What comes out says who frees it. Every function whose name
 *   ends in _free takes NULL. Descriptors stay the caller's unless the comment says otherwise.
 * Objects. Pointers to incomplete types are numbers that are checked at every use, not addresses: what was freed, is of another
 *   kind, or comes from somewhere else is an error with PINION_MISUSE. A process that was forked has none of its parent's
 *   objects. An object lent to a callback ends when that returns.
 * Threads. Functions may be called from any thread at any time where nothing else is said. An owned object is used by one
 *   thread at a time; a second one gets an error.
 * Structures begin with their size where they may grow; fields are only ever added at the end. One that is shorter than the
 *   library's has zeros for the rest; one that is longer is refused.
 * Numbers have the unit and the range that their comment says. Wait statuses are those of wait(2).
 * Panics of the library become errors with PINION_PANIC. Leaving a callback by longjmp or by a C++ exception is undefined.
 * A good guest. Outside of a lifecycle pinion sets no signal handler and no alternate stack, makes no thread, registers nothing
 *   with atexit, changes nothing of the environment and prints nothing. It exports nothing but pinion_*. */
#ifndef PINION_H
#define PINION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/** The library's version that this header belongs to. */
#define PINION_VERSION "@VERSION@"
#define PINION_VERSION_MAJOR @MAJOR@
#define PINION_VERSION_MINOR @MINOR@
#define PINION_VERSION_PATCH @PATCH@

#if defined(__GNUC__) || defined(__clang__)
#define PINION_MUST_USE __attribute__((warn_unused_result))
#else
#define PINION_MUST_USE
#endif

#ifdef __cplusplus
extern "C" {
#endif
