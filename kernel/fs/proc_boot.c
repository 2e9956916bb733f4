// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: /proc/boot: the neutral record of the boot, for people and for comparing loaders.
 * Model: `key: value` lines sorted by key; each key is there whatever the loader, with `none` for what
 * nobody stated.  docs/proc-and-sys.md lists the keys.
 */
#include <fs/procfs.h>

#include <core/hardware.h>
#include <lib/string.h>
#include <svc/boot_info.h>

static void show_none(struct textbuf *out, const char *key)
{
    text_printf(out, "%s: none\n", key);
}

static void show_address(struct textbuf *out, const char *key, paddr_t pa)
{
    if (pa != 0)
        text_printf(out, "%s: 0x%012llx\n", key, (unsigned long long)pa);
    else
        show_none(out, key);
}

static void show_span(struct textbuf *out, paddr_t start, uint64_t size)
{
    text_printf(out, "0x%012llx-0x%012llx", (unsigned long long)start,
                (unsigned long long)(start + size));
}

static void show_text(struct textbuf *out, const char *key, const char *text)
{
    text_printf(out, "%s: %s\n", key, text[0] ? text : "none");
}

static void show_device_tree(struct textbuf *out, const struct boot_record *r)
{
    if (r->fdt == 0) {
        show_none(out, "device-tree");
        return;
    }
    text_printf(out, "device-tree: ");
    show_span(out, r->fdt, r->fdt_size);
    text_printf(out, "\n");
}

static void show_boot_time(struct textbuf *out, const struct boot_record *r)
{
    if (r->boot_time != 0)
        text_printf(out, "boot-time: %llu\n", (unsigned long long)r->boot_time);
    else
        show_none(out, "boot-time");
}

static void show_framebuffer(struct textbuf *out, const struct boot_framebuffer *fb)
{
    if (fb->width == 0) {
        show_none(out, "framebuffer");
        return;
    }
    text_printf(out, "framebuffer: 0x%012llx %ux%u pitch %u bpp %u red %u:%u green %u:%u blue %u:%u\n",
                (unsigned long long)fb->addr, fb->width, fb->height, fb->pitch, fb->bpp,
                fb->red_shift, fb->red_bits, fb->green_shift, fb->green_bits, fb->blue_shift,
                fb->blue_bits);
}

static void show_cpus(struct textbuf *out, const struct hardware_info *info)
{
    static const char *const starts[] = { "none", "sipi", "psci", "spin-table" };

    for (uint32_t i = 0; i < info->cpu_count; i++) {
        const struct hw_cpu *c = &info->cpus[i];

        text_printf(out, "hardware.cpu.%03u: id %#llx node %u start %s\n", i,
                    (unsigned long long)c->hw_id, c->node, starts[c->start]);
    }
}

static void show_distances(struct textbuf *out, const struct hardware_info *info)
{
    for (uint32_t i = 0; i < info->node_count; i++) {
        text_printf(out, "hardware.distance.%03u:", i);
        for (uint32_t k = 0; k < info->node_count; k++)
            text_printf(out, " %u", info->distance[i * info->node_count + k]);
        text_printf(out, "\n");
    }
}

static void show_gic(struct textbuf *out, const struct hw_gic *gic)
{
    if (gic->version == 0) {
        show_none(out, "hardware.gic");
        return;
    }
    text_printf(out, "hardware.gic: v%u 0x%012llx cpu 0x%012llx its 0x%012llx\n", gic->version,
                (unsigned long long)gic->dist, (unsigned long long)gic->cpu,
                (unsigned long long)(gic->its_count ? gic->its[0].base : 0));
}

/* Which ITS a host's functions send messages to, and as which devices. */
static void show_messages(struct textbuf *out, const struct hardware_info *info)
{
    unsigned n = 0;

    for (uint32_t i = 0; i < info->pci_host_count; i++)
        for (uint32_t k = 0; k < info->pci_hosts[i].msi_map_count; k++) {
            const struct hw_msi_map *m = &info->pci_hosts[i].msi_maps[k];

            text_printf(out, "hardware.msi.%03u: segment %u %#x-%#x its 0x%012llx device %#x\n", n++,
                        info->pci_hosts[i].segment, m->first, m->first + m->count,
                        (unsigned long long)info->gic.its[m->its].base, m->device);
        }
}

static void show_hardware(struct textbuf *out, const struct hardware_info *info)
{
    static const char *const sources[] = { "probe", "acpi", "fdt", "mptable" };

    show_cpus(out, info);
    show_distances(out, info);
    show_gic(out, &info->gic);
    show_address(out, "hardware.hpet", info->hpet);
    for (uint32_t i = 0; i < info->ioapic_count; i++)
        text_printf(out, "hardware.ioapic.%03u: id %u 0x%012llx gsi %u\n", i, info->ioapics[i].id,
                    (unsigned long long)info->ioapics[i].addr, info->ioapics[i].gsi_base);
    show_address(out, "hardware.lapic", info->lapic);
    show_messages(out, info);
    text_printf(out, "hardware.source: %s\n", sources[info->source]);
}

static void show_memory(struct textbuf *out, const struct boot_record *r)
{
    for (unsigned i = 0; i < r->range_count; i++) {
        text_printf(out, "memory.%03u: ", i);
        show_span(out, r->ranges[i].start, r->ranges[i].size);
        text_printf(out, " %s node %u\n", mem_kind_name(r->ranges[i].kind), r->ranges[i].node);
    }
}

static void show_modules(struct textbuf *out, const struct boot_record *r)
{
    for (unsigned i = 0; i < r->module_count; i++) {
        text_printf(out, "module.%03u: ", i);
        show_span(out, r->modules[i].start, r->modules[i].size);
        text_printf(out, " %s\n", r->modules[i].name[0] ? r->modules[i].name : "none");
    }
}

static void show_boot(struct textbuf *out, void *arg)
{
    static const char *const protocols[] = { "pvh", "multiboot2", "linux-fdt", "limine", "host",
                                             "efi" };
    static const char *const firmwares[] = { "none", "bios", "efi32", "efi64" };
    const struct boot_record *r = boot_info();

    show_boot_time(out, r);
    show_text(out, "command-line", r->cmdline);
    show_device_tree(out, r);
    show_address(out, "efi-system-table", r->efi_system_table);
    show_text(out, "firmware", firmwares[r->firmware]);
    show_framebuffer(out, &r->fb);
    show_hardware(out, hardware());
    text_printf(out, "kernel: ");
    show_span(out, r->image_start, r->image_end - r->image_start);
    text_printf(out, "\n");
    show_text(out, "loader", r->loader);
    show_text(out, "loader-version", r->loader_version);
    show_memory(out, r);
    show_modules(out, r);
    show_text(out, "protocol", protocols[r->protocol]);
    show_address(out, "rsdp", r->rsdp);
}
PROC_FILE(boot, "boot", 0444, show_boot);
