// SPDX-License-Identifier: CC0-1.0
/* Purpose: see <arch/features.h>. */
#include <arch/features.h>

#include <arch/mm.h>
#include <hal/cpu.h>

#define FIELD(reg, shift) (((reg) >> (shift)) & 15)
#define CTR_SHOWN 0x300f000full /* what programs and mmu_sync_icache() go by: DIC IDC, line sizes */
#define DCZID_SHOWN 31ull

static uint64_t common[ID_COUNT];
static uint64_t boot_ctr, boot_dczid; /* of the boot CPU */

uint64_t features_get(enum feature_register r)
{
    return atomic_load_relaxed(&common[r]);
}

static void registers_read(uint64_t id[ID_COUNT])
{
    id[ID_PFR0] = sysreg_read(id_aa64pfr0_el1);
    id[ID_ISAR0] = sysreg_read(id_aa64isar0_el1);
    id[ID_ISAR1] = sysreg_read(id_aa64isar1_el1);
    id[ID_MMFR2] = sysreg_read(S3_0_C0_C7_2); /* id_aa64mmfr2_el1 */
}

/* Floating point and SIMD are signed: 15 means none. */
static bool field_signed(enum feature_register r, unsigned shift)
{
    return r == ID_PFR0 && (shift == 16 || shift == 20);
}

static uint64_t register_merge(enum feature_register r, uint64_t a, uint64_t b)
{
    uint64_t out = 0;

    for (unsigned shift = 0; shift < 64; shift += 4) {
        uint64_t bias = field_signed(r, shift) ? 8 : 0; /* turns the signed order into the other */
        uint64_t least = MIN(FIELD(a, shift) ^ bias, FIELD(b, shift) ^ bias) ^ bias;

        out |= least << shift;
    }
    return out;
}

void features_add(const struct cpu *cpu)
{
    uint64_t id[ID_COUNT];

    registers_read(id);
    for (unsigned r = 0; r < ID_COUNT; r++)
        atomic_store_relaxed(&common[r], cpu->id == 0 ? id[r] : register_merge(r, common[r], id[r]));
    if (cpu->id == 0) {
        boot_ctr = sysreg_read(ctr_el0);
        boot_dczid = sysreg_read(dczid_el0);
    }
}

const char *features_unfit(const struct cpu *cpu)
{
    uint64_t mmfr0 = sysreg_read(id_aa64mmfr0_el1), tcr = sysreg_read(tcr_el1);

    if (cpu_has_pan && FIELD(sysreg_read(id_aa64mmfr1_el1), 20) == 0)
        return "it has no PAN";
    if (asid_width() > 8 && FIELD(mmfr0, 4) != 2)
        return "its ASIDs have 8 bits";
    if (cpu->id + 2 >= 1u << asid_width())
        return "there are not enough ASIDs";
    if (FIELD(mmfr0, 0) < ((tcr >> 32) & 7))
        return "its physical addresses are too short";
    if ((sysreg_read(ctr_el0) ^ boot_ctr) & CTR_SHOWN)
        return "its caches are kept in another way";
    if ((sysreg_read(dczid_el0) ^ boot_dczid) & DCZID_SHOWN)
        return "its DC ZVA has another size";
    return NULL;
}
