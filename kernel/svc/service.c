// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: the service locator.
 *
 * Model: one list of (interface, provider) with the rating; it is short and look-ups are rare, since
 * users keep the pointer.  The list is ordered by rating, so that the first match is the best.
 * Locking: LOCK_SVC; counters are atomic.  A panic walks the list without the lock.
 */
#define LOG_TAG "service"
#include <svc/service.h>

#include <core/log.h>
#include <core/panic.h>
#include <core/spinlock.h>
#include <hal/cpu.h>
#include <lib/string.h>
#include <mm/heap.h>

static struct spinlock lock = SPINLOCK_INIT(LOCK_SVC);
static struct service *services; /* lock; best rating first */

static bool service_matches(const struct service *s, const char *type, const char *name)
{
    return strcmp(s->type, type) == 0 && (!name || strcmp(s->name, name) == 0);
}

/* The link that points to the first match, or to NULL. */
static struct service **service_link(const char *type, const char *name)
{
    struct service **link = &services;

    while (*link && !service_matches(*link, type, name))
        link = &(*link)->next;
    return link;
}

static uint64_t refused; /* atomic */

/* Whose privilege counts. */
struct caller {
    const char *name;
    enum privilege privilege;
    const struct subsystem *subsystem; /* NULL: the core or an interrupt handler */
};

static bool in_interrupt(void)
{
    unsigned long flags = hal_irq_save();
    bool in = cpu_current()->irq_depth > 0;

    hal_irq_restore(flags);
    return in;
}

static struct caller caller_of(const struct subsystem *who)
{
    const struct subsystem *self = subsystem_current();

    if (in_interrupt())
        return (struct caller){ "an interrupt handler", PRIV_USER, NULL };
    if (!self)
        self = who;
    if (!self)
        return (struct caller){ "the kernel", PRIV_KERNEL, NULL };
    return (struct caller){ self->name, self->privilege, self };
}

static bool may_use(const struct caller *c, const struct service *s)
{
    return c->privilege >= s->privilege;
}

/* Counts and logs.  Not under the lock. */
static err_t refuse(const struct caller *c, const char *verb, const char *type, const char *name)
{
    atomic_fetch_add(&refused, 1);
    log_warn("%s may not %s service %s of %s: its privilege is too low", c->name, verb, type, name);
    return -EPERM;
}

uint64_t services_refused(void)
{
    return atomic_load_relaxed(&refused);
}

/* Does somebody provide the interface at a price that the caller cannot pay? */
static bool type_is_above(const struct caller *c, const char *type)
{
    for (struct service *s = services; s; s = s->next)
        if (strcmp(s->type, type) == 0 && !may_use(c, s)) {
            s->refused++;
            return true;
        }
    return false;
}

static err_t service_insert(struct service *s)
{
    struct service **link = &services;

    if (*service_link(s->type, s->name))
        return -EEXIST;
    while (*link && (*link)->rating >= s->rating)
        link = &(*link)->next;
    s->next = *link;
    atomic_store(link, s);
    return 0;
}

err_t service_publish_raw(const char *type, const char *name, const void *impl, unsigned rating,
                          enum privilege privilege)
{
    struct caller c = caller_of(NULL);
    struct service *s = kzalloc(sizeof *s);
    unsigned long flags;
    err_t err;

    if (!s)
        return -ENOMEM;
    *s = (struct service){ .type = type,
                           .name = name,
                           .impl = impl,
                           .rating = rating,
                           .privilege = privilege,
                           .owner = c.subsystem };
    flags = spin_lock_irqsave(&lock);
    err = !may_use(&c, s) || type_is_above(&c, type) ? -EPERM : service_insert(s);
    spin_unlock_irqrestore(&lock, flags);
    if (err)
        kfree(s);
    return err == -EPERM ? refuse(&c, "publish", type, name) : err;
}

err_t service_find_raw(const char *type, const char *name, const struct subsystem *who,
                       const void **out)
{
    struct caller c = caller_of(who);
    unsigned long flags = spin_lock_irqsave(&lock);
    struct service *s = *service_link(type, name);
    err_t err = !s ? -ENOENT : may_use(&c, s) ? 0 : -EPERM;
    const char *provider = s ? s->name : NULL;

    if (err == 0) {
        s->users++;
        *out = s->impl;
    } else if (err == -EPERM) {
        s->refused++;
    }
    spin_unlock_irqrestore(&lock, flags);
    return err == -EPERM ? refuse(&c, "use", type, provider) : err;
}

static bool may_withdraw(const struct caller *c, const struct service *s)
{
    return c->subsystem ? c->subsystem == s->owner : c->privilege == PRIV_KERNEL;
}

void service_withdraw_raw(const char *type, const char *name)
{
    struct caller c = caller_of(NULL);
    unsigned long flags = spin_lock_irqsave(&lock);
    struct service **link = service_link(type, name), *s = *link;
    bool allowed = s && may_withdraw(&c, s);

    if (allowed)
        *link = s->next;
    else if (s)
        s->refused++;
    spin_unlock_irqrestore(&lock, flags);
    if (s && !allowed)
        (void)refuse(&c, "withdraw", type, name);
    else
        kfree(s);
}

/* Takes the first of `owner` off the list. */
static struct service *owned_take(const struct subsystem *owner)
{
    unsigned long flags = spin_lock_irqsave(&lock);
    struct service **link = &services, *s;

    while (*link && (*link)->owner != owner)
        link = &(*link)->next;
    s = *link;
    if (s)
        *link = s->next;
    spin_unlock_irqrestore(&lock, flags);
    return s;
}

unsigned services_withdraw_of(const struct subsystem *owner)
{
    struct service *s;
    unsigned n = 0;

    for (; (s = owned_take(owner)) != NULL; n++)
        kfree(s);
    return n;
}

/* Return: how many `impl`s were hidden. */
static unsigned for_each(const struct caller *c, bool (*fn)(const struct service *s, void *arg),
                         void *arg)
{
    unsigned hidden = 0;

    for (struct service *s = atomic_load(&services); s; s = atomic_load(&s->next)) {
        struct service shown = *s;

        shown.next = NULL;
        if (!may_use(c, s)) {
            shown.impl = NULL;
            s->refused++;
            hidden++;
        }
        if (!fn(&shown, arg))
            break;
    }
    return hidden;
}

void service_for_each(bool (*fn)(const struct service *s, void *arg), void *arg)
{
    struct caller c = { "the kernel", PRIV_KERNEL, NULL };
    unsigned long flags;
    unsigned hidden;

    if (panicking) {
        for_each(&c, fn, arg);
        return;
    }
    c = caller_of(NULL);
    flags = spin_lock_irqsave(&lock);
    hidden = for_each(&c, fn, arg);
    spin_unlock_irqrestore(&lock, flags);
    if (hidden) {
        atomic_fetch_add(&refused, hidden);
        log_warn("%s may not use %u of the services that it listed: its privilege is too low",
                 c.name, hidden);
    }
}
