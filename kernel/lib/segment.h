// SPDX-License-Identifier: CC0-1.0
/* Purpose: a piece of physical memory that a device reads or writes. */
#pragma once

#include <lib/types.h>

struct dma_segment {
    paddr_t addr;
    uint32_t bytes;
};
