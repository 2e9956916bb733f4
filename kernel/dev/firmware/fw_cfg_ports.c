// SPDX-License-Identifier: CC0-1.0
#include <dev/firmware/fw_cfg.h>

#include <hal/io.h>

#define SELECTOR_PORT 0x510
#define DATA_PORT 0x511
#define DMA_PORT 0x514

bool fw_cfg_open(const struct subsystem *self)
{
    (void)self;
    return true;
}

void fw_cfg_select(uint16_t key)
{
    port_write16(SELECTOR_PORT, key);
}

void fw_cfg_read(void *buf, size_t n)
{
    for (uint8_t *to = buf; n > 0; n--)
        *to++ = port_read8(DATA_PORT);
}

void fw_cfg_dma(paddr_t record)
{
    port_write32(DMA_PORT, __builtin_bswap32((uint32_t)(record >> 32)));
    port_write32(DMA_PORT + 4, __builtin_bswap32((uint32_t)record));
}
