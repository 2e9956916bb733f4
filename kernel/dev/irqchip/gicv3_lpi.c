// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: the redistributors' part of interrupts that are messages (LPIs: ARM IHI 0069, 5.1).
 *
 * Model: an LPI is pending or not, and has a byte of configuration: priority and enable bit.  The bytes
 * stand in one table for all CPUs, the pending bits in one for each; both lie in memory.  Redistributors
 * keep copies of bytes: who changes one tells them (INV, of an ITS).  A table of LPI_ID_BITS numbers has
 * more than LPI_COUNT of them, which are all that are handed out.
 * Memory that a redistributor does not see through caches is cleaned after each write.
 * Locking: gicv3_its.c's lock for bytes; the rest is constant after start.
 * Invariant: what a redistributor was told of stays its own for ever: there is no sure way to take it
 * back (6.7, GICR_CTLR.EnableLPIs).
 */
#define LOG_TAG "lpi"
#include <dev/irqchip/gicv3_its.h>

#include <arch/start.h>
#include <core/log.h>
#include <core/smp.h>
#include <hal/cpu.h>
#include <hal/io.h>
#include <lib/string.h>
#include <mm/frame.h>
#include <sched/clock.h>

#define LPI_ID_BITS 14 /* the least there can be: 8192 to 16383 */
#define CONFIG_BYTES (BIT(LPI_ID_BITS) - LPI_FIRST)
#define PENDING_BYTES (BIT(LPI_ID_BITS) / 8)
#define PENDING_ALIGN (64 * KiB)
#define CONFIG_ENABLE 1u
#define CONFIG_OFF (0xa0 | 2) /* bit 1 is one */

#define TYPER_LPIS BIT(17)
#define TYPER_ID_BITS(v) (((v) >> 19 & 31) + 1)
#define TYPER_LPI_COUNT(v) ((v) >> 11 & 31) /* 2^(n + 1) of them; 0: all that the ids allow */

#define GICR_CTLR 0x00
#define GICR_TYPER 0x08
#define GICR_PROPBASER 0x70
#define GICR_PENDBASER 0x78
#define CTLR_LPIS BIT(0)
#define CTLR_RWP BIT(3)
#define TYPER_PLPIS BIT(0)
#define TYPER_NUMBER(v) ((v) >> 8 & 0xffff)
#define BASE_CACHED (7ull << 7)
#define BASE_UNCACHED (1ull << 7)
#define PENDBASER_ZERO BIT(62) /* the table is: no need to read it */
#define WAIT_NS (100 * NS_PER_MSEC)

static uint8_t *config;
static bool config_clean; /* a redistributor does not look into caches */
static bool ready[CPU_MAX];

_Static_assert(LPI_COUNT <= CONFIG_BYTES, "a byte for each");

/* --- bytes --- */

static void config_flush(const uint8_t *p, size_t n)
{
    if (config_clean)
        cache_clean_to_memory(p, n);
}

void lpi_set(unsigned lpi, bool enabled)
{
    atomic_store_relaxed(&config[lpi], (uint8_t)(CONFIG_OFF | (enabled ? CONFIG_ENABLE : 0)));
    config_flush(&config[lpi], 1);
}

/* --- redistributors --- */

bool lpi_ready(unsigned cpu)
{
    return ready[cpu];
}

uint64_t lpi_target(const struct cpu *cpu, bool by_address)
{
    paddr_t where;
    volatile uint8_t *r = gicv3_redistributor(cpu, &where);

    return by_address ? where : (uint64_t)TYPER_NUMBER(mmio_read64(r + GICR_TYPER)) << 16;
}

/* Shared and cached, else neither.  Return: what the register reads then. */
static uint64_t base_write(volatile uint8_t *reg, uint64_t value)
{
    uint64_t got;

    mmio_write64(reg, value | BASE_SHARED | BASE_CACHED);
    got = mmio_read64(reg);
    if (got & BASE_SHARED_MASK)
        return got;
    mmio_write64(reg, value | BASE_UNCACHED);
    return mmio_read64(reg);
}

static bool wait_off(volatile uint8_t *r, uint32_t bits)
{
    ns_t limit = clock_monotonic() + WAIT_NS;

    while (mmio_read32(r + GICR_CTLR) & bits) {
        if (clock_monotonic() > limit)
            return false;
        hal_relax();
    }
    return true;
}

/* An earlier kernel or firmware may have left them on, with tables of its own. */
static bool switch_off(volatile uint8_t *r)
{
    uint32_t control = mmio_read32(r + GICR_CTLR);

    if (!(control & CTLR_LPIS))
        return true;
    mmio_write32(r + GICR_CTLR, control & ~(uint32_t)CTLR_LPIS);
    return wait_off(r, CTLR_LPIS | CTLR_RWP);
}

static void tables_tell(volatile uint8_t *r, paddr_t pending)
{
    uint64_t got = base_write(r + GICR_PROPBASER, virt_to_phys(config) | (LPI_ID_BITS - 1));

    if (!(got & BASE_SHARED_MASK) && !config_clean) {
        config_clean = true;
        config_flush(config, CONFIG_BYTES);
    }
    got = base_write(r + GICR_PENDBASER, pending | PENDBASER_ZERO);
    if (!(got & BASE_SHARED_MASK))
        cache_clean_to_memory(phys_to_virt(pending), PENDING_BYTES);
    mmio_write32(r + GICR_CTLR, mmio_read32(r + GICR_CTLR) | CTLR_LPIS);
}

/* Return: what is wrong with the CPU's, or NULL. */
static const char *cpu_start(const struct cpu *cpu)
{
    paddr_t where, pending;
    volatile uint8_t *r = gicv3_redistributor(cpu, &where);

    if (!r || !(mmio_read64(r + GICR_TYPER) & TYPER_PLPIS))
        return "its redistributor has none";
    if (!switch_off(r))
        return "somebody left them on, and on they stay";
    pending = frame_alloc_contiguous_node(cpu->node, 1, PENDING_ALIGN, FRAME_ZERO);
    if (pending == PADDR_NONE)
        return "no memory for what is pending";
    tables_tell(r, pending);
    if (!(mmio_read32(r + GICR_CTLR) & CTLR_LPIS)) {
        frame_free_contiguous(pending, 1);
        return "they cannot be switched on";
    }
    return NULL;
}

static const char *distributor_check(void)
{
    uint32_t typer = gicv3_typer();

    if (!(typer & TYPER_LPIS) || TYPER_ID_BITS(typer) < LPI_ID_BITS)
        return "the distributor has none";
    if (TYPER_LPI_COUNT(typer) && (2ull << TYPER_LPI_COUNT(typer)) < LPI_COUNT)
        return "the distributor has too few";
    return NULL;
}

static err_t config_make(void)
{
    paddr_t pa = frame_alloc_contiguous(CONFIG_BYTES / PAGE_SIZE, PAGE_SIZE, 0);

    _Static_assert(CONFIG_BYTES % PAGE_SIZE == 0 && PENDING_BYTES <= PAGE_SIZE, "whole frames");
    if (pa == PADDR_NONE)
        return -ENOMEM;
    config = phys_to_virt(pa);
    memset(config, CONFIG_OFF, CONFIG_BYTES);
    return 0;
}

err_t lpi_start(void)
{
    const char *trouble = distributor_check();

    if (trouble) {
        log_warn("messages are not used: %s", trouble);
        return -ENODEV;
    }
    if (config_make())
        return -ENOMEM;
    for (unsigned i = 0; i < cpu_count; i++) {
        if (!cpu_online(i))
            continue;
        trouble = cpu_start(cpus[i]);
        ready[i] = !trouble;
        if (trouble)
            log_warn("CPU %u gets no messages: %s", i, trouble);
    }
    return ready[0] ? 0 : -ENODEV;
}
