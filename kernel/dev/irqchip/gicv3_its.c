// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: the GICv3's interrupt translation service (ARM IHI 0069, 5.2 and 5.3): what devices send
 * messages to.
 *
 * Model: a device writes the number of an event to GITS_TRANSLATER; the interconnect adds the device's
 * number.  Tables in memory, which only the ITS reads and writes, make an LPI of the two:
 *
 *     device table                 the device's own table                collection table
 *     device -> where its own is   event -> LPI, collection              collection -> redistributor
 *
 * Commands in a ring fill them.  Here a collection is a CPU, by its number, and a device's table has
 * ITS_EVENTS_MAX events, as functions behind a bridge share the bridge's number.  An LPI is an interrupt
 * from IRQ_MSI on; where it goes is changed by a command (MOVI), so that messages never change.
 * A command is waited for.  One that the ITS stalls at is replaced by a harmless one and fails; an ITS that
 * does not go on is dead: nothing is sent any more, what was set up stays.
 * Locking: its_lock, over the calls to targets, so that none is called after its free().
 * Invariants: (1) memory that an ITS was told of is freed only after it has said that it is done with it;
 * (2) the ring is never full: it has room for many times ITS_COMMANDS_MAX, and is empty between calls.
 */
#define LOG_TAG "its"
#include <dev/irqchip/gicv3_its.h>

#include <arch/start.h>
#include <core/hardware.h>
#include <core/log.h>
#include <core/smp.h>
#include <core/spinlock.h>
#include <hal/cpu.h>
#include <hal/io.h>
#include <hal/mmu.h>
#include <lib/string.h>
#include <mm/frame.h>
#include <mm/heap.h>
#include <mm/vmap.h>
#include <sched/clock.h>

#define GITS_CTLR 0x0000
#define GITS_TYPER 0x0008
#define GITS_CBASER 0x0080
#define GITS_CWRITER 0x0088
#define GITS_CREADR 0x0090
#define GITS_BASER(n) (0x0100 + 8 * (n))
#define GITS_BASERS 8
#define GITS_PIDR2 0xffe8
#define GITS_BYTES 0x10000
#define GITS_TRANSLATER 0x10040

#define CTLR_ENABLED BIT(0)
#define CTLR_QUIESCENT BIT(31)
#define TYPER_PHYSICAL BIT(0)
#define TYPER_ITT_ENTRY(v) (((v) >> 4 & 15) + 1)
#define TYPER_EVENT_BITS(v) (((v) >> 8 & 31) + 1)
#define TYPER_DEVICE_BITS(v) (((v) >> 13 & 31) + 1)
#define TYPER_BY_ADDRESS BIT(19)
#define TYPER_OWN_COLLECTIONS(v) ((v) >> 24 & 255) /* that need no table */
#define TYPER_COLLECTION_BITS(v) ((v) & BIT(36) ? ((v) >> 32 & 15) + 1 : 16)
#define PIDR2_VERSION(v) ((v) >> 4 & 15)
#define READER_STALLED BIT(0)
#define READER_AT(v) ((v)&0xfffe0)
#define WRITER_RETRY BIT(0)

#define BASE_VALID BIT(63)
#define BASE_CACHED (7ull << 59)
#define BASE_UNCACHED (1ull << 59)
#define BASER_INDIRECT BIT(62)
#define BASER_TYPE(v) ((v) >> 56 & 7)
#define BASER_ENTRY(v) (((v) >> 48 & 31) + 1)
#define BASER_FIXED (7ull << 56 | 31ull << 48)
#define BASER_PAGE_SIZE(v) ((v) >> 8 & 3)
#define TYPE_DEVICES 1
#define TYPE_COLLECTIONS 4
#define QUEUE_ALIGN (64 * KiB)
#define TABLE_BYTES_MAX MiB
#define ITT_ALIGN 256

#define WAIT_NS (100 * NS_PER_MSEC)

struct its_device {
    struct list link; /* of its->users; its_lock, as the rest */
    struct its *its;
    uint32_t id;
    unsigned events;
    size_t used_count;
    uint64_t used[BITMAP_WORDS(ITS_EVENTS_MAX)];
    paddr_t table;
};

static struct lpi {
    struct its_device *device; /* NULL: free; its_lock, as the rest */
    struct msi_target *target;
    unsigned index; /* the target's own number for it */
    uint32_t event;
    struct cpu *cpu;
} lpis[LPI_COUNT];

static struct its *all[HW_ITS_MAX]; /* by index of hw_gic.its; NULL: not driven; constant after start */
static struct spinlock its_lock = SPINLOCK_INIT(LOCK_IRQCHIP);

/* --- commands ---------------------------------------------------------------------------------- */

enum { DO_MOVI = 0x01, DO_SYNC = 0x05, DO_MAPD = 0x08, DO_MAPC = 0x09, DO_MAPTI = 0x0a, DO_INV = 0x0c,
       DO_DISCARD = 0x0f };

static struct its_command map_device(const struct its_device *d, bool valid)
{
    unsigned bits = (unsigned)__builtin_ctz(d->events);

    return (struct its_command){ { DO_MAPD | (uint64_t)d->id << 32, MAX(bits, 1u) - 1,
                                   valid ? d->table | BASE_VALID : 0 } };
}

static struct its_command map_collection(uint32_t cpu, uint64_t target)
{
    return (struct its_command){ { DO_MAPC, 0, cpu | target | BASE_VALID } };
}

static struct its_command sync_with(const struct its *its, const struct cpu *cpu)
{
    return (struct its_command){ { DO_SYNC, 0, its->target[cpu->id] } };
}

/* One about an event. */
static struct its_command about(unsigned what, const struct lpi *l, uint32_t number, uint32_t collection)
{
    return (struct its_command){ { what | (uint64_t)l->device->id << 32,
                                   l->event | (uint64_t)number << 32, collection } };
}

static void queue_write(struct its *its, unsigned at, const struct its_command *c)
{
    for (unsigned i = 0; i < ARRAY_SIZE(c->word); i++)
        ((uint64_t *)(its->queue + at))[i] = c->word[i];
    if (its->queue_clean)
        cache_clean_to_memory(its->queue + at, sizeof *c);
}

/* What it stalls at becomes a command that cannot be wrong; then it may go on. */
static void queue_unstall(struct its *its, uint64_t reader)
{
    struct its_command harmless = sync_with(its, cpus[0]);

    if (READER_AT(reader) < ITS_QUEUE_BYTES)
        queue_write(its, (unsigned)READER_AT(reader), &harmless);
    mmio_write64(its->registers + GITS_CWRITER, its->tail | WRITER_RETRY);
}

static err_t queue_drain(struct its *its)
{
    ns_t limit = clock_monotonic() + WAIT_NS;
    err_t err = 0;

    for (;;) {
        uint64_t reader = mmio_read64(its->registers + GITS_CREADR);

        if (READER_AT(reader) == its->tail && !(reader & READER_STALLED))
            return err;
        if (clock_monotonic() > limit)
            break;
        if (reader & READER_STALLED) {
            if (!err)
                log_warn("the ITS at %#llx stalls at a command", (unsigned long long)its->base);
            err = -EIO;
            queue_unstall(its, reader);
        }
        hal_relax();
    }
    its->dead = true;
    log_err("the ITS at %#llx does not do what it is told: it is given up",
            (unsigned long long)its->base);
    return -EIO;
}

err_t its_submit(struct its *its, const struct its_command *c, unsigned count)
{
    if (its->dead)
        return -EIO;
    for (unsigned i = 0; i < count; i++) {
        queue_write(its, its->tail, &c[i]);
        its->tail = (its->tail + (unsigned)sizeof *c) % ITS_QUEUE_BYTES;
    }
    mmio_write64(its->registers + GITS_CWRITER, its->tail);
    return queue_drain(its);
}

/* --- tables ------------------------------------------------------------------------------------ */

static uint8_t *pages_get(size_t bytes, size_t align)
{
    paddr_t pa = frame_alloc_contiguous(DIV_ROUND_UP(bytes, PAGE_SIZE), align, FRAME_ZERO);

    return pa == PADDR_NONE ? NULL : phys_to_virt(pa);
}

static void pages_free(uint8_t *memory, size_t bytes)
{
    frame_free_contiguous(virt_to_phys(memory), DIV_ROUND_UP(bytes, PAGE_SIZE));
}

static void table_free(struct its_table *t)
{
    const uint64_t *links = (const uint64_t *)t->memory;

    for (size_t i = 0; t->indirect && i < t->bytes / 8; i++)
        if (links[i] & BASE_VALID)
            pages_free(phys_to_virt(links[i] & ~BASE_VALID), t->page_bytes);
    if (t->memory)
        pages_free(t->memory, t->bytes);
    *t = (struct its_table){ 0 };
}

/* How large it is to be, with such pages.  It may have to end early. */
static void table_shape(struct its_table *t, uint64_t got, uint64_t entries)
{
    uint64_t bytes, per_page;

    t->page_bytes = (size_t)4 * KiB << 2 * BASER_PAGE_SIZE(got);
    t->entry_bytes = (unsigned)BASER_ENTRY(got);
    t->clean = !(got & BASE_SHARED_MASK);
    bytes = entries * t->entry_bytes;
    t->indirect = (got & BASER_INDIRECT) && bytes > t->page_bytes;
    per_page = t->page_bytes / t->entry_bytes;
    if (t->indirect)
        bytes = DIV_ROUND_UP(entries, per_page) * 8;
    t->bytes = (size_t)ALIGN_UP(MIN(bytes, (uint64_t)TABLE_BYTES_MAX), (uint64_t)t->page_bytes);
    t->entries = MIN(entries, t->indirect ? t->bytes / 8 * per_page : t->bytes / t->entry_bytes);
}

/* Gives the ITS a table of the shape.  Return: NULL, or what is wrong. */
static const char *table_give(struct its_table *t, volatile uint8_t *reg, uint64_t got)
{
    t->memory = pages_get(t->bytes, t->page_bytes);
    if (!t->memory)
        return "no memory for its tables";
    if (t->clean)
        cache_clean_to_memory(t->memory, t->bytes);
    mmio_write64(reg, (got & (BASER_FIXED | 3ull << 8)) | BASE_VALID |
                          (t->indirect ? BASER_INDIRECT : 0) |
                          (t->clean ? BASE_UNCACHED : BASE_CACHED | BASE_SHARED) |
                          virt_to_phys(t->memory) | (t->bytes / t->page_bytes - 1));
    got = mmio_read64(reg);
    return got & BASE_VALID && (got & BASER_INDIRECT) == (t->indirect ? BASER_INDIRECT : 0)
               ? NULL
               : "it does not take a table";
}

_Static_assert(TABLE_BYTES_MAX / (4 * KiB) <= 256, "pages of a table: BASER has 8 bits for them");

/* What sizes of pages there are, and whether tables may be in two levels, is tried (12.19.1). */
static const char *table_make(struct its_table *t, volatile uint8_t *reg, uint64_t entries)
{
    uint64_t fixed = mmio_read64(reg) & BASER_FIXED;

    for (uint64_t size = 0; size < 3; size++) {
        uint64_t got;

        mmio_write64(reg, fixed | size << 8 | BASER_INDIRECT | BASE_CACHED | BASE_SHARED);
        got = mmio_read64(reg);
        if (BASER_PAGE_SIZE(got) != size)
            continue;
        table_shape(t, got, entries);
        return table_give(t, reg, got);
    }
    return "its tables have pages of no known size";
}

err_t its_table_cover(struct its_table *t, uint64_t entry)
{
    uint64_t *link;
    uint8_t *page;

    if (entry >= t->entries)
        return -ENODEV;
    if (!t->indirect)
        return 0;
    link = (uint64_t *)t->memory + entry / (t->page_bytes / t->entry_bytes);
    if (*link & BASE_VALID)
        return 0;
    page = pages_get(t->page_bytes, t->page_bytes);
    if (!page)
        return -ENOMEM;
    if (t->clean)
        cache_clean_to_memory(page, t->page_bytes);
    atomic_store(link, virt_to_phys(page) | BASE_VALID);
    if (t->clean)
        cache_clean_to_memory(link, sizeof *link);
    return 0;
}

static const char *tables_make(struct its *its)
{
    uint64_t devices = MIN(BIT(TYPER_DEVICE_BITS(its->typer)), its->device_limit);
    const char *trouble = NULL;

    for (unsigned i = 0; i < GITS_BASERS && !trouble; i++) {
        volatile uint8_t *reg = its->registers + GITS_BASER(i);
        uint64_t type = BASER_TYPE(mmio_read64(reg));

        if (type == TYPE_DEVICES && !its->devices.memory)
            trouble = table_make(&its->devices, reg, devices);
        else if (type == TYPE_COLLECTIONS && !its->collections.memory)
            trouble = table_make(&its->collections, reg, CPU_MAX);
        else
            mmio_write64(reg, mmio_read64(reg) & ~BASE_VALID);
    }
    if (trouble)
        return trouble;
    if (!its->devices.memory)
        return "it has no table of devices";
    if (its->devices.entries < devices)
        log_info("the ITS at %#llx: devices from %#llx on can send no messages",
                 (unsigned long long)its->base, (unsigned long long)its->devices.entries);
    return NULL;
}

static const char *queue_make(struct its *its)
{
    volatile uint8_t *reg = its->registers + GITS_CBASER;
    uint64_t value;

    its->queue = pages_get(ITS_QUEUE_BYTES, QUEUE_ALIGN);
    if (!its->queue)
        return "no memory for its commands";
    value = BASE_VALID | virt_to_phys(its->queue) | (ITS_QUEUE_BYTES / (4 * KiB) - 1);
    mmio_write64(reg, value | BASE_CACHED | BASE_SHARED);
    its->queue_clean = !(mmio_read64(reg) & BASE_SHARED_MASK);
    if (its->queue_clean)
        mmio_write64(reg, value | BASE_UNCACHED);
    mmio_write64(its->registers + GITS_CWRITER, 0);
    return NULL;
}

/* --- an ITS ------------------------------------------------------------------------------------ */

static bool its_stop(struct its *its)
{
    volatile uint8_t *reg = its->registers + GITS_CTLR;
    ns_t limit = clock_monotonic() + WAIT_NS;

    mmio_write32(reg, mmio_read32(reg) & ~(uint32_t)CTLR_ENABLED);
    while (!(mmio_read32(reg) & CTLR_QUIESCENT)) {
        if (clock_monotonic() > limit)
            return false;
        hal_relax();
    }
    return true;
}

static const char *its_begin(struct its *its)
{
    volatile uint8_t *reg = its->registers + GITS_CTLR;
    const char *trouble;
    uint32_t id;

    if (!mmio_probe32(its->registers + GITS_PIDR2, &id) ||
        (PIDR2_VERSION(id) != 3 && PIDR2_VERSION(id) != 4))
        return "there is none";
    if (!its_stop(its))
        return "it does not become quiescent";
    its->typer = mmio_read64(its->registers + GITS_TYPER);
    if (!(its->typer & TYPER_PHYSICAL))
        return "it does not know physical LPIs";
    trouble = queue_make(its);
    if (!trouble)
        trouble = tables_make(its);
    if (!trouble)
        mmio_write32(reg, mmio_read32(reg) | CTLR_ENABLED);
    return trouble;
}

const char *its_open(struct its *its, volatile uint8_t *registers, paddr_t base, uint64_t device_limit)
{
    const char *trouble;

    its->registers = registers;
    its->base = base;
    its->device_limit = device_limit;
    list_init(&its->users);
    trouble = its_begin(its);
    if (trouble)
        its_close(its);
    return trouble;
}

void its_close(struct its *its)
{
    if (!its->queue || !its_stop(its))
        return;
    mmio_write64(its->registers + GITS_CBASER, 0);
    for (unsigned i = 0; i < GITS_BASERS; i++)
        mmio_write64(its->registers + GITS_BASER(i),
                     mmio_read64(its->registers + GITS_BASER(i)) & ~BASE_VALID);
    pages_free(its->queue, ITS_QUEUE_BYTES);
    its->queue = NULL;
    table_free(&its->devices);
    table_free(&its->collections);
}

/* How many collections it can have: CPUs from there on get no messages by it. */
static uint64_t collections_of(const struct its *its)
{
    uint64_t places = TYPER_OWN_COLLECTIONS(its->typer) + its->collections.entries;

    return MIN(places, BIT(TYPER_COLLECTION_BITS(its->typer)));
}

/* No redistributor can have a copy of a byte yet: each event begins with an INV.
 * Return: whether the boot CPU, which all go to at first, is among those that are reached. */
static bool collections_map(struct its *its)
{
    uint64_t limit = collections_of(its);

    for (unsigned i = 0; i < cpu_count; i++) {
        struct its_command c[2];

        if (!lpi_ready(i) || i >= limit || (its->collections.indirect &&
                                            its_table_cover(&its->collections, i) != 0))
            continue;
        its->target[i] = lpi_target(cpus[i], its->typer & TYPER_BY_ADDRESS);
        c[0] = map_collection(i, its->target[i]);
        c[1] = sync_with(its, cpus[i]);
        its->reaches[i] = its_submit(its, c, ARRAY_SIZE(c)) == 0;
        if (its->dead)
            return false;
    }
    return its->reaches[0];
}

/* --- devices ----------------------------------------------------------------------------------- */

/* All with its_lock held. */

static struct its_device *device_find(struct its *its, uint32_t id)
{
    struct its_device *d;

    list_for_each (d, &its->users, link)
        if (d->id == id)
            return d;
    return NULL;
}

static err_t device_make(struct its *its, uint32_t id, struct its_device **out)
{
    uint64_t bits = MIN(TYPER_EVENT_BITS(its->typer), (uint64_t)__builtin_ctz(ITS_EVENTS_MAX));
    struct its_device *d;
    struct its_command c[2];
    uint8_t *table;
    err_t err = its_table_cover(&its->devices, id);

    if (err)
        return err;
    d = kzalloc(sizeof *d);
    table = pages_get((TYPER_ITT_ENTRY(its->typer) << bits), ITT_ALIGN);
    if (!d || !table) {
        if (table)
            pages_free(table, TYPER_ITT_ENTRY(its->typer) << bits);
        kfree(d);
        return -ENOMEM;
    }
    *d = (struct its_device){ .its = its, .id = id, .events = 1u << bits, .table = virt_to_phys(table) };
    cache_clean_to_memory(table, TYPER_ITT_ENTRY(its->typer) << bits);
    list_add_tail(&its->users, &d->link);
    *out = d;
    c[0] = map_device(d, true);
    c[1] = sync_with(its, cpus[0]);
    return its_submit(its, c, ARRAY_SIZE(c));
}

/* When it has no event left.  The table of one that could not be unmapped stays the ITS'. */
static void device_put_unused(struct its_device *d)
{
    struct its *its = d->its;
    struct its_command c[2] = { map_device(d, false), sync_with(its, cpus[0]) };

    if (d->used_count != 0)
        return;
    if (its_submit(its, c, ARRAY_SIZE(c)) == 0)
        pages_free(phys_to_virt(d->table), TYPER_ITT_ENTRY(its->typer) * d->events);
    list_del(&d->link);
    kfree(d);
}

/* --- events ------------------------------------------------------------------------------------ */

/* All with its_lock held. */

static unsigned number_of(const struct lpi *l)
{
    return (unsigned)(l - lpis);
}

/* Tells the redistributor that the LPI's byte has changed, or another command about it. */
static err_t event_tell(const struct lpi *l, unsigned what, uint32_t number, uint32_t collection)
{
    struct its_command c[2] = { about(what, l, number, collection),
                                sync_with(l->device->its, l->cpu) };

    return its_submit(l->device->its, c, ARRAY_SIZE(c));
}

static struct lpi *lpi_take(struct its_device *d)
{
    size_t event = bitmap_find_clear(d->used, d->events, 0);

    for (unsigned i = 0; i < ARRAY_SIZE(lpis) && event != BITMAP_NONE; i++) {
        struct lpi *l = &lpis[i];
        struct cpu *cpu = cpus[irq_routed_to(IRQ_MSI + i)];

        if (l->device)
            continue;
        *l = (struct lpi){ .device = d, .event = (uint32_t)event,
                           .cpu = d->its->reaches[cpu->id] ? cpu : cpus[0] };
        bitmap_set(d->used, event);
        d->used_count++;
        return l;
    }
    return NULL;
}

static void lpi_give(struct lpi *l)
{
    lpi_set(number_of(l), false);
    (void)event_tell(l, DO_DISCARD, 0, 0); /* pending no more */
    bitmap_clear(l->device->used, l->event);
    l->device->used_count--;
    l->device = NULL;
}

static err_t event_alloc(struct its_device *d, struct msi_target *t, unsigned index, unsigned *irq)
{
    struct lpi *l = lpi_take(d);
    struct msi_message m = { .address = d->its->base + GITS_TRANSLATER };
    err_t err;

    if (!l)
        return -ENOSPC;
    lpi_set(number_of(l), false);
    err = event_tell(l, DO_MAPTI, LPI_FIRST + number_of(l), l->cpu->id);
    if (!err)
        err = event_tell(l, DO_INV, 0, 0);
    if (err) {
        lpi_give(l);
        return err;
    }
    l->target = t;
    l->index = index;
    m.data = l->event;
    t->write(t, index, &m);
    t->mask(t, index, false);
    *irq = IRQ_MSI + number_of(l);
    return 0;
}

static void event_free(struct msi_target *t, unsigned irq)
{
    struct lpi *l = &lpis[irq - IRQ_MSI];
    struct its_device *d = l->device;

    if (!d || l->target != t)
        return;
    t->mask(t, l->index, true);
    lpi_give(l);
    device_put_unused(d);
}

/* --- for gicv3.c and PCI ----------------------------------------------------------------------- */

void gicv3_its_mask(unsigned irq, bool masked)
{
    struct lpi *l = &lpis[irq - IRQ_MSI];
    unsigned long flags = spin_lock_irqsave(&its_lock);

    if (l->device) {
        lpi_set(number_of(l), !masked);
        (void)event_tell(l, DO_INV, 0, 0);
    }
    spin_unlock_irqrestore(&its_lock, flags);
}

/* What the old CPU may still get of it has arrived when its redistributor is in step, too. */
err_t gicv3_its_route(unsigned irq, struct cpu *cpu)
{
    struct lpi *l = &lpis[irq - IRQ_MSI];
    unsigned long flags = spin_lock_irqsave(&its_lock);
    err_t err = -EINVAL;

    if (l->device && l->device->its->reaches[cpu->id]) {
        struct its *its = l->device->its;
        struct its_command c[] = { about(DO_MOVI, l, 0, cpu->id), sync_with(its, cpu),
                                   sync_with(its, l->cpu) };

        err = its_submit(its, c, ARRAY_SIZE(c));
        if (!err)
            l->cpu = cpu;
    }
    spin_unlock_irqrestore(&its_lock, flags);
    return err;
}

/* Which ITS and which device of it a requester is.  Return: NULL: none that is driven. */
static struct its *requester_find(uint32_t requester, uint32_t *device)
{
    const struct hardware_info *hw = hardware();
    uint8_t bus = (uint8_t)(requester >> 8);
    uint32_t its;

    for (uint32_t i = 0; i < hw->pci_host_count; i++) {
        const struct hw_pci_host *host = &hw->pci_hosts[i];

        if (host->segment == requester >> 16 && bus >= host->bus_first && bus <= host->bus_last &&
            hw_msi_device(host, (uint16_t)requester, &its, device))
            return all[its];
    }
    return NULL;
}

static void its_free(struct msi_target *t, unsigned count, const unsigned *irqs)
{
    unsigned long flags = spin_lock_irqsave(&its_lock);

    for (unsigned i = 0; i < count; i++)
        event_free(t, irqs[i]);
    spin_unlock_irqrestore(&its_lock, flags);
}

/* its_lock held. */
static err_t events_alloc(struct its_device *d, struct msi_target *t, unsigned count, unsigned *irqs)
{
    err_t err = 0;
    unsigned n;

    d->used_count++; /* the device stays while events come and go */
    for (n = 0; n < count && !err; n++)
        err = event_alloc(d, t, n, &irqs[n]);
    for (n = err ? n - 1 : 0; n > 0; n--)
        event_free(t, irqs[n - 1]);
    d->used_count--;
    return err;
}

static err_t its_alloc(struct msi_target *t, unsigned count, unsigned *irqs)
{
    uint32_t id;
    struct its *its = requester_find(t->requester, &id);
    struct its_device *d;
    unsigned long flags;
    err_t err = 0;

    if (!its)
        return -ENODEV;
    flags = spin_lock_irqsave(&its_lock);
    d = device_find(its, id);
    if (!d)
        err = device_make(its, id, &d);
    if (!err)
        err = events_alloc(d, t, count, irqs);
    if (err && d)
        device_put_unused(d);
    spin_unlock_irqrestore(&its_lock, flags);
    return err;
}

static const struct msi_controller controller = { .name = "ITS", .alloc = its_alloc, .free = its_free };

/* --- start ------------------------------------------------------------------------------------- */

/* One more than the highest number that any host's requester has there. */
static uint64_t device_limit(uint32_t its)
{
    const struct hardware_info *hw = hardware();
    uint64_t limit = 0;

    for (uint32_t i = 0; i < hw->pci_host_count; i++)
        for (uint32_t k = 0; k < hw->pci_hosts[i].msi_map_count; k++) {
            const struct hw_msi_map *m = &hw->pci_hosts[i].msi_maps[k];

            if (m->its == its)
                limit = MAX(limit, (uint64_t)m->device + m->count);
        }
    return limit;
}

static const char *its_try(struct its *its, paddr_t base, uint64_t limit)
{
    volatile uint8_t *registers = vmap_device(base, GITS_BYTES, MMU_READ | MMU_WRITE | MMU_DEVICE);
    const char *trouble;

    if (!registers)
        return "its registers cannot be mapped";
    trouble = its_open(its, registers, base, limit);
    if (!trouble && !collections_map(its)) {
        trouble = "it does not reach the boot CPU";
        its_close(its);
    }
    if (trouble)
        vmap_unmap_device((void *)registers, GITS_BYTES);
    return trouble;
}

/* Return: whether it is there to be used. */
static bool its_add(uint32_t n, const struct hw_its *hw)
{
    uint64_t limit = device_limit(n);
    struct its *its = limit ? kzalloc(sizeof *its) : NULL;
    const char *trouble = its ? its_try(its, hw->base, limit) : limit ? "no memory" : NULL;

    if (trouble) {
        log_warn("the ITS at %#llx is not used: %s", (unsigned long long)hw->base, trouble);
        kfree(its);
    } else if (its) {
        log_info("ITS at %#llx: %llu devices%s, %u messages", (unsigned long long)hw->base,
                 (unsigned long long)its->devices.entries,
                 its->devices.indirect ? " in two levels" : "", LPI_COUNT);
        all[n] = its;
    }
    return its && !trouble;
}

err_t gicv3_its_start(const struct hw_gic *hw)
{
    unsigned usable = 0;
    err_t err;

    if (hw->its_count == 0)
        return -ENODEV;
    err = lpi_start();
    for (uint32_t i = 0; i < hw->its_count && !err; i++)
        usable += its_add(i, &hw->its[i]);
    if (err || usable == 0)
        return err ? err : -ENODEV;
    return service_publish_msi_controller(controller.name, &controller, 200, PRIV_DRIVER);
}
