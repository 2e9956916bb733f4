// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: the calls that one architecture has for itself.
 */
#include <abi/syscalls_gen.h>

#include <hal/abi.h>

long sys_arch_prctl(int code, unsigned long addr)
{
    return abi_arch_prctl(code, addr);
}
