// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: the only functions that touch user memory.
 *
 * Every address is checked against USER_TOP first; a fault inside is handled like any fault (so
 * they may sleep, unless fault_disable() is in force, when an absent page just ends the copy); one
 * that cannot be handled ends the copy.  SMAP/PAN are open only inside.  They see the running
 * thread's address space.
 */
#pragma once

#include <lib/types.h>

/* Return: the number of bytes NOT copied (0: all). */
size_t __must_check user_copy_in(void *dst, const void __user *src, size_t n);
size_t __must_check user_copy_out(void __user *dst, const void *src, size_t n);
size_t __must_check user_zero(void __user *dst, size_t n);
/*
 * Copies a string with its NUL into dst of `size` bytes.  Return: its length without the NUL;
 * `size` when there was no NUL in the first size bytes; -EFAULT.
 */
ssize_t __must_check user_copy_string(char *dst, const char __user *src, size_t size);

/* One naturally aligned word, atomically.  Return: 0, -EFAULT. */
err_t __must_check user_load_u32(const uint32_t __user *p, uint32_t *out);
err_t __must_check user_store_u32(uint32_t __user *p, uint32_t v);
err_t __must_check user_load_u64(const uint64_t __user *p, uint64_t *out);
err_t __must_check user_store_u64(uint64_t __user *p, uint64_t v);
/* Stores `v` if *p is `expected`; *old is what stood there.  Return: 0, -EFAULT. */
err_t __must_check user_cas_u32(uint32_t __user *p, uint32_t expected, uint32_t v, uint32_t *old);

/* All or nothing for the caller.  Return: 0, -EFAULT. */
static inline err_t __must_check copy_from_user(void *dst, const void __user *src, size_t n)
{
    return user_copy_in(dst, src, n) ? -EFAULT : 0;
}

static inline err_t __must_check copy_to_user(void __user *dst, const void *src, size_t n)
{
    return user_copy_out(dst, src, n) ? -EFAULT : 0;
}
