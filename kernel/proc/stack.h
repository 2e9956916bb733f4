// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: a new program's first stack: strings, environment, auxiliary vector.
 *
 * Model: the strings are gathered from the old program into one block of kernel memory (argv, envp,
 * then the file's name: as they will lie on the stack), because the old space is gone when the stack is
 * written.  The whole image is then laid out below it and copied out at once.
 */
#pragma once

#include <lib/types.h>

#include <proc/process.h>

#define ARG_STRING_MAX (128 * KiB) /* one string, its NUL included */
#define ARG_TOTAL_MIN (128 * KiB) /* always granted, whatever RLIMIT_STACK says */
#define ARG_TOTAL_MAX (6 * MiB)

struct arg_block {
    char *data;
    size_t used, size, limit; /* bytes */
    unsigned argc, envc;
};

/* Bytes that strings and pointers may take under RLIMIT_STACK. */
size_t arg_limit(const struct process *p);
/* Each adds one string: 0, -E2BIG, -ENOMEM, -EFAULT. */
err_t __must_check arg_add(struct arg_block *b, const char *s);
err_t __must_check arg_add_user(struct arg_block *b, const char __user *s);
void arg_free(struct arg_block *b);

struct stack_aux { /* what the loader knows for the auxiliary vector */
    vaddr_t phdr, entry, interp_base;
    unsigned phnum;
    bool secure;
    const char *file_name; /* in the block it is the last string */
};

/*
 * Writes the image below `top` into the active space `s`, whose arg and env marks and auxv it
 * sets.  *sp: where argc stands.  0, -EFAULT, -ENOMEM.
 */
err_t __must_check stack_write(struct space *s, vaddr_t top, const struct arg_block *b,
                               const struct stack_aux *aux, vaddr_t *sp);
