// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: tells the address sanitizer which memory is in use.  Nothing in builds without it.
 */
#pragma once

#include <lib/types.h>

#if defined __SANITIZE_ADDRESS__
#define SANITIZED 1
#elif defined __has_feature
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif

#ifdef SANITIZED
void __asan_poison_memory_region(const volatile void *addr, size_t size);
void __asan_unpoison_memory_region(const volatile void *addr, size_t size);
#define san_poison(p, n) __asan_poison_memory_region(p, n)
#define san_unpoison(p, n) __asan_unpoison_memory_region(p, n)
/* For the few functions that look into memory which is not in use. */
#define __unsanitized __attribute__((no_sanitize("address"), noinline))
#else
#define san_poison(p, n) ((void)(p), (void)(n))
#define san_unpoison(p, n) ((void)(p), (void)(n))
#define __unsanitized inline
#endif
