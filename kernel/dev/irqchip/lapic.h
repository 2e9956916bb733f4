// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: what the local APIC's driver shares with those of the I/O APIC and of its timer.
 *
 * Model: interrupt vectors, highest priority last:
 *     0x20-0x2f  8259A          0xf0  timer                    0xfe  error
 *     0x30-0xef  I/O APICs,     0xf1  IPIs, by enum ipi        0xff  spurious
 *                messages
 */
#pragma once

#include <core/irq.h>
#include <lib/types.h>

#define LAPIC_VECTOR_LINES 0x30
#define LAPIC_VECTOR_LINES_END 0xf0
#define LAPIC_VECTOR_TIMER 0xf0
#define LAPIC_VECTOR_IPI 0xf1
#define LAPIC_VECTOR_ERROR 0xfe
#define LAPIC_VECTOR_SPURIOUS 0xff

/* Their numbers among the interrupt lines. */
#define LAPIC_IRQ_TIMER (IRQ_MAX - 1)
#define LAPIC_IRQ_ERROR (IRQ_MAX - 2)
#define LAPIC_IRQ_FIRST (IRQ_MAX - 2)

/* SDM vol. 3, table 10-1: offsets in the register window. */
#define LAPIC_LVT_TIMER 0x320
#define LAPIC_TIMER_INITIAL 0x380
#define LAPIC_TIMER_CURRENT 0x390
#define LAPIC_TIMER_DIVIDE 0x3e0
#define LAPIC_LVT_MASKED (1u << 16)

bool lapic_present(void); /* it is in use */
uint32_t lapic_read(unsigned offset);
void lapic_write(unsigned offset, uint32_t value);
/* Says that the interrupt in service, the calling CPU's, is done. */
void lapic_eoi(void);
/* Boot: an I/O APIC has taken over from the 8259A. */
void lapic_wire_cut(void);
/* Is the vector waiting to be delivered to the calling CPU? */
bool lapic_requested(unsigned vector);

/* Line of each vector, -1: none. */
extern int16_t lapic_vector_irq[256];
/* A vector of LAPIC_VECTOR_LINES and up for an interrupt, on all CPUs; 0: all are taken.  Any context. */
uint8_t lapic_vector_alloc(unsigned irq);
void lapic_vector_free(uint8_t vector);
static inline bool lapic_is_message(unsigned irq)
{
    return irq >= IRQ_MSI && irq < LAPIC_IRQ_FIRST;
}
/* Of messages; see struct irqchip. */
void lapic_msi_mask(unsigned irq, bool masked);
err_t lapic_msi_route(unsigned irq, struct cpu *cpu);
/* struct irqchip's, for chips in front of local APICs. */
int lapic_claim(unsigned vector);
void lapic_ipi(struct cpu *cpu, enum ipi ipi);
void lapic_start_cpu(void);
/* What Linux calls the lines that each CPU has of its own. */
const char *lapic_label(unsigned irq);
