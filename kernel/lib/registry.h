// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: tables that the linker gathers from entries all over the tree.
 * Model: a section named registry_NAME holds pointers to the entries (pointers, because gcc
 * over-aligns large static records in a section); __start_/__stop_ symbols bound it.
 *
 *     REGISTRY_DECLARE(ktest, const struct ktest_case);     once, in a header
 *     REGISTRY_ADD(ktest, my_case);                         beside each entry
 *     registry_for_each(ktest, c) use(*c);                  c is `const struct ktest_case *const *`
 */
#pragma once

#include <lib/types.h>

#define REGISTRY_DECLARE(reg, type)                                                                \
    typedef type *const registry_##reg##_t;                                                        \
    extern registry_##reg##_t __start_registry_##reg[] __attribute__((weak, visibility("hidden")));\
    extern registry_##reg##_t __stop_registry_##reg[] __attribute__((weak, visibility("hidden")))

#if __has_attribute(no_reorder) /* gcc; clang keeps the order of a file anyway */
#define REGISTRY_ORDERED __attribute__((no_reorder))
#else
#define REGISTRY_ORDERED
#endif

#define REGISTRY_ADD(reg, entry)                                                                   \
    static registry_##reg##_t registry_##reg##_##entry REGISTRY_ORDERED                            \
        __attribute__((used, section("registry_" #reg), aligned(sizeof(void *)))) = &entry

#define registry_for_each(reg, var)                                                                \
    for (registry_##reg##_t *var = __start_registry_##reg; var < __stop_registry_##reg; var++)
#define registry_count(reg) ((size_t)(__stop_registry_##reg - __start_registry_##reg))
