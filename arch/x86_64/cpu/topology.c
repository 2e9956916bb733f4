// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: the CPU's APIC id, its place among the others, and its caches, from CPUID.
 *
 * Model: an APIC id is a string of bit fields: package, die, core, thread.  Leaf 0x1f or 0xb tells how
 * many bits lie below each level (SDM vol. 2, CPUID; vol. 3, 8.9); without them the counts of leaf 1
 * and 4, or of AMD's 0x80000008 and 0x8000001e, give the widths.
 * Caches: leaf 4, AMD's 0x8000001d of the same form, else AMD's 0x80000005 and 6.
 */
#include <cpu/topology.h>

#include <cpu/feature.h>
#include <hal/cpu.h>
#include <arch/msr.h>
#include <lib/types.h>

#define LEAF_CACHES 4
#define LEAF_LEVELS 0xb
#define LEAF_LEVELS_2 0x1f
#define LEAF_AMD_L1 0x80000005u
#define LEAF_AMD_L2 0x80000006u
#define LEAF_AMD_SIZES 0x80000008u
#define LEAF_AMD_CACHES 0x8000001du
#define LEAF_AMD_PLACE 0x8000001eu
#define EXT1_ECX_CMP_LEGACY (1u << 1)
#define EXT1_ECX_TOPOLOGY (1u << 22)
#define LEAF1_EDX_HTT (1u << 28)

const bool hal_die_is_cluster = false;

enum { LEVEL_THREAD = 1, LEVEL_CORE, LEVEL_DIE = 5 };
#define LEVELS_MAX 8

/* Bits of the id below a core, a die, a package. */
struct shifts {
    uint32_t core, die, package;
};

/* Bits that number `count` things. */
static uint32_t width(uint32_t count)
{
    return count > 1 ? 32 - (uint32_t)__builtin_clz(count - 1) : 0;
}

/* Return: whether the leaf is there. */
static bool levels_read(uint32_t leaf, struct shifts *s, uint64_t *id)
{
    struct cpuid c;

    if (features.max_leaf < leaf || cpuid(leaf, 0).ebx == 0)
        return false;
    *s = (struct shifts){ 0 };
    for (uint32_t sub = 0; sub < LEVELS_MAX; sub++) {
        uint32_t level, shift;

        c = cpuid(leaf, sub);
        level = c.ecx >> 8 & 0xff;
        shift = c.eax & 0x1f;
        if (level == 0)
            break;
        *id = c.edx;
        if (level == LEVEL_THREAD)
            s->core = shift;
        if (level < LEVEL_DIE)
            s->die = shift;
        s->package = MAX(s->package, shift);
    }
    return true;
}

static void widths_read(struct shifts *s)
{
    uint32_t logical = cpuid(1, 0).ebx >> 16 & 0xff, cores = 1;

    if (!(features.leaf1_edx & LEAF1_EDX_HTT))
        logical = 1;
    if (features.ext1_ecx & EXT1_ECX_CMP_LEGACY) {
        uint32_t sizes = features.max_ext >= LEAF_AMD_SIZES ? cpuid(LEAF_AMD_SIZES, 0).ecx : 0;

        logical = MAX(logical, (sizes & 0xff) + 1);
        s->package = sizes >> 12 & 0xf ? sizes >> 12 & 0xf : width(logical);
        s->core = features.ext1_ecx & EXT1_ECX_TOPOLOGY && features.max_ext >= LEAF_AMD_PLACE
                      ? width((cpuid(LEAF_AMD_PLACE, 0).ebx >> 8 & 0xff) + 1)
                      : 0;
    } else {
        if (features.max_leaf >= LEAF_CACHES)
            cores = (cpuid(LEAF_CACHES, 0).eax >> 26) + 1;
        s->package = width(MAX(logical, 1u));
        s->core = s->package - MIN(s->package, width(cores));
    }
    s->die = s->package;
}

static uint32_t field(uint64_t id, uint32_t from, uint32_t to)
{
    return to > from ? (uint32_t)(id >> from & (BIT(to - from) - 1)) : 0;
}

/* Return: what it went by. */
static struct shifts place_detect(struct cpu *cpu)
{
    struct shifts s = { 0 };
    uint64_t id = cpuid(1, 0).ebx >> 24;

    if (!levels_read(LEAF_LEVELS_2, &s, &id) && !levels_read(LEAF_LEVELS, &s, &id))
        widths_read(&s);
    cpu->hw_id = id;
    cpu->topology.package = (uint32_t)(id >> s.package);
    cpu->topology.die = field(id, s.die, s.package);
    cpu->topology.core = field(id, s.core, s.package); /* one number in a package, as Linux has it */
    cpu->topology.thread = field(id, 0, s.core);
    return s;
}

/* --- caches ------------------------------------------------------------------------------------ */

static void cache_add(struct cpu *cpu, const struct cpu_cache *cache)
{
    for (unsigned i = 0; i < CPU_CACHES_MAX; i++)
        if (cpu->topology.caches[i].type == CACHE_NONE) {
            cpu->topology.caches[i] = *cache;
            return;
        }
}

/* Return: how many the leaf names. */
static unsigned caches_read(struct cpu *cpu, uint32_t leaf)
{
    unsigned n;

    for (n = 0; n < CPU_CACHES_MAX; n++) {
        struct cpuid c = cpuid(leaf, n);
        struct cpu_cache cache = {
            .type = (enum cache_type)(c.eax & 0x1f),
            .level = c.eax >> 5 & 7,
            .line = (uint16_t)((c.ebx & 0xfff) + 1),
            .ways = (uint16_t)((c.ebx >> 22) + 1),
            .sets = c.ecx + 1,
            .sharing = width((c.eax >> 14 & 0xfff) + 1),
        };

        if (cache.type == CACHE_NONE || cache.type > CACHE_UNIFIED)
            break;
        cache.size = cache.sets * cache.ways * cache.line * ((c.ebx >> 12 & 0x3ff) + 1);
        cache_add(cpu, &cache);
    }
    return n;
}

/* `ways` in AMD's four bits: a power of two's code; 0xf: full. */
static void amd_cache_add(struct cpu *cpu, struct cpu_cache cache, uint32_t kib, uint32_t ways,
                          uint32_t line)
{
    cache.line = (uint16_t)line;
    cache.size = kib * 1024;

    if (kib == 0 || line == 0)
        return;
    cache.ways = (uint16_t)(ways ? ways : 1);
    cache.sets = MAX(cache.size / (cache.line * cache.ways), 1u);
    cache_add(cpu, &cache);
}

/* These leaves do not tell who shares a cache: the third level is the package's, the others are a core's. */
static void amd_caches_read(struct cpu *cpu, struct shifts s)
{
    static const uint8_t l2_ways[16] = { 0, 1, 2, 3, 4, 6, 8, 0, 16, 0, 32, 48, 64, 96, 128, 0 };
    struct cpuid c;

    if (features.max_ext < LEAF_AMD_L2)
        return;
    c = cpuid(LEAF_AMD_L1, 0);
    amd_cache_add(cpu, (struct cpu_cache){ .type = CACHE_DATA, .level = 1, .sharing = s.core },
                  c.ecx >> 24, c.ecx >> 16 & 0xff, c.ecx & 0xff);
    amd_cache_add(cpu, (struct cpu_cache){ .type = CACHE_INSTRUCTION, .level = 1, .sharing = s.core },
                  c.edx >> 24, c.edx >> 16 & 0xff, c.edx & 0xff);
    c = cpuid(LEAF_AMD_L2, 0);
    amd_cache_add(cpu, (struct cpu_cache){ .type = CACHE_UNIFIED, .level = 2, .sharing = s.core },
                  c.ecx >> 16, l2_ways[c.ecx >> 12 & 0xf], c.ecx & 0xff);
    amd_cache_add(cpu, (struct cpu_cache){ .type = CACHE_UNIFIED, .level = 3, .sharing = s.package },
                  (c.edx >> 18) * 512, l2_ways[c.edx >> 12 & 0xf],
                  c.edx & 0xff);
}

static void caches_detect(struct cpu *cpu, struct shifts s)
{
    if (features.max_leaf >= LEAF_CACHES && caches_read(cpu, LEAF_CACHES))
        return;
    if ((features.ext1_ecx & EXT1_ECX_TOPOLOGY) && features.max_ext >= LEAF_AMD_CACHES &&
        caches_read(cpu, LEAF_AMD_CACHES))
        return;
    amd_caches_read(cpu, s);
}

void topology_detect(struct cpu *cpu)
{
    caches_detect(cpu, place_detect(cpu));
}
