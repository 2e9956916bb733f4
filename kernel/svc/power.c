// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: ends the machine's work: off, reboot, halt; also the last act of a panic.
 * Model: the power services are asked in order of rating; each returns only when it could not.
 */
#define LOG_TAG "power"
#include <svc/power.h>

#include <core/log.h>
#include <core/panic.h>
#include <core/smp.h>
#include <hal/cpu.h>
#include <lib/string.h>
#include <svc/subsystem.h>

#define PROVIDERS_MAX 8

struct providers {
    const struct power_service *service[PROVIDERS_MAX];
    unsigned count;
};

static bool gather(const struct service *s, void *arg)
{
    struct providers *p = arg;

    if (strcmp(s->type, "power") == 0 && p->count < PROVIDERS_MAX)
        p->service[p->count++] = s->impl;
    return true;
}

/* Whatever they do, it must not go on while the machine goes down.  A panic has stopped them. */
static void others_stop(void)
{
    unsigned left;

    hal_irq_disable();
    left = panicking ? 0 : smp_stop_others();
    if (left != 0)
        log_warn("%u CPUs did not stop", left);
}

static __noreturn void ask_all(bool reboot)
{
    struct providers p = { .count = 0 };

    service_for_each(gather, &p);
    others_stop();
    hal_irq_disable();
    for (unsigned i = 0; i < p.count; i++) {
        void (*act)(void) = reboot ? p.service[i]->reboot : p.service[i]->off;

        if (act)
            act();
    }
    log_emerg("nothing here can %s: system halted", reboot ? "restart the machine" : "turn it off");
    hal_halt();
}

void power_off(void)
{
    log_notice("power off");
    subsystems_shutdown();
    ask_all(false);
}

void power_reboot(void)
{
    log_notice("reboot");
    subsystems_shutdown();
    ask_all(true);
}

void power_halt(void)
{
    subsystems_shutdown();
    others_stop();
    log_emerg("system halted");
    hal_halt();
}

static void after_panic(bool reboot)
{
    hal_irq_disable();
    if (reboot)
        ask_all(true);
    hal_halt();
}

static err_t power_start(struct subsystem *self __maybe_unused)
{
    panic_set_action(after_panic);
    return 0;
}

static struct subsystem power_subsystem = { .name = "power",
                                            .privilege = PRIV_KERNEL,
                                            .early_init = power_start };
REGISTER_SUBSYSTEM(power_subsystem);

static void (*ctrl_alt_del_fn)(void); /* atomic */

void power_ctrl_alt_del_set(void (*fn)(void))
{
    atomic_store(&ctrl_alt_del_fn, fn);
}

void power_ctrl_alt_del(void)
{
    void (*fn)(void) = atomic_load(&ctrl_alt_del_fn);

    if (!fn)
        power_reboot();
    fn();
}
