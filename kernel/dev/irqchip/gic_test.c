// SPDX-License-Identifier: CC0-1.0
/* Purpose: the timer's private lines get the trigger that this machine's table says; others stay as they are. */
#include <dev/irqchip/gic.h>

#include <core/hardware.h>
#include <core/ktest.h>
#include <core/log.h>
#include <hal/io.h>
#include <hal/mmu.h>
#include <mm/heap.h>
#include <mm/vmap.h>

#define REGISTERS_BYTES 0x1000

static bool is_edge(const uint32_t *registers, unsigned irq)
{
    return registers[GICD_CONFIG(irq) / 4] & CONFIG_EDGE(irq);
}

KTEST(gic, timer_trigger)
{
    const struct hw_arch_timer *timer = &hardware()->arch_timer;
    uint32_t *registers = kzalloc(REGISTERS_BYTES);

    KTEST_REQUIRE(registers);
    KTEST_REQUIRE(timer->virt_irq >= IRQ_PRIVATE && timer->virt_irq < IRQ_SHARED);
    for (unsigned edge = 0; edge < 2; edge++) {
        registers[GICD_CONFIG(16) / 4] = edge ? UINT32_MAX : 0;
        gic_timer_config((volatile uint8_t *)registers);
        if (timer->virt_trigger != HW_TRIGGER_BUS)
            KTEST_EQ(is_edge(registers, timer->virt_irq), timer->virt_trigger == HW_EDGE);
        for (unsigned irq = IRQ_PRIVATE; irq < IRQ_SHARED; irq++)
            if (irq != timer->virt_irq && irq != timer->phys_irq)
                KTEST_EQ(is_edge(registers, irq), edge);
    }
    kfree(registers);
}

KTEST(gic, nothing_answers)
{
    const paddr_t hole = (1ull << 48) - 0x10000; /* beyond what any machine's bus has */
    volatile uint8_t *registers;
    uint32_t value = 1;
    uint64_t since = log_next_seq();

    KTEST_EQ(vmap_registers("test's hole", hole, PAGE_SIZE, 8, &registers), -ENODEV);
    KTEST_TRUE(registers == NULL);
    KTEST_TRUE(ktest_logged(since, "vmap", "test's hole at 0xffffffff0000: nothing answers there"));
    KTEST_TRUE(!mmio_probe32((void *)(VMAP_END - PAGE_SIZE), &value)); /* not mapped */
    KTEST_EQ(value, 1);
}
