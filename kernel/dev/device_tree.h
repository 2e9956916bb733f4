// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: the device tree as drivers see it: a service that boot/fdt.c publishes on machines that
 * have one.
 *
 * Model: a node is found by its compatible string; its registers come as CPU addresses (all `ranges`
 * on the way applied), its interrupts as numbers of the GIC: shared ones from 32, private from 16.
 * Context: subsystem initialisation, one thread.
 */
#pragma once

#include <svc/service.h>

#define DEVICE_REGS_MAX 4
#define DEVICE_IRQS_MAX 8

struct device_node {
    unsigned node; /* for property() and clock_hz() */
    const char *name;
    unsigned reg_count, irq_count;
    struct {
        paddr_t start;
        uint64_t size;
    } reg[DEVICE_REGS_MAX];
    unsigned irq[DEVICE_IRQS_MAX];
    uint32_t irq_edge; /* bit n: irq[n] is triggered by edges, not by a level */
};

struct device_tree_service {
    /* The nth enabled node (from 0) that is compatible.  Return: 0, -ENOENT; -EINVAL when its
     * registers or interrupts make no sense. */
    err_t (*find)(const char *compatible, unsigned nth, struct device_node *out);
    /* A property's bytes; NULL when the node has none of that name. */
    const void *(*property)(const struct device_node *node, const char *name, size_t *size);
    /* Hz of the first of the node's clocks when it is a fixed one, else 0. */
    uint32_t (*clock_hz)(const struct device_node *node);
    /* Registers of the console that /chosen names (stdout-path), 0: none. */
    paddr_t (*stdout)(void);
};
SERVICE_TYPE(device_tree, struct device_tree_service);
