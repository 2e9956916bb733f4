// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: names for addresses of the kernel image.
 * Model: the build links in tables made from the image's own symbols (see tools/symbols.py),
 * offsets from __image_start in ascending order.  The host has none: there the tables are absent.
 */
#include <core/panic.h>
#include <hal/boot.h>

#define WEAK __attribute__((weak, visibility("hidden")))
extern const uint32_t symbol_count WEAK;
extern const uint32_t symbol_offsets[] WEAK;
extern const uint32_t symbol_name_offsets[] WEAK;
extern const char symbol_names[] WEAK;

struct symbol symbol_find(uintptr_t addr)
{
    const uint32_t *count = &symbol_count;
    uintptr_t base = (uintptr_t)__image_start;
    uint32_t lo = 0, hi;

    __asm__("" : "+r"(count)); /* a weak symbol's address may be 0, whatever the compiler thinks */
    if (count == NULL || addr < base || addr >= (uintptr_t)__image_end || *count == 0 ||
        addr - base < symbol_offsets[0])
        return (struct symbol){ 0 };
    for (hi = *count; hi - lo > 1;) {
        uint32_t mid = lo + (hi - lo) / 2;

        if (symbol_offsets[mid] <= addr - base)
            lo = mid;
        else
            hi = mid;
    }
    return (struct symbol){ .name = symbol_names + symbol_name_offsets[lo],
                            .offset = addr - base - symbol_offsets[lo] };
}
