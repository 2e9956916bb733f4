// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: the loader's record for those above: the initramfs (module 0), the device tree's address,
 * ACPI's root pointer, the framebuffer.
 * Locking: set once by boot/ before the first subsystem starts, constant afterwards.
 */
#pragma once

#include <hal/boot.h>

const struct boot_record *boot_info(void); /* never NULL once subsystems start */
void boot_info_set(const struct boot_record *rec);
