// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: what every fuzzer of a loader's record does before and after the parser: a hand-over whose block is the
 * input, and the invariants of the neutral record.
 */
#pragma once

#include <boot/record.h>

#include <lib/string.h>

#include "machine.h"

void *malloc(size_t n);
void free(void *p);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct loader_input {
    uint8_t *block; /* aligned, and of just that size */
    struct loader_handoff h;
    struct boot_record *rec;
};

static inline struct loader_input loader_begin(enum loader_protocol protocol, const uint8_t *data, size_t size)
{
    static struct boot_record rec;
    uint8_t *block = malloc(size + 1);
    struct loader_handoff h = { .protocol = protocol, .info = virt_to_phys(block),
                                .image_start = 2 * MiB, .image_end = 4 * MiB,
                                .early_start = virt_to_phys(block),
                                .early_end = virt_to_phys(block) + size };

    memcpy(block, data, size);
    record_init(&rec, &h);
    return (struct loader_input){ block, h, &rec };
}

/* parsed: what the parser said. */
static inline void loader_end(struct loader_input *in, err_t parsed)
{
    const struct boot_framebuffer *fb = &in->rec->fb;

    if (parsed == 0 && record_finish(in->rec) == 0) {
        expect(in->rec->range_count > 0);
        expect(fb->width == 0 || fb->pitch >= fb->width * (fb->bpp / 8u));
    }
    expect(record_check(in->rec));
    free(in->block);
}
