// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: block devices in /sys and /proc, as lsblk, blkid, blockdev and sar look for them.
 *
 *     devices/PARENT/block/vda/{dev,size,ro,...}, queue/..., device -> the parent, subsystem
 *     block/vda, class/block/vda, dev/block/254:0     links to it
 *     /proc/partitions, /proc/diskstats, the block half of /proc/devices
 *
 * Locking: blockdevs_mutex for the lists in /proc.  A file of /sys that is open keeps its device.
 * Source: Documentation/ABI/stable/sysfs-block, Documentation/admin-guide/iostats.
 */
#include <fs/blockdev.h>

#include <fs/device.h>
#include <fs/procfs.h>
#include <lib/fmt.h>
#include <lib/string.h>
#include <mm/heap.h>
#include <svc/sysfs.h>

#include <linux/stat.h>

/* ---- what files say -------------------------------------------------------------------------- */

struct view_file {
    const char *name;
    uint64_t (*number)(const struct blockdev *d);
    ssize_t (*text)(const struct blockdev *d, char *out, size_t size); /* NULL: number, decimal */
    err_t (*store)(struct blockdev *d, const char *text);
};

static uint64_t zero(const struct blockdev *d) { return 0; }
static uint64_t one(const struct blockdev *d) { return 1; }
static uint64_t sectors(const struct blockdev *d) { return atomic_load_relaxed(&d->b->sectors); }
static uint64_t read_only(const struct blockdev *d) { return atomic_load_relaxed(&d->b->read_only); }
static uint64_t removable(const struct blockdev *d) { return d->b->removable; }
static uint64_t rotational(const struct blockdev *d) { return d->b->rotational; }
static uint64_t sequence(const struct blockdev *d) { return d->sequence; }
static uint64_t logical(const struct blockdev *d) { return d->b->logical; }
static uint64_t physical(const struct blockdev *d) { return d->b->physical; }
static uint64_t io_min(const struct blockdev *d) { return d->b->io_min; }
static uint64_t io_opt(const struct blockdev *d) { return d->b->io_opt; }
static uint64_t segments(const struct blockdev *d) { return d->b->segments_max; }
static uint64_t segment_bytes(const struct blockdev *d) { return d->b->segment_bytes_max; }
static uint64_t range(const struct blockdev *d) { return 16; }
static uint64_t ext_range(const struct blockdev *d) { return 256; }
static uint64_t requests(const struct blockdev *d) { return 256; }

static uint64_t request_kib(const struct blockdev *d)
{
    return MIN(d->b->segments_max, 64u) * (PAGE_SIZE / KiB);
}

static uint64_t ahead_kib(const struct blockdev *d)
{
    return atomic_load_relaxed(&d->ahead_pages) * (PAGE_SIZE / KiB);
}

static uint64_t discard_granularity(const struct blockdev *d)
{
    return d->b->discard_granularity;
}

static uint64_t discard_max(const struct blockdev *d)
{
    return (uint64_t)d->b->discard_sectors_max * SECTOR_BYTES;
}

static uint64_t zero_max(const struct blockdev *d)
{
    return (uint64_t)d->b->zero_sectors_max * SECTOR_BYTES;
}

static err_t ahead_store(struct blockdev *d, const char *text)
{
    uint64_t kib;

    if (str_to_u64(&text, 10, &kib) != 0 || (*text && *text != '\n'))
        return -EINVAL;
    atomic_store(&d->ahead_pages, (uint32_t)MIN(kib / (PAGE_SIZE / KiB), (uint64_t)AHEAD_PAGES_MAX));
    return 0;
}

static ssize_t show_dev(const struct blockdev *d, char *out, size_t size)
{
    return fmt_scnprintf(out, size, "%u:%u\n", DEV_MAJOR(d->dev), DEV_MINOR(d->dev));
}

static ssize_t show_uevent(const struct blockdev *d, char *out, size_t size)
{
    return fmt_scnprintf(out, size, "MAJOR=%u\nMINOR=%u\nDEVNAME=%s\nDEVTYPE=disk\nDISKSEQ=%llu\n",
                         DEV_MAJOR(d->dev), DEV_MINOR(d->dev), d->b->name,
                         (unsigned long long)d->sequence);
}

static ssize_t show_serial(const struct blockdev *d, char *out, size_t size)
{
    return fmt_scnprintf(out, size, "%s", d->b->serial);
}

static ssize_t show_cache(const struct blockdev *d, char *out, size_t size)
{
    return fmt_scnprintf(out, size, "%s\n", d->b->write_cache ? "write back" : "write through");
}

static ssize_t show_scheduler(const struct blockdev *d, char *out, size_t size)
{
    return fmt_scnprintf(out, size, "[none]\n");
}

static ssize_t show_zoned(const struct blockdev *d, char *out, size_t size)
{
    return fmt_scnprintf(out, size, "none\n");
}

static unsigned long long ms(ns_t ns)
{
    return ns / NS_PER_MSEC;
}

/* The seventeen numbers of /sys/block/NAME/stat and /proc/diskstats. */
static int stat_line(const struct blockdev *d, char *out, size_t size)
{
    struct block_stats s;
    int n = 0;

    block_stats_get(d->b, &s);
    for (enum block_op op = BLOCK_READ; op <= BLOCK_WRITE; op++)
        n += fmt_scnprintf(out + n, size - (size_t)n, "%llu 0 %llu %llu ",
                           (unsigned long long)s.requests[op], (unsigned long long)s.sectors[op],
                           ms(s.time[op]));
    n += fmt_scnprintf(out + n, size - (size_t)n, "%u %llu %llu ", s.in_flight, ms(s.busy),
                       ms(s.time[BLOCK_READ] + s.time[BLOCK_WRITE] + s.time[BLOCK_FLUSH]));
    n += fmt_scnprintf(out + n, size - (size_t)n, "%llu 0 %llu %llu %llu %llu\n",
                       (unsigned long long)s.requests[BLOCK_DISCARD], (unsigned long long)s.sectors[BLOCK_DISCARD],
                       ms(s.time[BLOCK_DISCARD]), (unsigned long long)s.requests[BLOCK_FLUSH],
                       ms(s.time[BLOCK_FLUSH]));
    return n;
}

static ssize_t show_stat(const struct blockdev *d, char *out, size_t size)
{
    return stat_line(d, out, size);
}

static ssize_t show_inflight(const struct blockdev *d, char *out, size_t size)
{
    struct block_stats s;

    block_stats_get(d->b, &s);
    return fmt_scnprintf(out, size, "%8u %8u\n", s.in_flight, 0);
}

static const struct view_file files[] = {
    { "dev", .text = show_dev },
    { "uevent", .text = show_uevent },
    { "size", .number = sectors },
    { "ro", .number = read_only },
    { "removable", .number = removable },
    { "range", .number = range },
    { "ext_range", .number = ext_range },
    { "hidden", .number = zero },
    { "capability", .number = zero },
    { "alignment_offset", .number = zero },
    { "discard_alignment", .number = zero },
    { "diskseq", .number = sequence },
    { "serial", .text = show_serial },
    { "cache_type", .text = show_cache },
    { "stat", .text = show_stat },
    { "inflight", .text = show_inflight },
    { "queue/logical_block_size", .number = logical },
    { "queue/hw_sector_size", .number = logical },
    { "queue/physical_block_size", .number = physical },
    { "queue/minimum_io_size", .number = io_min },
    { "queue/optimal_io_size", .number = io_opt },
    { "queue/max_sectors_kb", .number = request_kib },
    { "queue/max_hw_sectors_kb", .number = request_kib },
    { "queue/max_segments", .number = segments },
    { "queue/max_segment_size", .number = segment_bytes },
    { "queue/read_ahead_kb", .number = ahead_kib, .store = ahead_store },
    { "queue/rotational", .number = rotational },
    { "queue/nr_requests", .number = requests },
    { "queue/scheduler", .text = show_scheduler },
    { "queue/write_cache", .text = show_cache },
    { "queue/discard_granularity", .number = discard_granularity },
    { "queue/discard_max_bytes", .number = discard_max },
    { "queue/discard_max_hw_bytes", .number = discard_max },
    { "queue/discard_zeroes_data", .number = zero },
    { "queue/write_same_max_bytes", .number = zero },
    { "queue/write_zeroes_max_bytes", .number = zero_max },
    { "queue/zone_append_max_bytes", .number = zero },
    { "queue/zoned", .text = show_zoned },
    { "queue/nr_zones", .number = zero },
    { "queue/max_open_zones", .number = zero },
    { "queue/max_active_zones", .number = zero },
    { "queue/chunk_sectors", .number = zero },
    { "queue/dax", .number = zero },
    { "queue/fua", .number = zero },
    { "queue/add_random", .number = zero },
    { "queue/iostats", .number = one },
    { "queue/nomerges", .number = zero },
    { "queue/stable_writes", .number = zero },
    { "queue/io_poll", .number = zero },
};

/* ---- /sys ------------------------------------------------------------------------------------ */

struct shown {
    struct blockdev *d; /* with a reference */
    const struct view_file *file;
};

static ssize_t shown_show(void *arg, char *out, size_t size)
{
    const struct shown *s = arg;

    if (s->file->text)
        return s->file->text(s->d, out, size);
    return fmt_scnprintf(out, size, "%llu\n", (unsigned long long)s->file->number(s->d));
}

static err_t shown_store(void *arg, const char *text, size_t n)
{
    const struct shown *s = arg;

    return s->file->store(s->d, text);
}

static void shown_release(void *arg)
{
    struct shown *s = arg;

    blockdev_put(s->d);
    kfree(s);
}

struct view_path {
    char text[512];
};

static const char *path_of(struct view_path *p, const struct blockdev *d, const char *name)
{
    fmt_snprintf(p->text, sizeof p->text, "%s/block/%s%s%s", d->b->parent, d->b->name,
                 name[0] ? "/" : "", name);
    return p->text;
}

static err_t file_show(const struct sysfs_service *sysfs, struct blockdev *d, const struct view_file *file,
                       struct view_path *path)
{
    struct shown *s = kmalloc(sizeof *s);
    struct sysfs_file f = { .path = path_of(path, d, file->name),
                            .mode = file->store ? 0644 : 0444,
                            .show = shown_show,
                            .store = file->store ? shown_store : NULL,
                            .arg = s,
                            .release = shown_release };
    err_t err;

    if (!s)
        return -ENOMEM;
    blockdev_get(d);
    *s = (struct shown){ d, file };
    err = sysfs->add(&f);
    if (err != 0)
        shown_release(s);
    return err;
}

static err_t link_show(const struct sysfs_service *sysfs, const char *path, const char *target)
{
    return sysfs->add(&(struct sysfs_file){ .path = path, .mode = S_IFLNK | 0777, .link = target });
}

/* "../" for each directory of the path. */
static void ups_for(const char *path, char *out, size_t size)
{
    size_t n = 0;

    out[0] = '\0';
    for (const char *s = path; (s = strchr(s, '/')) != NULL && n + 4 < size; s++)
        n += (size_t)fmt_scnprintf(out + n, size - n, "../");
}

/* One of the three places that lead to the device: "block/vda", "class/block/vda", "dev/block/254:0". */
static void place_of(const struct blockdev *d, unsigned which, char *out, size_t size)
{
    if (which == 2)
        fmt_snprintf(out, size, "dev/block/%u:%u", DEV_MAJOR(d->dev), DEV_MINOR(d->dev));
    else
        fmt_snprintf(out, size, "%sblock/%s", which ? "class/" : "", d->b->name);
}

static err_t places_show(const struct sysfs_service *sysfs, struct blockdev *d, struct view_path *path)
{
    char place[64], ups[32], target[600];
    err_t err = 0;

    for (unsigned i = 0; i < 3 && err == 0; i++) {
        place_of(d, i, place, sizeof place);
        ups_for(place, ups, sizeof ups);
        fmt_snprintf(target, sizeof target, "%s%s", ups, path_of(path, d, ""));
        err = link_show(sysfs, place, target);
    }
    return err;
}

static err_t links_show(const struct sysfs_service *sysfs, struct blockdev *d, struct view_path *path)
{
    char target[600];
    const char *parent = strrchr(d->b->parent, '/');
    err_t err;

    fmt_snprintf(target, sizeof target, "../../../%s", parent ? parent + 1 : d->b->parent);
    err = link_show(sysfs, path_of(path, d, "device"), target);
    if (err != 0)
        return err;
    ups_for(path_of(path, d, "subsystem"), target, sizeof target);
    str_copy(target + strlen(target), "class/block", sizeof target - strlen(target));
    err = link_show(sysfs, path->text, target);
    for (unsigned i = 0; i < 2 && err == 0; i++)
        err = sysfs->add(&(struct sysfs_file){ .path = path_of(path, d, i ? "holders" : "slaves"),
                                               .mode = S_IFDIR | 0555 });
    return err;
}

err_t view_add(struct blockdev *d)
{
    const struct sysfs_service *sysfs;
    struct view_path *path;
    err_t err = 0;

    if (service_find_sysfs(NULL, &sysfs) != 0)
        return 0; /* there is no /sys to show it in */
    path = kmalloc(sizeof *path);
    if (!path)
        return -ENOMEM;
    for (size_t i = 0; i < ARRAY_SIZE(files) && err == 0; i++)
        err = file_show(sysfs, d, &files[i], path);
    if (err == 0)
        err = links_show(sysfs, d, path);
    if (err == 0)
        err = places_show(sysfs, d, path);
    kfree(path);
    if (err != 0)
        view_remove(d);
    return err;
}

void view_remove(struct blockdev *d)
{
    const struct sysfs_service *sysfs;
    struct view_path *path;
    char place[64];

    if (service_find_sysfs(NULL, &sysfs) != 0)
        return;
    for (unsigned i = 0; i < 3; i++) {
        place_of(d, i, place, sizeof place);
        sysfs->remove(place);
    }
    path = kmalloc(sizeof *path);
    if (!path)
        return; /* the parent's directory goes soon, with all in it */
    fmt_snprintf(path->text, sizeof path->text, "%s/block", d->b->parent);
    sysfs->remove(path->text);
    kfree(path);
}

/* ---- /proc ----------------------------------------------------------------------------------- */

static void show_partitions(struct textbuf *out, void *arg)
{
    struct blockdev *d;

    mutex_lock(&blockdevs_mutex);
    if (!list_empty(&blockdevs))
        text_printf(out, "major minor  #blocks  name\n\n");
    list_for_each(d, &blockdevs, link)
        text_printf(out, "%4u  %7u %10llu %s\n", DEV_MAJOR(d->dev), DEV_MINOR(d->dev),
                    (unsigned long long)(sectors(d) * SECTOR_BYTES / KiB), d->b->name);
    mutex_unlock(&blockdevs_mutex);
}
PROC_FILE(partitions, "partitions", 0444, show_partitions);

static void show_diskstats(struct textbuf *out, void *arg)
{
    struct blockdev *d;
    char line[400];

    mutex_lock(&blockdevs_mutex);
    list_for_each(d, &blockdevs, link) {
        stat_line(d, line, sizeof line);
        text_printf(out, "%4u %7u %s %s", DEV_MAJOR(d->dev), DEV_MINOR(d->dev), d->b->name, line);
    }
    mutex_unlock(&blockdevs_mutex);
}
PROC_FILE(diskstats, "diskstats", 0444, show_diskstats);

void block_majors_show(struct textbuf *out)
{
    unsigned last = UINT_MAX;
    struct blockdev *d;

    mutex_lock(&blockdevs_mutex);
    list_for_each(d, &blockdevs, link) {
        if (DEV_MAJOR(d->dev) != last)
            text_printf(out, "%3u %s\n", DEV_MAJOR(d->dev), d->b->driver_name);
        last = DEV_MAJOR(d->dev);
    }
    mutex_unlock(&blockdevs_mutex);
}
