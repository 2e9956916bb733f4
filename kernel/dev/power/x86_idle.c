// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: chooses how idle CPUs wait: MWAIT where the CPU can do with it what HLT does, else HLT;
 * or what `idle=` says.
 *
 * MWAIT is tried when all CPUs run: one that waits must wake up when another stores to what it watches.  In
 * Bochs 2.7 it does not, for two reasons, and such a machine idles by HLT:
 *
 *  - MONITOR takes the physical address from the last translation that was made, not from the one that it finds
 *    (cpu/mwait.cc: tickle_read_virtual() returns at once on a TLB hit, address_xlation.paddress1 is an old one);
 *  - it has all CPUs drop the translation of the linear address that is equal to the physical one
 *    (bx_pc_system.invlpg(paddr)), and who has another, as of the direct map, writes past the monitor.
 *
 * Proof: with INVLPG of the watched address on the idle CPU before its MONITOR and on the other one before its
 * store, the store wakes it within 4 us; without either it does not.
 */
#define LOG_TAG "x86_idle"
#include <arch/msr.h>
#include <core/log.h>
#include <core/params.h>
#include <core/smp.h>
#include <hal/cpu.h>
#include <lib/string.h>
#include <sched/clock.h>
#include <svc/subsystem.h>

#define LEAF_MWAIT 5
#define LEAF1_ECX_MONITOR (1u << 3)
#define MWAIT_ECX_ENUMERATES 1u
#define MWAIT_EDX_C1 0xf0u /* number of C1's sub-states */
#define TRIES 5 /* an interrupt may end a wait that no store ends */
#define TRY_IDLE_NS (100 * NS_PER_MSEC) /* for the other CPU to become idle */
#define TRY_ENTER_NS (50 * NS_PER_USEC) /* from its mark to its MWAIT */
#define TRY_WAKE_NS (2 * NS_PER_MSEC)

static const char *const names[] = {
    [X86_IDLE_HALT] = "halt", [X86_IDLE_MWAIT] = "mwait", [X86_IDLE_POLL] = "poll"
};
static const char *wanted; /* NULL: nothing said */

static err_t set_idle(const char *value)
{
    for (unsigned i = 0; value && i < ARRAY_SIZE(names); i++)
        if (strcmp(value, names[i]) == 0) {
            wanted = names[i];
            return 0;
        }
    return -EINVAL;
}
PARAM(idle, "how idle CPUs wait: halt, mwait or poll", set_idle);

static bool has_mwait(void)
{
    return cpuid(0, 0).eax >= LEAF_MWAIT && (cpuid(1, 0).ecx & LEAF1_ECX_MONITOR);
}

/* A virtual machine whose MWAIT waits for nothing says that it has no C1. */
static bool mwait_saves(void)
{
    struct cpuid c = cpuid(LEAF_MWAIT, 0);

    return (c.ecx & MWAIT_ECX_ENUMERATES) && (c.edx & MWAIT_EDX_C1);
}

static enum x86_idle choose(void)
{
    if (wanted == names[X86_IDLE_POLL])
        return X86_IDLE_POLL;
    if (wanted == names[X86_IDLE_HALT] || !has_mwait())
        return X86_IDLE_HALT;
    return wanted == names[X86_IDLE_MWAIT] || mwait_saves() ? X86_IDLE_MWAIT : X86_IDLE_HALT;
}

static err_t idle_start(struct subsystem *self)
{
    (void)self;
    x86_idle = choose();
    if (wanted && wanted != names[x86_idle])
        log_warn("idle=%s: this CPU has no MWAIT", wanted);
    log_info("CPUs idle by %s", names[x86_idle]);
    return 0;
}

static bool mark_set(struct cpu *cpu)
{
    uint8_t was = X86_WATCHING;

    return atomic_cas(&cpu->arch.watching, &was, X86_WATCHING_ASKED);
}

static bool mark_gone(struct cpu *cpu)
{
    return atomic_load(&cpu->arch.watching) != X86_WATCHING_ASKED;
}

/* Return: did it come true? */
static bool wait_for(bool (*what)(struct cpu *cpu), struct cpu *cpu, ns_t within)
{
    ns_t end = clock_monotonic() + within;

    while (!what(cpu)) {
        if (clock_monotonic() > end)
            return what(cpu);
        hal_relax();
    }
    return true;
}

static bool never(struct cpu *cpu __maybe_unused)
{
    return false;
}

/* Does an idle CPU see this one's store?  One that does not become idle has the benefit of the doubt. */
static bool store_is_seen(struct cpu *cpu)
{
    x86_idle_touch(cpu); /* a translation that MONITOR should drop */
    if (!wait_for(mark_set, cpu, TRY_IDLE_NS))
        return true;
    (void)wait_for(never, cpu, TRY_ENTER_NS);
    x86_idle_touch(cpu);
    return wait_for(mark_gone, cpu, TRY_WAKE_NS);
}

static void nothing(void *arg __maybe_unused)
{
}

static err_t idle_try(struct subsystem *self __maybe_unused)
{
    for (unsigned i = 0; x86_idle == X86_IDLE_MWAIT && i < TRIES; i++) {
        struct cpu *other = cpus[cpu_current()->id == 0 ? cpu_count - 1 : 0];

        if (cpu_count == 1 || !cpu_online(other->id) || store_is_seen(other))
            continue;
        atomic_store(&x86_idle, X86_IDLE_HALT);
        smp_call_others(nothing, NULL); /* ends waits that no store ends */
        log_warn("CPU %u waits on when another stores to what it monitors: CPUs idle by halt", other->id);
    }
    return 0;
}

static struct subsystem idle_subsystem = {
    .name = "x86_idle", .privilege = PRIV_DRIVER, .early_init = idle_start, .late_init = idle_try
};
REGISTER_SUBSYSTEM(idle_subsystem);
