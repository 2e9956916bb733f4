// SPDX-License-Identifier: CC0-1.0
/* Purpose: /proc/cpuinfo in Linux's words (arch/x86 names of CPUID's bits, cpufeatures). */
#include <hal/cpu.h>

#include <cpu/feature.h>
#include <cpu/msr.h>
#include <lib/fmt.h>
#include <lib/string.h>

struct flag {
    const uint32_t *word;
    uint8_t bit;
    const char *name;
};

#define EDX1 &features.leaf1_edx
#define ECX1 &features.leaf1_ecx
#define EBX7 &features.leaf7_ebx
#define ECX7 &features.leaf7_ecx
#define EDX8 &features.ext1_edx
#define ECX8 &features.ext1_ecx

static const struct flag flags[] = {
    { EDX1, 0, "fpu" }, { EDX1, 1, "vme" }, { EDX1, 2, "de" }, { EDX1, 3, "pse" },
    { EDX1, 4, "tsc" }, { EDX1, 5, "msr" }, { EDX1, 6, "pae" }, { EDX1, 7, "mce" },
    { EDX1, 8, "cx8" }, { EDX1, 9, "apic" }, { EDX1, 11, "sep" }, { EDX1, 12, "mtrr" },
    { EDX1, 13, "pge" }, { EDX1, 14, "mca" }, { EDX1, 15, "cmov" }, { EDX1, 16, "pat" },
    { EDX1, 17, "pse36" }, { EDX1, 19, "clflush" }, { EDX1, 23, "mmx" }, { EDX1, 24, "fxsr" },
    { EDX1, 25, "sse" }, { EDX1, 26, "sse2" }, { EDX1, 27, "ss" }, { EDX1, 28, "ht" },
    { EDX8, 11, "syscall" }, { EDX8, 20, "nx" }, { EDX8, 22, "mmxext" },
    { EDX8, 25, "fxsr_opt" }, { EDX8, 26, "pdpe1gb" }, { EDX8, 27, "rdtscp" }, { EDX8, 29, "lm" },
    { EDX8, 30, "3dnowext" }, { EDX8, 31, "3dnow" },
    { ECX1, 0, "pni" }, { ECX1, 1, "pclmulqdq" }, { ECX1, 3, "monitor" }, { ECX1, 9, "ssse3" },
    { ECX1, 12, "fma" }, { ECX1, 13, "cx16" }, { ECX1, 17, "pcid" }, { ECX1, 19, "sse4_1" },
    { ECX1, 20, "sse4_2" }, { ECX1, 21, "x2apic" }, { ECX1, 22, "movbe" }, { ECX1, 23, "popcnt" },
    { ECX1, 24, "tsc_deadline_timer" }, { ECX1, 25, "aes" }, { ECX1, 26, "xsave" },
    { ECX1, 28, "avx" }, { ECX1, 29, "f16c" }, { ECX1, 30, "rdrand" }, { ECX1, 31, "hypervisor" },
    { ECX8, 0, "lahf_lm" }, { ECX8, 2, "svm" }, { ECX8, 4, "cr8_legacy" }, { ECX8, 5, "abm" },
    { ECX8, 6, "sse4a" }, { ECX8, 7, "misalignsse" }, { ECX8, 8, "3dnowprefetch" },
    { EBX7, 0, "fsgsbase" }, { EBX7, 3, "bmi1" }, { EBX7, 5, "avx2" }, { EBX7, 7, "smep" },
    { EBX7, 8, "bmi2" }, { EBX7, 9, "erms" }, { EBX7, 18, "rdseed" }, { EBX7, 19, "adx" },
    { EBX7, 20, "smap" }, { EBX7, 23, "clflushopt" }, { EBX7, 24, "clwb" }, { EBX7, 29, "sha_ni" },
    { ECX7, 2, "umip" }, { ECX7, 9, "vaes" }, { ECX7, 10, "vpclmulqdq" }, { ECX7, 22, "rdpid" },
};

struct text {
    char *buf;
    size_t size, used;
};

__printf(2, 3) static void put(struct text *t, const char *format, ...)
{
    va_list ap;
    int n;

    va_start(ap, format);
    n = fmt_vsnprintf(t->buf + t->used, t->size - t->used, format, ap);
    va_end(ap);
    t->used = MIN(t->used + (size_t)n, t->size ? t->size - 1 : 0);
}

static void put_identity(struct text *t)
{
    uint32_t family = features.signature >> 8 & 0xf, model = features.signature >> 4 & 0xf;
    struct cpuid c = cpuid(0, 0);
    uint32_t vendor[3] = { c.ebx, c.edx, c.ecx };
    uint32_t brand[13] = { 0 };
    const char *name = (const char *)brand;

    if (family == 6 || family == 15)
        model |= features.signature >> 12 & 0xf0;
    if (family == 15)
        family += features.signature >> 20 & 0xff;
    for (uint32_t i = 0; i < 3 && features.max_ext >= 0x80000004; i++) {
        c = cpuid(0x80000002 + i, 0);
        memcpy(&brand[i * 4], &c, sizeof(c));
    }
    while (*name == ' ')
        name++;
    put(t, "vendor_id\t: %.12s\n", (const char *)vendor);
    put(t, "cpu family\t: %u\nmodel\t\t: %u\n", family, model);
    put(t, "model name\t: %s\n", *name ? name : "unknown");
    put(t, "stepping\t: %u\n", features.signature & 0xf);
}

static void put_flags(struct text *t)
{
    put(t, "flags\t\t:");
    for (unsigned i = 0; i < ARRAY_SIZE(flags); i++)
        if (*flags[i].word >> flags[i].bit & 1)
            put(t, " %s", flags[i].name);
    if (features.tsc_invariant)
        put(t, " constant_tsc nonstop_tsc");
    if (features.xsaveopt)
        put(t, " xsaveopt");
    put(t, " nopl cpuid\nbugs\t\t:\n");
}

static void put_sizes(struct text *t)
{
    uint32_t clflush = (cpuid(1, 0).ebx >> 8 & 0xff) * 8;
    uint32_t bits = features.max_ext >= 0x80000008 ? cpuid(0x80000008, 0).eax : 0x3024;

    put(t, "clflush size\t: %u\ncache_alignment\t: %u\n", clflush, clflush);
    put(t, "address sizes\t: %u bits physical, %u bits virtual\n", bits & 0xff, bits >> 8 & 0xff);
}

/* As Linux counts: `siblings` are the package's CPUs, `cpu cores` its cores. */
static void put_place(struct text *t, const struct cpu *cpu)
{
    unsigned siblings = 0, cores = 0;

    for (unsigned i = 0; i < cpu_count; i++) {
        if (cpus[i]->topology.package != cpu->topology.package)
            continue;
        siblings++;
        cores += cpus[i]->topology.thread == 0;
    }
    put(t, "physical id\t: %u\nsiblings\t: %u\n", cpu->topology.package, siblings);
    put(t, "core id\t\t: %u\ncpu cores\t: %u\n", cpu->topology.core, MAX(cores, 1u));
    put(t, "apicid\t\t: %u\ninitial apicid\t: %u\n", (unsigned)cpu->hw_id, (unsigned)cpu->hw_id);
}

/* The largest cache of the CPU's own, or all share: what Linux calls its size. */
static uint32_t cache_kib(const struct cpu *cpu)
{
    uint32_t kib = 0;
    uint8_t level = 0;

    for (unsigned i = 0; i < CPU_CACHES_MAX; i++) {
        const struct cpu_cache *c = &cpu->topology.caches[i];

        if (c->type == CACHE_NONE || c->level < level)
            continue;
        level = c->level;
        kib = c->size / 1024;
    }
    return kib;
}

size_t hal_cpuinfo(const struct cpu *cpu, char *buf, size_t size)
{
    struct text t = { .buf = buf, .size = size };
    unsigned khz = (unsigned)(x86_tsc_hz / 1000);

    put(&t, "processor\t: %u\n", cpu->id);
    put_identity(&t);
    put(&t, "cpu MHz\t\t: %u.%03u\ncache size\t: %u KB\n", khz / 1000, khz % 1000,
        cache_kib(cpu));
    put_place(&t, cpu);
    put(&t, "fpu\t\t: yes\nfpu_exception\t: yes\ncpuid level\t: %u\nwp\t\t: yes\n",
        features.max_leaf);
    put_flags(&t);
    put(&t, "bogomips\t: %u.%02u\n", khz / 500, khz / 5 % 100);
    put_sizes(&t);
    put(&t, "power management:\n\n");
    return t.used;
}
