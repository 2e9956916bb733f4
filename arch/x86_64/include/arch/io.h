// SPDX-License-Identifier: CC0-1.0
/* Purpose: device registers in memory and in the port space (see <hal/io.h>). */
#pragma once

#include <lib/types.h>

#define HAL_HAS_PORTS 1

/* Uncached accesses are ordered among themselves; the clobber orders the compiler. */
#define MMIO_ACCESS(bits, suffix)                                                                  \
    static inline uint##bits##_t mmio_read##bits(const volatile void *p)                           \
    {                                                                                              \
        uint##bits##_t v;                                                                          \
                                                                                                   \
        __asm__ volatile("mov" suffix " %1, %0"                                                    \
                         : "=r"(v)                                                                 \
                         : "m"(*(const volatile uint##bits##_t *)p)                                \
                         : "memory");                                                              \
        return v;                                                                                  \
    }                                                                                              \
    static inline void mmio_write##bits(volatile void *p, uint##bits##_t v)                        \
    {                                                                                              \
        __asm__ volatile("mov" suffix " %1, %0"                                                    \
                         : "=m"(*(volatile uint##bits##_t *)p)                                     \
                         : "r"(v)                                                                  \
                         : "memory");                                                              \
    }
MMIO_ACCESS(8, "b")
MMIO_ACCESS(16, "w")
MMIO_ACCESS(32, "l")
MMIO_ACCESS(64, "q")
#undef MMIO_ACCESS

#define PORT_ACCESS(bits, suffix)                                                                  \
    static inline uint##bits##_t port_read##bits(uint16_t port)                                    \
    {                                                                                              \
        uint##bits##_t v;                                                                          \
                                                                                                   \
        __asm__ volatile("in" suffix " %1, %0" : "=a"(v) : "Nd"(port) : "memory");                 \
        return v;                                                                                  \
    }                                                                                              \
    static inline void port_write##bits(uint16_t port, uint##bits##_t v)                           \
    {                                                                                              \
        __asm__ volatile("out" suffix " %0, %1" : : "a"(v), "Nd"(port) : "memory");                \
    }
PORT_ACCESS(8, "b")
PORT_ACCESS(16, "w")
PORT_ACCESS(32, "l")
#undef PORT_ACCESS

static inline bool mmio_probe32(const volatile void *p, uint32_t *out)
{
    *out = mmio_read32(p);
    return true;
}

/* Cached memory: loads stay in order and so do stores; only a load may pass an earlier store. */
#define dma_rmb() __asm__ volatile("" ::: "memory")
#define dma_wmb() __asm__ volatile("" ::: "memory")
#define dma_mb() __asm__ volatile("mfence" ::: "memory")
