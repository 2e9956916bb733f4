// SPDX-License-Identifier: CC0-1.0
/* Purpose: see <core/hardware.h>. */
#include <core/hardware.h>
#include <lib/atomic.h>

static const struct hardware_info nothing = {
    .cpu_count = 1,
    .cpus[0] = { .package = UINT32_MAX, .cluster = UINT32_MAX, .core = UINT32_MAX,
                 .thread = UINT32_MAX },
    .node_count = 1,
    .distance = { 10 },
    .has_pic = true,
    .has_8042 = true,
    .has_vga = true,
    .has_rtc = true,
};

static const struct hardware_info *current = &nothing;

const struct hardware_info *hardware(void)
{
    return atomic_load_relaxed(&current);
}

void hardware_set(const struct hardware_info *info)
{
    atomic_store(&current, info);
}
