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

bool hw_msi_device(const struct hw_pci_host *host, uint16_t requester, uint32_t *its, uint32_t *device)
{
    uint32_t id = requester & host->msi_mask;

    for (uint32_t i = 0; i < host->msi_map_count; i++) {
        const struct hw_msi_map *m = &host->msi_maps[i];

        if (id < m->first || id - m->first >= m->count)
            continue;
        *its = m->its;
        *device = m->device + (id - m->first);
        return true;
    }
    return false;
}
