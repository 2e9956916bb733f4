// SPDX-License-Identifier: CC0-1.0
/* Purpose: what the boot code asks for before memory is managed and programs run. */
#pragma once

#include <lib/types.h>

/* Maps the page of `pa` as device memory at a fixed address; once, and for good.
 * Return: the address of `pa`. */
volatile void *early_device_map(paddr_t pa);
/* Extends the early direct map over RAM, by whole GiB; what cannot be mapped is left out.
 * Return: whether all of it is mapped. */
bool early_ram_map(paddr_t start, uint64_t size);
/* Uses no more than this many bits of the ASIDs, so that they run out sooner; before the first program,
 * and more than there will be CPUs. */
void asid_width_limit(unsigned bits);
