// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: STAC and CLAC where the CPU has SMAP, nothing where it does not (SDM vol. 3, 4.6).
 * Invariant: runs once, while the early page tables still let the kernel write its text.
 */
#include <cpu/smap.h>

#include <lib/types.h>

struct smap_place {
    int32_t offset; /* of the three bytes, from this field */
    uint32_t code; /* third byte: 0xca CLAC, 0xcb STAC */
};

extern const struct smap_place __start_smap_patches[], __stop_smap_patches[];

void smap_patch(void)
{
    static bool done;

    if (done)
        return;
    done = true;
    for (const struct smap_place *p = __start_smap_patches; p < __stop_smap_patches; p++) {
        uint8_t *at = (uint8_t *)&p->offset + p->offset;

        at[1] = 0x01;
        at[2] = (uint8_t)p->code;
        at[0] = 0x0f;
    }
}
