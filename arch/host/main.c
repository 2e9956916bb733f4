// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: the host's machine: RAM, the boot CPU, and the way into kmain.
 *
 * Model: RAM is a sparse file with three ranges, so that the frame allocator sees more than one
 * region and holes: low memory from 1 MiB (DEVINE_RAM_MIB of it less the rest), a small range of
 * odd size, and one above 4 GiB
 * that is a second memory node.  The first pages of low memory pretend to be the image; the
 * kernel's root table lies there.
 */
#include <hal/boot.h>
#include <hal/upcall.h>
#include <lib/string.h>

#include "host.h"

#define RAM_ODD_START (512 * MiB + 3 * PAGE_SIZE)
#define RAM_ODD_BYTES (1 * MiB + 5 * PAGE_SIZE)
#define RAM_HIGH_START (4 * GiB)
#define RAM_END (RAM_HIGH_START + 64 * GiB)
#define BOOT_STACK_TOP (DIRECT_BASE - GiB)

/* Marks that a linker script would set; nothing lies between them here.  (__data_start is the C
 * library's.) */
char __image_start[1], __text_start[1], __text_end[1], __rodata_start[1], __rodata_end[1],
    __image_end[1];

static struct mem_range ram[3];
static const char *pattern = "*";
static struct cpu boot_cpu;
static struct hal_context boot_context;
static uintptr_t process_stack;
static void *process_fake;

static uint64_t env_number(const char *name, uint64_t fallback)
{
    const char *text = os_getenv(name);
    uint64_t v;

    return text != NULL && str_to_u64(&text, 10, &v) == 0 && v > 0 ? v : fallback;
}

void host_ram_init(void)
{
    uint64_t bytes = CLAMP(env_number("DEVINE_RAM_MIB", host_explore_wanted() ? 16 : 128), 4, 32 * 1024) * MiB;
    uint64_t low = MIN(bytes * 3 / 4, 448 * MiB);

    ram[0] = (struct mem_range){ .start = HOST_RAM_LOW_START, .size = low, .kind = MEM_USABLE };
    ram[1] = (struct mem_range){ .start = RAM_ODD_START, .size = RAM_ODD_BYTES, .kind = MEM_USABLE };
    ram[2] = (struct mem_range){ .start = RAM_HIGH_START, .size = ALIGN_DOWN(bytes - low, PAGE_SIZE),
                                 .kind = MEM_USABLE, .node = 1 };
    os_ram_create(RAM_END);
    for (unsigned i = 0; i < ARRAY_SIZE(ram); i++)
        os_ram_map(DIRECT_BASE + ram[i].start, ram[i].size, ram[i].start, OS_READ | OS_WRITE);
    kernel_space.root = host_kernel_root();
}

bool host_is_ram(paddr_t pa, uint64_t bytes)
{
    for (unsigned i = 0; i < ARRAY_SIZE(ram); i++)
        if (pa >= ram[i].start && pa + bytes <= ram[i].start + ram[i].size)
            return true;
    return false;
}

paddr_t host_kernel_root(void)
{
    return HOST_RAM_LOW_START;
}

/* The host's image is not in its RAM; the answer is one that phys_to_virt leads back from. */
paddr_t image_to_phys(const void *va)
{
    return (paddr_t)(uintptr_t)va - DIRECT_BASE;
}

void host_boot_record(struct boot_record *rec)
{
    memset(rec, 0, sizeof(*rec));
    rec->protocol = LOADER_HOST;
    str_copy(rec->loader, "host", sizeof(rec->loader));
    if (os_getenv("DEVINE_APPEND") != NULL)
        str_copy(rec->cmdline, os_getenv("DEVINE_APPEND"), sizeof(rec->cmdline));
    memcpy(rec->ranges, ram, sizeof(ram));
    rec->range_count = ARRAY_SIZE(ram);
    rec->image_start = HOST_RAM_LOW_START;
    rec->image_end = HOST_RAM_LOW_START + HOST_IMAGE_BYTES;
}

unsigned host_cpu_wanted(void)
{
    return (unsigned)MIN(env_number("DEVINE_CPUS", host_explore_wanted() ? 4 : 1), CPU_MAX);
}

const char *host_test_pattern(void)
{
    return pattern;
}

void host_write(const char *s, size_t n)
{
    os_write(1, s, n);
}

void host_exit(int status)
{
    os_exit(status);
}

static void boot_entry(struct hal_context *prev, void *arg)
{
    struct loader_handoff h = { .protocol = LOADER_HOST, .image_start = HOST_RAM_LOW_START,
                                .image_end = HOST_RAM_LOW_START + HOST_IMAGE_BYTES,
                                .early_end = RAM_END };

    (void)prev, (void)arg;
    boot_context.preempt_count = 0;
    kmain(&h);
}

int main(int argc, char **argv)
{
    host_explore_option(argc, argv);
    if (argc > 1)
        pattern = argv[1];
    host_ram_init();
    os_device_map(BOOT_STACK_TOP - KERNEL_STACK_SIZE, KERNEL_STACK_SIZE, OS_READ | OS_WRITE);
    boot_cpu.current = host_current = &boot_context;
    boot_context.cpu = host_cpu = &boot_cpu;
    hal_cpu_init(&boot_cpu);
    hal_context_init(&boot_context, BOOT_STACK_TOP, boot_entry, NULL);
    host_switch_told(&process_stack, boot_context.sp, &process_fake, BOOT_STACK_TOP);
    return 2; /* nobody comes back */
}
