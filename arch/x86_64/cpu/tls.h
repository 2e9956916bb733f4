// SPDX-License-Identifier: CC0-1.0
/* Purpose: the second user thread pointer, GS base, of the running thread (arch_prctl). */
#pragma once

#include <lib/types.h>

uint64_t tls_gs_get(void);
void tls_gs_set(uint64_t value);
