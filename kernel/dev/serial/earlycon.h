// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: consoles that can print before there is a heap: who parses the loader's record starts the
 * one that the record names, and its driver takes over later.
 */
#pragma once

#include <lib/registry.h>
#include <lib/types.h>

struct earlycon {
    const char *compatible; /* in the device tree */
    void (*start)(paddr_t registers);
};
REGISTRY_DECLARE(earlycon, const struct earlycon);

#define EARLYCON(id, name, fn)                                                                     \
    static const struct earlycon earlycon_##id = { .compatible = (name), .start = (fn) };          \
    REGISTRY_ADD(earlycon, earlycon_##id)
