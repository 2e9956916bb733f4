// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: the PC's two 8259A interrupt controllers (Intel 231468): lines 0-15.
 *
 * Model: the slave hangs on the master's line 2.  Lines begin at vector 0x20, behind the exceptions.
 * Everything is masked until a handler registers, for ever when a local and an I/O APIC take over.  A
 * line that falls silent before it is acknowledged shows up as 7 or 15 without its in-service bit:
 * spurious.
 * Locking: mask registers: LOCK_IRQCHIP, for interrupts may be registered from any CPU.
 */
#define LOG_TAG "pic"
#include <core/irq.h>

#include <core/hardware.h>
#include <core/spinlock.h>
#include <dev/services.h>
#include <dev/irqchip/pic.h>
#include <hal/io.h>
#include <svc/subsystem.h>

#define MASTER_COMMAND 0x20
#define MASTER_DATA 0x21
#define SLAVE_COMMAND 0xa0
#define SLAVE_DATA 0xa1
#define VECTOR_BASE 0x20
#define PIC_LINES 16
#define CASCADE_LINE 2

#define ICW1_INIT_ICW4 0x11
#define ICW4_8086 0x01
#define OCW2_EOI 0x20
#define OCW3_READ_ISR 0x0b

static struct spinlock pic_lock = SPINLOCK_INIT(LOCK_IRQCHIP);
static uint16_t pic_masked = 0xffff; /* pic_lock */

/* Writes the half of the mask that holds `irq`. */
static void mask_write(unsigned irq)
{
    if (irq < 8)
        port_write8(MASTER_DATA, (uint8_t)pic_masked);
    else
        port_write8(SLAVE_DATA, (uint8_t)(pic_masked >> 8));
}

static void pic_mask(unsigned irq)
{
    unsigned long flags;

    if (irq >= PIC_LINES)
        return;
    flags = spin_lock_irqsave(&pic_lock);
    pic_masked |= (uint16_t)(1u << irq);
    mask_write(irq);
    spin_unlock_irqrestore(&pic_lock, flags);
}

static void pic_unmask(unsigned irq)
{
    unsigned long flags;

    if (irq >= PIC_LINES)
        return;
    flags = spin_lock_irqsave(&pic_lock);
    pic_masked &= (uint16_t)~(1u << irq);
    if (irq >= 8 && (pic_masked & 1u << CASCADE_LINE)) {
        pic_masked &= (uint16_t)~(1u << CASCADE_LINE);
        mask_write(CASCADE_LINE);
    }
    mask_write(irq);
    spin_unlock_irqrestore(&pic_lock, flags);
}

/* A spurious 15 still has the master's line 2 in service. */
static bool spurious(unsigned irq)
{
    uint16_t command = irq < 8 ? MASTER_COMMAND : SLAVE_COMMAND;

    port_write8(command, OCW3_READ_ISR);
    if (port_read8(command) & 0x80)
        return false;
    if (irq >= 8)
        port_write8(MASTER_COMMAND, OCW2_EOI);
    return true;
}

static int pic_claim(unsigned hint)
{
    unsigned irq = hint - VECTOR_BASE;

    if (irq >= PIC_LINES || ((irq & 7) == 7 && spurious(irq)))
        return -1;
    return (int)irq;
}

static void pic_end(unsigned irq)
{
    if (irq >= 8)
        port_write8(SLAVE_COMMAND, OCW2_EOI);
    port_write8(MASTER_COMMAND, OCW2_EOI);
}

static const struct irqchip pic = {
    .name = "8259A",
    .mask = pic_mask,
    .unmask = pic_unmask,
    .claim = pic_claim,
    .end = pic_end,
};

static void pic_program(void)
{
    port_write8(MASTER_COMMAND, ICW1_INIT_ICW4);
    port_write8(SLAVE_COMMAND, ICW1_INIT_ICW4);
    port_write8(MASTER_DATA, VECTOR_BASE);
    port_write8(SLAVE_DATA, VECTOR_BASE + 8);
    port_write8(MASTER_DATA, 1u << CASCADE_LINE);
    port_write8(SLAVE_DATA, CASCADE_LINE);
    port_write8(MASTER_DATA, ICW4_8086);
    port_write8(SLAVE_DATA, ICW4_8086);
    port_write8(MASTER_DATA, (uint8_t)pic_masked);
    port_write8(SLAVE_DATA, (uint8_t)(pic_masked >> 8));
}

void pic_silence(void)
{
    port_write8(MASTER_DATA, 0xff);
    port_write8(SLAVE_DATA, 0xff);
}

static err_t pic_start(struct subsystem *self)
{
    (void)self;
    if (!hardware()->has_pic)
        return -ENODEV;
    pic_program();
    return service_publish_irqchip(pic.name, &pic, 100, PRIV_DRIVER);
}

static struct subsystem pic_subsystem = {
    .name = "pic",
    .privilege = PRIV_DRIVER,
    .early_init = pic_start,
};
REGISTER_SUBSYSTEM(pic_subsystem);
