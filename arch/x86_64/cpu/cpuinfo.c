// SPDX-License-Identifier: CC0-1.0
/* Purpose: /proc/cpuinfo in Linux's words (arch/x86 names of CPUID's bits, cpufeatures). */
#include <hal/cpu.h>

#include <cpu/feature.h>
#include <cpu/msr.h>
#include <lib/fmt.h>
#include <lib/string.h>

/* Words of flags, in Linux's order: registers of CPUID, and what the kernel has found out. */
enum word { EDX1, EDX8, OURS, ECX1, ECX8, EBX7, EAX13, EAX7, EBX88, EAX6, EDX8A, ECX7, EDX7, WORDS };

struct flag {
    uint8_t word, bit;
    const char *name;
};

/* Not named: what programs could use only if the kernel switched it on, and it does not (protection keys, shadow
 * stacks, AMX). */
static const struct flag flags[] = {
    { EDX1, 0, "fpu" }, { EDX1, 1, "vme" }, { EDX1, 2, "de" }, { EDX1, 3, "pse" },
    { EDX1, 4, "tsc" }, { EDX1, 5, "msr" }, { EDX1, 6, "pae" }, { EDX1, 7, "mce" },
    { EDX1, 8, "cx8" }, { EDX1, 9, "apic" }, { EDX1, 11, "sep" }, { EDX1, 12, "mtrr" },
    { EDX1, 13, "pge" }, { EDX1, 14, "mca" }, { EDX1, 15, "cmov" }, { EDX1, 16, "pat" },
    { EDX1, 17, "pse36" }, { EDX1, 18, "pn" }, { EDX1, 19, "clflush" }, { EDX1, 21, "dts" },
    { EDX1, 22, "acpi" }, { EDX1, 23, "mmx" }, { EDX1, 24, "fxsr" }, { EDX1, 25, "sse" },
    { EDX1, 26, "sse2" }, { EDX1, 27, "ss" }, { EDX1, 28, "ht" }, { EDX1, 29, "tm" },
    { EDX1, 31, "pbe" },
    { EDX8, 11, "syscall" }, { EDX8, 19, "mp" }, { EDX8, 20, "nx" }, { EDX8, 22, "mmxext" },
    { EDX8, 25, "fxsr_opt" }, { EDX8, 26, "pdpe1gb" }, { EDX8, 27, "rdtscp" }, { EDX8, 29, "lm" },
    { EDX8, 30, "3dnowext" }, { EDX8, 31, "3dnow" },
    { OURS, 0, "constant_tsc" }, { OURS, 1, "rep_good" }, { OURS, 2, "nopl" },
    { OURS, 3, "xtopology" }, { OURS, 4, "nonstop_tsc" }, { OURS, 5, "cpuid" },
    { OURS, 6, "extd_apicid" },
    { ECX1, 0, "pni" }, { ECX1, 1, "pclmulqdq" }, { ECX1, 2, "dtes64" }, { ECX1, 3, "monitor" },
    { ECX1, 4, "ds_cpl" }, { ECX1, 5, "vmx" }, { ECX1, 6, "smx" }, { ECX1, 7, "est" },
    { ECX1, 8, "tm2" }, { ECX1, 9, "ssse3" }, { ECX1, 10, "cid" }, { ECX1, 11, "sdbg" },
    { ECX1, 12, "fma" }, { ECX1, 13, "cx16" }, { ECX1, 14, "xtpr" }, { ECX1, 15, "pdcm" },
    { ECX1, 17, "pcid" }, { ECX1, 18, "dca" }, { ECX1, 19, "sse4_1" }, { ECX1, 20, "sse4_2" },
    { ECX1, 21, "x2apic" }, { ECX1, 22, "movbe" }, { ECX1, 23, "popcnt" },
    { ECX1, 24, "tsc_deadline_timer" }, { ECX1, 25, "aes" }, { ECX1, 26, "xsave" },
    { ECX1, 28, "avx" }, { ECX1, 29, "f16c" }, { ECX1, 30, "rdrand" }, { ECX1, 31, "hypervisor" },
    { ECX8, 0, "lahf_lm" }, { ECX8, 1, "cmp_legacy" }, { ECX8, 2, "svm" }, { ECX8, 3, "extapic" },
    { ECX8, 4, "cr8_legacy" }, { ECX8, 5, "abm" }, { ECX8, 6, "sse4a" }, { ECX8, 7, "misalignsse" },
    { ECX8, 8, "3dnowprefetch" }, { ECX8, 9, "osvw" }, { ECX8, 10, "ibs" }, { ECX8, 11, "xop" },
    { ECX8, 12, "skinit" }, { ECX8, 13, "wdt" }, { ECX8, 15, "lwp" }, { ECX8, 16, "fma4" },
    { ECX8, 17, "tce" }, { ECX8, 19, "nodeid_msr" }, { ECX8, 21, "tbm" }, { ECX8, 22, "topoext" },
    { ECX8, 23, "perfctr_core" }, { ECX8, 24, "perfctr_nb" }, { ECX8, 26, "bpext" },
    { ECX8, 28, "perfctr_llc" }, { ECX8, 29, "mwaitx" },
    { EBX7, 0, "fsgsbase" }, { EBX7, 1, "tsc_adjust" }, { EBX7, 2, "sgx" }, { EBX7, 3, "bmi1" },
    { EBX7, 4, "hle" }, { EBX7, 5, "avx2" }, { EBX7, 7, "smep" }, { EBX7, 8, "bmi2" },
    { EBX7, 9, "erms" }, { EBX7, 10, "invpcid" }, { EBX7, 11, "rtm" }, { EBX7, 14, "mpx" },
    { EBX7, 16, "avx512f" }, { EBX7, 17, "avx512dq" }, { EBX7, 18, "rdseed" }, { EBX7, 19, "adx" },
    { EBX7, 20, "smap" }, { EBX7, 21, "avx512ifma" }, { EBX7, 23, "clflushopt" },
    { EBX7, 24, "clwb" }, { EBX7, 25, "intel_pt" }, { EBX7, 26, "avx512pf" },
    { EBX7, 27, "avx512er" }, { EBX7, 28, "avx512cd" }, { EBX7, 29, "sha_ni" },
    { EBX7, 30, "avx512bw" }, { EBX7, 31, "avx512vl" },
    { EAX13, 0, "xsaveopt" }, { EAX13, 1, "xsavec" }, { EAX13, 2, "xgetbv1" },
    { EAX13, 3, "xsaves" },
    { EAX7, 4, "avx_vnni" }, { EAX7, 5, "avx512_bf16" },
    { EBX88, 0, "clzero" }, { EBX88, 1, "irperf" }, { EBX88, 2, "xsaveerptr" },
    { EBX88, 4, "rdpru" }, { EBX88, 9, "wbnoinvd" },
    { EAX6, 0, "dtherm" }, { EAX6, 1, "ida" }, { EAX6, 2, "arat" }, { EAX6, 4, "pln" },
    { EAX6, 6, "pts" },
    { EDX8A, 0, "npt" }, { EDX8A, 1, "lbrv" }, { EDX8A, 2, "svm_lock" }, { EDX8A, 3, "nrip_save" },
    { EDX8A, 4, "tsc_scale" }, { EDX8A, 5, "vmcb_clean" }, { EDX8A, 6, "flushbyasid" },
    { EDX8A, 7, "decodeassists" }, { EDX8A, 10, "pausefilter" }, { EDX8A, 12, "pfthreshold" },
    { EDX8A, 15, "v_vmsave_vmload" }, { EDX8A, 16, "vgif" },
    { ECX7, 1, "avx512vbmi" }, { ECX7, 2, "umip" }, { ECX7, 5, "waitpkg" },
    { ECX7, 6, "avx512_vbmi2" }, { ECX7, 8, "gfni" }, { ECX7, 9, "vaes" },
    { ECX7, 10, "vpclmulqdq" }, { ECX7, 11, "avx512_vnni" }, { ECX7, 12, "avx512_bitalg" },
    { ECX7, 14, "avx512_vpopcntdq" }, { ECX7, 16, "la57" }, { ECX7, 22, "rdpid" },
    { ECX7, 25, "cldemote" }, { ECX7, 27, "movdiri" }, { ECX7, 28, "movdir64b" },
    { EDX7, 2, "avx512_4vnniw" }, { EDX7, 3, "avx512_4fmaps" }, { EDX7, 4, "fsrm" },
    { EDX7, 8, "avx512_vp2intersect" }, { EDX7, 10, "md_clear" }, { EDX7, 14, "serialize" },
    { EDX7, 16, "tsxldtrk" }, { EDX7, 18, "pconfig" }, { EDX7, 28, "flush_l1d" },
    { EDX7, 29, "arch_capabilities" },
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

static bool vendor_is(const char *name)
{
    struct cpuid c = cpuid(0, 0);

    return memcmp(&c.ebx, name, 4) == 0;
}

/* What is in OURS. */
static uint32_t ours(void)
{
    uint32_t family = features.signature >> 8 & 0xf;
    uint32_t model = (features.signature >> 4 & 0xf) | (features.signature >> 12 & 0xf0);
    bool intel = vendor_is("Genu");
    bool constant = features.tsc_invariant ||
                    (intel && ((family == 6 && model >= 0x0e) || (family == 15 && model >= 3)));

    return (uint32_t)constant | 1u << 1 | 1u << 2 | (uint32_t)(intel && features.max_leaf >= 0xb) << 3 |
           (uint32_t)features.tsc_invariant << 4 | 1u << 5 | (uint32_t)vendor_is("Auth") << 6;
}

static void words_read(uint32_t w[WORDS])
{
    const struct x86_features *f = &features;

    w[EDX1] = f->leaf1_edx;
    w[ECX1] = f->leaf1_ecx;
    w[EDX8] = f->ext1_edx;
    w[ECX8] = f->ext1_ecx;
    w[EBX7] = f->leaf7_ebx;
    w[ECX7] = f->leaf7_ecx;
    w[EDX7] = f->leaf7_edx;
    w[OURS] = ours();
    w[EAX6] = f->max_leaf >= 6 ? cpuid(6, 0).eax : 0;
    w[EAX7] = f->max_leaf >= 7 && cpuid(7, 0).eax >= 1 ? cpuid(7, 1).eax : 0;
    w[EAX13] = f->xsave ? cpuid(0xd, 1).eax : 0;
    w[EBX88] = f->max_ext >= 0x80000008 ? cpuid(0x80000008, 0).ebx : 0;
    w[EDX8A] = f->max_ext >= 0x8000000a && f->ext1_ecx >> 2 & 1 ? cpuid(0x8000000a, 0).edx : 0;
}

static void put_flags(struct text *t)
{
    bool avx512 = (features.xcr0 & 0xe0) == 0xe0;
    uint32_t w[WORDS];

    words_read(w);
    put(t, "flags\t\t:");
    for (unsigned i = 0; i < ARRAY_SIZE(flags); i++)
        if (w[flags[i].word] >> flags[i].bit & 1 && (avx512 || strncmp(flags[i].name, "avx512", 6) != 0))
            put(t, " %s", flags[i].name);
    put(t, "\nbugs\t\t:\n");
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
