// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: the interrupt descriptor table (SDM vol. 3, 6.14).
 * Model: all gates turn interrupts off; #BP and #OF may be raised by INT in user mode; NMI, #DF,
 * #MC and #DB run on stacks of their own, because they can come when %rsp or %gs are not ours.
 */
#include <trap/idt.h>

#include <arch/context.h>

#define GATE_INTERRUPT 0x8eull /* present, DPL 0 */
#define GATE_USER 0x60ull /* DPL 3 */
#define STUB_BYTES 16

static uint64_t idt[VECTORS][2] __aligned(4096);

static uint64_t gate_ist(unsigned vector)
{
    switch (vector) {
    case VECTOR_DB:
        return IST_DEBUG + 1;
    case VECTOR_NMI:
        return IST_NMI + 1;
    case VECTOR_DF:
        return IST_DOUBLE + 1;
    case VECTOR_MC:
        return IST_MACHINE + 1;
    default:
        return 0;
    }
}

static void gate_set(unsigned vector)
{
    uint64_t at = (uintptr_t)trap_stubs + vector * STUB_BYTES;
    uint64_t type = GATE_INTERRUPT;

    if (vector == VECTOR_BP || vector == VECTOR_OF)
        type |= GATE_USER;
    idt[vector][0] = (at & 0xffff) | (uint64_t)KERNEL_CS << 16 | gate_ist(vector) << 32 |
                     type << 40 | (at >> 16 & 0xffff) << 48;
    idt[vector][1] = at >> 32;
}

void idt_fill(void)
{
    for (unsigned v = 0; v < VECTORS; v++)
        gate_set(v);
}

const void *idt_table(void)
{
    return idt;
}
