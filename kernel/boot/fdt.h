// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: the flattened device tree (Devicetree Specification 0.4): a loader's record, and the
 * machine's description for drivers and for struct hardware_info.
 *
 * Model: fdt_open() walks the whole blob and refuses a broken one; everything later may then rely on
 * its structure, though never on a value in it.
 */
#pragma once

#include <boot/efi_tables.h>
#include <boot/record.h>
#include <dev/device_tree.h>

/* 64 KiB of devices would be a lot; the boot protocol allows 2 MiB. */
#define FDT_SIZE_MAX (2 * MiB)

#define FDT_NODES_MAX 4096

struct fdt_node {
    int offset; /* in the blob */
    unsigned parent; /* index; the root's is itself, 0 */
    uint32_t phandle; /* 0: none */
};

/* A checked blob and its nodes in the blob's order.  Constant once open. */
struct fdt_view {
    const void *blob;
    uint64_t size;
    unsigned count;
    unsigned left_out, left_out_at; /* nodes that are too deep or too many; where in the blob the first is */
    struct fdt_node node[FDT_NODES_MAX];
};

/*
 * Opens a view of the blob of at most `size` readable bytes.
 * Return: 0; -EINVAL when any part is malformed, or it is too large.  Nodes deeper than 16 are left out.
 */
err_t __must_check fdt_open(struct fdt_view *v, const void *blob, uint64_t size);
/* Reads a blob into the record.  Return: 0; -EINVAL: there is no memory in it. */
err_t __must_check fdt_read_record(const struct fdt_view *v, struct boot_record *rec);
/* The same for a record whose memory the firmware has listed itself (EFI): adds reserved memory, and
 * command line and initrd where it has none yet. */
void fdt_complete_record(const struct fdt_view *v, struct boot_record *rec);
/* What /chosen says of EFI, which then lists the memory in place of the tree.  Return: whether it says all. */
bool fdt_efi_find(const struct fdt_view *v, struct efi_place *out);
/* Does it describe more than what the loader has chosen? */
bool fdt_is_machine(const struct fdt_view *v);
/*
 * Makes the blob of at most `room` readable bytes this machine's: the record names it, its console is
 * started, its seeds are used.  Context: parsers, once.  Return: the view; NULL: it is broken.
 */
const struct fdt_view *fdt_boot_adopt(struct boot_record *rec, paddr_t fdt, uint64_t room);
/* The same for a tree that lies in the record's RAM (ram_mapped), and then fdt_complete_record(). */
void fdt_boot_complete(struct boot_record *rec, paddr_t fdt);

/* Look-ups; a node is given by its index in the view. */
err_t __must_check fdt_find(const struct fdt_view *v, const char *compatible, unsigned nth,
                            struct device_node *out);
/* The same among the nodes from number `from` on. */
err_t fdt_find_from(const struct fdt_view *v, const char *compatible, unsigned from, unsigned nth,
                    struct device_node *out);
bool fdt_compatible(const struct fdt_view *v, unsigned node, const char *compatible);
uint32_t fdt_clock_hz(const struct fdt_view *v, unsigned node);
struct fdt_reg {
    uint64_t start, size;
};
/* Up to `max` entries of the node's reg as CPU addresses.  Return: their number; -EINVAL. */
int fdt_regs(const struct fdt_view *v, unsigned node, struct fdt_reg *out, unsigned max);
/* A property's bytes, or NULL; the second: of /chosen. */
const void *fdt_property_get(const struct fdt_view *v, unsigned node, const char *name,
                             size_t *size);
const void *fdt_chosen_get(const struct fdt_view *v, const char *name, size_t *size);
const char *fdt_name(const struct fdt_view *v, unsigned node);
/* A string property, or NULL when it is absent or has no end. */
const char *fdt_text(const struct fdt_view *v, unsigned node, const char *name);
/* A property of one or two cells.  Return: whether it is there. */
bool fdt_u64(const struct fdt_view *v, unsigned node, const char *name, uint64_t *out);
/* Its status is "okay", or it has none. */
bool fdt_enabled(const struct fdt_view *v, unsigned node);
/* The index of the node with this phandle, or of a child of the root; -1: none. */
int fdt_phandle_find(const struct fdt_view *v, uint32_t phandle);
int fdt_top_find(const struct fdt_view *v, const char *name);
struct fdt_cells {
    unsigned address, size;
};
/* How children of `parent` are addressed; absent means 2 and 1.  Return: 0; -EINVAL. */
err_t __must_check fdt_cells(const struct fdt_view *v, unsigned parent, struct fdt_cells *c);
/* Is it memory that may be used? */
bool fdt_is_memory(const struct fdt_view *v, unsigned node);
/* #interrupt-cells of the node's controller; 0: it has none. */
unsigned fdt_interrupt_cells(const struct fdt_view *v, unsigned node);

/* CPUs, interrupt controller, timer, firmware calls and memory nodes into the draft.
 * Return: 0. */
struct hw_draft;
err_t __must_check fdt_read_hardware(const struct fdt_view *v, struct hw_draft *d);

/* The node that stdout-path names, or -1. */
int fdt_stdout_node(const struct fdt_view *v);
