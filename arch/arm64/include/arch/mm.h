// SPDX-License-Identifier: CC0-1.0
/* Purpose: what the files of arch/arm64 share about memory; nobody outside includes it. */
#pragma once

#include <hal/mmu.h>

extern paddr_t image_phys; /* where the image lies; constant after boot/start.c */

/* Takes over the tables of boot/head.S as kernel_space. */
void mmu_early_init(void);
/* Sets this machine's ASID width.  Boot CPU, once. */
void asid_init(void);
unsigned asid_width(void); /* bits */
extern uint64_t asid_operand_mask; /* of the ASID in operands of TLBI; constant after boot */
extern uint8_t cpu_has_pan; /* usercopy.S, too; constant after boot */
/* Gives `s` an ASID that is valid now, for the running CPU.  Return: its bits, for TTBR0 << 48.
 * Context: interrupts off. */
uint64_t asid_activate(struct hal_space *s);
/* A table of zeroes for TTBR0 while no user half is wanted. */
extern pte_t empty_root[MMU_ENTRIES];

/* mm/idmap.S: replaces TTBR1 from identity-mapped code; both are physical addresses. */
void ttbr1_replace(paddr_t root1, paddr_t identity_root0);

#define TLBI_VA_MASK ((1ull << 44) - 1)
#define TTBR_ASID_SHIFT 48
