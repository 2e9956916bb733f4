// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: what all CPUs can do, as Linux's HWCAP bits and as /proc/cpuinfo.
 * Model: a table of (ID register, field, least value) -> bit and name.  Only what works without
 * help of ours: no SVE, MTE, pointer authentication or BTI, and no HWCAP_CPUID, as reads of ID
 * registers by programs are not emulated.
 */
#include <arch/features.h>
#include <hal/abi.h>
#include <hal/cpu.h>
#include <lib/fmt.h>

#include <asm/hwcap.h>

struct feature {
    const char *name;
    uint64_t bit;
    uint8_t reg, shift, least;
    uint8_t word; /* 1: HWCAP, 2: HWCAP2 */
};

/* In the order in which Linux prints them. */
static const struct feature features[] = {
    { "fp", HWCAP_FP, ID_PFR0, 16, 0, 1 },
    { "asimd", HWCAP_ASIMD, ID_PFR0, 20, 0, 1 },
    { "aes", HWCAP_AES, ID_ISAR0, 4, 1, 1 },
    { "pmull", HWCAP_PMULL, ID_ISAR0, 4, 2, 1 },
    { "sha1", HWCAP_SHA1, ID_ISAR0, 8, 1, 1 },
    { "sha2", HWCAP_SHA2, ID_ISAR0, 12, 1, 1 },
    { "crc32", HWCAP_CRC32, ID_ISAR0, 16, 1, 1 },
    { "atomics", HWCAP_ATOMICS, ID_ISAR0, 20, 2, 1 },
    { "fphp", HWCAP_FPHP, ID_PFR0, 16, 1, 1 },
    { "asimdhp", HWCAP_ASIMDHP, ID_PFR0, 20, 1, 1 },
    { "asimdrdm", HWCAP_ASIMDRDM, ID_ISAR0, 28, 1, 1 },
    { "jscvt", HWCAP_JSCVT, ID_ISAR1, 12, 1, 1 },
    { "fcma", HWCAP_FCMA, ID_ISAR1, 16, 1, 1 },
    { "lrcpc", HWCAP_LRCPC, ID_ISAR1, 20, 1, 1 },
    { "dcpop", HWCAP_DCPOP, ID_ISAR1, 0, 1, 1 },
    { "sha3", HWCAP_SHA3, ID_ISAR0, 32, 1, 1 },
    { "sm3", HWCAP_SM3, ID_ISAR0, 36, 1, 1 },
    { "sm4", HWCAP_SM4, ID_ISAR0, 40, 1, 1 },
    { "asimddp", HWCAP_ASIMDDP, ID_ISAR0, 44, 1, 1 },
    { "sha512", HWCAP_SHA512, ID_ISAR0, 12, 2, 1 },
    { "asimdfhm", HWCAP_ASIMDFHM, ID_ISAR0, 48, 1, 1 },
    { "dit", HWCAP_DIT, ID_PFR0, 48, 1, 1 },
    { "uscat", HWCAP_USCAT, ID_MMFR2, 32, 1, 1 },
    { "ilrcpc", HWCAP_ILRCPC, ID_ISAR1, 20, 2, 1 },
    { "flagm", HWCAP_FLAGM, ID_ISAR0, 52, 1, 1 },
    { "sb", HWCAP_SB, ID_ISAR1, 36, 1, 1 },
    { "dcpodp", HWCAP2_DCPODP, ID_ISAR1, 0, 2, 2 },
    { "flagm2", HWCAP2_FLAGM2, ID_ISAR0, 52, 2, 2 },
    { "frint", HWCAP2_FRINT, ID_ISAR1, 32, 1, 2 },
    { "i8mm", HWCAP2_I8MM, ID_ISAR1, 52, 1, 2 },
    { "bf16", HWCAP2_BF16, ID_ISAR1, 44, 1, 2 },
    { "rng", HWCAP2_RNG, ID_ISAR0, 60, 1, 2 },
};

static bool feature_there(const struct feature *f)
{
    unsigned value = (features_get(f->reg) >> f->shift) & 15;

    /* Floating point is a signed field: 15 means none. */
    if (f->reg == ID_PFR0 && f->shift <= 20 && value == 15)
        return false;
    return value >= f->least;
}

static uint64_t words[2]; /* AT_HWCAP, AT_HWCAP2; as features_get() */

void hwcap_update(void)
{
    uint64_t now[2] = { 0, 0 };

    for (size_t i = 0; i < ARRAY_SIZE(features); i++)
        if (feature_there(&features[i]))
            now[features[i].word - 1] |= features[i].bit;
    atomic_store_relaxed(&words[0], now[0]);
    atomic_store_relaxed(&words[1], now[1]);
}

uint64_t abi_hwcap(void)
{
    return atomic_load_relaxed(&words[0]);
}

uint64_t abi_hwcap2(void)
{
    return atomic_load_relaxed(&words[1]);
}

bool abi_hw_random(uint64_t *out)
{
    uint64_t v, ok;

    if (((features_get(ID_ISAR0) >> 60) & 15) == 0)
        return false;
    /* RNDR: sets Z when it has no number to give. */
    __asm__ volatile("mrs %0, S3_3_C2_C4_0\n\tcset %1, ne" : "=r"(v), "=r"(ok)::"cc");
    *out = v;
    return ok != 0;
}

size_t hal_cpuinfo(const struct cpu *cpu, char *buf, size_t size)
{
    uint64_t hz = sysreg_read(cntfrq_el0), midr = cpu->arch.midr;
    size_t n;

    n = (size_t)fmt_scnprintf(buf, size, "processor\t: %u\nBogoMIPS\t: %u.%02u\nFeatures\t:",
                              cpu->id, (unsigned)(hz / 500000), (unsigned)(hz / 5000 % 100));
    for (size_t i = 0; i < ARRAY_SIZE(features); i++)
        if (feature_there(&features[i]))
            n += (size_t)fmt_scnprintf(buf + n, size - n, " %s", features[i].name);
    n += (size_t)fmt_scnprintf(buf + n, size - n,
                               "\nCPU implementer\t: 0x%02x\nCPU architecture: 8\n"
                               "CPU variant\t: 0x%x\nCPU part\t: 0x%03x\nCPU revision\t: %u\n\n",
                               (unsigned)(midr >> 24) & 0xff, (unsigned)(midr >> 20) & 0xf,
                               (unsigned)(midr >> 4) & 0xfff, (unsigned)midr & 0xf);
    return n;
}
