// SPDX-License-Identifier: CC0-1.0
/* Purpose: PCI host bridges and message frames of a device tree, for fdt_read_hardware(). */
#pragma once

#include <boot/fdt.h>
#include <boot/hardware.h>

void fdt_read_pci(const struct fdt_view *v, struct hw_draft *d);
