// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: a loader of the Limine protocol (base revision 3) for one machine: QEMU's `virt` with 256 MiB, which
 *   starts it as a Linux Image with the executable inside of it. It stands in for the real one in tests: the
 *   machine's state and the responses are what the protocol's text says, no less and no more.
 * Model: the executable goes to an address that is aligned to nothing but a page, near the start of RAM; tables,
 *   responses and stack lie in this program's own memory, which is said to be the loader's. Only RAM is mapped.
 */
#include <stdint.h>

#define HHDM 0xffff900000000000ull /* one that no kernel would guess; start.S knows it, too */
#define PAGE 4096ull
#define RAM 0x40000000ull
#define RAM_END 0x50000000ull
#define SELF 0x40200000ull
#define SELF_END 0x41000000ull
#define PLACE 0x41003000ull
#define PLACE_END 0x41800000ull
#define FDT_BYTES 0x200000ull
#define ZONE_BYTES 0x400000

enum { USABLE, RECLAIMABLE = 5, EXECUTABLE };

struct range {
    uint64_t start, size, type;
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

struct chosen {
    uint64_t initrd, initrd_end;
    const char *bootargs;
};

extern const uint8_t program[], program_end[], second[], second_end[];
_Noreturn void leave(uint64_t root, uint64_t empty, uint64_t stack, uint64_t entry);
_Noreturn void load(uint64_t fdt);

static uint8_t zone_bytes[ZONE_BYTES] __attribute__((aligned(4096)));
static uint64_t zone;
static struct range ranges[16];
static unsigned range_count;
static uint64_t base_va, high_va, *root;

static _Noreturn void fail(const char *text)
{
    volatile uint32_t *uart = (uint32_t *)0x9000000ull;

    for (; *text; text++)
        *uart = (uint8_t)*text;
    *uart = '\n';
    for (;;)
        __asm__ volatile("wfi");
}

static void copy(void *to, const void *from, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++)
        ((volatile uint8_t *)to)[i] = ((const uint8_t *)from)[i];
}

static void *alloc(uint64_t bytes) /* of zeroes: the zone is .bss */
{
    void *p = zone_bytes + zone;

    zone += (bytes + 15) & ~15ull;
    if (zone > ZONE_BYTES)
        fail("test loader: the zone is too small");
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

static int equal(const char *a, const char *b)
{
    while (*a && *a == *b)
        a++, b++;
    return *a == *b;
}

static uint64_t string(const char *s)
{
    uint64_t n = 0;
    char *to;

    while (s[n])
        n++;
    to = alloc(n + 1);
    copy(to, s, n);
    return high(to);
}

/* --- what QEMU chose --- */

static uint32_t be32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static uint64_t cells(const uint8_t *p, uint32_t size)
{
    return size == 8 ? (uint64_t)be32(p) << 32 | be32(p + 4) : be32(p);
}

/* The tree is QEMU's own: names of properties are as good as paths. */
static struct chosen chosen_read(const uint8_t *fdt)
{
    const uint8_t *p = fdt + be32(fdt + 8);
    const char *names = (const char *)fdt + be32(fdt + 12);
    struct chosen c = { 0, 0, "" };

    for (;;) {
        uint32_t token = be32(p), size;

        p += 4;
        if (token == 9)
            return c;
        if (token == 1) {
            while (*p++)
                ;
            p = (const uint8_t *)(((uint64_t)p + 3) & ~3ull);
        }
        if (token != 3)
            continue;
        size = be32(p);
        if (equal(names + be32(p + 4), "linux,initrd-start"))
            c.initrd = cells(p + 8, size);
        if (equal(names + be32(p + 4), "linux,initrd-end"))
            c.initrd_end = cells(p + 8, size);
        if (equal(names + be32(p + 4), "bootargs"))
            c.bootargs = (const char *)p + 8;
        p += 8 + ((size + 3) & ~3u);
    }
}

/* --- memory --- */

static void range_add(uint64_t end, uint64_t type)
{
    uint64_t start = range_count ? ranges[range_count - 1].start + ranges[range_count - 1].size : RAM;

    if (end > start)
        ranges[range_count++] = (struct range){ start, end - start, type };
}

static void ranges_make(uint64_t fdt, const struct chosen *c)
{
    uint64_t file = c->initrd & ~(PAGE - 1), file_end = (c->initrd_end + PAGE - 1) & ~(PAGE - 1);

    if (file < PLACE_END || fdt < file_end || fdt + FDT_BYTES > RAM_END)
        fail("test loader: QEMU has put things elsewhere");
    range_add(SELF, USABLE);
    range_add(SELF_END, RECLAIMABLE);
    range_add(PLACE, USABLE);
    range_add(PLACE_END, EXECUTABLE);
    range_add(file, USABLE);
    range_add(file_end, EXECUTABLE);
    range_add(fdt & ~(PAGE - 1), USABLE);
    range_add((fdt & ~(PAGE - 1)) + FDT_BYTES, RECLAIMABLE);
    range_add(RAM_END, USABLE);
}

/* flags of ELF: 1 execute, 2 write */
static void map(uint64_t va, uint64_t pa, uint32_t flags)
{
    uint64_t *t = root;

    for (int shift = 39; shift > 12; shift -= 9) {
        uint64_t *e = &t[va >> shift & 511];

        if (!*e)
            *e = (uint64_t)table_alloc() | 3;
        t = (uint64_t *)(*e & 0x0000fffffffff000ull);
    }
    t[va >> 12 & 511] = pa | 0x707 | (flags & 2 ? 0 : 0x80) | (flags & 1 ? 0 : 1ull << 53);
}

static const struct segment *segment(unsigned i)
{
    const struct elf *e = (const void *)program;

    return (const void *)(program + e->phoff + i * e->phentsize);
}

static uint64_t executable_load(void)
{
    const struct elf *e = (const void *)program;

    base_va = segment(0)->va;
    for (unsigned i = 0; i < e->phnum; i++) {
        const struct segment *s = segment(i);
        uint64_t to = PLACE + (s->va - base_va);

        if (s->type != 1)
            continue;
        if (s->va < 0xffffffff80000000ull || to + s->memsize > PLACE_END)
            fail("test loader: the executable is not of the higher half, or too large");
        copy((void *)to, program + s->offset, s->filesize);
        for (uint64_t n = s->filesize; n < s->memsize; n++)
            ((volatile uint8_t *)to)[n] = 0;
        for (uint64_t at = 0; at < s->memsize; at += PAGE)
            map(s->va + at, to + at, s->flags);
        high_va = s->va + s->memsize;
    }
    return e->entry;
}

/* --- responses --- */

static void *values(uint64_t a, uint64_t b)
{
    uint64_t *response = alloc(4 * sizeof(*response));

    response[1] = a;
    response[2] = b;
    return response;
}

static void *pointer_list(const void *items, uint64_t size, uint64_t count)
{
    uint64_t *list = alloc(count * sizeof(*list));

    for (uint64_t i = 0; i < count; i++) {
        void *item = alloc(size);

        copy(item, (const uint8_t *)items + i * size, size);
        list[i] = high(item);
    }
    return values(count, high(list));
}

static uint64_t file(const char *path, const char *text, uint64_t addr, uint64_t size)
{
    uint64_t *f = alloc(14 * sizeof(*f));

    f[1] = addr;
    f[2] = size;
    f[3] = string(path);
    f[4] = string(text);
    return high(f);
}

static void *module_list(const struct chosen *c)
{
    uint64_t *list = alloc(2 * sizeof(*list)), bytes = second_end - second;
    void *copied = pages_alloc(bytes);

    copy(copied, second, bytes);
    list[0] = file("/boot/initramfs.cpio", "", HHDM + c->initrd, c->initrd_end - c->initrd);
    list[1] = file("/boot/second.cpio", "the second", high(copied), bytes);
    return values(2, high(list));
}

/* The response to a request of that id, or NULL. */
static void *answer(const uint64_t *request, uint64_t fdt, const struct chosen *c)
{
    switch (request[2]) {
    case 0xf55038d8e2a1202f: return values(string("Test"), string("8.0"));
    case 0x224ef0460a8e8926: return request[6] <= 65536 ? values(0, 0) : 0;
    case 0x48dcf1cb8ad2b852: return values(HHDM, 0);
    case 0x95c1a0edab0944cb:
        if (request[7] != 0 || request[8] != 0)
            fail("test loader: more than four levels of paging");
        return values(0, 0);
    case 0x67cf3d9d378a806f: return pointer_list(ranges, sizeof(ranges[0]), range_count);
    case 0xad97e90e83f1ed67: return values(file("/boot/kernel-limine.elf", c->bootargs, high(program), program_end - program), 0);
    case 0x3e7e279702be32af: return module_list(c);
    case 0xb40ddb48fb54bac7: return values(HHDM + fdt, 0);
    case 0x502746e184c088aa: return values(1700000000, 0);
    case 0x71ba76863cc55f63: return values(PLACE, base_va);
    default: return 0;
    }
}

static void requests_answer(uint64_t fdt, const struct chosen *c)
{
    uint64_t *at = (uint64_t *)PLACE, *end = (uint64_t *)(PLACE + (high_va - base_va));
    unsigned tags = 0;

    while (at < end && !(at[0] == 0xf6b8f4b39de7d1ae && at[1] == 0xfab91a6940fcb9cf))
        at++;
    for (; at < end && !(at[0] == 0xadc0e0531bb10d03 && at[1] == 0x9572709f31764c62); at++) {
        if (at[0] == 0xf9562b2d5c95a6c8 && at[1] == 0x6a7b384944536bdc) {
            tags += at[2] == 3;
            at[1] = 3;
            at[2] = 0;
        }
        if (at[0] == 0xc7b1dd30df4c8b88 && at[1] == 0x0a82e883a194f07b) {
            void *response = answer(at, fdt, c);

            if (response)
                at[5] = high(response);
        }
    }
    if (at >= end || tags != 1)
        fail("test loader: no marks, or not one tag of base revision 3");
}

void load(uint64_t fdt)
{
    struct chosen c = chosen_read((const uint8_t *)fdt);
    uint64_t entry, stack, *empty;

    ranges_make(fdt, &c);
    root = table_alloc();
    empty = table_alloc();
    for (uint64_t pa = RAM; pa < RAM_END; pa += PAGE)
        map(HHDM + pa, pa, 3);
    entry = executable_load();
    requests_answer(fdt, &c);
    stack = high(alloc(65536)) + 65536;
    __asm__ volatile("dsb sy\n\tic iallu\n\tdsb sy\n\tisb" ::: "memory");
    leave((uint64_t)root, (uint64_t)empty, stack, entry);
}
