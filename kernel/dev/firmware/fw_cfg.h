// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: QEMU's firmware configuration device (docs/specs/fw_cfg.rst), by ports (fw_cfg_ports.c) or by
 * registers that the device tree names (fw_cfg_mmio.c).
 * Model: an item is selected by its key and then read byte by byte; writes go by DMA.
 * Context: early_init, one thread: the selection is one for all.
 */
#pragma once

#include <svc/subsystem.h>

#define FW_CFG_SIGNATURE 0x00
#define FW_CFG_DIRECTORY 0x19

#define FW_CFG_DMA_ERROR 0x01u
#define FW_CFG_DMA_SELECT 0x08u
#define FW_CFG_DMA_WRITE 0x10u

struct fw_cfg_dma { /* big-endian */
    uint32_t control, length;
    uint64_t address;
};

/* May it be there?  The signature says whether it is. */
bool fw_cfg_open(const struct subsystem *self);
void fw_cfg_select(uint16_t key);
void fw_cfg_read(void *buf, size_t n);
/* Starts the transfer that the record at this address describes. */
void fw_cfg_dma(paddr_t record);
