// SPDX-License-Identifier: CC0-1.0
/*
 * Layout, downwards from `top`:
 *
 *     8 zero bytes | file name | envp strings | argv strings | (random gap) | platform | 16 random
 *     bytes | (alignment) | auxv | envp[] NULL | argv[] NULL | argc  <- sp, a multiple of 16
 */
#include <proc/stack.h>

#include <core/random.h>
#include <hal/abi.h>
#include <hal/usercopy.h>
#include <lib/string.h>
#include <mm/heap.h>

#include <linux/auxvec.h>

#ifndef AT_MINSIGSTKSZ
#define AT_MINSIGSTKSZ 51
#endif

/* ---- gathering ----------------------------------------------------------------------------- */

size_t arg_limit(const struct process *p)
{
    uint64_t quarter = process_limit(p, RLIMIT_STACK) / 4;

    return CLAMP(quarter, ARG_TOTAL_MIN, ARG_TOTAL_MAX);
}

static err_t arg_reserve(struct arg_block *b, size_t room)
{
    size_t size = b->size ? b->size : PAGE_SIZE;
    char *grown;

    if (b->size - b->used >= room)
        return 0;
    while (size - b->used < room)
        size *= 2;
    grown = krealloc(b->data, size);
    if (!grown)
        return -ENOMEM;
    b->data = grown;
    b->size = size;
    return 0;
}

err_t arg_add(struct arg_block *b, const char *s)
{
    size_t n = strlen(s) + 1;
    err_t err;

    if (n > ARG_STRING_MAX || b->used + n > b->limit)
        return -E2BIG;
    err = arg_reserve(b, n);
    if (err)
        return err;
    memcpy(b->data + b->used, s, n);
    b->used += n;
    return 0;
}

err_t arg_add_user(struct arg_block *b, const char __user *s)
{
    size_t room = 256;

    for (;;) {
        err_t err = arg_reserve(b, room);
        ssize_t n;

        if (err)
            return err;
        room = MIN(b->size - b->used, (size_t)ARG_STRING_MAX);
        n = user_copy_string(b->data + b->used, s, room);
        if (n < 0)
            return (err_t)n;
        if ((size_t)n < room) {
            b->used += (size_t)n + 1;
            return b->used > b->limit ? -E2BIG : 0;
        }
        if (room == ARG_STRING_MAX || b->used + room > b->limit)
            return -E2BIG;
        room *= 2;
    }
}

void arg_free(struct arg_block *b)
{
    kfree(b->data);
    b->data = NULL;
}

/* ---- writing ------------------------------------------------------------------------------- */

struct image { /* the part below the strings, built in kernel memory */
    uint64_t *words;
    size_t count;
};

static void aux_add(struct space *s, uint64_t type, uint64_t value)
{
    s->auxv[s->auxv_words++] = type;
    s->auxv[s->auxv_words++] = value;
}

/* In Linux's order. */
static void aux_fill(struct space *s, const struct stack_aux *a, vaddr_t name, vaddr_t platform,
                     vaddr_t random)
{
    const struct cred *c = cred_current();

    s->auxv_words = 0;
    if (s->vdso)
        aux_add(s, AT_SYSINFO_EHDR, s->vdso);
    aux_add(s, AT_HWCAP, abi_hwcap());
    aux_add(s, AT_PAGESZ, PAGE_SIZE);
    aux_add(s, AT_CLKTCK, 100);
    aux_add(s, AT_PHDR, a->phdr);
    aux_add(s, AT_PHENT, 56);
    aux_add(s, AT_PHNUM, a->phnum);
    aux_add(s, AT_BASE, a->interp_base);
    aux_add(s, AT_FLAGS, 0);
    aux_add(s, AT_ENTRY, a->entry);
    aux_add(s, AT_UID, c->uid);
    aux_add(s, AT_EUID, c->euid);
    aux_add(s, AT_GID, c->gid);
    aux_add(s, AT_EGID, c->egid);
    aux_add(s, AT_SECURE, a->secure);
    aux_add(s, AT_RANDOM, random);
    aux_add(s, AT_HWCAP2, abi_hwcap2());
    aux_add(s, AT_MINSIGSTKSZ, abi_signal_frame_size());
    aux_add(s, AT_EXECFN, name);
    aux_add(s, AT_PLATFORM, platform);
    aux_add(s, AT_NULL, 0);
}

/* Addresses of `n` strings that follow each other from *at on; *at moves behind them. */
static void add_pointers(struct image *i, const char **s, vaddr_t *at, unsigned n)
{
    while (n--) {
        size_t length = strlen(*s) + 1;

        i->words[i->count++] = *at;
        *s += length;
        *at += length;
    }
    i->words[i->count++] = 0;
}

static void build_image(struct space *s, const struct arg_block *b, vaddr_t strings,
                        struct image *i)
{
    const char *text = b->data;
    vaddr_t at = strings;

    i->words[i->count++] = b->argc;
    s->arg_start = at;
    add_pointers(i, &text, &at, b->argc);
    s->arg_end = s->env_start = at;
    add_pointers(i, &text, &at, b->envc);
    s->env_end = at;
    memcpy(&i->words[i->count], s->auxv, s->auxv_words * sizeof(uint64_t));
    i->count += s->auxv_words;
}

err_t stack_write(struct space *s, vaddr_t top, const struct arg_block *b,
                  const struct stack_aux *aux, vaddr_t *sp)
{
    static const char platform_name[] = ABI_PLATFORM;
    vaddr_t strings = top - sizeof(uint64_t) - b->used;
    vaddr_t name = top - sizeof(uint64_t) - (strlen(aux->file_name) + 1);
    vaddr_t platform, random;
    struct image i = { .count = 0 };
    uint8_t seed[16];
    err_t err;

    platform = ALIGN_DOWN(strings, 16);
    if (!(process_current()->personality & 0x0040000 /* ADDR_NO_RANDOMIZE */))
        platform -= random_below(512) * 16;
    platform -= sizeof platform_name;
    random = ALIGN_DOWN(platform - sizeof seed, 16);
    aux_fill(s, aux, name, platform, random);
    i.words = kmalloc((b->argc + b->envc + 3 + s->auxv_words) * sizeof(uint64_t));
    if (!i.words)
        return -ENOMEM;
    build_image(s, b, strings, &i);
    *sp = ALIGN_DOWN(random - i.count * sizeof(uint64_t), 16);
    random_bytes(seed, sizeof seed);
    err = copy_to_user(USER_PTR(void, strings), b->data, b->used);
    if (!err)
        err = copy_to_user(USER_PTR(void, platform), platform_name, sizeof platform_name);
    if (!err)
        err = copy_to_user(USER_PTR(void, random), seed, sizeof seed);
    if (!err)
        err = copy_to_user(USER_PTR(void, *sp), i.words, i.count * sizeof(uint64_t));
    kfree(i.words);
    return err;
}
