// SPDX-License-Identifier: CC0-1.0
#include <dev/firmware/fw_cfg.h>

#include <dev/device_tree.h>
#include <hal/io.h>
#include <mm/vmap.h>

#define REGISTER_DATA 0
#define REGISTER_SELECTOR 8
#define REGISTER_DMA 16
#define REGISTER_BYTES 24

static volatile uint8_t *registers; /* constant once it is open */

bool fw_cfg_open(const struct subsystem *self)
{
    const struct device_tree_service *tree;
    struct device_node node;

    if (registers)
        return true;
    if (service_find_device_tree(self, &tree) != 0 ||
        tree->find("qemu,fw-cfg-mmio", 0, &node) != 0 || node.reg_count == 0 ||
        node.reg[0].size < REGISTER_BYTES)
        return false;
    /* A read of data moves on in the item; who wants one selects it first. */
    return vmap_registers("fw_cfg", node.reg[0].start, REGISTER_BYTES, REGISTER_DATA, &registers) == 0;
}

void fw_cfg_select(uint16_t key)
{
    mmio_write16(registers + REGISTER_SELECTOR, __builtin_bswap16(key));
}

void fw_cfg_read(void *buf, size_t n)
{
    for (uint8_t *to = buf; n > 0; n--)
        *to++ = mmio_read8(registers + REGISTER_DATA);
}

void fw_cfg_dma(paddr_t record)
{
    mmio_write32(registers + REGISTER_DMA, __builtin_bswap32((uint32_t)(record >> 32)));
    mmio_write32(registers + REGISTER_DMA + 4, __builtin_bswap32((uint32_t)record));
}
