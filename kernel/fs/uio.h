// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: one description of where bytes come from or go to: user memory in pieces, or a kernel
 * buffer.  Functions move `done` forward; a fault ends the copy early.
 */
#pragma once

#include <hal/usercopy.h>

#include <linux/uio.h>

#define UIO_INLINE 8
#define UIO_MAXIOV 1024
#define UIO_BYTES_MAX 0x7ffff000ul /* what one call moves at most, as on Linux */

struct uio {
    const struct iovec *iov; /* checked: lengths add up below SSIZE_MAX; iov_base is a user address */
    unsigned count; /* pieces left, the one being worked on included */
    size_t offset; /* in iov[0] */
    size_t left; /* bytes in all */
    char *kernel; /* not NULL: a kernel buffer of `left` bytes instead */
    struct iovec single; /* for the one-piece case */
};

static inline void uio_init_user(struct uio *u, vaddr_t base, size_t n)
{
    u->single.iov_base = (void *)base;
    u->single.iov_len = n;
    u->iov = &u->single;
    u->count = 1;
    u->offset = 0;
    u->left = n;
    u->kernel = NULL;
}

void uio_init_kernel(struct uio *u, void *buf, size_t n);
/* Copies the vector in; `*heap` is to be kfree'd afterwards.  0, -EINVAL, -EFAULT, -ENOMEM. */
err_t __must_check uio_init_vector(struct uio *u, const struct iovec __user *iov, unsigned count,
                                   struct iovec inline_iov[UIO_INLINE], struct iovec **heap);
/* Move up to n bytes; return how many were moved (less than asked: a fault, or the end of u). */
size_t __must_check uio_copy_to(struct uio *u, const void *src, size_t n);
size_t __must_check uio_copy_from(struct uio *u, void *dst, size_t n);
size_t __must_check uio_zero(struct uio *u, size_t n);
