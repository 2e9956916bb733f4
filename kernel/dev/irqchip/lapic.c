// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: the interrupt controller inside each CPU (SDM vol. 3, chapter 10): its own sources,
 * interrupts between CPUs, and starting CPUs.
 *
 * Model: registers 16 bytes apart, in a page of memory (xAPIC, ids of 8 bits) or as MSRs (x2APIC,
 * ids of 32 bits), which a CPU that has it is switched to.  Destinations are physical ids.  Where
 * other interrupts come from is another driver's: the I/O APIC, or without one (`noapic`) the 8259A,
 * which reaches the boot CPU through LINT0 (the MP specification's virtual wire mode) and
 * acknowledges its interrupts itself.
 * IPI_STOP is an NMI: it must reach a CPU that spins with interrupts off.
 * Locking: registers are the calling CPU's own; the two halves of xAPIC's command are written with
 * interrupts off.
 */
#define LOG_TAG "lapic"
#include <dev/irqchip/lapic.h>
#include <dev/irqchip/pic.h>

#include <arch/msr.h>
#include <core/hardware.h>
#include <core/log.h>
#include <core/params.h>
#include <dev/services.h>
#include <hal/cpu.h>
#include <hal/io.h>
#include <hal/mmu.h>
#include <mm/vmap.h>
#include <sched/timer.h>

#define REG_VERSION 0x030
#define REG_TPR 0x080
#define REG_EOI 0x0b0
#define REG_DFR 0x0e0 /* not in x2APIC */
#define REG_SPURIOUS 0x0f0
#define REG_ISR 0x100
#define REG_IRR 0x200
#define REG_ESR 0x280
#define REG_ICR 0x300
#define REG_ICR_HIGH 0x310
#define REG_LVT_PERF 0x340
#define REG_LVT_LINT0 0x350
#define REG_LVT_ERROR 0x370
#define WINDOW_BYTES 0x1000

#define BASE_X2APIC (1ull << 10)
#define BASE_ENABLE (1ull << 11)
#define SPURIOUS_ENABLE 0x100u
#define DELIVER_NMI 0x400u
#define DELIVER_INIT 0x500u
#define DELIVER_STARTUP 0x600u
#define DELIVER_EXTINT 0x700u
#define ICR_BUSY 0x1000u
#define ICR_ASSERT 0x4000u
#define ICR_LEVEL 0x8000u
#define LVT_ACTIVE_LOW 0x2000u
#define LVT_PERF_AT 4 /* the version's highest entry when there is one for performance counters */

#define LEAF1_EDX_APIC (1u << 9)
#define LEAF1_ECX_X2APIC (1u << 21)
#define XAPIC_ID_MAX 254
#define BUSY_SPINS 1000000u
#define INIT_WAIT_NS (10 * NS_PER_MSEC)
#define STARTUP_WAIT_NS (200 * NS_PER_USEC)
#define LINT_UNUSED LAPIC_LVT_MASKED

int16_t lapic_vector_irq[256];

static bool present, x2apic; /* constant after start */
static volatile uint8_t *window; /* likewise; xAPIC's */
static bool wired; /* the 8259A's output is wanted at LINT0 of the boot CPU; likewise */
static bool no_lapic, no_x2apic; /* parameters */

static err_t set_nolapic(const char *value)
{
    no_lapic = true;
    return value ? -EINVAL : 0;
}
PARAM(nolapic, "leave the local APICs alone: one CPU, interrupts by the 8259A", set_nolapic);

static err_t set_nox2apic(const char *value)
{
    no_x2apic = true;
    return value ? -EINVAL : 0;
}
PARAM(nox2apic, "drive local APICs through memory even where they can do without", set_nox2apic);

/* --- registers --------------------------------------------------------------------------------- */

bool lapic_present(void)
{
    return present;
}

uint32_t lapic_read(unsigned offset)
{
    if (x2apic)
        return (uint32_t)msr_read(MSR_X2APIC + offset / 16);
    return mmio_read32(window + offset);
}

__hot void lapic_write(unsigned offset, uint32_t value)
{
    if (x2apic)
        msr_write(MSR_X2APIC + offset / 16, value);
    else
        mmio_write32(window + offset, value);
}

__hot void lapic_eoi(void)
{
    lapic_write(REG_EOI, 0);
}

static bool vector_bit(unsigned reg, unsigned vector)
{
    return lapic_read(reg + vector / 32 * 16) >> vector % 32 & 1;
}

bool lapic_requested(unsigned vector)
{
    return vector_bit(REG_IRR, vector);
}

/* --- between CPUs ------------------------------------------------------------------------------ */

static void xapic_command(uint32_t id, uint32_t command)
{
    unsigned long flags = hal_irq_save();

    for (unsigned n = 0; (lapic_read(REG_ICR) & ICR_BUSY) && n < BUSY_SPINS; n++)
        hal_relax();
    lapic_write(REG_ICR_HIGH, id << 24);
    lapic_write(REG_ICR, command);
    hal_irq_restore(flags);
}

/* Writes to x2APIC's registers wait for nothing (SDM vol. 3, 10.12.3), but what the other CPU is
 * interrupted for must be there when it looks. */
static void command_send(uint32_t id, uint32_t command)
{
    if (x2apic) {
        __asm__ volatile("mfence; lfence" : : : "memory");
        msr_write(MSR_X2APIC + REG_ICR / 16, (uint64_t)id << 32 | command);
    } else {
        xapic_command(id, command);
    }
}

__hot void lapic_ipi(struct cpu *cpu, enum ipi ipi)
{
    if (ipi == IPI_STOP)
        command_send((uint32_t)cpu->hw_id, DELIVER_NMI | ICR_ASSERT);
    else if (ipi != IPI_RESCHED || !x86_idle_watches(cpu))
        command_send((uint32_t)cpu->hw_id, (LAPIC_VECTOR_IPI + ipi) | ICR_ASSERT);
}

/* SDM vol. 3, 8.4.4.1; MP specification 1.4, B.4. */
static err_t sipi_start(const struct hw_cpu *hw, paddr_t entry, uint64_t arg)
{
    uint32_t id = (uint32_t)hw->hw_id;

    (void)arg;
    if (hw->hw_id > (x2apic ? UINT32_MAX - 1 : (uint64_t)XAPIC_ID_MAX))
        return -EINVAL;
    if (entry >= MiB || !IS_ALIGNED(entry, PAGE_SIZE))
        return -EINVAL;
    command_send(id, DELIVER_INIT | ICR_ASSERT | ICR_LEVEL);
    (void)sleep_until(clock_monotonic() + INIT_WAIT_NS, false);
    command_send(id, DELIVER_INIT | ICR_LEVEL);
    for (unsigned i = 0; i < 2; i++) {
        command_send(id, DELIVER_STARTUP | ICR_ASSERT | (uint32_t)(entry >> PAGE_SHIFT));
        (void)sleep_until(clock_monotonic() + STARTUP_WAIT_NS, false);
    }
    return 0;
}

static const struct cpu_starter starter = {
    .name = "sipi", .handles = HW_START_SIPI, .start = sipi_start
};

/* --- one CPU's part ---------------------------------------------------------------------------- */

/* What a firmware or an earlier kernel left in service would hold back all below it. */
static void service_clear(void)
{
    for (unsigned vector = 0; vector < 256; vector++)
        if (vector_bit(REG_ISR, vector))
            lapic_eoi();
}

static uint32_t own_uid(void)
{
    const struct hardware_info *hw = hardware();

    for (uint32_t i = 0; i < hw->cpu_count; i++)
        if (hw->cpus[i].hw_id == cpu_current()->hw_id)
            return hw->cpus[i].uid;
    return UINT32_MAX;
}

/* The two pins: the 8259A and NMI sources, as the firmware says they are connected. */
static void pins_set(void)
{
    const struct hardware_info *hw = hardware();
    bool boot = cpu_current()->id == 0;
    uint32_t lint[2] = { LINT_UNUSED, LINT_UNUSED };
    uint32_t uid = own_uid();

    if (boot && hw->lapic_nmi_count == 0)
        lint[1] = DELIVER_NMI;
    for (uint32_t i = 0; i < hw->lapic_nmi_count; i++) {
        const struct hw_lapic_nmi *nmi = &hw->lapic_nmis[i];

        if (nmi->uid == UINT32_MAX || nmi->uid == uid)
            lint[nmi->lint & 1] = DELIVER_NMI | (nmi->polarity == HW_ACTIVE_LOW ? LVT_ACTIVE_LOW : 0);
    }
    if (boot && wired)
        lint[0] = DELIVER_EXTINT;
    lapic_write(REG_LVT_LINT0, lint[0]);
    lapic_write(REG_LVT_LINT0 + 16, lint[1]);
}

/* Off -> xAPIC -> x2APIC is the only way there (SDM vol. 3, 10.12.5). */
static void mode_set(void)
{
    uint64_t base = msr_read(MSR_APIC_BASE);

    if (!(base & BASE_ENABLE))
        msr_write(MSR_APIC_BASE, base |= BASE_ENABLE);
    if (x2apic && !(base & BASE_X2APIC))
        msr_write(MSR_APIC_BASE, base | BASE_X2APIC);
}

void lapic_start_cpu(void)
{
    mode_set();
    lapic_write(REG_TPR, 0);
    if (!x2apic)
        lapic_write(REG_DFR, UINT32_MAX);
    lapic_write(REG_SPURIOUS, SPURIOUS_ENABLE | LAPIC_VECTOR_SPURIOUS);
    service_clear();
    lapic_write(LAPIC_LVT_TIMER, LAPIC_LVT_MASKED | LAPIC_VECTOR_TIMER);
    if ((lapic_read(REG_VERSION) >> 16 & 0xff) >= LVT_PERF_AT)
        lapic_write(REG_LVT_PERF, LAPIC_LVT_MASKED);
    pins_set();
    lapic_write(REG_ESR, 0);
    lapic_write(REG_LVT_ERROR, LAPIC_VECTOR_ERROR);
}

/* --- as an interrupt controller ---------------------------------------------------------------- */

/* A vector that nobody uses, or the spurious one, which is not in service and gets no end. */
static __cold int claim_stray(unsigned vector)
{
    if (vector != LAPIC_VECTOR_SPURIOUS && vector_bit(REG_ISR, vector))
        lapic_eoi();
    return -1;
}

__hot int lapic_claim(unsigned vector)
{
    int irq = lapic_vector_irq[(uint8_t)vector];

    return likely(irq >= 0) ? irq : claim_stray((uint8_t)vector);
}

uint8_t lapic_vector_alloc(unsigned irq)
{
    for (unsigned v = LAPIC_VECTOR_LINES; v < LAPIC_VECTOR_LINES_END; v++) {
        int16_t none = -1;

        if (atomic_cas(&lapic_vector_irq[v], &none, (int16_t)irq))
            return (uint8_t)v;
    }
    return 0;
}

/* One that is on its way is a stray from now on. */
void lapic_vector_free(uint8_t vector)
{
    atomic_store(&lapic_vector_irq[vector], (int16_t)-1);
}

const char *lapic_label(unsigned irq)
{
    return irq == LAPIC_IRQ_TIMER ? "LOC" : irq == LAPIC_IRQ_ERROR ? "APE" : NULL;
}

static const struct irqchip *pic; /* behind LINT0; constant after start */

static void wire_mask(unsigned irq)
{
    if (lapic_is_message(irq))
        lapic_msi_mask(irq, true);
    else
        pic->mask(irq);
}

static void wire_unmask(unsigned irq)
{
    if (lapic_is_message(irq))
        lapic_msi_mask(irq, false);
    else
        pic->unmask(irq);
}

static err_t wire_route(unsigned irq, struct cpu *cpu)
{
    return lapic_is_message(irq) ? lapic_msi_route(irq, cpu) : cpu->id == 0 ? 0 : -EINVAL;
}

static int wire_claim(unsigned vector)
{
    return vector < LAPIC_VECTOR_LINES ? pic->claim(vector) : lapic_claim(vector);
}

static void wire_end(unsigned irq)
{
    if (irq < IRQ_LINES)
        pic->end(irq);
    else
        lapic_eoi();
}

static const struct irqchip wire = {
    .name = "virtual-wire",
    .mask = wire_mask,
    .unmask = wire_unmask,
    .claim = wire_claim,
    .end = wire_end,
    .ipi = lapic_ipi,
    .start_cpu = lapic_start_cpu,
    .route = wire_route,
    .label = lapic_label,
    .message_name = "PCI-MSI",
};

void lapic_wire_cut(void)
{
    wired = false;
    pins_set();
}

static void vectors_init(void)
{
    for (unsigned v = 0; v < ARRAY_SIZE(lapic_vector_irq); v++)
        lapic_vector_irq[v] = -1;
    lapic_vector_irq[LAPIC_VECTOR_TIMER] = LAPIC_IRQ_TIMER;
    lapic_vector_irq[LAPIC_VECTOR_ERROR] = LAPIC_IRQ_ERROR;
    for (unsigned i = 0; i < IPI_COUNT; i++)
        lapic_vector_irq[LAPIC_VECTOR_IPI + i] = (int16_t)(IRQ_IPI + i);
}

/* Can and may it be driven?  Finds out how, too. */
static err_t lapic_find(const struct hardware_info *hw)
{
    struct cpuid c = cpuid(1, 0);

    if (no_lapic || hw->lapic == 0 || !(c.edx & LEAF1_EDX_APIC))
        return -ENODEV;
    x2apic = (c.ecx & LEAF1_ECX_X2APIC) &&
             (!no_x2apic || (msr_read(MSR_APIC_BASE) & BASE_X2APIC));
    if (x2apic)
        return 0;
    window = vmap_device(hw->lapic, WINDOW_BYTES, MMU_READ | MMU_WRITE | MMU_DEVICE);
    return window ? 0 : -ENOMEM;
}

static err_t lapic_start(struct subsystem *self)
{
    err_t err = lapic_find(hardware());

    if (err)
        return err;
    vectors_init();
    wired = service_find_irqchip_named(self, "8259A", &pic) == 0;
    if (!wired && hardware()->has_pic)
        pic_silence(); /* their driver has failed, and did not */
    present = true;
    lapic_start_cpu();
    log_info("%s, id %llu, version %#x", x2apic ? "x2APIC" : "xAPIC",
             (unsigned long long)cpu_current()->hw_id, lapic_read(REG_VERSION) & 0xff);
    err = service_publish_cpu_starter(starter.name, &starter, 100, PRIV_DRIVER);
    if (!err && wired)
        err = service_publish_irqchip(wire.name, &wire, 200, PRIV_DRIVER);
    return err;
}

static void on_error(unsigned irq, void *arg)
{
    (void)irq, (void)arg;
    lapic_write(REG_ESR, 0); /* latches what happened since */
    log_once(LOG_WARN, "CPU %u: error status %#x; further ones are not told", cpu_current()->id,
             lapic_read(REG_ESR));
}

static err_t lapic_late(struct subsystem *self)
{
    (void)self;
    return irq_register(LAPIC_IRQ_ERROR, "APIC errors", on_error, NULL);
}

static const char *const needs[] = { "?pic", NULL };
static struct subsystem lapic_subsystem = {
    .name = "lapic",
    .privilege = PRIV_DRIVER,
    .needs = needs,
    .early_init = lapic_start,
    .late_init = lapic_late,
};
REGISTER_SUBSYSTEM(lapic_subsystem);
