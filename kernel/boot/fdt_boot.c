// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: the device tree that the boot loader hands over: checked, made the boot record, its console
 * started, published to drivers.
 * Invariant: `tree` is empty or a blob that fdt_open accepted; it stays reserved and mapped for ever.
 * Locking: boot, one CPU.
 */
#define LOG_TAG "fdt"
#include <boot/fdt.h>

#include <boot/efi.h>
#include <boot/hardware.h>

#include <arch/early.h>
#include <core/hardware.h>
#include <core/log.h>
#include <core/random.h>
#include <dev/serial/earlycon.h>
#include <svc/subsystem.h>

static struct fdt_view tree; /* set by fdt_parse, constant afterwards */

/* Seeds of the loader are as good as its word: mixed in, and counted. */
static void seeds_use(void)
{
    static const char *const names[] = { "rng-seed", "kaslr-seed" };

    for (unsigned i = 0; i < ARRAY_SIZE(names); i++) {
        size_t size;
        const void *p = fdt_chosen_get(&tree, names[i], &size);

        if (p != NULL)
            random_add(p, size, (unsigned)MIN(size, 64ul) * 8);
    }
}

/* Registers of the console that the loader named, 0: none. */
static paddr_t stdout_registers(int *node)
{
    struct fdt_reg reg;

    *node = fdt_stdout_node(&tree);
    return *node >= 0 && fdt_regs(&tree, (unsigned)*node, &reg, 1) == 1 ? reg.start : 0;
}

static void earlycon_start(void)
{
    int node;
    paddr_t registers = stdout_registers(&node);

    registry_for_each(earlycon, e)
        if (registers != 0 && fdt_compatible(&tree, (unsigned)node, (*e)->compatible)) {
            (*e)->start(registers);
            return;
        }
}

const struct fdt_view *fdt_boot_adopt(struct boot_record *rec, paddr_t fdt, uint64_t room)
{
    if (fdt_open(&tree, phys_to_virt(fdt), MIN(room, (uint64_t)FDT_SIZE_MAX)) != 0) {
        log_err("the device tree at %#llx is broken", (unsigned long long)fdt);
        tree.count = 0;
        return NULL;
    }
    rec->fdt = fdt;
    rec->fdt_size = tree.size;
    rec->fdt_is_machine = fdt_is_machine(&tree);
    earlycon_start();
    seeds_use();
    return &tree;
}

void fdt_boot_complete(struct boot_record *rec, paddr_t fdt)
{
    uint64_t room = fdt % 8 == 0 ? record_ram_room(rec, fdt, FDT_SIZE_MAX) : 0;
    const struct fdt_view *view = NULL;

    if (room != 0)
        view = fdt_boot_adopt(rec, fdt, room);
    else
        log_warn("there is no device tree at %#llx", (unsigned long long)fdt);
    if (view)
        fdt_complete_record(view, rec);
}

/* What a loader says where EFI's tables lie is believed in so far as the GiB around is mapped as memory. */
static const void *efi_reach(paddr_t pa, uint64_t bytes)
{
    return early_ram_map(pa, bytes) ? phys_to_virt(pa) : NULL;
}

/* Who leaves EFI's boot services and then starts the kernel as Linux's own stub does, or a kexec: the tree has no
 * memory in it, or what it has is not to be believed. */
static err_t efi_parse(struct boot_record *rec, const struct efi_place *place)
{
    err_t err = efi_place_read(rec, place, efi_reach);

    if (err != 0)
        return err;
    efi_ram_map(rec);
    fdt_complete_record(&tree, rec);
    return 0;
}

/* The boot code mapped 2 MiB from the blob's start on, wherever it is. */
static err_t fdt_parse(const struct loader_handoff *h, struct boot_record *rec)
{
    struct efi_place efi;
    err_t err;

    if (h->info == 0) {
        log_err("the loader gave no device tree");
        return -EINVAL;
    }
    if (!fdt_boot_adopt(rec, h->info, FDT_SIZE_MAX))
        return -EINVAL;
    if (fdt_efi_find(&tree, &efi))
        return efi_parse(rec, &efi);
    err = fdt_read_record(&tree, rec);
    for (unsigned i = 0; i < rec->range_count; i++)
        if (rec->ranges[i].kind == MEM_USABLE)
            (void)early_ram_map(rec->ranges[i].start, rec->ranges[i].size);
    return err;
}
BOOT_PROTOCOL(fdt, LOADER_LINUX_FDT, fdt_parse);

static err_t fdt_hardware(const struct loader_handoff *h, struct boot_record *rec, struct hw_draft *d)
{
    if (tree.count == 0 || !rec->fdt_is_machine || d->info->source == HW_FROM_ACPI)
        return -ENODEV;
    return fdt_read_hardware(&tree, d);
}
HARDWARE_SOURCE(fdt, HW_RANK_FDT, fdt_hardware);

/* --- the service for drivers --- */

/* Who asks for one after the other goes on where the last one was: virt has 32 places for virtio. */
static err_t service_find(const char *compatible, unsigned nth, struct device_node *out)
{
    static const char *last; /* initialisation, one thread */
    static unsigned last_nth, last_node;
    bool next = last == compatible && nth == last_nth + 1;
    err_t err = next ? fdt_find_from(&tree, compatible, last_node + 1, 0, out)
                     : fdt_find(&tree, compatible, nth, out);

    last = compatible;
    last_nth = nth;
    last_node = err == -ENOENT ? tree.count : out->node;
    if (err == -EINVAL)
        log_err("%s: registers or interrupts make no sense", compatible);
    return err;
}

static const void *service_property(const struct device_node *node, const char *name, size_t *size)
{
    return fdt_property_get(&tree, node->node, name, size);
}

static uint32_t service_clock_hz(const struct device_node *node)
{
    return fdt_clock_hz(&tree, node->node);
}

static paddr_t service_stdout(void)
{
    int node;

    return stdout_registers(&node);
}

static const struct device_tree_service service = {
    .find = service_find,
    .property = service_property,
    .clock_hz = service_clock_hz,
    .stdout = service_stdout,
};

static err_t fdt_start(struct subsystem *self)
{
    if (tree.count == 0 || hardware()->source != HW_FROM_FDT)
        return -ENODEV; /* drivers go by ACPI */
    return service_publish_device_tree("fdt", &service, 100, PRIV_DRIVER);
}

static struct subsystem fdt_subsystem = {
    .name = "device_tree", .privilege = PRIV_KERNEL, .early_init = fdt_start
};
REGISTER_SUBSYSTEM(fdt_subsystem);
