// SPDX-License-Identifier: CC0-1.0
/* Purpose: device registers on the host: memory that tests provide. */
#pragma once

#include <lib/types.h>

#define HAL_HAS_PORTS 0

#define HOST_MMIO(bits)                                                                            \
    static inline uint##bits##_t mmio_read##bits(const volatile void *p)                           \
    {                                                                                              \
        return *(const volatile uint##bits##_t *)p;                                                \
    }                                                                                              \
    static inline void mmio_write##bits(volatile void *p, uint##bits##_t v)                        \
    {                                                                                              \
        *(volatile uint##bits##_t *)p = v;                                                         \
    }
HOST_MMIO(8)
HOST_MMIO(16)
HOST_MMIO(32)
HOST_MMIO(64)
#undef HOST_MMIO

static inline bool mmio_probe32(const volatile void *p, uint32_t *out)
{
    *out = mmio_read32(p);
    return true;
}

/* The device is a test in the same thread. */
#define dma_rmb() __asm__ volatile("" ::: "memory")
#define dma_wmb() __asm__ volatile("" ::: "memory")
#define dma_mb() __asm__ volatile("" ::: "memory")
