// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: device registers.  A read is ordered before later memory accesses, a write after
 * earlier ones (so that a descriptor in memory is seen by the device that it is handed to).
 */
#pragma once

#include <lib/types.h>

#define HAL_HAS_PORTS 0

#define MMIO_ACCESSORS(bits, suffix, reg)                                                          \
    static inline uint##bits##_t mmio_read##bits(const volatile void *p)                           \
    {                                                                                              \
        uint##bits##_t v;                                                                          \
                                                                                                   \
        __asm__ volatile("ldr" suffix " %" reg "0, [%1]\n\tdmb oshld"                              \
                         : "=r"(v)                                                                 \
                         : "r"(p)                                                                  \
                         : "memory");                                                              \
        return v;                                                                                  \
    }                                                                                              \
    static inline void mmio_write##bits(volatile void *p, uint##bits##_t v)                        \
    {                                                                                              \
        __asm__ volatile("dmb oshst\n\tstr" suffix " %" reg "0, [%1]" ::"rZ"(v), "r"(p)            \
                         : "memory");                                                              \
    }

MMIO_ACCESSORS(8, "b", "w")
MMIO_ACCESSORS(16, "h", "w")
MMIO_ACCESSORS(32, "", "w")
MMIO_ACCESSORS(64, "", "x")
#undef MMIO_ACCESSORS

bool mmio_probe32(const volatile void *p, uint32_t *out);

/* Devices are in the outer shareable domain. */
#define dma_rmb() __asm__ volatile("dmb oshld" ::: "memory")
#define dma_wmb() __asm__ volatile("dmb oshst" ::: "memory")
#define dma_mb() __asm__ volatile("dmb osh" ::: "memory")
