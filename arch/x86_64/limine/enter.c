// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: from the Limine protocol's machine state to the image's entry in long mode
 * (boot/entry.S: boot_long).
 * Model: new page tables map the first 4 GiB at 0, as the entry wants, and this program where it is
 * (the loader's own entry of slot 511), so that the code goes on when they are loaded.
 */
#include <limine.h>

#define PRESENT_WRITABLE 3
#define LARGE 0x80
#define GIBS 4
#define ADDRESS_MASK 0x000ffffffffff000ull
#define PROTOCOL_LIMINE 3 /* enum loader_protocol */
#define COM1 0x3f8

const paddr_t image_limit = 4ull * GiB;

static uint64_t pml4[512] __aligned(4096), pdpt[512] __aligned(4096);
static uint64_t pd[GIBS][512] __aligned(4096);

static paddr_t table(const struct placement *at, const uint64_t *t)
{
    return (uint64_t)t - at->offset;
}

static void tables_make(const struct placement *at)
{
    const uint64_t *loaders;
    uint64_t cr3;

    __asm__ volatile("movq %%cr3, %0" : "=r"(cr3));
    loaders = (const uint64_t *)(at->hhdm + (cr3 & ADDRESS_MASK));
    for (uint64_t i = 0; i < GIBS * 512; i++)
        pd[i / 512][i % 512] = i * 2 * MiB | PRESENT_WRITABLE | LARGE;
    for (unsigned i = 0; i < GIBS; i++)
        pdpt[i] = table(at, pd[i]) | PRESENT_WRITABLE;
    pml4[0] = table(at, pdpt) | PRESENT_WRITABLE;
    pml4[511] = loaders[511];
}

void image_enter(const struct placement *at, paddr_t image, paddr_t handoff)
{
    tables_make(at);
    __asm__ volatile("movq %0, %%cr3\n\t"
                     "jmp *%1" : : "r"(table(at, pml4)), "r"(image), "S"(PROTOCOL_LIMINE),
                                   "D"(handoff) : "memory");
    __builtin_unreachable();
}

static void put(char c)
{
    uint8_t status = 0;

    for (unsigned n = 0; n < 65536 && !(status & 0x20); n++)
        __asm__ volatile("inb %1, %0" : "=a"(status) : "Nd"((uint16_t)(COM1 + 5)));
    __asm__ volatile("outb %0, %1" : : "a"(c), "Nd"((uint16_t)COM1));
}

void complain(const char *text)
{
    static const char name[] = "devine: ";

    for (const char *c = name; *c; c++)
        put(*c);
    for (; *text; text++)
        put(*text);
    put('\r');
    put('\n');
    for (;;)
        __asm__ volatile("cli; hlt");
}
