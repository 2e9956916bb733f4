// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: chooses how idle CPUs wait: MWAIT where the CPU can do with it what HLT does, else HLT;
 * or what `idle=` says.
 */
#define LOG_TAG "x86_idle"
#include <arch/msr.h>
#include <core/log.h>
#include <core/params.h>
#include <hal/cpu.h>
#include <lib/string.h>
#include <svc/subsystem.h>

#define LEAF_MWAIT 5
#define LEAF1_ECX_MONITOR (1u << 3)
#define MWAIT_ECX_ENUMERATES 1u
#define MWAIT_EDX_C1 0xf0u /* number of C1's sub-states */

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

static struct subsystem idle_subsystem = {
    .name = "x86_idle", .privilege = PRIV_DRIVER, .early_init = idle_start
};
REGISTER_SUBSYSTEM(idle_subsystem);
