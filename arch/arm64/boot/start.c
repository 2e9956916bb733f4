// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: the first C on the boot CPU: its records, and what kmain is told.
 * Context: early tables, boot stack, interrupts off.
 */
#include <arch/mm.h>
#include <hal/boot.h>
#include <hal/cpu.h>
#include <hal/efi.h>
#include <hal/limine.h>
#include <hal/upcall.h>
#include <lib/string.h>

static struct cpu boot_cpu;
static struct hal_context boot_context;
extern char boot_stack_top[];

paddr_t image_phys;
bool booted_at_el2;

paddr_t image_to_phys(const void *va)
{
    return (vaddr_t)va - (vaddr_t)__image_start + image_phys;
}

static void boot_cpu_init(void)
{
    boot_context.stack_top = (uintptr_t)boot_stack_top;
    boot_context.cpu = &boot_cpu;
    boot_context.preempt_count = 1;
    boot_cpu.current = &boot_context;
    sysreg_write(tpidr_el1, (uintptr_t)&boot_context);
    cpus[0] = &boot_cpu;
    cpu_count = 1;
    hal_cpu_init(&boot_cpu);
}

/* Whose record it is: they begin with magic numbers, none of which is an FDT's. */
static enum loader_protocol protocol_of(paddr_t info)
{
    uint64_t magic;

    if (info == 0)
        return LOADER_LINUX_FDT;
    memcpy(&magic, phys_to_virt(info), sizeof magic);
    if (magic == EFI_HANDOFF_MAGIC)
        return LOADER_EFI;
    return magic == LIMINE_HANDOFF_MAGIC ? LOADER_LIMINE : LOADER_LINUX_FDT;
}

/* `info`: the FDT, or the hand-off of EFI or Limine; head.S has mapped 2 MiB from there on. */
__noreturn void arch_start(paddr_t info, paddr_t image, uint64_t current_el)
{
    paddr_t first = ALIGN_DOWN(image, GiB);
    struct loader_handoff h = {
        .protocol = protocol_of(info),
        .info = info,
        .image_start = image,
        .image_end = image + (uint64_t)(__image_end - __image_start),
        .early_start = first,
    };

    h.early_end = ALIGN_UP(h.image_end, GiB);
    /* Its own GiBs are mapped, too: say so when they continue the image's. */
    if (info != 0 && ALIGN_DOWN(info, GiB) == h.early_end)
        h.early_end += GiB;
    if (info != 0 && ALIGN_DOWN(info, GiB) + GiB == h.early_start)
        h.early_start -= GiB;
    image_phys = image;
    booted_at_el2 = current_el >> 2 == 2;
    mmu_early_init();
    boot_cpu_init();
    kmain(&h);
}
