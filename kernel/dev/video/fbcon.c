// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: the text console on a framebuffer: the loader's, or one that a driver publishes.
 *
 * Model: the picture is divided into cells of the font's size; the margins at the right and the bottom stay
 * black.  A framebuffer that lies in memory the machine gave us for other things is refused.
 * Locking: the screen's (screen.c).
 */
#define LOG_TAG "fbcon"
#include <core/log.h>
#include <dev/services.h>
#include <dev/video/font.h>
#include <dev/video/paint.h>
#include <dev/video/screen.h>
#include <hal/io.h>
#include <mm/vmap.h>
#include <svc/boot_info.h>
#include <svc/subsystem.h>

#define RATING 60

static struct boot_framebuffer fb; /* constant from fbcon_start() to fbcon_stop() */
static void *base;
static bool mapped; /* by us: it is the loader's */

static void fbcon_draw(void *arg, unsigned row, unsigned column, const struct vt_cell *cell)
{
    (void)arg;
    paint_cell(&fb, base, row, column, cell);
}

static const struct screen_ops fbcon_ops = { .draw = fbcon_draw };

/* Does the record say that [start, end) is memory of another use? */
static bool is_memory(paddr_t start, paddr_t end)
{
    const struct boot_record *rec = boot_info();

    for (unsigned i = 0; i < rec->range_count; i++) {
        const struct mem_range *r = &rec->ranges[i];

        if (r->kind != MEM_FRAMEBUFFER && r->kind != MEM_RESERVED && r->start < end &&
            start < r->start + r->size)
            return true;
    }
    return rec->image_start < end && start < rec->image_end;
}

/* Its first and its last word do; `bytes` is more than a word's. */
static bool answers(const uint8_t *pixels, uint64_t bytes)
{
    uint32_t word;

    return mmio_probe32(pixels, &word) && mmio_probe32(pixels + ALIGN_DOWN(bytes - 4, 4ull), &word);
}

static err_t from_loader(void)
{
    uint64_t bytes;
    const char *why;

    fb = boot_info()->fb;
    if (fb.width == 0)
        return -ENODEV;
    why = paint_unfit(&fb);
    bytes = (uint64_t)fb.pitch * fb.height;
    if (!why && (fb.addr + bytes < fb.addr || is_memory(fb.addr, fb.addr + bytes)))
        why = "it lies in memory of another use";
    if (why) {
        log_warn("the loader's framebuffer, %ux%u with %u bits at %#llx, is left alone: %s", fb.width,
                 fb.height, fb.bpp, (unsigned long long)fb.addr, why);
        return -ENODEV;
    }
    base = vmap_device(fb.addr, bytes, MMU_READ | MMU_WRITE | MMU_WRITE_COMBINE);
    if (base && !answers(base, bytes)) {
        log_warn("the loader's framebuffer at %#llx: nothing answers there: left out",
                 (unsigned long long)fb.addr);
        vmap_unmap_device(base, bytes);
        base = NULL;
        return -ENODEV;
    }
    mapped = base != NULL;
    return base ? 0 : -ENOMEM;
}

static err_t from_driver(const struct subsystem *self)
{
    const struct framebuffer_service *service;

    if (service_find_framebuffer(self, &service) != 0)
        return -ENODEV;
    fb = service->fb;
    base = service->base;
    return paint_unfit(&fb) ? -ENODEV : 0;
}

static void clear(void)
{
    for (unsigned y = 0; y < fb.height; y++) {
        volatile uint8_t *line = (volatile uint8_t *)base + (size_t)y * fb.pitch;

        for (unsigned x = 0; x < fb.width * (fb.bpp / 8); x++)
            line[x] = 0;
    }
}

static err_t fbcon_start(struct subsystem *self)
{
    err_t err = from_loader();

    if (err == -ENODEV)
        err = from_driver(self);
    if (err != 0)
        return err;
    clear();
    err = screen_start(&fbcon_ops, fb.height / FONT_HEIGHT, fb.width / FONT_WIDTH, RATING);
    if (err == 0)
        log_info("%ux%u characters on %ux%u pixels of %u bits", fb.width / FONT_WIDTH,
                 fb.height / FONT_HEIGHT, fb.width, fb.height, fb.bpp);
    return err;
}

static err_t fbcon_stop(struct subsystem *self)
{
    (void)self;
    screen_stop();
    if (mapped)
        vmap_unmap_device(base, (uint64_t)fb.pitch * fb.height);
    mapped = false;
    return 0;
}

static const char *const needs[] = { "?ramfb", "?bochs_vbe", NULL };
static struct subsystem fbcon_subsystem = {
    .name = "fbcon",
    .privilege = PRIV_DRIVER,
    .needs = needs,
    .early_init = fbcon_start,
    .stop = fbcon_stop,
};
REGISTER_SUBSYSTEM(fbcon_subsystem);
