// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: see <boot/efi.h>.
 * Model: the head is copied and its offsets are checked against the block before anything is read
 * through them; whatever is in it may be the firmware's mistake, or somebody else's will.
 */
#define LOG_TAG "efi"
#include <boot/efi.h>

#include <boot/efi_map.h>
#include <core/log.h>
#include <lib/checked.h>
#include <lib/string.h>

/* --- time --- */

/* Days since 1970-01-01 of the Gregorian calendar; the year begins in March, so the leap day ends it. */
static int64_t days_since_1970(int64_t year, unsigned month, unsigned day)
{
    int64_t y = month > 2 ? year : year - 1;
    unsigned m = month > 2 ? month - 3 : month + 9;

    return y * 365 + y / 4 - y / 100 + y / 400 + (m * 153 + 2) / 5 + day - 1 - 719468;
}

uint64_t efi_time_seconds(const struct efi_time *t)
{
    int64_t days, zone = t->zone == EFI_ZONE_NONE ? 0 : t->zone;

    if (t->year < 1970 || t->year > 9999 || t->month < 1 || t->month > 12 || t->day < 1 ||
        t->day > 31 || t->hour > 23 || t->minute > 59 || t->second > 59 || zone < -1440 || zone > 1440)
        return 0;
    days = days_since_1970(t->year, t->month, t->day);
    return (uint64_t)MAX(((days * 24 + t->hour) * 60 + t->minute + zone) * 60 + t->second, (int64_t)0);
}

/* --- screen --- */

/* A run of bits, as masks give a colour.  Return: whether it is one. */
static bool mask_split(uint32_t mask, uint8_t *shift, uint8_t *bits)
{
    *shift = *bits = 0;
    if (mask == 0)
        return false;
    while (!(mask & 1)) {
        mask >>= 1;
        (*shift)++;
    }
    for (; mask & 1; mask >>= 1)
        (*bits)++;
    return mask == 0;
}

static bool colours_split(const struct efi_screen *s, struct boot_framebuffer *fb)
{
    switch (s->format) {
    case EFI_PIXELS_RGBX:
    case EFI_PIXELS_BGRX:
        fb->red_bits = fb->green_bits = fb->blue_bits = 8;
        fb->red_shift = s->format == EFI_PIXELS_RGBX ? 0 : 16;
        fb->green_shift = 8;
        fb->blue_shift = 16 - fb->red_shift;
        fb->bpp = 32;
        return true;
    case EFI_PIXELS_MASKS:
        fb->bpp = (s->red | s->green | s->blue | s->other) >> 24   ? 32
                  : (s->red | s->green | s->blue | s->other) >> 16 ? 24
                                                                   : 16;
        return mask_split(s->red, &fb->red_shift, &fb->red_bits) &&
               mask_split(s->green, &fb->green_shift, &fb->green_bits) &&
               mask_split(s->blue, &fb->blue_shift, &fb->blue_bits);
    default:
        return false;
    }
}

static void screen_read(const struct efi_screen *s, struct boot_record *rec)
{
    struct boot_framebuffer fb = { .addr = s->addr, .width = s->width, .height = s->height };
    uint64_t pitch;

    if (s->width == 0 || s->format == EFI_PIXELS_NONE)
        return;
    if (colours_split(s, &fb)) {
        pitch = (uint64_t)s->pixels_per_line * (fb.bpp / 8);
        fb.pitch = (uint32_t)MIN(pitch, (uint64_t)UINT32_MAX);
        if (pitch <= UINT32_MAX && pitch * s->height <= s->size &&
            record_set_framebuffer(rec, &fb) == 0)
            return;
    }
    log_warn("framebuffer at %#llx with %ux%u of %u, format %u: left out", (unsigned long long)s->addr,
             s->width, s->height, s->pixels_per_line, s->format);
}

/* --- the whole --- */

static bool part_fits(const struct efi_handoff *hand, uint32_t offset, uint32_t size)
{
    return offset >= sizeof *hand && range_fits(offset, size, hand->size);
}

static err_t head_read(const void *block, uint64_t room, struct efi_handoff *hand)
{
    if (room >= sizeof *hand) {
        memcpy(hand, block, sizeof *hand);
        if (hand->magic == EFI_HANDOFF_MAGIC && hand->size >= sizeof *hand && hand->size <= room &&
            part_fits(hand, hand->cmdline_offset, hand->cmdline_size) &&
            part_fits(hand, hand->map_offset, hand->map_size) && hand->seed_size <= EFI_SEED_BYTES)
            return 0;
    }
    log_err("the stub's record makes no sense");
    return -EINVAL;
}

err_t efi_read_record(const void *block, uint64_t room, struct boot_record *rec,
                      struct efi_handoff *hand)
{
    const char *bytes = block;
    err_t err = head_read(block, room, hand);

    if (err != 0)
        return err;
    rec->firmware = FIRMWARE_EFI64;
    rec->efi_system_table = hand->system_table;
    rec->rsdp = hand->rsdp;
    rec->boot_time = efi_time_seconds(&hand->time);
    if (hand->vendor[0])
        record_set_loader(rec, hand->vendor, EFI_VENDOR_BYTES);
    record_set_cmdline(rec, bytes + hand->cmdline_offset, hand->cmdline_size);
    if (efi_map_read(rec, "memory map", (const uint8_t *)bytes + hand->map_offset, hand->map_size,
                     hand->descriptor_size, false) == 0) {
        log_err("no memory map");
        return -EINVAL;
    }
    record_add_module(rec, hand->initrd, hand->initrd_size, "initrd", sizeof "initrd");
    screen_read(&hand->screen, rec);
    return 0;
}
