// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: what the parts of GICv3's messages share: gicv3_lpi.c, gicv3_its.c and its tests.
 */
#pragma once

#include <dev/irqchip/gic.h>
#include <dev/services.h>
#include <lib/bitmap.h>
#include <lib/list.h>

/* A field that all registers have which name tables in memory: may caches be looked into? */
#define BASE_SHARED (1ull << 10) /* inner shareable */
#define BASE_SHARED_MASK (3ull << 10)

/* --- gicv3_lpi.c --- */

/* Switches them on for all CPUs that are online.  Return: 0; -ENOMEM; -ENODEV after a line. */
err_t lpi_start(void);
/* Can that CPU get any? */
bool lpi_ready(unsigned cpu);
/* As commands name its redistributor. */
uint64_t lpi_target(const struct cpu *cpu, bool by_address);
/* Its byte of configuration; redistributors do not know yet. */
void lpi_set(unsigned lpi, bool enabled);

/* --- gicv3_its.c --- */

#define ITS_EVENTS_MAX 256 /* of one device */
#define ITS_QUEUE_BYTES PAGE_SIZE
#define ITS_COMMANDS_MAX 4 /* that are sent at once */

struct its_table { /* that the ITS keeps in memory which we gave it */
    uint8_t *memory; /* NULL: none */
    size_t bytes, page_bytes;
    unsigned entry_bytes;
    uint64_t entries;
    bool indirect; /* entries of `memory` name pages of entries */
    bool clean; /* the ITS does not look into caches */
};

struct its { /* its_lock, but for what is constant after its_open() */
    volatile uint8_t *registers;
    paddr_t base;
    uint64_t typer; /* constant, as the rest to the next blank line */
    uint64_t device_limit; /* no number from there on is mapped to it */
    uint64_t target[CPU_MAX];
    bool reaches[CPU_MAX];

    uint8_t *queue;
    bool queue_clean;
    unsigned tail; /* bytes */
    bool dead; /* a command was not done in time: none is sent any more */
    struct its_table devices, collections;
    struct list users; /* struct its_device */
};

struct its_command {
    uint64_t word[4];
};

/* Fills in a zeroed record for registers at `base` and makes it run.  Return: NULL, or what is wrong with
 * it: then all memory is free again that it is sure not to write any more. */
const char *its_open(struct its *its, volatile uint8_t *registers, paddr_t base,
                     uint64_t device_limit);
/* Stops it.  Its memory is freed, unless it does not stop. */
void its_close(struct its *its);
/* Sends commands and waits until they are done.  its_lock held, or nobody else knows the ITS yet.
 * Return: 0; -EIO: one of them was wrong, or the ITS is dead or dies now. */
err_t its_submit(struct its *its, const struct its_command *c, unsigned count);
/* Makes the table have a place for that entry.  Return: 0; -ENODEV: beyond its end; -ENOMEM. */
err_t its_table_cover(struct its_table *t, uint64_t entry);
