// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: where the calling CPU sits by its affinity, and its caches (Arm ARM D13: MPIDR, CLIDR,
 * CCSIDR).
 *
 * Model: with MPIDR.MT the lowest affinity level counts threads, else cores; the next one is the
 * cluster.  The cache registers do not tell who shares a cache: level 1 is taken for the core's own,
 * level 2 for the cluster's, those beyond for everybody's.  A cpu-map or PPTT knows better (boot/).
 * Context: the CPU itself, interrupts off: CSSELR selects for the reads that follow.
 */
#include <arch/features.h>

const bool hal_die_is_cluster = true;

#define MPIDR_MT BIT(24)
#define AFF(id, n) ((uint32_t)((id) >> 8 * (n)) & 0xff)
#define CLIDR_LEVELS 7

enum { CLIDR_NONE, CLIDR_INSTRUCTION, CLIDR_DATA, CLIDR_SEPARATE, CLIDR_UNIFIED };

static void place_read(struct cpu_topology *t, uint64_t mpidr)
{
    unsigned core = mpidr & MPIDR_MT ? 1 : 0;
    uint32_t aff3 = (uint32_t)(mpidr >> 32) & 0xff;

    t->thread = core == 1 ? AFF(mpidr, 0) : 0;
    t->core = AFF(mpidr, core);
    t->die = AFF(mpidr, core + 1);
    t->package = core == 1 ? aff3 : aff3 << 8 | AFF(mpidr, 2);
}

/* CPUs that agree in the affinity fields above share it: as a shift of those fields. */
static uint32_t sharing(unsigned level, bool threads)
{
    unsigned core = threads ? 8 : 0;

    return level == 1 ? core : level == 2 ? core + 8 : 32;
}

static void cache_describe(struct cpu_cache *c, unsigned level, enum cache_type type, bool threads)
{
    bool wide = ((sysreg_read(S3_0_C0_C7_2) >> 20) & 15) == 1; /* id_aa64mmfr2_el1.CCIDX */
    uint64_t v;

    sysreg_write(csselr_el1, (level - 1) << 1 | (type == CACHE_INSTRUCTION));
    isb();
    v = sysreg_read(ccsidr_el1);
    *c = (struct cpu_cache){ .type = type, .level = (uint8_t)level,
                             .line = (uint16_t)(16u << (v & 7)),
                             .sharing = sharing(level, threads) };
    c->ways = (uint16_t)(((v >> 3) & (wide ? 0x1fffff : 0x3ff)) + 1);
    c->sets = (uint32_t)(wide ? (v >> 32) & 0xffffff : (v >> 13) & 0x7fff) + 1;
    c->size = (uint32_t)MIN((uint64_t)c->line * c->ways * c->sets, (uint64_t)UINT32_MAX);
}

static void caches_read(struct cpu_topology *t, bool threads)
{
    uint64_t clidr = sysreg_read(clidr_el1);
    unsigned n = 0;

    for (unsigned level = 1; level <= CLIDR_LEVELS && n < CPU_CACHES_MAX; level++) {
        unsigned kind = (clidr >> 3 * (level - 1)) & 7;

        if (kind == CLIDR_NONE || kind > CLIDR_UNIFIED)
            return;
        if (kind == CLIDR_UNIFIED)
            cache_describe(&t->caches[n++], level, CACHE_UNIFIED, threads);
        if (kind == CLIDR_DATA || kind == CLIDR_SEPARATE)
            cache_describe(&t->caches[n++], level, CACHE_DATA, threads);
        if ((kind == CLIDR_INSTRUCTION || kind == CLIDR_SEPARATE) && n < CPU_CACHES_MAX)
            cache_describe(&t->caches[n++], level, CACHE_INSTRUCTION, threads);
    }
}

void topology_read(struct cpu *cpu)
{
    uint64_t mpidr = sysreg_read(mpidr_el1);

    place_read(&cpu->topology, mpidr);
    caches_read(&cpu->topology, (mpidr & MPIDR_MT) != 0);
}
