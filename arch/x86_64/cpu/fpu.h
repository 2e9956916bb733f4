// SPDX-License-Identifier: CC0-1.0
/* Purpose: what the context switch does with floating point (see <hal/context.h>). */
#pragma once

#include <hal/cpu.h>

/* Interrupts off. */
void fpu_switch(struct cpu *cpu, struct hal_context *prev, struct hal_context *next);

/* The running thread's area, holding its present state. */
void *fpu_sync_current(void);
/* The running thread's area, to be filled with a new state; the CPU's registers are forgotten. */
void *fpu_detach_current(void);
/* The state of a new program for the running thread. */
void fpu_reset_current(void);

/*
 * Saves the state straight into user memory at `at`, 64-byte aligned, whose header (XSAVE) is clear.
 * Return: false when that did not work: the state is not in the CPU, or the memory not there.
 */
bool __must_check fpu_save_user(vaddr_t at);
/* Loads it from there.  Return: false when that did not work, for one of these reasons or because
 * the CPU refuses it; the state is then undefined. */
bool __must_check fpu_load_user(vaddr_t at);

/* Is `area` a state that the CPU will load? For frames that user mode wrote. */
bool fpu_area_valid(const void *area);
/* Only the first 512 bytes of `area` are filled: x87 and SSE, the rest as in a new program. */
void fpu_area_legacy(void *area);
