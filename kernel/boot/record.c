// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: builds the boot record from what parsers find.
 *
 * Model: ranges are kept disjoint and sorted all the time.  To add one, the table is rebuilt by a
 * sweep over the old ranges and the new one; where the two overlap the less usable kind wins, and
 * neighbours of one kind and node are joined.  With a full table the highest usable memory is called
 * reserved, so that memory may be lost but never invented.
 * Locking: none; boot, one CPU.
 * Invariants (record_check): each range is non-empty and ends below 2^52; each starts at or behind
 * the end of the one before; equal neighbours do not touch.
 */
#define LOG_TAG "boot"
#include <boot/record.h>

#include <core/log.h>
#include <hal/mmu.h>
#include <lib/checked.h>
#include <lib/string.h>

#define PADDR_LIMIT BIT(52)
#define FRAMEBUFFER_SIDE_MAX 32768

/* --- ranges ------------------------------------------------------------------------------------ */

/* Which kind stands where several were said: the least usable. */
static unsigned kind_rank(enum mem_kind kind)
{
    switch (kind) {
    case MEM_USABLE: return 0;
    case MEM_FIRMWARE: return 1;
    case MEM_LOADER: return 2;
    case MEM_PERSISTENT: return 3;
    case MEM_ACPI: return 4;
    case MEM_NVS: return 5;
    case MEM_RESERVED: return 6;
    case MEM_RUNTIME: return 7;
    case MEM_FRAMEBUFFER: return 8;
    default: return 9;
    }
}

static paddr_t range_end(const struct mem_range *r)
{
    return r->start + r->size;
}

static bool range_joins(const struct mem_range *a, const struct mem_range *b)
{
    return range_end(a) == b->start && a->kind == b->kind && a->node == b->node;
}

/* Twice the table's size and some: adding one range splits at most one old range in three. */
#define SWEEP_MAX (2 * BOOT_RANGES_MAX + 3)
struct sweep {
    struct mem_range out[SWEEP_MAX];
    unsigned count;
};
static struct sweep sweep;

static void sweep_emit(paddr_t start, paddr_t end, const struct mem_range *as)
{
    struct mem_range r = { .start = start, .size = end - start, .kind = as->kind, .node = as->node };

    if (start >= end)
        return;
    if (sweep.count && range_joins(&sweep.out[sweep.count - 1], &r))
        sweep.out[sweep.count - 1].size += r.size;
    else
        sweep.out[sweep.count++] = r;
}

/* Emits `old` as cut by `add`, whose part before *done has been emitted. */
static void sweep_overlap(const struct mem_range *old, const struct mem_range *add, paddr_t *done)
{
    paddr_t old_end = range_end(old), add_end = range_end(add);
    paddr_t both = MAX(old->start, add->start), both_end = MIN(old_end, add_end);

    sweep_emit(old->start, both, old);
    sweep_emit(*done, both, add);
    sweep_emit(both, both_end, kind_rank(add->kind) > kind_rank(old->kind) ? add : old);
    sweep_emit(both_end, old_end, old);
    *done = MAX(*done, both_end);
}

static void sweep_add(const struct boot_record *rec, const struct mem_range *add)
{
    paddr_t done = add->start;

    sweep.count = 0;
    for (unsigned i = 0; i < rec->range_count; i++) {
        const struct mem_range *old = &rec->ranges[i];

        if (range_end(old) <= add->start) {
            sweep_emit(old->start, range_end(old), old);
        } else if (old->start >= range_end(add)) {
            sweep_emit(done, range_end(add), add);
            done = range_end(add);
            sweep_emit(old->start, range_end(old), old);
        } else {
            sweep_overlap(old, add, &done);
        }
    }
    sweep_emit(done, range_end(add), add);
}

/* Joins what may be joined around index i. */
static void sweep_rejoin(unsigned i)
{
    unsigned from = i > 0 ? i - 1 : 0;

    while (from + 1 < sweep.count && from <= i) {
        if (!range_joins(&sweep.out[from], &sweep.out[from + 1])) {
            from++;
            continue;
        }
        sweep.out[from].size += sweep.out[from + 1].size;
        sweep.count--;
        memmove(&sweep.out[from + 1], &sweep.out[from + 2],
                (sweep.count - from - 1) * sizeof sweep.out[0]);
    }
}

/* What will be usable at the end is called so; neighbours are joined. */
static void sweep_reclaim(void)
{
    unsigned count = sweep.count;

    sweep.count = 0;
    for (unsigned i = 0; i < count; i++) {
        struct mem_range r = sweep.out[i];

        if (r.kind == MEM_LOADER || r.kind == MEM_FIRMWARE)
            r.kind = MEM_USABLE;
        sweep_emit(r.start, range_end(&r), &r);
    }
}

/* Calls usable memory reserved, from the top, until what is left fits. */
static void sweep_trim(void)
{
    if (sweep.count > BOOT_RANGES_MAX)
        sweep_reclaim();
    while (sweep.count > BOOT_RANGES_MAX) {
        unsigned victim = sweep.count - 1;

        log_once(LOG_WARN, "too many memory ranges: some memory is not used");
        while (victim > 0 && sweep.out[victim].kind != MEM_USABLE)
            victim--;
        if (sweep.out[victim].kind != MEM_USABLE) {
            sweep.count = BOOT_RANGES_MAX; /* nothing usable is left: the rest are but notes */
            return;
        }
        sweep.out[victim].kind = MEM_RESERVED;
        sweep_rejoin(victim);
    }
}

static void sweep_commit(struct boot_record *rec)
{
    memcpy(rec->ranges, sweep.out, sweep.count * sizeof rec->ranges[0]);
    rec->range_count = sweep.count;
}

void record_add_range(struct boot_record *rec, paddr_t start, uint64_t size, enum mem_kind kind,
                      unsigned node)
{
    struct mem_range add = { .start = start, .size = size, .kind = kind, .node = node };

    if (size == 0 || start >= PADDR_LIMIT)
        return;
    add.size = MIN(size, PADDR_LIMIT - start);
    if (kind >= MEM_KINDS)
        add.kind = MEM_RESERVED;
    sweep_add(rec, &add);
    sweep_trim();
    sweep_commit(rec);
}

void record_reclaim(struct boot_record *rec)
{
    memcpy(sweep.out, rec->ranges, rec->range_count * sizeof rec->ranges[0]);
    sweep.count = rec->range_count;
    sweep_reclaim();
    sweep_commit(rec);
}

/* The part of `old` within [start, end) gets the node. */
static void sweep_node(const struct mem_range *old, paddr_t start, paddr_t end, unsigned node)
{
    struct mem_range inside = { .kind = old->kind, .node = node };
    paddr_t from = CLAMP(start, old->start, range_end(old));
    paddr_t to = CLAMP(end, from, range_end(old));

    sweep_emit(old->start, from, old);
    sweep_emit(from, to, &inside);
    sweep_emit(to, range_end(old), old);
}

void record_set_node(struct boot_record *rec, paddr_t start, uint64_t size, unsigned node)
{
    sweep.count = 0;
    for (unsigned i = 0; i < rec->range_count; i++) {
        const struct mem_range *r = &rec->ranges[i];

        if (r->kind == MEM_USABLE)
            sweep_node(r, start, start + size, node);
        else
            sweep_emit(r->start, range_end(r), r);
    }
    if (sweep.count <= BOOT_RANGES_MAX)
        sweep_commit(rec);
    else
        log_once(LOG_WARN, "too many memory ranges: some memory is taken for another node's");
}

bool record_check(const struct boot_record *rec)
{
    if (rec->range_count > BOOT_RANGES_MAX || rec->module_count > BOOT_MODULES_MAX)
        return false;
    for (unsigned i = 0; i < rec->range_count; i++) {
        const struct mem_range *r = &rec->ranges[i];

        if (r->size == 0 || !range_fits(r->start, r->size, PADDR_LIMIT))
            return false;
        if (i > 0 && (r->start < range_end(r - 1) || range_joins(r - 1, r)))
            return false;
    }
    return true;
}

/* Is [start, start + size) memory of the kinds (bits) from end to end? */
static bool is_of_kinds(const struct boot_record *rec, paddr_t start, uint64_t size, unsigned kinds)
{
    for (unsigned i = 0; i < rec->range_count && size; i++) {
        const struct mem_range *r = &rec->ranges[i];

        if (!(kinds & BIT(r->kind)) || start < r->start || start >= range_end(r))
            continue;
        uint64_t here = MIN(size, range_end(r) - start);

        start += here;
        size -= here;
    }
    return size == 0;
}

static bool is_usable(const struct boot_record *rec, paddr_t start, uint64_t size)
{
    return is_of_kinds(rec, start, size, BIT(MEM_USABLE));
}

const void *record_map_ram(const struct boot_record *rec, paddr_t pa, uint64_t size)
{
    if (!rec->ram_mapped || size == 0 || !is_of_kinds(rec, pa, size, RECORD_RAM_KINDS))
        return NULL;
    return phys_to_virt(pa);
}

/* --- texts and modules ------------------------------------------------------------------------- */

/* Copies at most max bytes up to a NUL, control bytes as spaces.  Return: whether all fitted. */
static bool text_copy(char *dst, size_t size, const char *src, size_t max)
{
    size_t i;

    for (i = 0; i < max && src[i]; i++) {
        if (i + 1 == size) {
            dst[i] = '\0';
            return false;
        }
        dst[i] = (unsigned char)src[i] < ' ' || src[i] == 0x7f ? ' ' : src[i];
    }
    dst[i] = '\0';
    return true;
}

void record_set_cmdline(struct boot_record *rec, const char *text, size_t max)
{
    if (!text_copy(rec->cmdline, sizeof rec->cmdline, text, max))
        log_warn("the command line is cut after %zu bytes", sizeof rec->cmdline - 1);
}

void record_set_loader_version(struct boot_record *rec, const char *version, size_t max)
{
    (void)text_copy(rec->loader_version, sizeof rec->loader_version, version, max);
}

void record_set_loader(struct boot_record *rec, const char *name, size_t max)
{
    char *blank;

    (void)text_copy(rec->loader, sizeof rec->loader, name, max);
    rec->loader_version[0] = '\0';
    blank = strchr(rec->loader, ' ');
    if (!blank || blank[1] < '0' || blank[1] > '9')
        return;
    record_set_loader_version(rec, blank + 1, sizeof rec->loader);
    *blank = '\0';
}

void record_add_module(struct boot_record *rec, paddr_t start, uint64_t size, const char *name,
                       size_t max)
{
    struct boot_module *m = &rec->modules[rec->module_count];

    if (size == 0)
        return;
    if (!range_fits(start, size, PADDR_LIMIT)) {
        log_warn("module at %#llx with %#llx bytes: no such memory, dropped",
                 (unsigned long long)start, (unsigned long long)size);
        return;
    }
    if (rec->module_count == BOOT_MODULES_MAX) {
        log_once(LOG_WARN, "more than %u modules: the one at %#llx is dropped", BOOT_MODULES_MAX,
                 (unsigned long long)start);
        return;
    }
    *m = (struct boot_module){ .start = start, .size = size };
    if (name)
        (void)text_copy(m->name, sizeof m->name, name, max);
    rec->module_count++;
}

static bool covers_image(const struct boot_record *rec, paddr_t start, uint64_t size)
{
    return ranges_overlap(start, size, rec->image_start, rec->image_end - rec->image_start);
}

static bool covers_modules(const struct boot_record *rec, paddr_t start, uint64_t size)
{
    for (unsigned i = 0; i < rec->module_count; i++)
        if (ranges_overlap(start, size, rec->modules[i].start, rec->modules[i].size))
            return true;
    return false;
}

bool record_is_free(const struct boot_record *rec, paddr_t start, uint64_t size)
{
    return is_usable(rec, start, size) && !covers_image(rec, start, size) &&
           !covers_modules(rec, start, size);
}

/* --- framebuffer ------------------------------------------------------------------------------- */

static uint64_t framebuffer_size(const struct boot_framebuffer *fb)
{
    return (uint64_t)fb->pitch * fb->height;
}

static bool colour_fits(const struct boot_framebuffer *fb, unsigned shift, unsigned bits)
{
    return bits > 0 && bits <= 16 && shift + bits <= fb->bpp;
}

err_t record_set_framebuffer(struct boot_record *rec, const struct boot_framebuffer *fb)
{
    if (fb->bpp != 16 && fb->bpp != 24 && fb->bpp != 32)
        return -EINVAL;
    if (fb->addr == 0 || fb->width == 0 || fb->height == 0 || fb->width > FRAMEBUFFER_SIDE_MAX ||
        fb->height > FRAMEBUFFER_SIDE_MAX || fb->pitch / (fb->bpp / 8) < fb->width)
        return -EINVAL;
    if (!colour_fits(fb, fb->red_shift, fb->red_bits) ||
        !colour_fits(fb, fb->green_shift, fb->green_bits) ||
        !colour_fits(fb, fb->blue_shift, fb->blue_bits))
        return -EINVAL;
    if (!range_fits(fb->addr, framebuffer_size(fb), PADDR_LIMIT))
        return -EINVAL;
    rec->fb = *fb;
    return 0;
}

/* Its memory is the screen's and nobody else's, also when no map says so. */
static void framebuffer_check(struct boot_record *rec)
{
    paddr_t start = rec->fb.addr & PAGE_MASK;
    uint64_t size = ALIGN_UP(rec->fb.addr + framebuffer_size(&rec->fb), PAGE_SIZE) - start;

    if (rec->fb.width == 0)
        return;
    if (covers_image(rec, start, size) || covers_modules(rec, start, size)) {
        log_warn("framebuffer at %#llx lies over the kernel or a module, dropped",
                 (unsigned long long)rec->fb.addr);
        rec->fb = (struct boot_framebuffer){ 0 };
        return;
    }
    record_add_range(rec, start, size, MEM_FRAMEBUFFER, 0);
}

/* --- the whole --------------------------------------------------------------------------------- */

void record_init(struct boot_record *rec, const struct loader_handoff *h)
{
    memset(rec, 0, sizeof *rec);
    rec->protocol = h->protocol;
    rec->image_start = h->image_start;
    rec->image_end = h->image_end;
}

const void *record_map(const struct loader_handoff *h, paddr_t pa, uint64_t size)
{
    if (pa < h->early_start || pa >= h->early_end || size > h->early_end - pa)
        return NULL;
    return phys_to_virt(pa);
}

static uint64_t usable_bytes(const struct boot_record *rec)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < rec->range_count; i++)
        if (rec->ranges[i].kind == MEM_USABLE)
            sum += rec->ranges[i].size;
    return sum;
}

/* The kernel runs there: it is memory, and not free for anybody else, whatever a map says. */
static void image_claim(struct boot_record *rec)
{
    const struct mem_range image = { .kind = MEM_USABLE };
    bool done = false;

    sweep.count = 0;
    for (unsigned i = 0; i < rec->range_count; i++) {
        const struct mem_range *r = &rec->ranges[i];

        sweep_emit(r->start, MIN(range_end(r), rec->image_start), r);
        if (!done && range_end(r) > rec->image_start) {
            sweep_emit(rec->image_start, rec->image_end, &image);
            done = true;
        }
        sweep_emit(MAX(r->start, rec->image_end), range_end(r), r);
    }
    if (!done)
        sweep_emit(rec->image_start, rec->image_end, &image);
    sweep_trim();
    sweep_commit(rec);
}

/* Firmware that takes memory where the loader then puts a module (SeaBIOS, for many disks or a ramfb) has no
 * more use for it, but the module is there: what is reserved of [start, end) is mapped, and given to nobody. */
static void reserved_claim(struct boot_record *rec, paddr_t start, paddr_t end)
{
    sweep.count = 0;
    for (unsigned i = 0; i < rec->range_count; i++) {
        const struct mem_range *r = &rec->ranges[i];
        struct mem_range claimed = *r;

        if (r->kind == MEM_RESERVED)
            claimed.kind = MEM_NVS;
        sweep_emit(r->start, MIN(range_end(r), start), r);
        sweep_emit(MAX(r->start, start), MIN(range_end(r), end), &claimed);
        sweep_emit(MAX(r->start, end), range_end(r), r);
    }
    sweep_trim();
    sweep_commit(rec);
}

/* Does `pa` lie in usable memory, or in reserved that follows such without a gap?  That is RAM, too. */
static bool is_ram(const struct boot_record *rec, paddr_t pa)
{
    bool ram = false;
    paddr_t end = 0;

    for (unsigned i = 0; i < rec->range_count && rec->ranges[i].start <= pa; i++) {
        const struct mem_range *r = &rec->ranges[i];

        ram = r->kind == MEM_USABLE ||
              (ram && r->start == end && (r->kind == MEM_RESERVED || r->kind == MEM_NVS));
        end = range_end(r);
    }
    return ram && pa < end;
}

/* Where the loader put it, the firmware has taken RAM for itself? */
static bool module_reaches(const struct boot_record *rec, const struct boot_module *m)
{
    return is_ram(rec, m->start) &&
           is_of_kinds(rec, m->start, m->size, BIT(MEM_USABLE) | BIT(MEM_RESERVED));
}

/* Drops modules that do not lie in memory, or over the kernel. */
static void modules_check(struct boot_record *rec)
{
    unsigned kept = 0;

    for (unsigned i = 0; i < rec->module_count; i++) {
        const struct boot_module *m = &rec->modules[i];
        bool usable = is_usable(rec, m->start, m->size), reaches = !usable && module_reaches(rec, m);

        if ((usable || reaches) && !covers_image(rec, m->start, m->size)) {
            if (reaches)
                reserved_claim(rec, m->start, ALIGN_UP(m->start + m->size, PAGE_SIZE));
            rec->modules[kept++] = *m;
            continue;
        }
        log_warn("module at %#llx with %#llx bytes lies in no usable memory, dropped",
                 (unsigned long long)m->start, (unsigned long long)m->size);
    }
    rec->module_count = kept;
}

static err_t image_check(struct boot_record *rec)
{
    uint64_t size = rec->image_end - rec->image_start;

    if (rec->image_start >= rec->image_end || rec->image_end > PADDR_LIMIT)
        return -EINVAL;
    if (!is_usable(rec, rec->image_start, size)) {
        log_warn("the memory map does not call the kernel's memory at %#llx-%#llx usable: it is",
                 (unsigned long long)rec->image_start, (unsigned long long)rec->image_end);
        image_claim(rec);
    }
    if (is_usable(rec, rec->image_start, size) && usable_bytes(rec) > size)
        return 0;
    log_err("the loader describes no usable memory beside the kernel's");
    return -EINVAL;
}

uint64_t record_ram_room(const struct boot_record *rec, paddr_t pa, uint64_t max)
{
    uint64_t room = 0;

    while (room < max) {
        uint64_t step = MIN(PAGE_SIZE - (pa + room) % PAGE_SIZE, max - room);

        if (!record_map_ram(rec, pa + room, step))
            break;
        room += step;
    }
    return room;
}

err_t record_finish(struct boot_record *rec)
{
    err_t err;

    record_reclaim(rec);
    err = image_check(rec);
    if (err)
        return err;
    modules_check(rec);
    framebuffer_check(rec);
    return 0;
}

static const struct boot_protocol *protocol_find(enum loader_protocol protocol)
{
    registry_for_each(boot_protocol, p)
        if ((*p)->protocol == protocol)
            return *p;
    return NULL;
}

err_t boot_parse(const struct loader_handoff *h, struct boot_record *rec)
{
    const struct boot_protocol *p = protocol_find(h->protocol);
    err_t err;

    record_init(rec, h);
    if (!p)
        return -ENOENT;
    str_copy(rec->loader, p->name, sizeof rec->loader);
    err = p->parse(h, rec);
    return err ? err : record_finish(rec);
}
