// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: moves bytes between a described place and a kernel buffer.
 * Model: see uio.h.  One piece of user memory is the common case and has the short path.
 */
#include <fs/uio.h>

#include <arch/layout.h>
#include <lib/string.h>
#include <mm/heap.h>

void uio_init_kernel(struct uio *u, void *buf, size_t n)
{
    u->iov = NULL;
    u->count = 0;
    u->offset = 0;
    u->left = n;
    u->kernel = buf;
}

static err_t uio_check_vector(struct iovec *iov, unsigned count, size_t *total)
{
    size_t sum = 0;

    for (unsigned i = 0; i < count; i++) {
        size_t n = iov[i].iov_len;
        vaddr_t base = (vaddr_t)iov[i].iov_base;

        if ((ssize_t)n < 0)
            return -EINVAL;
        if (n != 0 && (base > USER_TOP || n > USER_TOP - base))
            return -EFAULT;
        /* Linux: the rest of what would exceed the largest count is left out, not refused. */
        iov[i].iov_len = MIN(n, UIO_BYTES_MAX - sum);
        sum += iov[i].iov_len;
    }
    *total = sum;
    return 0;
}

err_t uio_init_vector(struct uio *u, const struct iovec __user *iov, unsigned count,
                      struct iovec inline_iov[UIO_INLINE], struct iovec **heap)
{
    struct iovec *copy = inline_iov;
    size_t total;

    *heap = NULL;
    if (count > UIO_MAXIOV)
        return -EINVAL;
    if (count > UIO_INLINE) {
        copy = *heap = kmalloc(count * sizeof *copy);
        if (!copy)
            return -ENOMEM;
    }
    err_t err = copy_from_user(copy, iov, count * sizeof *copy);
    if (err == 0)
        err = uio_check_vector(copy, count, &total);
    if (err != 0) {
        kfree(*heap);
        *heap = NULL;
        return err;
    }
    *u = (struct uio){ .iov = copy, .count = count, .left = total };
    return 0;
}

enum uio_way { UIO_OUT, UIO_IN, UIO_ZERO };

/* Moves n bytes of the piece at hand.  Return: how many. */
static __always_inline size_t uio_piece(enum uio_way way, vaddr_t user, void *buf, size_t n)
{
    switch (way) {
    case UIO_OUT:
        return n - user_copy_out(USER_PTR(void, user), buf, n);
    case UIO_IN:
        return n - user_copy_in(buf, USER_PTR(void, user), n);
    default:
        return n - user_zero(USER_PTR(void, user), n);
    }
}

static void uio_kernel(struct uio *u, enum uio_way way, void *buf, size_t n)
{
    if (way == UIO_OUT)
        memcpy(u->kernel, buf, n);
    else if (way == UIO_IN)
        memcpy(buf, u->kernel, n);
    else
        memset(u->kernel, 0, n);
    u->kernel += n;
    u->left -= n;
}

static __noinline size_t uio_move_pieces(struct uio *u, enum uio_way way, char *buf, size_t n)
{
    size_t done = 0;

    n = MIN(n, u->left);
    if (u->kernel) {
        uio_kernel(u, way, buf, n);
        return n;
    }
    while (done < n) {
        size_t piece = u->iov->iov_len - u->offset;

        if (piece == 0) {
            u->iov++;
            u->count--;
            u->offset = 0;
            continue;
        }
        piece = MIN(piece, n - done);
        size_t got = uio_piece(way, (vaddr_t)u->iov->iov_base + u->offset, buf + done, piece);
        u->offset += got;
        u->left -= got;
        done += got;
        if (got < piece)
            break;
    }
    return done;
}

static __always_inline size_t uio_move(struct uio *u, enum uio_way way, char *buf, size_t n)
{
    if (unlikely(u->count != 1))
        return uio_move_pieces(u, way, buf, n);
    n = uio_piece(way, (vaddr_t)u->iov->iov_base + u->offset, buf, MIN(n, u->left));
    u->offset += n;
    u->left -= n;
    return n;
}

size_t uio_copy_to(struct uio *u, const void *src, size_t n)
{
    return uio_move(u, UIO_OUT, (char *)src, n);
}

size_t uio_copy_from(struct uio *u, void *dst, size_t n)
{
    return uio_move(u, UIO_IN, dst, n);
}

size_t uio_zero(struct uio *u, size_t n)
{
    return uio_move(u, UIO_ZERO, NULL, n);
}
