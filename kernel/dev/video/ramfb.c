// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: QEMU's ramfb (`-device ramfb`): a framebuffer in the machine's own memory, on both
 *   architectures, whatever the loader.
 *
 * Model: the device has no registers but a file of QEMU's firmware configuration (docs/specs/fw_cfg.rst):
 * who writes address, size and format to "etc/ramfb" has a picture, of the size that video= says.  It is not
 * asked for when the loader left a framebuffer.  (On a PC with -kernel and -initrd QEMU's own VGA BIOS for it
 * puts a picture over the initramfs: there the standard VGA is the better one, see bochs_vbe.c.)
 * Locking: early_init, one thread.
 */
#define LOG_TAG "ramfb"
#include <core/log.h>
#include <dev/firmware/fw_cfg.h>
#include <dev/services.h>
#include <dev/video/mode.h>
#include <hal/io.h>
#include <hal/mmu.h>
#include <lib/string.h>
#include <mm/frame.h>
#include <svc/boot_info.h>
#include <svc/subsystem.h>

#define FILES_MAX 4096u
#define DMA_POLLS 1000000u

struct config_file {
    uint32_t size; /* big-endian, as all here */
    uint16_t select, reserved;
    char name[56];
};

struct ramfb_config {
    uint64_t address;
    uint32_t fourcc, flags, width, height, stride;
} __packed;

struct shared { /* with the device, in a frame of its own */
    struct fw_cfg_dma dma;
    struct ramfb_config config;
};

static const struct format {
    uint32_t fourcc;
    struct boot_framebuffer fb;
} formats[] = {
    { 0x34325258, { .bpp = 32, .red_shift = 16, .red_bits = 8, .green_shift = 8, .green_bits = 8,
                    .blue_bits = 8 } }, /* XR24 */
    { 0x34324752, { .bpp = 24, .red_shift = 16, .red_bits = 8, .green_shift = 8, .green_bits = 8,
                    .blue_bits = 8 } }, /* RG24 */
};

static struct framebuffer_service service; /* constant once it is published */

/* ---- the firmware's configuration ------------------------------------------------------------ */

static uint32_t swap32(uint32_t v)
{
    return __builtin_bswap32(v);
}

/* The key of the file; false: there is none. */
static bool file_find(const char *name, uint16_t *key)
{
    struct config_file file;
    uint32_t count;

    fw_cfg_select(FW_CFG_DIRECTORY);
    fw_cfg_read(&count, sizeof count);
    count = MIN(swap32(count), FILES_MAX);
    for (uint32_t i = 0; i < count; i++) {
        fw_cfg_read(&file, sizeof file);
        file.name[sizeof file.name - 1] = '\0';
        if (strcmp(file.name, name) == 0) {
            *key = __builtin_bswap16(file.select);
            return swap32(file.size) >= sizeof(struct ramfb_config);
        }
    }
    return false;
}

static bool signature_is_there(void)
{
    char signature[4];

    fw_cfg_select(FW_CFG_SIGNATURE);
    fw_cfg_read(signature, sizeof signature);
    return memcmp(signature, "QEMU", sizeof signature) == 0;
}

static err_t file_write(struct shared *s, uint16_t key)
{
    volatile uint32_t *control = &s->dma.control;

    s->dma.address = __builtin_bswap64(virt_to_phys(&s->config));
    s->dma.length = swap32(sizeof s->config);
    *control = swap32((uint32_t)key << 16 | FW_CFG_DMA_SELECT | FW_CFG_DMA_WRITE);
    dma_wmb();
    fw_cfg_dma(virt_to_phys(&s->dma));
    for (unsigned i = 0; i < DMA_POLLS && swap32(*control) & ~FW_CFG_DMA_ERROR; i++)
        hal_relax();
    dma_rmb();
    return *control == 0 ? 0 : -EIO;
}

/* ---- the picture ----------------------------------------------------------------------------- */

/* NULL: the device does not do it. */
static const struct format *format_wanted(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(formats); i++)
        if (formats[i].fb.bpp == video_mode.bits)
            return &formats[i];
    return NULL;
}

static err_t picture_make(uint16_t key)
{
    const struct format *format = format_wanted();
    struct boot_framebuffer *fb = &service.fb;
    paddr_t page = frame_alloc(FRAME_ZERO);
    struct shared *s;
    err_t err;

    if (page == PADDR_NONE)
        return -ENOMEM;
    s = phys_to_virt(page);
    s->config = (struct ramfb_config){ .address = __builtin_bswap64(fb->addr),
                                       .fourcc = swap32(format->fourcc),
                                       .width = swap32(fb->width),
                                       .height = swap32(fb->height),
                                       .stride = swap32(fb->pitch) };
    err = file_write(s, key);
    frame_put(page);
    return err;
}

static err_t picture_start(uint16_t key)
{
    struct boot_framebuffer *fb = &service.fb;
    size_t frames;
    err_t err;

    *fb = format_wanted()->fb;
    fb->width = video_mode.width;
    fb->height = video_mode.height;
    fb->pitch = video_mode.width * (video_mode.bits / 8);
    frames = ALIGN_UP((size_t)fb->pitch * fb->height, PAGE_SIZE) / PAGE_SIZE;
    fb->addr = frame_alloc_contiguous(frames, PAGE_SIZE, FRAME_ZERO);
    if (fb->addr == PADDR_NONE)
        return -ENOMEM;
    service.base = phys_to_virt(fb->addr);
    err = picture_make(key);
    if (err != 0) {
        log_warn("the device takes no picture: error %d", -err);
        return err; /* it may have the address all the same: the frames stay its own */
    }
    return service_publish_framebuffer("ramfb", &service, 50, PRIV_DRIVER);
}

static err_t ramfb_start(struct subsystem *self)
{
    uint16_t key;

    if (boot_info()->fb.width != 0 || !fw_cfg_open(self) || !signature_is_there() ||
        !file_find("etc/ramfb", &key))
        return -ENODEV;
    if (!format_wanted()) {
        log_warn("no pictures with %u bits", video_mode.bits);
        return -ENODEV;
    }
    return picture_start(key);
}

static const char *const needs[] = { "?device_tree", NULL };
static struct subsystem ramfb_subsystem = {
    .name = "ramfb", .privilege = PRIV_DRIVER, .needs = needs, .early_init = ramfb_start
};
REGISTER_SUBSYSTEM(ramfb_subsystem);
