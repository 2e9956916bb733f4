// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: finds the CPU's features (SDM vol. 2, CPUID) and switches them on (vol. 3, 2.5).
 */
#include <cpu/feature.h>

#include <cpu/msr.h>

#define CR0_MP (1ul << 1)
#define CR0_EM (1ul << 2)
#define CR0_TS (1ul << 3)
#define CR0_NE (1ul << 5)
#define CR0_WP (1ul << 16)
#define CR0_AM (1ul << 18)
#define CR4_MCE (1ul << 6)
#define CR4_PGE (1ul << 7)
#define CR4_OSFXSR (1ul << 9)
#define CR4_OSXMMEXCPT (1ul << 10)
#define CR4_UMIP (1ul << 11)
#define CR4_FSGSBASE (1ul << 16)
#define CR4_OSXSAVE (1ul << 18)
#define CR4_SMEP (1ul << 20)
#define CR4_SMAP (1ul << 21)
#define EFER_SCE (1ul << 0)
#define EFER_NXE (1ul << 11)

/* x87, SSE, AVX, and the three parts of AVX-512. */
#define XCR0_WANTED 0xe7ul
#define XCR0_AVX512 0xe0ul
#define XCR0_AVX 0x4ul
#define FXSAVE_SIZE 512
#define MXCSR_MASK_DEFAULT 0xffbfu /* when FXSAVE stores 0: SDM vol. 1, 11.6.6 */
#define MXCSR_MASK_OFFSET 28

/* Entries: WB WC UC- UC WB WP UC- WT; <arch/pte.h> uses 0, 1 and 3 (SDM vol. 3, 11.12.4). */
#define PAT_VALUE 0x0407050600070106ul

struct x86_features features;

static void detect_leaves(struct x86_features *f)
{
    struct cpuid c = cpuid(0, 0);

    f->max_leaf = c.eax;
    c = cpuid(1, 0);
    f->signature = c.eax;
    f->leaf1_ecx = c.ecx;
    f->leaf1_edx = c.edx;
    if (f->max_leaf >= 7) {
        c = cpuid(7, 0);
        f->leaf7_ebx = c.ebx;
        f->leaf7_ecx = c.ecx;
        f->leaf7_edx = c.edx;
    }
    f->max_ext = cpuid(0x80000000, 0).eax;
    c = cpuid(0x80000001, 0);
    f->ext1_ecx = c.ecx;
    f->ext1_edx = c.edx;
    if (f->max_ext >= 0x80000007)
        f->tsc_invariant = cpuid(0x80000007, 0).edx >> 8 & 1;
}

/* AVX-512 makes sense only as a whole and on top of AVX (SDM vol. 3, 13.3). */
static uint64_t xcr0_choose(uint64_t offered)
{
    uint64_t v = offered & XCR0_WANTED;

    if ((v & XCR0_AVX512) != XCR0_AVX512 || !(v & XCR0_AVX))
        v &= ~XCR0_AVX512;
    return v;
}

static void detect_fpu(struct x86_features *f)
{
    f->fpu_size = FXSAVE_SIZE;
    f->xsave = f->leaf1_ecx >> 26 & 1 && f->max_leaf >= 0xd;
    if (!f->xsave)
        return;
    f->xcr0 = xcr0_choose(cpuid(0xd, 0).eax);
    f->xsaveopt = cpuid(0xd, 1).eax & 1;
}

void feature_detect(void)
{
    struct x86_features *f = &features;

    detect_leaves(f);
    f->smep = f->leaf7_ebx >> 7 & 1;
    f->smap = f->leaf7_ebx >> 20 & 1;
    f->umip = f->leaf7_ecx >> 2 & 1;
    f->fsgsbase = f->leaf7_ebx & 1;
    f->rdrand = f->leaf1_ecx >> 30 & 1;
    f->pages_1g = f->ext1_edx >> 26 & 1;
    detect_fpu(f);
}

static uint32_t mxcsr_mask_read(void)
{
    static uint8_t area[FXSAVE_SIZE] __aligned(16);
    uint32_t mask;

    __asm__ volatile("fxsave64 %0" : "=m"(area));
    mask = *(uint32_t *)(area + MXCSR_MASK_OFFSET);
    return mask ? mask : MXCSR_MASK_DEFAULT;
}

void feature_enable(void)
{
    struct x86_features *f = &features;
    uint64_t cr4 = cr4_read() | CR4_PGE | CR4_OSFXSR | CR4_OSXMMEXCPT;

    if (f->leaf1_edx >> 7 & 1)
        cr4 |= CR4_MCE;
    if (f->smep)
        cr4 |= CR4_SMEP;
    if (f->smap)
        cr4 |= CR4_SMAP;
    if (f->umip)
        cr4 |= CR4_UMIP;
    if (f->fsgsbase)
        cr4 |= CR4_FSGSBASE;
    if (f->xsave)
        cr4 |= CR4_OSXSAVE;
    cr0_write((cr0_read() & ~(CR0_EM | CR0_TS)) | CR0_MP | CR0_NE | CR0_WP | CR0_AM);
    cr4_write(cr4);
    msr_write(MSR_EFER, msr_read(MSR_EFER) | EFER_SCE | EFER_NXE);
    msr_write(MSR_PAT, PAT_VALUE);
    __asm__ volatile("fninit");
    if (f->xsave) {
        xcr0_write(f->xcr0);
        if (f->mxcsr_mask == 0)
            f->fpu_size = cpuid(0xd, 0).ebx; /* for what XCR0 holds now */
    }
    if (f->mxcsr_mask == 0)
        f->mxcsr_mask = mxcsr_mask_read();
}
