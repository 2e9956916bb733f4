// SPDX-License-Identifier: CC0-1.0
/* Purpose: what the context switch does with floating point (see <hal/context.h>). */
#pragma once

#include <hal/cpu.h>

/* Interrupts off. */
void fpu_switch(struct cpu *cpu, struct hal_context *prev, struct hal_context *next);

/* Is `area` a state that the CPU will load? For frames that user mode wrote. */
bool fpu_area_valid(const void *area);
