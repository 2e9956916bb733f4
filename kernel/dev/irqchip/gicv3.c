// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: the ARM Generic Interrupt Controller, versions 3 and 4 (ARM IHI 0069).
 *
 * Model: a distributor for the shared lines, a redistributor for each CPU with its private ones, and
 * the CPU interface in system registers.  CPUs are known by affinity.  A redistributor is two frames
 * of 64 KiB, four with virtual LPIs; they lie in regions, or each CPU's address is told (MADT).  They
 * are gathered once, and each CPU looks for its own.
 * Everything is in group 1 (non-secure where there are two security states).  The lines of the
 * extended ranges are kept quiet: their numbers lie beyond IRQ_MAX, no device gets one.  Messages have
 * numbers from LPI_FIRST on; gicv3_lpi.c switches them on, gicv3_its.c drives what sends them.
 * Locking: the set- and clear-enable registers need none; a CPU's redistributor is touched by itself.
 * Invariant: affinity routing and the system registers are on; a machine that keeps them off (the
 * compatibility mode of version 2) is refused.
 */
#define LOG_TAG "gicv3"
#include <dev/irqchip/gic.h>

#include <core/hardware.h>
#include <core/log.h>
#include <hal/cpu.h>
#include <hal/io.h>
#include <hal/mmu.h>
#include <mm/vmap.h>

#define GICD_ROUTER(n) (0x6000 + (n) * 8)
#define GICD_EXT_DISABLE(n) (0x1400 + (n) / 32 * 4)
#define GICD_PIDR2 0xffe8
#define GICD_SIZE 0x10000
#define CTLR_GROUP1 BIT(0) /* seen from a secure machine's non-secure side, and ... */
#define CTLR_GROUP1A BIT(1) /* ... group 1 on one with a single security state */
#define CTLR_ARE BIT(4)
#define CTLR_RWP BIT(31)
#define TYPER_EXT BIT(8)
#define TYPER_RSS BIT(26)
#define TYPER_EXT_COUNT(typer) (32 * (((typer) >> 27) + 1))
#define PIDR2_VERSION(v) ((v) >> 4 & 15)

#define GICR_CTLR 0x0
#define GICR_TYPER 0x8
#define GICR_WAKER 0x14
#define GICR_PRIVATE 0x10000 /* frame of the private lines, as a distributor's first page */
#define GICR_EXT_DISABLE(n) (GICR_PRIVATE + 0x184 + (n) / 32 * 4)
#define GICR_SIZE 0x20000
#define GICR_SIZE_VLPI 0x40000
#define GICR_REGION_MAX (512ull * GICR_SIZE_VLPI)
#define GICR_CTLR_RWP BIT(3)
#define GICR_TYPER_VLPI BIT(1)
#define GICR_TYPER_LAST BIT(4)
#define GICR_TYPER_EXT(typer) ((typer) >> 27 & 31) /* 1: 32 more private lines, 2: 64 */
#define WAKER_SLEEP BIT(1)
#define WAKER_CHILDREN_ASLEEP BIT(2)

/* The system registers by encoding: an assembler for ARMv8.0 does not know their names. */
#define ICC_PMR S3_0_C4_C6_0
#define ICC_AP1R(n) S3_0_C12_C9_##n
#define ICC_SGI1R S3_0_C12_C11_5
#define ICC_IAR1 S3_0_C12_C12_0
#define ICC_EOIR1 S3_0_C12_C12_1
#define ICC_BPR1 S3_0_C12_C12_3
#define ICC_CTLR S3_0_C12_C12_4
#define ICC_SRE S3_0_C12_C12_5
#define ICC_IGRPEN1 S3_0_C12_C12_7
#define icc_read(reg) sysreg_read_(reg)
#define icc_write(reg, value) sysreg_write_(reg, value)
#define sysreg_read_(reg) sysreg_read(reg)
#define sysreg_write_(reg, value) sysreg_write(reg, value)
#define ICC_CTLR_EOIMODE BIT(1)
#define ICC_CTLR_PRIORITY_BITS(v) (((v) >> 8 & 7) + 1)
#define ICC_CTLR_RSS BIT(18)
#define ICC_NUMBER 0xffffff

#define SPINS 1000000

struct redistributor {
    uint64_t affinity; /* as hw_id */
    volatile uint8_t *registers;
    paddr_t where;
};

static volatile uint8_t *distributor; /* constant after start, as all of these */
static unsigned irq_count;
static bool far_targets; /* CPUs with Aff0 above 15 can be sent to */
static struct redistributor redistributors[HW_CPUS_MAX];
static unsigned redistributor_count;
static volatile uint8_t *own[CPU_MAX]; /* written by the CPU itself before it is online */

/* --- the chip ---------------------------------------------------------------------------------- */

static bool wait_clear(volatile uint8_t *reg, uint32_t bits)
{
    for (unsigned i = 0; i < SPINS; i++) {
        if ((mmio_read32(reg) & bits) == 0)
            return true;
        hal_relax();
    }
    return false;
}

static void gic_mask(unsigned irq)
{
    volatile uint8_t *redist = own[cpu_current()->id];

    if (irq >= IRQ_MSI)
        gicv3_its_mask(irq, true);
    if (irq >= irq_count)
        return;
    if (irq < IRQ_SHARED) {
        mmio_write32(redist + GICR_PRIVATE + GICD_DISABLE(0), 1u << irq);
        (void)wait_clear(redist + GICR_CTLR, GICR_CTLR_RWP);
    } else {
        mmio_write32(distributor + GICD_DISABLE(irq), 1u << irq % 32);
        (void)wait_clear(distributor + GICD_CTLR, CTLR_RWP);
    }
}

static void gic_unmask(unsigned irq)
{
    if (irq >= IRQ_MSI)
        gicv3_its_mask(irq, false);
    if (irq >= irq_count)
        return;
    if (irq < IRQ_SHARED)
        mmio_write32(own[cpu_current()->id] + GICR_PRIVATE + GICD_ENABLE(0), 1u << irq);
    else
        mmio_write32(distributor + GICD_ENABLE(irq), 1u << irq % 32);
}

/* What the sender wrote before is seen after the barrier: an acknowledge orders no memory by itself. */
static int gic_claim(unsigned hint)
{
    unsigned irq = icc_read(ICC_IAR1) & ICC_NUMBER;

    dsb(sy);
    if (irq < IPI_COUNT) {
        icc_write(ICC_EOIR1, irq);
        isb();
        return (int)(IRQ_IPI + irq);
    }
    if (irq < irq_count)
        return (int)irq;
    return irq >= LPI_FIRST && irq - LPI_FIRST < LPI_COUNT ? (int)(irq - LPI_FIRST + IRQ_MSI) : -1;
}

static void gic_end(unsigned irq)
{
    if (irq >= IRQ_IPI)
        return;
    icc_write(ICC_EOIR1, irq < IRQ_MSI ? irq : irq - IRQ_MSI + LPI_FIRST);
    isb();
}

#define AFF(id, n) ((uint64_t)((id) >> 8 * (n)) & 0xff)

/* Aff0 as a range of 16 and a bit in it. */
static uint64_t sgi_make(uint64_t id, enum ipi ipi)
{
    return AFF(id, 4) << 48 | AFF(id, 0) / 16 << 44 | AFF(id, 2) << 32 | (uint64_t)ipi << 24 |
           AFF(id, 1) << 16 | BIT(AFF(id, 0) % 16);
}

static void gic_ipi(struct cpu *cpu, enum ipi ipi)
{
    dsb(ishst);
    icc_write(ICC_SGI1R, sgi_make(cpu->hw_id, ipi));
    isb();
}

static err_t gic_route(unsigned irq, struct cpu *cpu)
{
    if (irq >= IRQ_MSI)
        return gicv3_its_route(irq, cpu);
    if (irq < IRQ_SHARED || irq >= irq_count)
        return -EINVAL;
    mmio_write64(distributor + GICD_ROUTER(irq), cpu->hw_id);
    return 0;
}

static err_t gic_configure(unsigned irq, bool edge)
{
    if (irq < IRQ_SHARED || irq >= irq_count)
        return -EINVAL;
    gic_config_set(distributor, irq, edge);
    return 0;
}

/* --- a CPU's own part -------------------------------------------------------------------------- */

static bool redistributor_wake(volatile uint8_t *r)
{
    mmio_write32(r + GICR_WAKER, mmio_read32(r + GICR_WAKER) & ~(uint32_t)WAKER_SLEEP);
    return wait_clear(r + GICR_WAKER, WAKER_CHILDREN_ASLEEP);
}

static bool redistributor_init(volatile uint8_t *r)
{
    volatile uint8_t *lines = r + GICR_PRIVATE;

    if (!redistributor_wake(r))
        return false;
    mmio_write32(lines + GICD_DISABLE(0), UINT32_MAX);
    for (unsigned n = 0; n < GICR_TYPER_EXT(mmio_read32(r + GICR_TYPER)) % 3 * 32; n += 32)
        mmio_write32(r + GICR_EXT_DISABLE(n), UINT32_MAX);
    mmio_write32(lines + GICD_UNPEND(0), UINT32_MAX);
    mmio_write32(lines + GICD_DEACTIVATE(0), UINT32_MAX);
    mmio_write32(lines + GICD_GROUP(0), UINT32_MAX);
    for (unsigned i = 0; i < IRQ_SHARED; i += 4)
        mmio_write32(lines + GICD_PRIORITY(i), PRIORITY_NORMAL);
    gic_timer_config(lines);
    if (!wait_clear(r + GICR_CTLR, GICR_CTLR_RWP))
        return false;
    mmio_write32(lines + GICD_ENABLE(0), BIT(IPI_COUNT) - 1);
    return true;
}

/* What an earlier kernel left active would hold back all others: there is one priority. */
static void active_clear(unsigned priority_bits)
{
    if (priority_bits > 6) {
        icc_write(ICC_AP1R(3), 0);
        icc_write(ICC_AP1R(2), 0);
    }
    if (priority_bits > 5)
        icc_write(ICC_AP1R(1), 0);
    icc_write(ICC_AP1R(0), 0);
}

/* Return: whether the firmware lets us have the system registers. */
static bool interface_enable(void)
{
    if (((sysreg_read(id_aa64pfr0_el1) >> 24) & 15) == 0)
        return false;
    icc_write(ICC_SRE, icc_read(ICC_SRE) | 1);
    isb();
    return (icc_read(ICC_SRE) & 1) != 0;
}

static void interface_init(void)
{
    uint64_t control = icc_read(ICC_CTLR);

    icc_write(ICC_PMR, PRIORITY_MASK);
    icc_write(ICC_BPR1, 7); /* no preemption among groups */
    icc_write(ICC_CTLR, control & ~ICC_CTLR_EOIMODE);
    active_clear(ICC_CTLR_PRIORITY_BITS(control));
    icc_write(ICC_IGRPEN1, 1);
    isb();
}

static const struct redistributor *redistributor_find(uint64_t affinity)
{
    for (unsigned i = 0; i < redistributor_count; i++)
        if (redistributors[i].affinity == affinity)
            return &redistributors[i];
    return NULL;
}

volatile uint8_t *gicv3_redistributor(const struct cpu *cpu, paddr_t *where)
{
    const struct redistributor *r = redistributor_find(cpu->hw_id);

    *where = r ? r->where : 0;
    return r ? r->registers : NULL;
}

uint32_t gicv3_typer(void)
{
    return mmio_read32(distributor + GICD_TYPER);
}

/* Return: what is wrong with the calling CPU's part, or NULL. */
static const char *cpu_start(struct cpu *cpu)
{
    const struct redistributor *r = redistributor_find(cpu->hw_id);

    if (r == NULL)
        return "has no redistributor";
    if (!interface_enable())
        return "does not get the system registers: the version-2 mode is not driven";
    if (cpu->id != 0 && AFF(cpu->hw_id, 0) > 15 &&
        !(far_targets && (icc_read(ICC_CTLR) & ICC_CTLR_RSS)))
        return "cannot be interrupted by others";
    own[cpu->id] = r->registers;
    if (!redistributor_init(r->registers))
        return "has a redistributor that does not wake up";
    interface_init();
    return NULL;
}

static void gic_start_cpu(void)
{
    struct cpu *cpu = cpu_current();
    const char *trouble = cpu_start(cpu);

    if (trouble == NULL)
        return;
    log_err("CPU %#llx %s", (unsigned long long)cpu->hw_id, trouble);
    hal_halt(); /* it never gets online, and is left out */
}

/* --- gathering the redistributors -------------------------------------------------------------- */

static void redistributor_add(uint64_t affinity, volatile uint8_t *registers, paddr_t where)
{
    if (redistributor_count < HW_CPUS_MAX)
        redistributors[redistributor_count++] = (struct redistributor){
            .affinity = affinity, .registers = registers, .where = where
        };
}

/* GICR_TYPER's upper half has the four affinity levels side by side, MPIDR a gap below the last. */
static uint64_t typer_affinity(uint64_t typer)
{
    uint64_t a = typer >> 32;

    return (a & 0xffffff) | (a >> 24) << 32;
}

static bool cpu_known(uint64_t affinity)
{
    const struct hardware_info *hw = hardware();

    for (unsigned i = 0; i < hw->cpu_count; i++)
        if (hw->cpus[i].hw_id == affinity)
            return true;
    return affinity == cpu_current()->hw_id;
}

static uint64_t redistributor_size(uint64_t typer, uint32_t stride)
{
    if (stride >= GICR_SIZE && stride % 0x10000 == 0)
        return stride;
    return typer & GICR_TYPER_VLPI ? GICR_SIZE_VLPI : GICR_SIZE;
}

static void region_walk(volatile uint8_t *base, const struct hw_region *region, uint64_t size,
                        uint32_t stride)
{
    for (uint64_t at = 0; at + GICR_SIZE <= size;) {
        uint64_t typer;
        uint32_t low;

        if (!mmio_probe32(base + at + GICR_TYPER, &low)) {
            log_warn("redistributor at %#llx: nothing answers there: left out",
                     (unsigned long long)(region->start + at));
            return;
        }
        typer = mmio_read64(base + at + GICR_TYPER);
        if (cpu_known(typer_affinity(typer)))
            redistributor_add(typer_affinity(typer), base + at, region->start + at);
        if (typer & GICR_TYPER_LAST)
            return;
        at += redistributor_size(typer, stride);
    }
}

static void region_add(const struct hw_region *region, uint32_t stride)
{
    uint64_t size = MIN(region->size, GICR_REGION_MAX);
    volatile uint8_t *base = vmap_device(region->start, size, MMU_READ | MMU_WRITE | MMU_DEVICE);

    if (base != NULL)
        region_walk(base, region, size, stride);
    else
        log_err("redistributors at %#llx: cannot be mapped", (unsigned long long)region->start);
}

/* Those that the table tells for each CPU. */
static void singles_add(void)
{
    const struct hardware_info *hw = hardware();

    for (unsigned i = 0; i < hw->cpu_count; i++) {
        const struct hw_cpu *c = &hw->cpus[i];
        struct hw_region region = { .start = c->gic_redist, .size = GICR_SIZE };

        if (c->gic_redist != 0 && redistributor_find(c->hw_id) == NULL)
            region_add(&region, 0);
    }
}

/* --- start ------------------------------------------------------------------------------------- */

static void distributor_lines_init(void)
{
    uint32_t typer = mmio_read32(distributor + GICD_TYPER);

    for (unsigned i = IRQ_SHARED; i < irq_count; i += 32) {
        mmio_write32(distributor + GICD_DISABLE(i), UINT32_MAX);
        mmio_write32(distributor + GICD_UNPEND(i), UINT32_MAX);
        mmio_write32(distributor + GICD_DEACTIVATE(i), UINT32_MAX);
        mmio_write32(distributor + GICD_GROUP(i), UINT32_MAX);
    }
    for (unsigned i = IRQ_SHARED; i < irq_count; i += 16)
        mmio_write32(distributor + GICD_CONFIG(i), 0);
    for (unsigned i = IRQ_SHARED; i < irq_count; i += 4)
        mmio_write32(distributor + GICD_PRIORITY(i), PRIORITY_NORMAL);
    for (unsigned i = 0; typer & TYPER_EXT && i < TYPER_EXT_COUNT(typer); i += 32)
        mmio_write32(distributor + GICD_EXT_DISABLE(i), UINT32_MAX);
}

/* Return: what is wrong with it, or NULL. */
static const char *distributor_init(void)
{
    unsigned version = PIDR2_VERSION(mmio_read32(distributor + GICD_PIDR2));

    if (version != 3 && version != 4)
        return "the distributor is of no version that this driver knows";
    irq_count = gic_lines(distributor);
    far_targets = (mmio_read32(distributor + GICD_TYPER) & TYPER_RSS) != 0;
    mmio_write32(distributor + GICD_CTLR, 0);
    if (!wait_clear(distributor + GICD_CTLR, CTLR_RWP))
        return "the distributor does not stop";
    distributor_lines_init();
    (void)wait_clear(distributor + GICD_CTLR, CTLR_RWP);
    mmio_write32(distributor + GICD_CTLR, CTLR_ARE);
    (void)wait_clear(distributor + GICD_CTLR, CTLR_RWP);
    if (!(mmio_read32(distributor + GICD_CTLR) & CTLR_ARE))
        return "the distributor stays in the version-2 mode, which is not driven";
    mmio_write32(distributor + GICD_CTLR, CTLR_ARE | CTLR_GROUP1A | CTLR_GROUP1);
    for (unsigned i = IRQ_SHARED; i < irq_count; i++)
        mmio_write64(distributor + GICD_ROUTER(i), cpu_current()->hw_id);
    return NULL;
}

static const struct irqchip gic = {
    .name = "GICv3", .mask = gic_mask, .unmask = gic_unmask, .claim = gic_claim, .end = gic_end,
    .ipi = gic_ipi, .start_cpu = gic_start_cpu, .route = gic_route, .configure = gic_configure,
    .message_name = "ITS-MSI"
};

err_t gicv3_start(const struct hw_gic *hw)
{
    const char *trouble;
    err_t err;

    if (hw->dist == 0)
        return -ENODEV;
    err = vmap_registers("GIC distributor", hw->dist, GICD_SIZE, GICD_PIDR2, &distributor);
    if (err != 0)
        return err;
    for (unsigned i = 0; i < hw->redist_count; i++)
        region_add(&hw->redist[i], hw->redist_stride);
    singles_add();
    trouble = distributor_init();
    if (trouble == NULL)
        trouble = cpu_start(cpu_current());
    if (trouble != NULL) {
        log_err("CPU %#llx: %s", (unsigned long long)cpu_current()->hw_id, trouble);
        return -EINVAL;
    }
    log_info("%u interrupts, %u redistributors", irq_count, redistributor_count);
    irq_chip_set(&gic);
    return 0;
}
