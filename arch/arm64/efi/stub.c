// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: the image as an EFI application (UEFI 2.10): from efi_main, which the PE header of
 * boot/head.S names, to the image's first instruction.
 *
 * Model: while the firmware's services are there: command line, initramfs, framebuffer, tables, time
 * and random numbers are read into one struct efi_handoff, and the image is copied to a 2 MiB
 * boundary unless it lies at one.  Then the memory map is read behind it and the services are left.
 * Interrupts of the firmware may change the map between the two: then both are tried again.
 * Invariants: (1) position independent, no data of its own but constants without pointers; (2) after
 * the first try to leave, nothing is called but the reading of the map.
 */
#include "stub.h"

#include <lib/string.h>

#define IMAGE_ALIGN (2 * MiB)
#define MAP_SLACK 32 /* descriptors more than there are before its buffer is allocated */
#define LEAVE_TRIES 16

extern char image_head[], __bss_start[], __image_end[];
efi_status efi_main(efi_handle image, const struct efi_system_table *system);

static const struct efi_guid loaded_image_guid = {
    0x5b1b31a1, 0x9562, 0x11d2, { 0x8e, 0x3f, 0x00, 0xa0, 0xc9, 0x69, 0x72, 0x3b }
};
static const struct efi_guid graphics_guid = {
    0x9042a9de, 0x23dc, 0x4a38, { 0x96, 0xfb, 0x7a, 0xde, 0xd0, 0x80, 0x51, 0x6a }
};
static const struct efi_guid random_guid = {
    0x3152bca5, 0xeade, 0x433d, { 0x86, 0x2e, 0xc0, 0x1c, 0xdc, 0x29, 0x1f, 0x44 }
};
static const struct efi_guid acpi2_guid = {
    0x8868e871, 0xe4f1, 0x11d3, { 0xbc, 0x22, 0x00, 0x80, 0xc7, 0x3c, 0x88, 0x81 }
};
static const struct efi_guid acpi1_guid = {
    0xeb9d2d30, 0x2d88, 0x11d3, { 0x9a, 0x16, 0x00, 0x90, 0x27, 0x3f, 0xc1, 0x4d }
};
static const struct efi_guid fdt_guid = {
    0xb1b621d5, 0xf19c, 0x41a5, { 0x83, 0x0b, 0xd9, 0x15, 0x2c, 0x69, 0xaa, 0xe0 }
};

void stub_say(const struct stub *s, const efi_char *text)
{
    struct efi_text_output *out = s->system->output;

    if (!out)
        return;
    (void)out->output_string(out, text);
    (void)out->output_string(out, u"\r\n");
}

static uint64_t pages_of(uint64_t bytes)
{
    return ALIGN_UP(bytes, (uint64_t)EFI_PAGE_BYTES) / EFI_PAGE_BYTES;
}

efi_status stub_pages(const struct stub *s, uint64_t bytes, uint64_t *address)
{
    return s->boot->allocate_pages(EFI_ALLOCATE_ANY_PAGES, EFI_LOADER_DATA, pages_of(bytes), address);
}

/* --- what there is --- */

static uint64_t table_find(const struct stub *s, const struct efi_guid *guid)
{
    for (uint64_t i = 0; i < s->system->configuration_count; i++)
        if (memcmp(&s->system->configuration[i].guid, guid, sizeof *guid) == 0)
            return (uint64_t)s->system->configuration[i].table;
    return 0;
}

static void tables_read(struct stub *s)
{
    s->hand.system_table = (uint64_t)s->system;
    s->hand.rsdp = table_find(s, &acpi2_guid);
    if (s->hand.rsdp == 0)
        s->hand.rsdp = table_find(s, &acpi1_guid);
    s->hand.fdt = table_find(s, &fdt_guid);
}

/* The console's own device first: others may not show anything. */
static const struct efi_graphics *graphics_find(const struct stub *s)
{
    void *found;

    if (s->system->output_handle &&
        s->boot->handle_protocol(s->system->output_handle, &graphics_guid, &found) == EFI_SUCCESS)
        return found;
    return s->boot->locate_protocol(&graphics_guid, NULL, &found) == EFI_SUCCESS ? found : NULL;
}

static void screen_read(struct stub *s)
{
    const struct efi_graphics *graphics = graphics_find(s);
    const struct efi_graphics_mode *mode = graphics ? graphics->mode : NULL;
    const struct efi_graphics_info *info = mode ? mode->info : NULL;

    if (!info)
        return;
    s->hand.screen = (struct efi_screen){
        .addr = mode->addr,
        .size = mode->size,
        .width = info->width,
        .height = info->height,
        .pixels_per_line = info->pixels_per_line,
        .format = info->format,
        .red = info->red,
        .green = info->green,
        .blue = info->blue,
        .other = info->other,
    };
}

static void time_read(struct stub *s)
{
    if (s->system->runtime->get_time(&s->hand.time, NULL) != EFI_SUCCESS)
        s->hand.time.year = 0;
}

static void seed_read(struct stub *s)
{
    struct efi_random *random;
    void *found;

    if (s->boot->locate_protocol(&random_guid, NULL, &found) != EFI_SUCCESS)
        return;
    random = found;
    if (random->get(random, NULL, EFI_SEED_BYTES, s->hand.seed) == EFI_SUCCESS)
        s->hand.seed_size = EFI_SEED_BYTES;
}

static void vendor_read(struct stub *s)
{
    const efi_char *vendor = s->system->vendor;

    for (unsigned i = 0; vendor && i < EFI_VENDOR_BYTES && vendor[i] != 0; i++)
        s->hand.vendor[i] = vendor[i] < 0x7f ? (char)vendor[i] : '?';
}

/* --- the image's place --- */

/* Where the image is or is copied to: a 2 MiB boundary with room for its bss, too. */
static efi_status image_place(const struct stub *s, uint64_t *place)
{
    uint64_t here = (uint64_t)image_head, bytes = (uint64_t)(__image_end - image_head);
    uint64_t pages = pages_of(bytes), slack = IMAGE_ALIGN / EFI_PAGE_BYTES - 1, start, before;
    efi_status status;

    *place = here;
    if (IS_ALIGNED(here, IMAGE_ALIGN))
        return EFI_SUCCESS;
    status = stub_pages(s, (pages + slack) * EFI_PAGE_BYTES, &start);
    if (status != EFI_SUCCESS)
        return status;
    *place = ALIGN_UP(start, IMAGE_ALIGN);
    before = (*place - start) / EFI_PAGE_BYTES;
    if (before > 0)
        (void)s->boot->free_pages(start, before);
    if (slack > before)
        (void)s->boot->free_pages(*place + pages * EFI_PAGE_BYTES, slack - before);
    memcpy((void *)*place, image_head, (size_t)(__bss_start - image_head));
    return EFI_SUCCESS;
}

/* --- leaving --- */

/* A block for the hand-off, the command line and a memory map somewhat longer than the present one. */
static efi_status block_make(struct stub *s, struct efi_handoff **out)
{
    struct efi_handoff *hand = &s->hand;
    uint64_t map = 0, key, descriptor, at;
    uint32_t version;
    efi_status status = s->boot->get_memory_map(&map, NULL, &key, &descriptor, &version);

    if (status != EFI_BUFFER_TOO_SMALL)
        return EFI_LOAD_ERROR;
    hand->magic = EFI_HANDOFF_MAGIC;
    hand->cmdline_offset = sizeof *hand;
    hand->map_offset = (uint32_t)ALIGN_UP(sizeof *hand + hand->cmdline_size, 16ul);
    hand->size = (uint32_t)(hand->map_offset + map + MAP_SLACK * descriptor);
    status = stub_pages(s, hand->size, &at);
    if (status != EFI_SUCCESS)
        return status;
    *out = (struct efi_handoff *)at;
    memcpy(*out, hand, sizeof *hand);
    memcpy((char *)*out + hand->cmdline_offset, s->cmdline, hand->cmdline_size);
    return EFI_SUCCESS;
}

/* Return: EFI_SUCCESS: the machine is ours. */
static efi_status services_leave(const struct stub *s, struct efi_handoff *hand)
{
    efi_status status = EFI_INVALID_PARAMETER;

    for (unsigned i = 0; i < LEAVE_TRIES && status == EFI_INVALID_PARAMETER; i++) {
        uint64_t map = hand->size - hand->map_offset, key, descriptor;
        uint32_t version;

        status = s->boot->get_memory_map(&map, (char *)hand + hand->map_offset, &key, &descriptor,
                                         &version);
        if (status != EFI_SUCCESS)
            return status;
        hand->map_size = (uint32_t)map;
        hand->descriptor_size = (uint32_t)descriptor;
        status = s->boot->exit_boot_services(s->image, key);
    }
    return status;
}

/* Return: only when the kernel cannot be started. */
static efi_status kernel_start(struct stub *s)
{
    struct efi_handoff *hand;
    uint64_t place;
    efi_status status = image_place(s, &place);

    if (status == EFI_SUCCESS)
        status = block_make(s, &hand);
    if (status == EFI_SUCCESS)
        status = services_leave(s, hand);
    if (status != EFI_SUCCESS)
        return status;
    efi_leave(place, (uint64_t)hand, place, place + (uint64_t)(__image_end - image_head));
}

efi_status efi_main(efi_handle image, const struct efi_system_table *system)
{
    struct stub s;
    efi_status status;
    void *loaded;

    memset(&s, 0, sizeof s);
    s.image = image;
    s.system = system;
    s.boot = system->boot;
    status = s.boot->handle_protocol(image, &loaded_image_guid, &loaded);
    if (status != EFI_SUCCESS)
        return status;
    s.loaded = loaded;
    status = options_read(&s);
    if (status == EFI_SUCCESS)
        status = initrd_load(&s);
    if (status != EFI_SUCCESS) {
        stub_say(&s, u"Devine: no memory, or the initramfs cannot be read");
        return status;
    }
    tables_read(&s);
    screen_read(&s);
    time_read(&s);
    seed_read(&s);
    vendor_read(&s);
    status = kernel_start(&s);
    stub_say(&s, u"Devine: no memory, or the firmware keeps the machine");
    return status;
}
