// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: starts CPUs that wait in a loop of the firmware's for an address to jump to (Linux
 * Documentation/arm64/booting.rst: enable-method "spin-table").
 *
 * Model: the loop reads the word at release_addr with the MMU off.  So the word is written through the
 * direct map, or uncached where it is no RAM of ours, and cleaned to memory; then the CPU is woken.  It
 * arrives with x0 = 0 and finds its record in the kernel's pen, where a CPU waits too that the loader let
 * into the kernel.  A word in memory that was given to us for use, or where nothing answers, is refused.
 * Locking: the boot thread.
 */
#define LOG_TAG "spin_table"
#include <arch/start.h>
#include <core/hardware.h>
#include <core/log.h>
#include <dev/services.h>
#include <hal/cpu.h>
#include <hal/io.h>
#include <hal/mmu.h>
#include <mm/vmap.h>
#include <svc/boot_info.h>
#include <svc/subsystem.h>

/* The direct map's address of the word where it has one, else a window that *window says. */
static volatile uint64_t *word_map(paddr_t pa, void **window)
{
    vaddr_t direct = DIRECT_BASE + pa;
    paddr_t found;
    unsigned prot;

    *window = NULL;
    if (pa < DIRECT_END - DIRECT_BASE &&
        mmu_translate(&kernel_space, direct, &found, &prot) == 0 && (prot & MMU_WRITE))
        return (volatile uint64_t *)direct;
    *window = vmap_device(pa, sizeof(uint64_t), MMU_READ | MMU_WRITE | MMU_WRITE_COMBINE);
    return *window;
}

/* Does the word lie in memory of another use?  The firmware keeps its loop and the words for itself. */
static bool is_memory(paddr_t pa)
{
    const struct boot_record *rec = boot_info();

    for (unsigned i = 0; i < rec->range_count; i++) {
        const struct mem_range *r = &rec->ranges[i];

        if (r->kind != MEM_RESERVED && pa >= r->start && pa - r->start < r->size)
            return true;
    }
    return pa >= rec->image_start && pa < rec->image_end;
}

/* Return: whether it could be written; a line says why not. */
static bool word_write(const struct hw_cpu *hw, volatile uint64_t *word, paddr_t entry)
{
    const char *trouble = NULL;
    uint32_t was;

    if (is_memory(hw->release_addr))
        trouble = "is memory of another use";
    else if (!mmio_probe32(word, &was))
        trouble = "answers nothing";
    if (trouble) {
        log_err("CPU %#llx: cpu-release-addr %#llx %s", (unsigned long long)hw->hw_id,
                (unsigned long long)hw->release_addr, trouble);
        return false;
    }
    *word = entry;
    cache_clean_to_memory(word, sizeof *word);
    return true;
}

static err_t start(const struct hw_cpu *hw, paddr_t entry, uint64_t arg)
{
    volatile uint64_t *word;
    void *window;
    bool written;

    if (hw->release_addr == 0 || hw->release_addr % sizeof *word != 0) {
        log_err("CPU %#llx: cpu-release-addr %#llx is no place for a word",
                (unsigned long long)hw->hw_id, (unsigned long long)hw->release_addr);
        return -EINVAL;
    }
    word = word_map(hw->release_addr, &window);
    if (word == NULL)
        return -ENOMEM;
    written = word_write(hw, word, entry);
    if (window != NULL)
        vmap_unmap_device(window, sizeof *word);
    if (!written)
        return -EFAULT;
    cpu_pen_call(hw->hw_id, arg); /* and SEV */
    return 0;
}

static const struct cpu_starter starter = {
    .name = "spin-table", .handles = HW_START_SPIN_TABLE, .start = start
};

static err_t spin_table_start(struct subsystem *self)
{
    const struct hardware_info *hw = hardware();

    for (unsigned i = 0; i < hw->cpu_count; i++)
        if (hw->cpus[i].start == HW_START_SPIN_TABLE)
            return service_publish_cpu_starter("spin-table", &starter, 100, PRIV_DRIVER);
    return -ENODEV;
}

static err_t spin_table_stop(struct subsystem *self)
{
    service_withdraw_cpu_starter("spin-table");
    return 0;
}

static struct subsystem spin_table_subsystem = {
    .name = "spin_table", .privilege = PRIV_DRIVER, .early_init = spin_table_start,
    .stop = spin_table_stop
};
REGISTER_SUBSYSTEM(spin_table_subsystem);
