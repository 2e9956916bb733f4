// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: ends the machine's work: off, reboot, halt; also the last act of a panic.
 * Model: the power services are asked in order of rating; each returns only when it could not.  For a restart
 * reboot= names some that are asked before the others, the last name first (Linux's rule: the last one counts).
 */
#define LOG_TAG "power"
#include <svc/power.h>

#include <core/choice.h>
#include <core/log.h>
#include <core/panic.h>
#include <core/params.h>
#include <core/smp.h>
#include <hal/cpu.h>
#include <lib/fmt.h>
#include <lib/string.h>
#include <svc/subsystem.h>

#define PROVIDERS_MAX 8

struct providers {
    const struct power_service *service[PROVIDERS_MAX];
    const char *name[PROVIDERS_MAX];
    unsigned count;
};

static const char *wanted = ""; /* reboot='s names, with commas; constant after boot */

static err_t set_reboot(const char *value)
{
    if (!value || !*value)
        return -EINVAL;
    wanted = value;
    return 0;
}
PARAM_NAMED(reboot, "reboot", "what restarts the machine, by its name in /proc/services or Linux's (acpi, kbd, pci, "
            "triple)", set_reboot);

static bool gather(const struct service *s, void *arg)
{
    struct providers *p = arg;

    if (strcmp(s->type, "power") == 0 && p->count < PROVIDERS_MAX) {
        p->name[p->count] = s->name;
        p->service[p->count++] = s->impl;
    }
    return true;
}

/* --- reboot= ------------------------------------------------------------------------------------------- */

/* One of reboot='s names, not terminated. */
struct word {
    const char *text;
    size_t length;
};

/* The one at *at, which moves on.  Empty: there are no more. */
static struct word word_next(const char **at)
{
    struct word w;

    while (**at == ',')
        ++*at;
    w.text = *at;
    while (**at != '\0' && **at != ',')
        ++*at;
    w.length = (size_t)(*at - w.text);
    return w;
}

static bool word_is(struct word w, const char *name)
{
    return strlen(name) == w.length && memcmp(w.text, name, w.length) == 0;
}

/* Linux looks at the first letter of its own names alone. */
static bool word_names(struct word w, const char *provider)
{
    static const struct {
        const char *word, *letter, *provider;
    } also[] = { { "acpi", "a", "acpi" }, { "kbd", "k", "i8042" }, { "pci", "p", "port_cf9" },
                 { "triple", "t", "triple_fault" } };

    for (unsigned i = 0; i < ARRAY_SIZE(also); i++)
        if (strcmp(also[i].provider, provider) == 0 && (word_is(w, also[i].word) || word_is(w, also[i].letter)))
            return true;
    return word_is(w, provider);
}

/* Where the one that is meant stands; p->count: nowhere. */
static unsigned provider_of(const struct providers *p, struct word w)
{
    unsigned i = 0;

    while (i < p->count && !(p->service[i]->reboot && word_names(w, p->name[i])))
        i++;
    return i;
}

static void move_to_front(struct providers *p, unsigned i)
{
    const struct power_service *service = p->service[i];
    const char *name = p->name[i];

    for (; i > 0; i--) {
        p->service[i] = p->service[i - 1];
        p->name[i] = p->name[i - 1];
    }
    p->service[0] = service;
    p->name[0] = name;
}

static void wanted_first(struct providers *p)
{
    const char *at = wanted;
    struct word w;

    while ((w = word_next(&at)).length != 0) {
        unsigned i = provider_of(p, w);

        if (i < p->count)
            move_to_front(p, i);
    }
}

static struct providers known; /* for the line about an unknown name, at boot */

static const char *restarter_nth(unsigned n)
{
    for (unsigned i = 0; i < known.count; i++)
        if (known.service[i]->reboot && n-- == 0)
            return known.name[i];
    return NULL;
}

static err_t power_look_at_names(struct subsystem *self __maybe_unused)
{
    const char *at = wanted;
    struct word w;

    service_for_each(gather, &known);
    while ((w = word_next(&at)).length != 0) {
        char name[32];

        if (provider_of(&known, w) < known.count)
            continue;
        fmt_snprintf(name, sizeof name, "%.*s", (int)w.length, w.text);
        choice_unknown("reboot", name, restarter_nth);
    }
    return 0;
}

/* --- the end ------------------------------------------------------------------------------------------- */

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
    if (reboot)
        wanted_first(&p);
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
                                            .early_init = power_start,
                                            .late_init = power_look_at_names };
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
