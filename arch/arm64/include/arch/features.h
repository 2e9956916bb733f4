// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: what all CPUs can do.
 *
 * Model: each CPU's identification is folded into one common record, field by field the lesser value,
 * before any program runs.  What the kernel itself has come to rely on cannot shrink any more: a CPU
 * without it is unfit.
 * Locking: written by one CPU at a time while CPUs are started, read by anyone.
 */
#pragma once

#include <hal/cpu.h>

enum feature_register { ID_PFR0, ID_ISAR0, ID_ISAR1, ID_MMFR2, ID_COUNT };

/* The value of all CPUs. */
uint64_t features_get(enum feature_register r);
/* Takes the calling CPU into account. */
void features_add(const struct cpu *cpu);
/* Works out again what programs are told (AT_HWCAP); after features_add(). */
void hwcap_update(void);
/* Why the calling CPU cannot take part, or NULL. */
const char *features_unfit(const struct cpu *cpu);
/* From the calling CPU's registers; `cpu` is its own. */
void topology_read(struct cpu *cpu);
