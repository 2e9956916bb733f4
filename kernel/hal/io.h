// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: device registers.  <arch/io.h> gives mmio_read8/16/32/64(const volatile void *),
 * mmio_write8/16/32/64(volatile void *, value) with the ordering devices need, and on machines
 * with ports port_read8/16/32(port), port_write8/16/32(port, value); HAL_HAS_PORTS is 1 or 0.
 * mmio_probe32(p, out) reads registers that a table names and that may not be there: the first touch of every
 * block that firmware placed (vmap_registers() makes it).  Any `p` that is mapped or not, aligned or not.
 * Return: whether anything answered (where nothing reads as all ones, that is an answer); else *out is as it was.
 * dma_rmb(), dma_wmb(), dma_mb() order a CPU's reads, writes, or both, of memory that it shares with a
 * device which works on its own (rings and descriptors): the CPU's and the device's.
 */
#pragma once

#include <lib/types.h>
#include <arch/io.h>
