// SPDX-License-Identifier: CC0-1.0
/* Purpose: the interrupt descriptor table, common to all CPUs, and the entry points behind it. */
#pragma once

#include <hal/regs.h>
#include <lib/types.h>

#define VECTORS 256
#define VECTOR_IRQ 32 /* the first that is no exception */
#define IDT_BYTES (VECTORS * 16)

enum vector {
    VECTOR_DE,
    VECTOR_DB,
    VECTOR_NMI,
    VECTOR_BP,
    VECTOR_OF,
    VECTOR_BR,
    VECTOR_UD,
    VECTOR_NM,
    VECTOR_DF,
    VECTOR_TS = 10,
    VECTOR_NP,
    VECTOR_SS,
    VECTOR_GP,
    VECTOR_PF,
    VECTOR_MF = 16,
    VECTOR_AC,
    VECTOR_MC,
    VECTOR_XM,
    VECTOR_VE,
    VECTOR_CP,
};

/* Fills the table; idempotent. */
void idt_fill(void);
const void *idt_table(void);

/* trap/entry.S */
void syscall_entry(void);
extern const char trap_stubs[]; /* 16 bytes for each vector */

/* From assembly.  Interrupts off; r->orig_ax holds the error code. */
void trap_page_fault(struct hal_regs *r);
void trap_exception(struct hal_regs *r);
void trap_irq(struct hal_regs *r);
/* The user's instruction pointer is not canonical: returning there would fault in the kernel. */
void trap_bad_ip(struct hal_regs *r);

/* Sends r on at the fix-up of its instruction, if it has one (trap/extable.c). */
bool fault_fixup(struct hal_regs *r);
