// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: what Debian's libfdt.a, built with -fstack-protector, expects.  The kernel's own code is
 * built without: its stacks have guard pages.
 */
#include <lib/types.h>

uintptr_t __stack_chk_guard = 0x00c0de5ca1ab1e00;
__noreturn void __stack_chk_fail(void);

void __stack_chk_fail(void)
{
    __builtin_trap(); /* BRK: reported with registers and backtrace */
}
