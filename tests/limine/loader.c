// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: a loader of the Limine protocol (base revision 3) for one machine: QEMU, which starts it by PVH
 *   with the executable inside of it and the initramfs as its module. It stands in for the real one in
 *   tests: the machine's state and the responses are what the protocol's text says, no less and no more.
 * Model: memory below the initramfs is cut into two zones: the executable, at an address that is aligned
 *   to nothing but a page, and what the loader leaves behind (responses, tables, stack). Only what the
 *   text lists is mapped.
 */
#include <stddef.h>
#include <stdint.h>

#define HHDM 0xffff900000000000ull /* one that no kernel would guess */
#define PAGE 4096ull
#define MIB 1048576ull
#define ZONE (4 * MIB)
#define RANGES_MAX 64
#define PRESENT 1ull
#define WRITABLE 2ull
#define NX (1ull << 63)

enum { USABLE, RESERVED, ACPI, NVS, BAD, RECLAIMABLE, EXECUTABLE };

struct range {
    uint64_t start, size, type;
};

struct start_info { /* PVH */
    uint32_t magic, version, flags, modules_count;
    uint64_t modules, cmdline, rsdp, memmap;
    uint32_t memmap_count, reserved;
};

struct start_module {
    uint64_t start, size, cmdline, reserved;
};

struct start_range {
    uint64_t start, size;
    uint32_t type, reserved;
};

struct elf {
    uint8_t ident[16];
    uint16_t type, machine;
    uint32_t version;
    uint64_t entry, phoff, shoff;
    uint32_t flags;
    uint16_t ehsize, phentsize, phnum;
};

struct segment {
    uint32_t type, flags;
    uint64_t offset, va, pa, filesize, memsize, align;
};

extern const uint8_t program[], program_end[], second[], second_end[], leave_copy[], leave_copy_end[];
extern uint64_t first_pml4[512];

static struct range ranges[RANGES_MAX];
static unsigned range_count;
static uint64_t zone, zone_end; /* what the loader leaves; allocated upwards */
static uint64_t place, place_end; /* the executable */
static uint64_t base_va, high_va;
static uint64_t *pml4;

static void put(char c)
{
    uint8_t status;

    do
        __asm__ volatile("inb %1, %0" : "=a"(status) : "Nd"((uint16_t)0x3fd));
    while (!(status & 0x20));
    __asm__ volatile("outb %0, %1" : : "a"(c), "Nd"((uint16_t)0x3f8));
}

static _Noreturn void fail(const char *text)
{
    for (const char *c = "test loader: "; *c; c++)
        put(*c);
    for (; *text; text++)
        put(*text);
    put('\n');
    for (;;)
        __asm__ volatile("cli; hlt");
}

static void copy(void *to, const void *from, uint64_t n)
{
    __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(n) : : "memory");
}

static void *alloc(uint64_t bytes)
{
    uint8_t *p = (uint8_t *)zone;

    bytes = (bytes + 15) & ~15ull;
    if (bytes > zone_end - zone)
        fail("the zone is too small");
    zone += bytes;
    for (uint64_t i = 0; i < bytes; i++)
        p[i] = 0;
    return p;
}

static void *pages_alloc(uint64_t bytes)
{
    zone = (zone + PAGE - 1) & ~(PAGE - 1);
    return alloc(bytes);
}

static uint64_t *table_alloc(void)
{
    return pages_alloc(PAGE);
}

static uint64_t high(const void *p)
{
    return HHDM + (uint64_t)p;
}

static uint64_t string(const char *s)
{
    uint64_t n = 0;
    void *to;

    while (s[n])
        n++;
    to = alloc(n + 1);
    copy(to, s, n);
    return high(to);
}

/* --- memory map --- */

static void range_add(uint64_t start, uint64_t end, uint64_t type)
{
    if (start >= end)
        return;
    if (range_count == RANGES_MAX)
        fail("too many ranges");
    ranges[range_count++] = (struct range){ start, end - start, type };
}

static void usable_add(uint64_t start, uint64_t end)
{
    range_add((start + PAGE - 1) & ~(PAGE - 1), end & ~(PAGE - 1), USABLE);
}

/* `loader=high` on the command line: memory from 1 to 16 MiB is somebody else's. */
static int wants_high(const struct start_info *info)
{
    static const char word[] = "loader=high";

    for (const char *c = (const char *)info->cmdline; c && *c; c++) {
        unsigned n = 0;

        while (word[n] && c[n] == word[n])
            n++;
        if (!word[n])
            return 1;
    }
    return 0;
}

/* The range with the initramfs gets the zones below it. */
static void zones_add(uint64_t start, uint64_t end, const struct start_module *m)
{
    uint64_t file = m->start & ~(PAGE - 1), file_end = (m->start + m->size + PAGE - 1) & ~(PAGE - 1);

    zone_end = file - 16 * PAGE;
    zone = zone_end - ZONE;
    place_end = zone;
    place = place_end - ZONE - 3 * PAGE;
    usable_add(start, place);
    range_add(place, place_end, EXECUTABLE);
    range_add(zone, zone_end, RECLAIMABLE);
    usable_add(zone_end, file);
    range_add(file, file_end, EXECUTABLE);
    usable_add(file_end, end);
}

static void ranges_make(const struct start_info *info)
{
    static const uint8_t kinds[] = { RESERVED, USABLE, RESERVED, ACPI, NVS, BAD };
    const struct start_range *r = (const void *)info->memmap;
    const struct start_module *m = (const void *)info->modules;

    for (uint32_t i = 0; i < info->memmap_count; i++) {
        uint64_t start = r[i].start, end = start + r[i].size;

        if (r[i].type == 1 && start == MIB && wants_high(info)) {
            range_add(start, 16 * MIB, RESERVED);
            start = 16 * MIB;
        }
        if (r[i].type == 1 && info->modules_count && m->start >= start && m->start < end)
            zones_add(start, end, m);
        else if (r[i].type == 1)
            usable_add(start, end);
        else
            range_add(start, end, r[i].type < sizeof(kinds) ? kinds[r[i].type] : RESERVED);
    }
    if (!zone)
        fail("no initramfs");
}

/* --- tables --- */

static void map(uint64_t va, uint64_t pa, uint64_t flags)
{
    uint64_t *t = pml4;

    for (int shift = 39; shift > 12; shift -= 9) {
        uint64_t *e = &t[va >> shift & 511];

        if (!*e)
            *e = (uint64_t)table_alloc() | PRESENT | WRITABLE;
        t = (uint64_t *)(*e & 0x000ffffffffff000ull);
    }
    t[va >> 12 & 511] = pa | flags | PRESENT;
}

static void direct_map(void)
{
    for (unsigned i = 0; i < range_count; i++)
        if (ranges[i].type == USABLE || ranges[i].type == RECLAIMABLE || ranges[i].type == EXECUTABLE)
            for (uint64_t at = 0; at < ranges[i].size; at += PAGE)
                map(HHDM + ranges[i].start + at, ranges[i].start + at, WRITABLE);
}

/* --- the executable --- */

static const struct segment *segment(unsigned i)
{
    const struct elf *e = (const void *)program;

    return (const void *)(program + e->phoff + i * e->phentsize);
}

static uint64_t executable_load(void)
{
    const struct elf *e = (const void *)program;

    base_va = UINT64_MAX;
    for (unsigned i = 0; i < e->phnum; i++)
        if (segment(i)->type == 1 && segment(i)->va < base_va)
            base_va = segment(i)->va & ~(PAGE - 1);
    if (base_va < 0xffffffff80000000ull || base_va == UINT64_MAX)
        fail("the executable is not of the higher half");
    for (unsigned i = 0; i < e->phnum; i++) {
        const struct segment *s = segment(i);
        uint64_t to = place + (s->va - base_va);

        if (s->type != 1)
            continue;
        if (to + s->memsize > place_end)
            fail("the executable is too large");
        copy((void *)to, program + s->offset, s->filesize);
        for (uint64_t n = s->filesize; n < s->memsize; n++)
            ((uint8_t *)to)[n] = 0;
        for (uint64_t at = 0; at < s->memsize; at += PAGE)
            map(s->va + at, to + at, (s->flags & 2 ? WRITABLE : 0) | (s->flags & 1 ? 0 : NX));
        if (s->va + s->memsize > high_va)
            high_va = s->va + s->memsize;
    }
    return e->entry;
}

/* --- requests --- */

static void *pointer_list(const void *items, uint64_t size, uint64_t count)
{
    uint64_t *list = alloc(count * sizeof(*list)), *response = alloc(3 * sizeof(*response));

    for (uint64_t i = 0; i < count; i++) {
        void *item = alloc(size);

        copy(item, (const uint8_t *)items + i * size, size);
        list[i] = high(item);
    }
    response[1] = count;
    response[2] = high(list);
    return response;
}

static void *values(uint64_t a, uint64_t b, uint64_t c)
{
    uint64_t *response = alloc(4 * sizeof(*response));

    response[1] = a;
    response[2] = b;
    response[3] = c;
    return response;
}

static void *file(const char *path, const char *text, uint64_t addr, uint64_t size)
{
    uint64_t f[14] = { 0, addr, size, string(path), string(text) };

    return pointer_list(f, sizeof(f), 1);
}

static void *executable_file(const struct start_info *info)
{
    const char *text = info->cmdline ? (const char *)info->cmdline : "";
    uint64_t *list = file("/boot/kernel-limine.elf", text, HHDM + (uint64_t)program, program_end - program);
    const uint64_t *item = (const uint64_t *)(list[2] - HHDM);

    return values(*item, 0, 0);
}

static void *module_list(const struct start_module *m)
{
    uint64_t bytes = second_end - second;
    void *copied = pages_alloc(bytes);
    const uint64_t files[2][14] = {
        { 0, HHDM + m->start, m->size, string("/boot/initramfs.cpio"), string("") },
        { 0, high(copied), bytes, string("/boot/second.cpio"), string("the second") },
    };

    copy(copied, second, bytes);
    return pointer_list(files, sizeof(files[0]), 2);
}

/* The response to a request of that id, or NULL. */
static void *answer(uint64_t id, const struct start_info *info, const uint64_t *request)
{
    switch (id) {
    case 0xf55038d8e2a1202f: return values(string("Test"), string("8.0"), 0);
    case 0x224ef0460a8e8926: return request[6] <= 64 * 1024 ? values(0, 0, 0) : NULL;
    case 0x48dcf1cb8ad2b852: return values(HHDM, 0, 0);
    case 0x95c1a0edab0944cb:
        if (request[7] != 0 || request[8] != 0)
            fail("more than four levels of paging");
        return values(0, 0, 0);
    case 0x67cf3d9d378a806f: return pointer_list(ranges, sizeof(ranges[0]), range_count);
    case 0xad97e90e83f1ed67: return executable_file(info);
    case 0x3e7e279702be32af: return module_list((const void *)info->modules);
    case 0xc5e77b6b397e7b43: return values(info->rsdp, 0, 0);
    case 0x502746e184c088aa: return values(1700000000, 0, 0);
    case 0x71ba76863cc55f63: return values(place, base_va, 0);
    case 0x8c2f75d90bef28a8: return values(0, 0, 0);
    default: return NULL;
    }
}

static void requests_answer(const struct start_info *info)
{
    static const uint64_t start[] = { 0xf6b8f4b39de7d1ae, 0xfab91a6940fcb9cf, 0x785c6ed015d3e316,
                                      0x181e920a7852b9d9 };
    uint64_t *at = (uint64_t *)place, *end = (uint64_t *)(place + (high_va - base_va)), *last = NULL;
    unsigned tags = 0;

    for (; at < end; at++)
        if (at[0] == start[0] && at[1] == start[1] && at[2] == start[2] && at[3] == start[3])
            last = at + 4;
    if (!last)
        fail("no start marker");
    for (at = last; !(at[0] == 0xadc0e0531bb10d03 && at[1] == 0x9572709f31764c62); at++) {
        if (at >= end)
            fail("no end marker");
        if (at[0] == 0xf9562b2d5c95a6c8 && at[1] == 0x6a7b384944536bdc) {
            tags += at[2] == 3;
            at[1] = 3;
            at[2] = 0;
        }
        if (at[0] == 0xc7b1dd30df4c8b88 && at[1] == 0x0a82e883a194f07b) {
            void *response = answer(at[2], info, at);

            if (response)
                at[5] = high(response);
        }
    }
    if (tags != 1)
        fail("not one tag of base revision 3");
}

/* --- the end --- */

struct __attribute__((packed)) gdt_pointer {
    uint16_t limit;
    uint64_t base;
};

static void *gdt_make(void)
{
    static const uint64_t gdt[] = { 0, 0x00009b000000ffff, 0x000093000000ffff, 0x00cf9b000000ffff,
                                    0x00cf93000000ffff, 0x00af9b000000ffff, 0x00cf93000000ffff };
    uint64_t *copied = alloc(sizeof(gdt));
    struct gdt_pointer *p = alloc(sizeof(*p));

    copy(copied, gdt, sizeof(gdt));
    *p = (struct gdt_pointer){ sizeof(gdt) - 1, high(copied) };
    return p;
}

static void pat_write(void)
{
    __asm__ volatile("wrmsr" : : "c"(0x277), "a"(0x00070406), "d"(0x00000105));
}

_Noreturn void load(const struct start_info *info);
_Noreturn void load(const struct start_info *info)
{
    void (*leave)(uint64_t, uint64_t, uint64_t, uint64_t);
    uint64_t entry, gdt, stack;
    void *code;

    ranges_make(info);
    pml4 = table_alloc();
    direct_map();
    entry = executable_load();
    requests_answer(info);
    gdt = high(gdt_make());
    stack = high(alloc(64 * 1024)) + 64 * 1024;
    code = alloc(leave_copy_end - leave_copy);
    copy(code, leave_copy, leave_copy_end - leave_copy);
    first_pml4[HHDM >> 39 & 511] = pml4[HHDM >> 39 & 511];
    pat_write();
    leave = (void *)high(code);
    leave((uint64_t)pml4, gdt, stack, entry);
    __builtin_unreachable();
}
