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
                           .owner = subsystem_current() };
    flags = spin_lock_irqsave(&lock);
    err = service_insert(s);
    spin_unlock_irqrestore(&lock, flags);
    if (err)
        kfree(s);
    return err;
}

static bool may_use(const struct service *s, const struct subsystem *who)
{
    return !who || who->privilege >= s->privilege;
}

err_t service_find_raw(const char *type, const char *name, const struct subsystem *who,
                       const void **out)
{
    unsigned long flags = spin_lock_irqsave(&lock);
    struct service *s = *service_link(type, name);
    err_t err = !s ? -ENOENT : may_use(s, who) ? 0 : -EPERM;
    const char *provider = s ? s->name : NULL;

    if (err == 0) {
        s->users++;
        *out = s->impl;
    } else if (err == -EPERM) {
        s->refused++;
    }
    spin_unlock_irqrestore(&lock, flags);
    if (err == -EPERM)
        log_warn("%s may not use service %s of %s: its privilege is too low", who->name, type,
                 provider);
    return err;
}

void service_withdraw_raw(const char *type, const char *name)
{
    unsigned long flags = spin_lock_irqsave(&lock);
    struct service **link = service_link(type, name), *s = *link;

    if (s)
        *link = s->next;
    spin_unlock_irqrestore(&lock, flags);
    kfree(s);
}

static void for_each(bool (*fn)(const struct service *s, void *arg), void *arg)
{
    for (struct service *s = atomic_load(&services); s; s = atomic_load(&s->next))
        if (!fn(s, arg))
            return;
}

void service_for_each(bool (*fn)(const struct service *s, void *arg), void *arg)
{
    unsigned long flags;

    if (panicking) {
        for_each(fn, arg);
        return;
    }
    flags = spin_lock_irqsave(&lock);
    for_each(fn, arg);
    spin_unlock_irqrestore(&lock, flags);
}
