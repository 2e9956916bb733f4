// SPDX-License-Identifier: CC0-1.0
/* Purpose: what the host's own files share. */
#pragma once

#include <arch/host.h>
#include <hal/cpu.h>
#include <hal/mmu.h>

#include "os.h"

/* Sanitizers follow a change of stacks only when told. */
#ifdef __SANITIZE_ADDRESS__
#define HOST_ASAN 1
#elif defined __has_feature
#if __has_feature(address_sanitizer)
#define HOST_ASAN 1
#endif
#endif
#ifndef HOST_ASAN
#define HOST_ASAN 0
#endif

#define HOST_RAM_LOW_START (1 * MiB)
#define HOST_IMAGE_BYTES (64 * KiB)

void host_ram_init(void);
bool host_is_ram(paddr_t pa, uint64_t bytes);
/* The root table of the kernel's space, inside the pretended image. */
paddr_t host_kernel_root(void);

/* Saves the running stack in *save and goes on where `load` was saved (switch.S). */
void host_switch_stack(uintptr_t *save, uintptr_t load);
/* Where a fresh stack starts. */
void host_stack_entry(void);
/* Builds a fresh stack below `top`; host_switch_stack to the result enters host_context_main. */
uintptr_t host_stack_prepare(uintptr_t top);
/* Switches with the sanitizer told: `fake` of the old stack, and bounds of the new. */
void host_switch_told(uintptr_t *save, uintptr_t load, void **fake, uintptr_t new_top);
/* The first C on a fresh stack. */
__noreturn void host_context_main(void);

/* Page by page: what of the kernel's own addresses is mapped in [start, end). */
void host_kernel_pages(vaddr_t start, vaddr_t end, void (*fn)(vaddr_t va, paddr_t pa, unsigned prot));
/* Maps a page of the kernel's space into the process again. */
void host_kernel_remap(vaddr_t va, paddr_t pa, unsigned prot);

/* explore.c */
void host_explore_option(int argc, char **argv);
void host_explore_count(void); /* a scheduling point went by */
void host_explore_access(const void *p); /* a user access goes there */
void host_explore_remapped(void); /* the kernel's mappings changed */
void host_trace_cpu(const struct cpu *to);
void host_trace_irq(unsigned irq);
void host_random_seed(uint64_t seed);
extern ns_t host_time_limit;

/* Time goes on by `ns`; timers that are due become pending interrupts. */
void host_time_pass(ns_t ns);
__noreturn void host_stuck(const char *why);

/* Makes every CPU forget [start, end) of `s`, or wholly let go of it. */
void host_tlb_flush(struct hal_space *s, vaddr_t start, vaddr_t end);
void host_tlb_leave(struct hal_space *s);
