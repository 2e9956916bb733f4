// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: a doubly linked list whose links live in the elements.
 * Model: a ring with the head in it; an empty list's head points to itself, and so does an element
 * that list_del has taken out, so list_linked() tells whether an element is on any list.
 * Locking: the owner's.
 */
#pragma once

#include <lib/types.h>

struct list {
    struct list *next, *prev;
};

#define LIST_INIT(name) { &(name), &(name) }

static inline void list_init(struct list *l)
{
    l->next = l->prev = l;
}

static inline bool list_empty(const struct list *l)
{
    return l->next == l;
}

static inline bool list_linked(const struct list *e)
{
    return e->next != e;
}

static inline void list_insert_between(struct list *e, struct list *prev, struct list *next)
{
    e->prev = prev;
    e->next = next;
    prev->next = e;
    next->prev = e;
}

static inline void list_add_tail(struct list *l, struct list *e)
{
    list_insert_between(e, l->prev, l);
}

static inline void list_add_head(struct list *l, struct list *e)
{
    list_insert_between(e, l, l->next);
}

static inline void list_del(struct list *e)
{
    e->prev->next = e->next;
    e->next->prev = e->prev;
    list_init(e);
}

/* Moves all of `from` to the end of `to`; `from` is empty afterwards. */
static inline void list_splice_tail(struct list *to, struct list *from)
{
    if (list_empty(from))
        return;
    from->next->prev = to->prev;
    to->prev->next = from->next;
    from->prev->next = to;
    to->prev = from->prev;
    list_init(from);
}

#define list_entry(e, type, member) container_of(e, type, member)
#define list_first(l, type, member) list_entry((l)->next, type, member)
#define list_last(l, type, member) list_entry((l)->prev, type, member)
#define list_first_or_null(l, type, member)                                                        \
    (list_empty(l) ? NULL : list_first(l, type, member))
#define list_for_each(var, l, member)                                                              \
    for (var = list_first(l, __typeof__(*var), member); &var->member != (l);                       \
         var = list_entry(var->member.next, __typeof__(*var), member))
/* As list_for_each, but the body may take `var` out of the list. */
#define list_for_each_safe(var, tmp, l, member)                                                    \
    for (var = list_first(l, __typeof__(*var), member),                                            \
        tmp = list_entry(var->member.next, __typeof__(*var), member);                              \
         &var->member != (l);                                                                      \
         var = tmp, tmp = list_entry(tmp->member.next, __typeof__(*tmp), member))
