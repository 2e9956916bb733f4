// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: the one struct hardware_info of this machine, for those who look.
 * Locking: set once by boot/ before mm starts, constant afterwards.
 */
#pragma once

#include <hal/hardware.h>

/* Never NULL; before hardware_set() an empty record with one CPU and one node. */
const struct hardware_info *hardware(void);
void hardware_set(const struct hardware_info *info);

/* Which ITS gets the messages of the host's function (bus * 256 + devfn), and under which device number.
 * Return: whether any does. */
bool hw_msi_device(const struct hw_pci_host *host, uint16_t requester, uint32_t *its,
                   uint32_t *device);
