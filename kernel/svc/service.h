// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: the service locator: who provides an interface, and with what rating.
 *
 * Model: an interface is a struct type; SERVICE_TYPE(console, struct console_service) makes typed
 * functions for it, so that handing in or asking for another type does not compile.  Several
 * providers may publish one interface; get() gives the one with the highest rating, or by name.
 * Privileges: a caller is who the running thread works for (subsystem_current()); `who` counts only where
 * that is nobody, the kernel core, which may ask on behalf of one.  Interrupt handlers are nobody either, and
 * may use what a User subsystem may.  What is not allowed gives -EPERM, is counted and is logged:
 *   - to find a service that demands more than the caller has; for_each hides the `impl` of such;
 *   - to publish one that demands more than oneself has, or of an interface that another provides at a
 *     higher price: who may not use an interface may not stand in for it;
 *   - to withdraw what another subsystem published.
 * Locking: LOCK_SVC; look-ups take it, so keep the pointer on hot paths.
 */
#pragma once

#include <svc/subsystem.h>

struct service {
    const char *type; /* interface name */
    const char *name; /* provider */
    const void *impl;
    unsigned rating;
    enum privilege privilege; /* the least that a user must have */
    const struct subsystem *owner;
    uint32_t users, refused; /* counters, atomic */
    struct service *next;
};

/* Untyped; only SERVICE_TYPE's functions call them. Return: 0, -EEXIST, -ENOMEM, -EPERM. */
err_t __must_check service_publish_raw(const char *type, const char *name, const void *impl,
                                       unsigned rating, enum privilege privilege);
/* name NULL: the best.  who: see above; NULL: the kernel core.  Return: 0, -ENOENT, -EPERM. */
err_t __must_check service_find_raw(const char *type, const char *name,
                                    const struct subsystem *who, const void **out);
void service_withdraw_raw(const char *type, const char *name);
/* Of all that `owner` published.  Return: how many there were. */
unsigned services_withdraw_of(const struct subsystem *owner);
/* How many calls were refused since boot, those included that no service counts. */
uint64_t services_refused(void);
/* fn gets a copy that lasts for the call, without `impl` where the caller may not have it.  Under the lock:
 * must not sleep. */
void service_for_each(bool (*fn)(const struct service *s, void *arg), void *arg);

#define SERVICE_TYPE(id, type)                                                                     \
    static inline err_t __must_check __maybe_unused service_publish_##id(                                \
        const char *name, const type *impl, unsigned rating, enum privilege privilege)             \
    {                                                                                              \
        return service_publish_raw(#id, name, impl, rating, privilege);                            \
    }                                                                                              \
    static inline err_t __must_check __maybe_unused service_find_##id(const struct subsystem *who,       \
                                                                const type **out)                  \
    {                                                                                              \
        return service_find_raw(#id, NULL, who, (const void **)out);                               \
    }                                                                                              \
    static inline err_t __must_check __maybe_unused service_find_##id##_named(                           \
        const struct subsystem *who, const char *name, const type **out)                           \
    {                                                                                              \
        return service_find_raw(#id, name, who, (const void **)out);                               \
    }                                                                                              \
    static inline void __maybe_unused service_withdraw_##id(const char *name)                            \
    {                                                                                              \
        service_withdraw_raw(#id, name);                                                           \
    }                                                                                              \
    struct service_type_##id##_end
