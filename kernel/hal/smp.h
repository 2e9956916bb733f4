// SPDX-License-Identifier: CC0-1.0
/* Purpose: starting other CPUs and calling them.  One CPU runs until "All CPUs" lands. */
#pragma once

#include <lib/types.h>

struct cpu;

/* Asks `cpu` to look at its thread's pending bits.  Any context. */
void hal_ipi_resched(struct cpu *cpu);
