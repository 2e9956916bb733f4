// SPDX-License-Identifier: CC0-1.0
/* Purpose: where the calling CPU sits and what caches it has. */
#pragma once

struct cpu;

/* Fills hw_id and topology; on the CPU itself. */
void topology_detect(struct cpu *cpu);
