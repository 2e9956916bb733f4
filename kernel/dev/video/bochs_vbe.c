// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: a framebuffer on QEMU's and Bochs' standard VGA (1234:1111) where the loader set up none, when
 *   video= asks for one.
 *
 * Model: the mode is set by the "dispi" registers at ports 0x1ce and 0x1cf (QEMU's docs/specs/standard-vga),
 * the picture begins where BAR 0 does.  The BAR is read by the legacy ports, before the PCI bus starts;
 * nothing of the configuration is changed.
 * Locking: early_init, one thread.
 */
#define LOG_TAG "bochs_vbe"
#include <core/log.h>
#include <dev/services.h>
#include <dev/video/mode.h>
#include <hal/io.h>
#include <mm/vmap.h>
#include <svc/boot_info.h>
#include <svc/subsystem.h>

#define DISPI_INDEX 0x1ce
#define DISPI_DATA 0x1cf
#define DISPI_ID 0
#define DISPI_XRES 1
#define DISPI_YRES 2
#define DISPI_BITS 3
#define DISPI_ENABLE 4
#define DISPI_VIRT_WIDTH 6
#define ENABLE_ON 0x01
#define ENABLE_LINEAR 0x40
#define ID_FIRST 0xb0c2 /* the first with a linear framebuffer and 32 bits */
#define ID_LAST 0xb0cf

#define PCI_ADDRESS 0xcf8
#define PCI_DATA 0xcfc
#define PCI_ENABLE 0x80000000u
#define PCI_SLOTS 32
#define PCI_BAR0 0x10
#define PCI_COMMAND 0x04
#define PCI_COMMAND_MEMORY 0x02
#define VGA_ID 0x11111234u

static struct framebuffer_service service; /* constant once it is published */

static uint16_t dispi_read(uint16_t index)
{
    port_write16(DISPI_INDEX, index);
    return port_read16(DISPI_DATA);
}

static void dispi_write(uint16_t index, uint16_t value)
{
    port_write16(DISPI_INDEX, index);
    port_write16(DISPI_DATA, value);
}

static uint32_t pci_read(unsigned slot, unsigned at)
{
    port_write32(PCI_ADDRESS, PCI_ENABLE | slot << 11 | at);
    return port_read32(PCI_DATA);
}

/* Where the card's memory is, 0: there is no such card, or it does not answer there. */
static paddr_t memory_find(void)
{
    for (unsigned slot = 0; slot < PCI_SLOTS; slot++) {
        uint32_t bar;

        if (pci_read(slot, 0) != VGA_ID)
            continue;
        bar = pci_read(slot, PCI_BAR0);
        if (!(pci_read(slot, PCI_COMMAND) & PCI_COMMAND_MEMORY) || bar & 7)
            return 0; /* off, or not a 32-bit memory BAR */
        return bar & ~15u;
    }
    return 0;
}

/* The mode that video= asks for.  Return: the line's length in pixels, 0: the card does not do it. */
static unsigned mode_set(void)
{
    const struct video_mode *m = &video_mode;
    unsigned length;

    dispi_write(DISPI_ENABLE, 0);
    dispi_write(DISPI_XRES, (uint16_t)m->width);
    dispi_write(DISPI_YRES, (uint16_t)m->height);
    dispi_write(DISPI_BITS, (uint16_t)m->bits);
    dispi_write(DISPI_ENABLE, ENABLE_ON | ENABLE_LINEAR);
    length = dispi_read(DISPI_VIRT_WIDTH);
    if (dispi_read(DISPI_XRES) == m->width && dispi_read(DISPI_YRES) == m->height &&
        dispi_read(DISPI_BITS) == m->bits && length >= m->width)
        return length;
    dispi_write(DISPI_ENABLE, 0);
    return 0;
}

static struct boot_framebuffer picture(paddr_t addr, unsigned length)
{
    const struct video_mode *m = &video_mode;
    struct boot_framebuffer fb = { .addr = addr, .width = m->width, .height = m->height,
                                   .pitch = length * (m->bits / 8), .bpp = (uint8_t)m->bits,
                                   .red_shift = 16, .red_bits = 8, .green_shift = 8, .green_bits = 8,
                                   .blue_bits = 8 };

    if (m->bits == 16) {
        fb.red_shift = 11;
        fb.green_shift = 5;
        fb.green_bits = 6;
        fb.red_bits = fb.blue_bits = 5;
    }
    return fb;
}

static err_t vbe_start(struct subsystem *self)
{
    uint16_t id;
    unsigned length;
    paddr_t addr;

    (void)self;
    if (!video_mode.asked || boot_info()->fb.width != 0)
        return -ENODEV;
    id = dispi_read(DISPI_ID);
    addr = id >= ID_FIRST && id <= ID_LAST ? memory_find() : 0;
    if (addr == 0)
        return -ENODEV;
    length = mode_set();
    if (length == 0) {
        log_warn("the card does not do %ux%u with %u bits", video_mode.width, video_mode.height,
                 video_mode.bits);
        return -ENODEV;
    }
    service.fb = picture(addr, length);
    service.base = vmap_device(addr, (size_t)service.fb.pitch * service.fb.height,
                               MMU_READ | MMU_WRITE | MMU_WRITE_COMBINE);
    if (!service.base)
        return -ENOMEM;
    return service_publish_framebuffer("bochs_vbe", &service, 40, PRIV_DRIVER);
}

static struct subsystem vbe_subsystem = {
    .name = "bochs_vbe", .privilege = PRIV_DRIVER, .early_init = vbe_start
};
REGISTER_SUBSYSTEM(vbe_subsystem);
