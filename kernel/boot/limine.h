// SPDX-License-Identifier: CC0-1.0
/* Purpose: the Limine protocol's responses into the boot record, on every architecture. */
#pragma once

#include <boot/record.h>
#include <hal/limine.h>

/* Return: 0; -EINVAL: no such record, or it names no usable memory.  Whatever else makes no sense is
 * left out with a line that names the feature and the entry or address. */
err_t __must_check limine_parse(const struct loader_handoff *h, struct boot_record *rec);
/* Maps [pa, pa + bytes), which the memory map does not call RAM.  Return: it there; NULL: it can not. */
typedef const void *limine_far_fn(paddr_t pa, uint64_t bytes);
/* The same where the early direct map leaves things out: EFI's memory map is then read by `far`. */
err_t __must_check limine_parse_far(const struct loader_handoff *h, struct boot_record *rec,
                                    limine_far_fn *far);
/* What the protocol's types of memory are to us. */
enum mem_kind limine_kind(uint64_t type);
