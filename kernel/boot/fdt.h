// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: the flattened device tree (Devicetree Specification 0.4): a loader's record, and the
 * machine's description for drivers.
 *
 * Model: fdt_check() walks the whole blob once and refuses a broken one; everything later may then
 * rely on its structure, though never on a value in it.
 */
#pragma once

#include <boot/record.h>
#include <dev/device_tree.h>

/* 64 KiB of devices would be a lot; the boot protocol allows 2 MiB. */
#define FDT_SIZE_MAX (2 * MiB)

/*
 * Checks `size` readable bytes at `blob`.
 * Return: 0 with *total the blob's own size; -EINVAL when any part is malformed.
 */
err_t __must_check fdt_check(const void *blob, uint64_t size, uint64_t *total);
/* Reads a checked blob into the record.  Return: 0; -EINVAL: there is no memory in it. */
err_t __must_check fdt_read_record(const void *blob, struct boot_record *rec);
/* Look-ups in a checked blob, as in struct device_tree_service. */
err_t __must_check fdt_find(const void *blob, const char *compatible, unsigned nth,
                            struct device_node *out);
uint32_t fdt_clock_hz(const void *blob, int node);
struct fdt_reg {
    uint64_t start, size;
};
/* Up to `max` entries of the node's reg as CPU addresses.  Return: their number; -EINVAL. */
int fdt_regs(const void *blob, int node, struct fdt_reg *out, unsigned max);
/* A property's bytes, or NULL. */
const void *fdt_property_get(const void *blob, int node, const char *name, size_t *size);
/* The node that stdout-path names, or -1. */
int fdt_stdout_node(const void *blob);
