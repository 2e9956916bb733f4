// SPDX-License-Identifier: CC0-1.0
/* Purpose: what an architecture provides for the Limine protocol's entry program (entry.c). */
#pragma once

#include <hal/limine.h>
#include <lib/types.h>

/* The kernel's flat image, embedded by image.S. */
extern const char kernel_image[], kernel_image_end[];

#define IMAGE_ALIGN (2 * MiB)

/* Both kinds of image begin so: code, where they want to be behind a multiple of 2 MiB, and their size
 * in memory with what is not in the file. */
struct image_header {
    uint32_t code[2];
    uint64_t offset, size;
};

/* Physical addresses below which image and hand-over must lie. */
extern const paddr_t image_limit;

/* Addresses of this program, as the loader placed it. */
struct placement {
    uint64_t hhdm; /* virtual minus physical address of memory */
    uint64_t offset; /* virtual minus physical address of this program */
};

/* Turns into what the image expects of a boot loader and jumps to its first byte. */
__noreturn void image_enter(const struct placement *at, paddr_t image, paddr_t handoff);

/* Says `text` where somebody may see it, and stops. */
__noreturn void complain(const char *text);
