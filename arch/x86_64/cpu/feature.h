// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: what this CPU can do and what of it is switched on; the boot CPU's answer is everyone's.
 * Locking: written once by feature_detect(), read-only afterwards.
 */
#pragma once

#include <lib/types.h>

struct x86_features {
    uint32_t leaf1_ecx, leaf1_edx, leaf7_ebx, leaf7_ecx, leaf7_edx, ext1_ecx, ext1_edx;
    uint32_t signature; /* leaf 1 eax */
    uint32_t max_leaf, max_ext;
    bool smep, smap, umip, fsgsbase, xsave, xsaveopt, pages_1g, rdrand, tsc_invariant;
    uint64_t xcr0; /* what is switched on; 0 without XSAVE */
    uint32_t fpu_size; /* of a save area */
    uint32_t mxcsr_mask; /* bits of MXCSR that may be set */
};
extern struct x86_features features;

void feature_detect(void);
/* Switches on, on the calling CPU, what feature_detect found. */
void feature_enable(void);
