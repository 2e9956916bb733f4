// SPDX-License-Identifier: CC0-1.0
/* Purpose: what boot's assembly and C share. */
#pragma once

#include <lib/types.h>

struct cpu;

extern char boot_stack_top[];

/* From assembly: loader protocol, physical address of its record, load offset of the image. */
__noreturn void boot_start(unsigned protocol, uint32_t info, uint64_t offset);
/* From assembly, on the stack of the CPU's area: a further CPU. */
__noreturn void secondary_start(struct cpu *cpu);
/* The page below 1 MiB where further CPUs begin; 0: there is none. */
void secondary_page_set(paddr_t page);
