// SPDX-License-Identifier: CC0-1.0
/* Purpose: what boot/entry.S and boot/start.c share. */
#pragma once

#include <lib/types.h>

extern char boot_stack_top[];

/* From assembly: loader protocol, physical address of its record, load offset of the image. */
__noreturn void boot_start(unsigned protocol, uint32_t info, uint64_t offset);
