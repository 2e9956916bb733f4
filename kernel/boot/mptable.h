// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: the MultiProcessor Specification's table (Intel, version 1.4) into struct hardware_info: what a
 * PC says of its CPUs and interrupts without ACPI, and all that Firecracker and QEMU's microvm with
 * acpi=off say.
 */
#pragma once

#include <boot/hardware.h>

/*
 * Reads the configuration table that lies at `p`, of which `size` bytes are mapped, into the draft.
 * Return: 0; -ENODEV: it is none (one line says why).
 */
err_t __must_check mptable_read(const uint8_t *p, uint64_t size, struct hw_draft *d);
/* Seeks the floating pointer where a PC has it, and reads the table that it points to. */
err_t __must_check mptable_find(const struct loader_handoff *h, struct hw_draft *d);
