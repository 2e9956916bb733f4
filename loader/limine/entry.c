// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: the Limine protocol's entry: an executable of the kind that Limine loads, around the kernel's
 * image.
 *
 * Model: Limine loads executables only at or above 0xffffffff80000000, which is not where the kernel
 * lives.  This program is linked there.  It holds the requests, looks for the lowest usable memory that
 * the image can run in, copies the image and, on the page behind it, the addresses of the responses
 * there, and enters it as any other loader would.  The kernel reads the responses (boot/limine.c).
 * Context: one CPU, interrupts off, the loader's stack and page tables.
 */
#include <limine.h>

#define PAGE 4096

struct request {
    uint64_t id[4], revision, response;
};

struct paging_request {
    struct request r;
    uint64_t mode, max_mode, min_mode;
};

struct stack_request {
    struct request r;
    uint64_t bytes;
};

#define SECTION(name) __attribute__((used, section(name), aligned(8)))

SECTION(".limine.start") static volatile uint64_t start_mark[4] = {
    0xf6b8f4b39de7d1aeull, 0xfab91a6940fcb9cfull, 0x785c6ed015d3e316ull, 0x181e920a7852b9d9ull
};
SECTION(".limine.end") static volatile uint64_t end_mark[2] = {
    0xadc0e0531bb10d03ull, 0x9572709f31764c62ull
};
SECTION(".limine") static volatile uint64_t base_revision[3] = {
    LIMINE_TAG_A, LIMINE_TAG_B, LIMINE_REVISION
};

#define REQUEST(feature)                                                                           \
    SECTION(".limine") static volatile struct request request_##feature = {                        \
        .id = { LIMINE_ID_A, LIMINE_ID_B, feature##_ID }                                           \
    }

REQUEST(LIMINE_LOADER);
REQUEST(LIMINE_HHDM);
REQUEST(LIMINE_MEMMAP);
REQUEST(LIMINE_FRAMEBUFFER);
REQUEST(LIMINE_MODULES);
REQUEST(LIMINE_RSDP);
REQUEST(LIMINE_DTB);
REQUEST(LIMINE_FILE);
REQUEST(LIMINE_CMDLINE);
REQUEST(LIMINE_ADDRESS);
REQUEST(LIMINE_TIME);
REQUEST(LIMINE_FIRMWARE);
REQUEST(LIMINE_EFI_TABLE);
REQUEST(LIMINE_EFI_MEMMAP);
/* Mode 0 is four levels on both architectures, and nothing else will do. */
SECTION(".limine") static volatile struct paging_request request_LIMINE_PAGING = {
    .r = { .id = { LIMINE_ID_A, LIMINE_ID_B, LIMINE_PAGING_ID }, .revision = 1 }
};
SECTION(".limine") static volatile struct stack_request request_LIMINE_STACK = {
    .r = { .id = { LIMINE_ID_A, LIMINE_ID_B, LIMINE_STACK_ID } }, .bytes = 64 * KiB
};

static volatile struct request *const requests[LIMINE_FEATURES] = {
    [LIMINE_LOADER] = &request_LIMINE_LOADER,
    [LIMINE_HHDM] = &request_LIMINE_HHDM,
    [LIMINE_MEMMAP] = &request_LIMINE_MEMMAP,
    [LIMINE_FRAMEBUFFER] = &request_LIMINE_FRAMEBUFFER,
    [LIMINE_MODULES] = &request_LIMINE_MODULES,
    [LIMINE_RSDP] = &request_LIMINE_RSDP,
    [LIMINE_DTB] = &request_LIMINE_DTB,
    [LIMINE_FILE] = &request_LIMINE_FILE,
    [LIMINE_CMDLINE] = &request_LIMINE_CMDLINE,
    [LIMINE_ADDRESS] = &request_LIMINE_ADDRESS,
    [LIMINE_TIME] = &request_LIMINE_TIME,
    [LIMINE_FIRMWARE] = &request_LIMINE_FIRMWARE,
    [LIMINE_EFI_TABLE] = &request_LIMINE_EFI_TABLE,
    [LIMINE_EFI_MEMMAP] = &request_LIMINE_EFI_MEMMAP,
    [LIMINE_PAGING] = &request_LIMINE_PAGING.r,
    [LIMINE_STACK] = &request_LIMINE_STACK.r,
};

static const void *response(enum limine_feature f)
{
    return (const void *)requests[f]->response;
}

/* The one asked for; else what a loader of revision 3 or later says that it took; else an old one. */
static uint64_t revision_in_force(void)
{
    if (base_revision[2] == 0)
        return LIMINE_REVISION;
    return base_revision[1] != LIMINE_TAG_B ? base_revision[1] : 0;
}

static void copy(void *to, const void *from, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++)
        ((volatile uint8_t *)to)[i] = ((const uint8_t *)from)[i];
}

static void clear(void *to, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++)
        ((volatile uint8_t *)to)[i] = 0;
}

/* Where `bytes` fit into the range, as the image must be aligned; 0: nowhere. */
static paddr_t place_in(const struct limine_range *r, uint64_t offset, uint64_t bytes)
{
    paddr_t at = ALIGN_UP(MAX(r->start, (uint64_t)IMAGE_ALIGN), IMAGE_ALIGN) + offset;

    if (r->type != LIMINE_MEM_USABLE || r->size > image_limit || r->start > image_limit)
        return 0;
    return at + bytes <= r->start + r->size && at + bytes <= image_limit ? at : 0;
}

static paddr_t place(uint64_t offset, uint64_t bytes)
{
    const struct limine_list *map = response(LIMINE_MEMMAP);
    const uint64_t *entries;
    paddr_t at = 0;

    if (!map)
        complain("the loader gives no memory map");
    entries = (const uint64_t *)map->entries;
    for (uint64_t i = 0; i < map->count && at == 0; i++)
        at = place_in((const struct limine_range *)entries[i], offset, bytes);
    if (at == 0)
        complain("no memory for the kernel");
    return at;
}

static void handoff_fill(struct limine_handoff *h, uint64_t hhdm)
{
    h->magic = LIMINE_HANDOFF_MAGIC;
    h->revision = revision_in_force();
    h->hhdm = hhdm;
    for (unsigned i = 0; i < LIMINE_FEATURES; i++)
        h->responses[i] = requests[i]->response;
}

__noreturn void limine_entry(void);
__noreturn void limine_entry(void)
{
    const struct image_header *image = (const void *)kernel_image;
    uint64_t file = (uint64_t)(kernel_image_end - kernel_image);
    uint64_t bytes = ALIGN_UP(MAX(image->size, file), (uint64_t)PAGE);
    const struct limine_hhdm *hhdm = response(LIMINE_HHDM);
    const struct limine_address *address = response(LIMINE_ADDRESS);
    struct placement at;
    paddr_t to;

    if (!hhdm || !address)
        complain("the loader does not say where memory is");
    at = (struct placement){ hhdm->offset, address->virtual - address->physical };
    to = place(image->offset, bytes + PAGE);
    copy((void *)(at.hhdm + to), kernel_image, file);
    clear((void *)(at.hhdm + to + file), bytes + PAGE - file);
    handoff_fill((void *)(at.hhdm + to + bytes), at.hhdm);
    image_enter(&at, to, to + bytes);
}
