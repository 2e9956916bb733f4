// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: what happens when an invariant is broken: cause, registers, symbolised backtrace on all
 * sinks, then `panic=` (-1 at once, N seconds, 0 halt).
 */
#pragma once

#include <lib/types.h>
#include <hal/regs.h>

__noreturn __cold __printf(1, 2) void panic(const char *format, ...);
__noreturn __cold __printf(2, 3) void panic_regs(const struct hal_regs *r, const char *format, ...);
extern bool panicking;

/* Checked in every build; `what` is said when it fails. */
#define K_ASSERT(cond)                                                                             \
    do {                                                                                           \
        if (unlikely(!(cond)))                                                                     \
            panic("assertion failed: %s, %s:%d", #cond, __FILE_NAME__, __LINE__);                  \
    } while (0)
/* Checked in debug builds (CONFIG_DEBUG), for what costs on hot paths. */
#ifdef CONFIG_DEBUG
#define K_DEBUG_ASSERT(cond) K_ASSERT(cond)
#else
#define K_DEBUG_ASSERT(cond) ((void)sizeof(cond))
#endif
#ifndef __FILE_NAME__
#define __FILE_NAME__ __FILE__
#endif

/* Power services hook in here: called last with true to reboot, false to halt. */
void panic_set_action(void (*action)(bool reboot));
/* `panic=`: seconds until the reboot, -1: at once, 0: never. */
int64_t panic_timeout_get(void);
void panic_timeout_set(int64_t seconds);
/* Prints a backtrace of the caller, or of a trap's registers, at the level given. */
void backtrace_log(int level, const struct hal_regs *r);

/* Symbols of the kernel image, from a table that the build links in (sorted by address). */
struct symbol {
    const char *name; /* NULL: none */
    uintptr_t offset;
};
struct symbol symbol_find(uintptr_t addr);
