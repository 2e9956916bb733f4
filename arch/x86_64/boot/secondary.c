// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: how further CPUs come to kmain_secondary (<hal/smp.h>; boot/secondary.S).
 *
 * Model: one page below 1 MiB holds the code they begin with.  The tables that they turn paging on
 * with have the kernel's half and, executable but not writable, the first 2 MiB at address 0.  Like
 * all of the image they lie below 4 GiB, for real mode can load no larger CR3.
 * The ticket decides between a CPU that arrives and hal_cpu_withdraw(): each tries to change it from
 * OFFERED.  The page and the tables stay: nobody knows when a CPU that was given up will come.
 * Locking: boot/smp.c prepares one CPU at a time; secondary_ticket is atomic.
 */
#include <boot/start.h>

#include <hal/boot.h>
#include <hal/cpu.h>
#include <hal/mmu.h>
#include <hal/smp.h>
#include <hal/upcall.h>
#include <lib/string.h>
#include <mm/tables.h>

enum ticket { TICKET_NONE, TICKET_OFFERED, TICKET_TAKEN, TICKET_WITHDRAWN };

struct cpu_area {
    uint8_t ist[IST_COUNT][IST_STACK_SIZE]; /* aligned to IST_STACK_SIZE */
    uint8_t stack[KERNEL_STACK_SIZE];
    struct hal_context context;
};

extern const char trampoline[], trampoline_end[], trampoline_root[], trampoline_gdt_base[],
    trampoline_jump[];

static pte_t root[MMU_ENTRIES] __aligned(PAGE_SIZE);
static pte_t level2[MMU_ENTRIES] __aligned(PAGE_SIZE);
static pte_t level1[MMU_ENTRIES] __aligned(PAGE_SIZE);
static paddr_t low_page; /* constant after boot; 0: none */

/* For the CPU that is awaited; read by boot/secondary.S. */
uint64_t secondary_root, secondary_stack;
struct cpu *secondary_cpu;
uint32_t secondary_id, secondary_ticket;

void secondary_page_set(paddr_t page)
{
    low_page = page;
}

size_t hal_cpu_area_size(void)
{
    return sizeof(struct cpu_area) + IST_STACK_SIZE;
}

static void tables_make(void)
{
    for (unsigned i = MMU_ENTRIES / 2; i < RECURSIVE_SLOT; i++)
        root[i] = boot_pml4[i];
    level1[0] = PTE_P | PTE_A | PTE_D | PTE_PS;
    level2[0] = pte_make_table(image_to_phys(level1), false);
    root[0] = pte_make_table(image_to_phys(level2), false);
}

/* Adds to a word of the copy in the low page. */
static void trampoline_patch(const char *where, uint32_t add)
{
    uint8_t *at = (uint8_t *)phys_to_virt(low_page) + (where - trampoline);
    uint32_t v;

    memcpy(&v, at, sizeof(v));
    v += add;
    memcpy(at, &v, sizeof(v));
}

static void trampoline_make(void)
{
    memcpy(phys_to_virt(low_page), trampoline, (size_t)(trampoline_end - trampoline));
    trampoline_patch(trampoline_root, (uint32_t)image_to_phys(root));
    trampoline_patch(trampoline_gdt_base, (uint32_t)low_page);
    trampoline_patch(trampoline_jump, (uint32_t)low_page);
}

err_t hal_cpu_prepare(struct cpu *cpu, void *area, paddr_t *entry, uint64_t *arg)
{
    struct cpu_area *a = (void *)ALIGN_UP((uintptr_t)area, IST_STACK_SIZE);

    if (low_page == 0)
        return -ENOMEM;
    if (secondary_root == 0) {
        tables_make();
        trampoline_make();
        secondary_root = kernel_space.root;
    }
    a->context.stack_top = (uintptr_t)a->stack + sizeof(a->stack);
    a->context.cpu = cpu;
    a->context.preempt_count = 1;
    cpu->current = &a->context;
    cpu->arch.ist = a->ist;
    secondary_cpu = cpu;
    secondary_stack = a->context.stack_top;
    secondary_id = (uint32_t)cpu->hw_id;
    atomic_store(&secondary_ticket, TICKET_OFFERED);
    *entry = low_page;
    *arg = 0;
    return 0;
}

bool hal_cpu_withdraw(struct cpu *cpu)
{
    uint32_t expected = TICKET_OFFERED;

    (void)cpu;
    return atomic_cas(&secondary_ticket, &expected, TICKET_WITHDRAWN) ||
           expected == TICKET_WITHDRAWN;
}

void hal_cpus_prepared(void)
{
}

void secondary_start(struct cpu *cpu)
{
    hal_cpu_init(cpu);
    kmain_secondary(cpu);
}
