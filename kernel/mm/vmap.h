// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: kernel virtual addresses other than the direct map: stacks with guard pages, devices.
 * Locking: LOCK_VMAP inside.  Never sleeps.
 */
#pragma once

#include <lib/types.h>

void vmap_init(void);
/* Maps device registers [pa, pa + bytes) with MMU_DEVICE (or MMU_WRITE_COMBINE) in `prot`. Return: an address
 * with pa's offset in the page, or NULL. */
void *__must_check vmap_device(paddr_t pa, size_t bytes, unsigned prot);
/* Maps registers that firmware named, read and write, and touches them so that nothing there is no harm.
 * name: in the log line.  at: offset of a 32-bit register whose reading changes nothing.
 * Return: 0; -ENOMEM; -ENODEV after a line with name and address: nothing answers there. */
err_t __must_check vmap_registers(const char *name, paddr_t pa, size_t bytes, unsigned at,
                                  volatile uint8_t **out);
void vmap_unmap_device(void *va, size_t bytes);
/* A kernel stack of KERNEL_STACK_SIZE with an unmapped page below; cached, so usually O(1) without
 * TLB work.  Return: its top, 0 when out of memory. */
uintptr_t __must_check vmap_stack_alloc(void);
void vmap_stack_free(uintptr_t top);
size_t vmap_stacks(void); /* that hold memory, the cached ones included */
/* Unmaps all cached stacks: before leak checks. */
void vmap_trim(void);
/* Tells whether addr lies in a guard page of a stack (a kernel stack overflow). */
bool vmap_is_guard(vaddr_t addr);
