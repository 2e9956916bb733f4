// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: counts per user.
 * Model: a few chains of users that hold something; who holds nothing is not there.
 * Locking: usage_lock for chains and references.
 */
#include <fs/usage.h>

#include <fs/actor.h>
#include <lib/hash.h>
#include <mm/heap.h>

#include <linux/capability.h>

#define USAGE_BUCKETS 64

static struct spinlock usage_lock = SPINLOCK_INIT(LOCK_PIPE);
static struct usage *buckets[USAGE_BUCKETS]; /* usage_lock */

static struct usage **bucket_of(uid_t uid)
{
    return &buckets[hash_u64(uid) % USAGE_BUCKETS];
}

/* The user's count with a reference more, or NULL; usage_lock held. */
static struct usage *usage_find(uid_t uid)
{
    struct usage *u = *bucket_of(uid);

    while (u && u->uid != uid)
        u = u->next;
    if (u)
        u->refs++;
    return u;
}

static struct usage *usage_add(uid_t uid)
{
    struct usage *fresh = kzalloc(sizeof *fresh), *u;

    if (!fresh)
        return ERR_PTR(-ENOMEM);
    spin_lock(&usage_lock);
    u = usage_find(uid);
    if (!u) {
        u = fresh;
        fresh = NULL;
        u->uid = uid;
        u->refs = 1;
        u->next = *bucket_of(uid);
        *bucket_of(uid) = u;
    }
    spin_unlock(&usage_lock);
    kfree(fresh);
    return u;
}

struct usage *usage_get(void)
{
    const struct cred *c = cred_current();
    struct usage *u;

    if (cred_capable(c, CAP_SYS_RESOURCE) || cred_capable(c, CAP_SYS_ADMIN))
        return NULL;
    spin_lock(&usage_lock);
    u = usage_find(c->uid);
    spin_unlock(&usage_lock);
    return u ? u : usage_add(c->uid);
}

void usage_put(struct usage *u)
{
    struct usage **at;

    if (!u)
        return;
    spin_lock(&usage_lock);
    bool last = --u->refs == 0;
    for (at = bucket_of(u->uid); last && *at; at = &(*at)->next)
        if (*at == u) {
            *at = u->next;
            break;
        }
    spin_unlock(&usage_lock);
    if (last)
        kfree(u);
}
