// SPDX-License-Identifier: CC0-1.0
/* Purpose: the start of the CPUs beyond the one that booted. */
#pragma once

/*
 * Starts what hardware() names, one CPU after the other, as far as maxcpus=, nr_cpus= and nosmp allow.
 * Context: thread; once, when interrupt controller, timer and starters are up.
 */
void smp_start(void);
