// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: fuzz the device tree: the loader's record, what drivers ask, and the machine.
 * Run: scripts/fuzz.sh fdt SECONDS.
 */
#include <boot/fdt.h>

#include <lib/string.h>

#include "machine.h"

void *malloc(size_t n);
void free(void *p);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void drivers_ask(const struct fdt_view *v)
{
    struct device_node node;
    struct fdt_reg reg;
    size_t size;
    int out = fdt_stdout_node(v);

    if (out >= 0)
        (void)fdt_regs(v, (unsigned)out, &reg, 1);
    for (unsigned nth = 0; fdt_find(v, "arm,pl011", nth, &node) == 0; nth++) {
        expect(node.reg_count <= DEVICE_REGS_MAX && node.irq_count <= DEVICE_IRQS_MAX);
        (void)fdt_clock_hz(v, node.node);
    }
    (void)fdt_chosen_get(v, "rng-seed", &size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct fdt_view view;
    static struct hardware_info info;
    static struct hw_draft draft;
    static struct boot_record rec;
    static const struct loader_handoff h = { .protocol = LOADER_LINUX_FDT };
    uint8_t *blob = malloc(size + 1); /* aligned, and of just that size */

    memcpy(blob, data, size);
    if (fdt_open(&view, blob, size) == 0) {
        record_init(&rec, &h);
        (void)fdt_read_record(&view, &rec);
        expect(record_check(&rec));
        drivers_ask(&view);
        hw_draft_init(&draft, &info, 0);
        if (fdt_read_hardware(&view, &draft) == 0)
            machine_check(&draft);
    }
    free(blob);
    return 0;
}
