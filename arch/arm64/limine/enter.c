// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: from the Limine protocol's machine state (EL1, or EL2 with VHE, whose registers answer to the
 * same names; MMU on) to the image's first instruction, MMU off.
 * Model: the lower half gets tables that map the GiBs of this program and of the image one to one, to be
 * read and executed; efi_leave() then runs at its physical address.
 */
#include <limine.h>

#define TABLE 3
#define BLOCK 0x781 /* read-only, inner shareable, accessed */
#define TCR_LOW 0xffffull
#define TCR_LOW_WANTED 0x3510ull /* 48 bits, 4 KiB granule, write-back walks */
#define MAIR_NORMAL 0xff
#define L1_TABLES 4

const paddr_t image_limit = 1ull << 46;

static uint64_t root[512] __aligned(4096), level1[L1_TABLES][512] __aligned(4096);
static unsigned tables_used; /* one CPU runs this program */

__noreturn void efi_leave(uint64_t entry, uint64_t argument, uint64_t start, uint64_t end);

#define read_register(name)                                                                        \
    ({                                                                                             \
        uint64_t value_;                                                                           \
        __asm__ volatile("mrs %0, " #name : "=r"(value_));                                         \
        value_;                                                                                    \
    })
#define write_register(name, value) __asm__ volatile("msr " #name ", %0" : : "r"((uint64_t)(value)) : "memory")

static uint64_t physical(const struct placement *at, const volatile void *p)
{
    return (uint64_t)p - at->offset;
}

/* Bits of a descriptor for normal memory, as the loader numbers its kinds. */
static uint64_t attribute_normal(void)
{
    uint64_t mair = read_register(mair_el1);

    for (uint64_t i = 0; i < 8; i++)
        if ((mair >> 8 * i & 0xff) == MAIR_NORMAL)
            return i << 2;
    complain("the loader knows no normal memory");
}

static void gib_map(const struct placement *at, paddr_t pa, uint64_t attribute)
{
    uint64_t *e = &root[pa >> 39 & 511], *table;

    if (*e == 0) {
        if (tables_used == L1_TABLES)
            complain("no table is left");
        *e = physical(at, level1[tables_used++]) | TABLE;
    }
    table = (uint64_t *)((*e & ~(uint64_t)TABLE) + at->offset);
    table[pa >> 30 & 511] = ALIGN_DOWN(pa, GiB) | attribute | BLOCK;
}

void image_enter(const struct placement *at, paddr_t image, paddr_t handoff)
{
    const struct image_header *head = (const void *)kernel_image;
    uint64_t attribute = attribute_normal(), tcr = read_register(tcr_el1);
    __noreturn void (*leave)(uint64_t, uint64_t, uint64_t, uint64_t) =
        (void *)physical(at, (const void *)efi_leave);

    gib_map(at, (paddr_t)leave, attribute);
    gib_map(at, (paddr_t)leave + 4096, attribute);
    gib_map(at, image, attribute);
    gib_map(at, image + head->size, attribute);
    __asm__ volatile("msr DAIFSet, #15\n\tdsb ish" ::: "memory");
    write_register(ttbr0_el1, physical(at, root));
    write_register(tcr_el1, (tcr & ~TCR_LOW) | TCR_LOW_WANTED);
    __asm__ volatile("isb\n\ttlbi vmalle1\n\tdsb nsh\n\tisb" ::: "memory");
    leave(image, handoff, image, image + head->size);
}

/* There is no line that every machine has; the loader's last screen stays. */
void complain(const char *text)
{
    for (;;)
        __asm__ volatile("wfi" : : "r"(text));
}
