// SPDX-License-Identifier: CC0-1.0
/* Purpose: one device before there is a vmap: the console of the first lines. */
#pragma once

#include <lib/types.h>

/* Maps the page of `pa` as device memory at a fixed address; once, and for good.
 * Return: the address of `pa`. */
volatile void *early_device_map(paddr_t pa);
