// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: the scalar types and the small macros that every file uses.
 *
 * Scalars that must not mix have names of their own: a physical address is a paddr_t, a frame
 * number a pfn_t, a duration or a point on the monotonic clock an ns_t.  An err_t is 0 or a
 * negative Linux errno (<linux/errno.h>); who ignores one does not compile.
 */
#pragma once

#include <stdalign.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/errno.h>

/* Not <limits.h>: the compiler's own one reaches for the C library's. */
#define CHAR_BIT __CHAR_BIT__
#define INT_MAX __INT_MAX__
#define INT_MIN (-INT_MAX - 1)
#define UINT_MAX (INT_MAX * 2u + 1u)
#define LONG_MAX __LONG_MAX__
#define LONG_MIN (-LONG_MAX - 1l)
#define ULONG_MAX (LONG_MAX * 2ul + 1ul)
#define SSIZE_MAX LONG_MAX

typedef int err_t;
typedef uint64_t paddr_t; /* a physical address */
typedef uintptr_t vaddr_t; /* a virtual address */
typedef uint64_t pfn_t; /* paddr_t / PAGE_SIZE */
typedef uint64_t ns_t; /* nanoseconds */
typedef long ssize_t;
typedef int64_t off_t;
typedef int pid_t;
typedef unsigned int uid_t;
typedef unsigned int gid_t;

#define NS_PER_SEC 1000000000ull
#define NS_PER_MSEC 1000000ull
#define NS_PER_USEC 1000ull
#define NS_NEVER UINT64_MAX

/* Internal codes of a system call that a signal interrupted; never reach user space. */
#define ERESTARTSYS 512 /* restart if SA_RESTART, else EINTR */
#define ERESTARTNOINTR 513 /* always restart */
#define ERESTARTNOHAND 514 /* restart only when no handler ran, else EINTR */
#define ERESTART_RESTARTBLOCK 516 /* restart by restart_syscall with the time that is left */

#define __must_check __attribute__((warn_unused_result))
#define __printf(f, a) __attribute__((format(printf, f, a)))
#define __noreturn __attribute__((noreturn))
#define __cold __attribute__((cold))
#define __hot __attribute__((hot))
#define __noinline __attribute__((noinline))
#define __always_inline inline __attribute__((always_inline))
#define __packed __attribute__((packed))
#define __maybe_unused __attribute__((unused))
#define __aligned(n) __attribute__((aligned(n)))
#define __used_section(name) __attribute__((used, section(name)))

/* A pointer into user space: touched through <hal/usercopy.h> alone. */
#if defined __CHECKER__
#define __user __attribute__((noderef, address_space(1)))
#define __force __attribute__((force))
#elif defined __clang__
#define __user __attribute__((address_space(1)))
#define __force
#else
#define __user
#define __force
#endif
/* The one way to make a user pointer of a number, and back. */
#define USER_PTR(type, value) ((type __user *)(uintptr_t)(value))
#define USER_ADDR(ptr) ((vaddr_t)(uintptr_t)(ptr))

#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define container_of(ptr, type, member)                                                            \
    ((type *)((char *)(ptr)-offsetof(type, member)))
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))
#define CLAMP(v, lo, hi) MIN(MAX(v, lo), hi)
#define BIT(n) (1ull << (n))
#define ALIGN_DOWN(x, a) ((x) & ~((__typeof__(x))(a)-1))
#define ALIGN_UP(x, a) ALIGN_DOWN((x) + ((__typeof__(x))(a)-1), a)
#define IS_ALIGNED(x, a) (((x) & ((__typeof__(x))(a)-1)) == 0)
#define IS_POW2(x) ((x) != 0 && ((x) & ((x)-1)) == 0)
#define DIV_ROUND_UP(n, d) (((n) + (d)-1) / (d))
#define STRINGIFY_(x) #x
#define STRINGIFY(x) STRINGIFY_(x)
#define CONCAT_(a, b) a##b
#define CONCAT(a, b) CONCAT_(a, b)

#define KiB 1024ull
#define MiB (1024ull * KiB)
#define GiB (1024ull * MiB)

#define PAGE_SHIFT 12
#define PAGE_SIZE 4096ul
#define PAGE_MASK (~(PAGE_SIZE - 1))
#define PFN(pa) ((pfn_t)(pa) >> PAGE_SHIFT)
#define PFN_ADDR(pfn) ((paddr_t)(pfn) << PAGE_SHIFT)
#define PAGES(bytes) (((bytes) + PAGE_SIZE - 1) >> PAGE_SHIFT)

/* Error in a pointer, for functions whose result is a pointer (the last 4095 addresses). */
#define ERR_PTR(err) ((void *)(intptr_t)(err))
#define PTR_ERR(ptr) ((err_t)(intptr_t)(ptr))
#define IS_ERR(ptr) ((uintptr_t)(ptr) >= (uintptr_t)-4095)
