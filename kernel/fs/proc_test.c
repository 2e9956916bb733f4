// SPDX-License-Identifier: CC0-1.0
/* Purpose: tests of the texts of /proc and /sys: numbers, and each file's shape. */
#include <core/ktest.h>
#include <core/log.h>
#include <core/panic.h>
#include <fs/internal.h>
#include <fs/kmsg.h>
#include <fs/proc_format.h>
#include <fs/procfs.h>
#include <fs/uts.h>
#include <lib/string.h>
#include <mm/frame.h>
#include <mm/heap.h>
#include <mm/numa.h>
#include <svc/sysfs.h>

/* What an expression prints to `out` equals the text. */
#define EXPECT_TEXT(call, text)                                                                    \
    do {                                                                                           \
        struct textbuf out_ = { 0 }, *out = &out_;                                                 \
        call;                                                                                      \
        text_append(out, "", 0);                                                                   \
        KTEST_STR_EQ(out_.data, text);                                                             \
        text_free(out);                                                                            \
    } while (0)

KTEST(proc_format, numbers)
{
    EXPECT_TEXT(format_centiseconds(out, 12345678901ull), "12.34");
    EXPECT_TEXT(format_centiseconds(out, 0), "0.00");
    EXPECT_TEXT(format_load(out, 0), "0.00");
    EXPECT_TEXT(format_load(out, 65536), "1.00");
    EXPECT_TEXT(format_load(out, 65536 * 3 / 2 + 300), "1.50");
    EXPECT_TEXT(format_load(out, 65500), "1.00");
    EXPECT_TEXT(format_kib(out, "MemTotal", 61440), "MemTotal:         245760 kB\n");
    EXPECT_TEXT(format_kib(out, "Committed_AS", 1), "Committed_AS:          4 kB\n");
}

KTEST(proc_format, sets)
{
    const uint64_t one[1] = { 1 }, some[1] = { 0x10f }, low[1] = { 0xff }, wide[1] = { ~0ull },
                   high[2] = { 1ull << 32, 1 };

    EXPECT_TEXT(format_list(out, one, 1), "0\n");
    EXPECT_TEXT(format_list(out, some, 9), "0-3,8\n");
    EXPECT_TEXT(format_list(out, wide, 64), "0-63\n");
    EXPECT_TEXT(format_list(out, one + 0, 0), "\n");
    EXPECT_TEXT(format_list(out, high, 65), "32,64\n");
    EXPECT_TEXT(format_mask(out, one, 1), "1\n");
    EXPECT_TEXT(format_mask(out, low, 4), "f\n");
    EXPECT_TEXT(format_mask(out, one, 8), "01\n");
    EXPECT_TEXT(format_mask(out, wide, 40), "ff,ffffffff\n");
    EXPECT_TEXT(format_mask(out, high, 65), "1,00000001,00000000\n");
}

KTEST(proc_format, uuid)
{
    uint8_t ones[16];

    memset(ones, 0xff, sizeof ones);
    EXPECT_TEXT(format_uuid(out, ones), "ffffffff-ffff-4fff-bfff-ffffffffffff\n");
}

KTEST(proc_format, parse)
{
    const char *s = " \t-12 +3";
    int64_t v = 0;

    KTEST_EQ(parse_number(&s, &v), 0);
    KTEST_EQ(v, -12);
    KTEST_EQ(parse_number(&s, &v), -EINVAL);
    KTEST_EQ(parse_only_number("7\n", 0, 7, &v), 0);
    KTEST_EQ(v, 7);
    KTEST_EQ(parse_only_number("8\n", 0, 7, &v), -EINVAL);
    KTEST_EQ(parse_only_number("7 7\n", 0, 7, &v), -EINVAL);
    KTEST_EQ(parse_only_number("", 0, 7, &v), -EINVAL);
    KTEST_EQ(parse_only_number("99999999999999999999", 0, 7, &v), -EINVAL);
}

static const struct pseudo_file *file_named(const char *path)
{
    registry_for_each(pseudo, e)
        if (strcmp((*e)->file.path, path) == 0)
            return &(*e)->file;
    return NULL;
}

/* The text of one file; to be freed. */
static struct textbuf show(struct ktest *t, const char *path)
{
    const struct pseudo_file *f = file_named(path);
    struct textbuf out = { 0 };

    text_append(&out, "", 0);
    if (KTEST_TRUE(f != NULL && f->show != NULL))
        f->show(&out, f->arg);
    return out;
}

/* Writes to a file as its owner would. */
static err_t store(const char *path, const char *text)
{
    const struct pseudo_file *f = file_named(path);

    return f && f->store ? f->store(text, strlen(text), f->arg) : -EACCES;
}

/* The number behind `name` in a file of lines; UINT64_MAX: there is none. */
/* The number behind a name; UINT64_MAX: there is none.  Frees the text. */
static uint64_t number_in(struct textbuf out, const char *name)
{
    const char *at = strstr(out.data, name);
    uint64_t v = UINT64_MAX;

    if (at) {
        at += strlen(name);
        while (*at == ' ' || *at == ':')
            at++;
        if (str_to_u64(&at, 10, &v) != 0)
            v = UINT64_MAX;
    }
    text_free(&out);
    return v;
}

static uint64_t value_of(struct ktest *t, const char *path, const char *name)
{
    return number_in(show(t, path), name);
}

KTEST(procfs, every_file_is_lines)
{
    registry_for_each(pseudo, e)
    {
        const struct pseudo_file *f = &(*e)->file;
        struct textbuf out = { 0 };

        if (!f->show)
            continue;
        f->show(&out, f->arg);
        if (out.error != 0 || (out.length > 0 && out.data[out.length - 1] != '\n'))
            ktest_fail(t, __FILE__, __LINE__, "/%s/%s: error %d", (*e)->filesystem, f->path,
                       out.error);
        text_free(&out);
    }
}

KTEST(procfs, meminfo_adds_up)
{
    uint64_t total = value_of(t, "meminfo", "MemTotal"), free = value_of(t, "meminfo", "MemFree");

    KTEST_EQ(total, frame_total() * 4);
    KTEST_TRUE(free <= total);
    KTEST_TRUE(value_of(t, "meminfo", "MemAvailable") <= total);
    KTEST_TRUE(value_of(t, "meminfo", "Slab") + value_of(t, "meminfo", "Cached") <= total - free);
}

KTEST(procfs, nodes_add_up)
{
    static const char *const names[] = { "MemTotal", "PageTables", "Shmem", "KernelStack", "Slab" };

    for (unsigned i = 0; i < ARRAY_SIZE(names); i++) {
        uint64_t all = value_of(t, "meminfo", names[i]), sum = 0;

        for (unsigned node = 0; node < numa.count; node++) {
            struct textbuf out = { 0 };

            format_node_meminfo(&out, node);
            sum += number_in(out, names[i]);
        }
        if (sum > all + 1024 || all > sum + 1024) /* others run meanwhile */
            ktest_fail(t, __FILE__, __LINE__, "%s: %llu KiB of %llu", names[i],
                       (unsigned long long)sum, (unsigned long long)all);
    }
}

KTEST(procfs, stat_has_linux_lines)
{
    struct textbuf out = show(t, "stat");

    KTEST_TRUE(str_starts_with(out.data, "cpu  "));
    KTEST_TRUE(strstr(out.data, "\ncpu0 ") != NULL);
    KTEST_TRUE(strstr(out.data, "\nintr ") != NULL);
    KTEST_TRUE(strstr(out.data, "\nprocs_running ") != NULL);
    text_free(&out);
}

KTEST(procfs, names_can_be_set)
{
    struct new_utsname before;

    uts_get(&before);
    KTEST_EQ(store("sys/kernel/hostname", "tester\nrest"), 0);
    EXPECT_TEXT(text_free(out); *out = show(t, "sys/kernel/hostname"), "tester\n");
    KTEST_EQ(store("sys/kernel/osrelease", "7"), -EACCES);
    KTEST_EQ(uts_set_nodename(before.nodename, strlen(before.nodename)), 0);
}

KTEST(procfs, settings_take_what_has_an_effect)
{
    unsigned level = log_console_level();
    int64_t timeout = panic_timeout_get();

    KTEST_EQ(store("sys/kernel/printk", "3\n"), 0);
    KTEST_EQ(log_console_level(), 3);
    KTEST_EQ(store("sys/kernel/printk", "3 5 1 5\n"), 0);
    KTEST_EQ(store("sys/kernel/printk", "3 4\n"), -EINVAL);
    KTEST_EQ(store("sys/kernel/printk", "3 5 1 5 9\n"), -EINVAL);
    log_console_level_set(level);
    KTEST_EQ(store("sys/kernel/panic", "-5\n"), 0);
    KTEST_EQ(panic_timeout_get(), -1);
    panic_timeout_set(timeout);
    KTEST_EQ(store("sys/vm/drop_caches", "4\n"), -EINVAL);
    KTEST_EQ(store("sys/vm/drop_caches", "3\n"), 0);
}

KTEST(procfs, counts_follow)
{
    uint64_t files = file_count(), inodes = inode_count();
    struct file *f;

    KTEST_REQUIRE(file_open(AT_FDCWD, "/", O_RDONLY | O_DIRECTORY, 0, &f) == 0);
    KTEST_EQ(file_count(), files + 1);
    KTEST_EQ(inode_count(), inodes);
    file_put(f);
    KTEST_EQ(file_count(), files);
}

/* Reads the stream to its end with buffers of `size` bytes.  Return: bytes. */
static size_t drain(char *buf, size_t size)
{
    size_t sum = 0;

    for (;;) {
        struct uio u;

        uio_init_kernel(&u, buf, size);
        ssize_t n = kmsg_consume(&u, true);
        if (n <= 0)
            return sum;
        sum += (size_t)n;
    }
}

KTEST(procfs, kmsg_is_used_up)
{
    char *buf = kmalloc(4096);
    size_t whole;

    KTEST_REQUIRE(buf != NULL);
    drain(buf, 4096);
    KTEST_EQ(kmsg_unread(), 0);
    log_write(LOG_DEBUG, "test", "a record for the stream");
    whole = (size_t)kmsg_unread();
    KTEST_TRUE(whole > 24);
    KTEST_EQ(drain(buf, 7), whole); /* in parts */
    KTEST_EQ(kmsg_unread(), 0);
    kfree(buf);
}

/* ---- files that come and go ---- */

static unsigned released;

static ssize_t sysfs_test_show(void *arg, char *out, size_t size)
{
    memcpy(out, arg, 3);
    return 3;
}

static ssize_t sysfs_test_read(void *arg, void *buf, size_t n, uint64_t offset, bool privileged)
{
    if (offset >= 8)
        return 0;
    n = MIN(n, 8 - (size_t)offset);
    memset(buf, privileged ? 'p' : 'u', n);
    return (ssize_t)n;
}

static void sysfs_test_release(void *arg)
{
    released++;
}

static err_t sysfs_open(const struct path *root, const char *name, struct file **out)
{
    struct path p;
    err_t err = path_lookup_from(root, AT_FDCWD, name, 0, &p);

    if (err)
        return err;
    err = file_open_path(&p, O_RDONLY, out);
    path_put(&p);
    return err;
}

KTEST(sysfs, files_come_and_go)
{
    const struct filesystem *fs = filesystem_find("sysfs");
    const struct sysfs_service *sysfs;
    struct mount *m;
    struct file *text, *binary, *gone;
    char buf[16];

    released = 0;
    KTEST_REQUIRE(fs && service_find_sysfs(NULL, &sysfs) == 0);
    KTEST_REQUIRE(mount_create(fs, "sysfs", 0, NULL, &m) == 0);
    struct path root = { m, m->root };
    struct sysfs_file file = { .path = "ktest/dir/text", .mode = 0444, .show = sysfs_test_show,
                               .arg = (void *)"yes", .release = sysfs_test_release };
    struct sysfs_file bytes = { .path = "ktest/dir/bytes", .mode = 0444, .read = sysfs_test_read,
                                .size = 8, .release = sysfs_test_release };
    KTEST_EQ(sysfs->add(&file), 0);
    KTEST_EQ(sysfs->add(&file), -EEXIST);
    KTEST_EQ(sysfs->add(&bytes), 0);
    /* One that is there already, made for what is in it: nothing is kept for it twice. */
    KTEST_EQ(sysfs->add(&(struct sysfs_file){ .path = "ktest/dir", .mode = S_IFDIR | 0755 }), 0);
    file.path = "ktest/dir/text/below";
    KTEST_EQ(sysfs->add(&file), -ENOTDIR);
    KTEST_REQUIRE(sysfs_open(&root, "ktest/dir/text", &text) == 0);
    KTEST_REQUIRE(sysfs_open(&root, "ktest/dir/bytes", &binary) == 0);
    KTEST_EQ(file_read_at(binary, buf, sizeof buf, 5), 3);
    KTEST_EQ(buf[0], 'p');
    KTEST_EQ(file_read_at(binary, buf, sizeof buf, 8), 0);
    sysfs->remove("ktest/no/such");
    sysfs->remove("devices/system/cpu"); /* not removable */
    KTEST_EQ(sysfs_open(&root, "devices/system/cpu/online", &gone), 0);
    file_put(gone);
    sysfs->remove("ktest");
    KTEST_EQ(sysfs_open(&root, "ktest/dir/text", &gone), -ENOENT);
    KTEST_EQ(released, 0);
    KTEST_EQ(file_read_at(text, buf, sizeof buf, 0), 3);
    file.path = "ktest/dir/text"; /* and again, while the old one is open */
    KTEST_EQ(sysfs->add(&file), 0);
    KTEST_REQUIRE(sysfs_open(&root, "ktest/dir/text", &gone) == 0);
    file_put(gone);
    file_put(text);
    KTEST_EQ(released, 1);
    file_put(binary);
    KTEST_EQ(released, 2);
    sysfs->remove("ktest/dir/text");
    KTEST_EQ(released, 3);
    sysfs->remove("ktest");
    mount_put(m);
}
