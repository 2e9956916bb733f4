// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: the device tree that the boot loader hands over: checked, made the boot record, its console
 * started, published to drivers.
 * Invariant: `tree` is NULL or a blob that passed fdt_check; it stays reserved and mapped for ever.
 * Locking: boot, one CPU.
 */
#define LOG_TAG "fdt"
#include <boot/fdt.h>

#include <arch/early.h>
#include <core/log.h>
#include <core/random.h>
#include <dev/serial/earlycon.h>
#include <svc/boot_info.h>
#include <svc/subsystem.h>

#include <libfdt.h>

static const void *tree; /* set by fdt_parse, constant afterwards */

/* Seeds of the loader are as good as its word: mixed in, and counted. */
static void seeds_use(const void *blob)
{
    static const char *const names[] = { "rng-seed", "kaslr-seed" };
    int chosen = fdt_path_offset(blob, "/chosen");

    for (unsigned i = 0; chosen >= 0 && i < ARRAY_SIZE(names); i++) {
        size_t size;
        const void *p = fdt_property_get(blob, chosen, names[i], &size);

        if (p != NULL)
            random_add(p, size, (unsigned)MIN(size, 64ul) * 8);
    }
}

static void earlycon_start(const void *blob)
{
    int node = fdt_stdout_node(blob);
    struct fdt_reg reg;

    if (node < 0 || fdt_regs(blob, node, &reg, 1) != 1)
        return;
    registry_for_each(earlycon, e)
        if (fdt_node_check_compatible(blob, node, (*e)->compatible) == 0) {
            (*e)->start(reg.start);
            return;
        }
}

/* The boot code mapped 2 MiB from the blob's start on, wherever it is. */
static err_t fdt_parse(const struct loader_handoff *h, struct boot_record *rec)
{
    const void *blob = phys_to_virt(h->info);
    uint64_t total;
    err_t err;

    if (h->info == 0) {
        log_err("the loader gave no device tree");
        return -EINVAL;
    }
    if (fdt_check(blob, FDT_SIZE_MAX, &total) != 0) {
        log_err("the device tree at %#llx is broken", (unsigned long long)h->info);
        return -EINVAL;
    }
    tree = blob;
    rec->fdt = h->info;
    rec->fdt_size = total;
    earlycon_start(blob);
    seeds_use(blob);
    err = fdt_read_record(blob, rec);
    for (unsigned i = 0; i < rec->range_count; i++)
        if (rec->ranges[i].kind == MEM_USABLE)
            early_ram_map(rec->ranges[i].start, rec->ranges[i].size);
    return err;
}
BOOT_PROTOCOL(fdt, LOADER_LINUX_FDT, fdt_parse);

/* --- the service for drivers --- */

static err_t service_find(const char *compatible, unsigned nth, struct device_node *out)
{
    err_t err = fdt_find(tree, compatible, nth, out);

    if (err == -EINVAL)
        log_err("%s: registers or interrupts make no sense", compatible);
    return err;
}

static const void *service_property(const struct device_node *node, const char *name, size_t *size)
{
    return fdt_property_get(tree, node->offset, name, size);
}

static uint32_t service_clock_hz(const struct device_node *node)
{
    return fdt_clock_hz(tree, node->offset);
}

static paddr_t service_stdout(void)
{
    int node = fdt_stdout_node(tree);
    struct fdt_reg reg;

    return node >= 0 && fdt_regs(tree, node, &reg, 1) == 1 ? reg.start : 0;
}

static const struct device_tree_service service = {
    .find = service_find,
    .property = service_property,
    .clock_hz = service_clock_hz,
    .stdout = service_stdout,
};

static err_t fdt_start(struct subsystem *self)
{
    if (tree == NULL)
        return -ENODEV;
    tree = phys_to_virt(boot_info()->fdt); /* the same address, now in the final direct map */
    return service_publish_device_tree("fdt", &service, 100, PRIV_DRIVER);
}

static struct subsystem fdt_subsystem = {
    .name = "device_tree", .privilege = PRIV_KERNEL, .early_init = fdt_start
};
REGISTER_SUBSYSTEM(fdt_subsystem);
