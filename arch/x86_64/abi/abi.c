// SPDX-License-Identifier: CC0-1.0
/* Purpose: the small rest of Linux's x86_64 ABI: auxiliary vector, arch_prctl(2), RDRAND. */
#include <hal/abi.h>

#include <cpu/feature.h>
#include <cpu/tls.h>
#include <hal/context.h>
#include <hal/mmu.h>
#include <hal/usercopy.h>

#include <asm/hwcap2.h>
#include <asm/prctl.h>

#define RDRAND_TRIES 10 /* SDM vol. 1, 7.3.17.1 */

uint64_t abi_hwcap(void)
{
    return features.leaf1_edx;
}

uint64_t abi_hwcap2(void)
{
    return features.fsgsbase ? HWCAP2_FSGSBASE : 0;
}

static long word_out(uint64_t addr, uint64_t v)
{
    return user_store_u64(USER_PTR(uint64_t, addr), v);
}

long abi_arch_prctl(int code, uint64_t addr)
{
    switch (code) {
    case ARCH_SET_FS:
    case ARCH_SET_GS:
        if (addr >= USER_TOP)
            return -EPERM;
        if (code == ARCH_SET_FS)
            hal_tls_set(addr);
        else
            tls_gs_set(addr);
        return 0;
    case ARCH_GET_FS:
        return word_out(addr, hal_tls_get());
    case ARCH_GET_GS:
        return word_out(addr, tls_gs_get());
    case ARCH_GET_CPUID: /* CPUID never faults: no CPU of ours is told to make it */
        return 1;
    case ARCH_SET_CPUID:
        return -ENODEV;
    default:
        return -EINVAL;
    }
}

bool abi_hw_random(uint64_t *out)
{
    bool ok = false;

    if (!features.rdrand)
        return false;
    for (int i = 0; i < RDRAND_TRIES && !ok; i++)
        __asm__ volatile("rdrand %0" : "=r"(*out), "=@ccc"(ok));
    return ok;
}
