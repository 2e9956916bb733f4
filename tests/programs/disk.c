// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: /dev/vda as programs use it: mappings, O_DIRECT, ends, requests.  Prints what it found; the same on Linux.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define MIB (1 << 20)
/* <linux/fs.h>, which musl's headers do not bring along */
#define BLKROSET _IO(0x12, 93)
#define BLKROGET _IO(0x12, 94)
#define BLKGETSIZE _IO(0x12, 96)
#define BLKFLSBUF _IO(0x12, 97)
#define BLKSSZGET _IO(0x12, 104)
#define BLKBSZGET _IOR(0x12, 112, size_t)
#define BLKGETSIZE64 _IOR(0x12, 114, size_t)

static int fd, direct;
static char *aligned;

static void say(const char *what, long value)
{
    if (value < 0)
        printf("%s: error %d\n", what, errno);
    else
        printf("%s: %ld\n", what, value);
}

static void ends(void)
{
    struct stat st;
    char byte[4096];

    fstat(fd, &st);
    printf("block device: %d, %u:%u, st_size %ld\n", S_ISBLK(st.st_mode), (unsigned)(st.st_rdev >> 8 & 0xfff),
           (unsigned)(st.st_rdev & 0xff), (long)st.st_size);
    say("end", lseek(fd, 0, SEEK_END) / MIB);
    say("read at the end", read(fd, byte, 1));
    say("write at the end", write(fd, byte, 1));
    say("read across the end", pread(fd, byte, sizeof byte, 64L * MIB - 10));
    say("write across the end", pwrite(fd, byte, sizeof byte, 64L * MIB - 10));
    say("seek beyond", lseek(fd, 64L * MIB + 1, SEEK_SET));
    say("truncate", ftruncate(fd, 0));
}

/* What the device holds at `offset`, past the page cache. */
static int on_disk(long offset, char c)
{
    if (pread(direct, aligned, 4096, offset & -4096) != 4096)
        return -1;
    return aligned[offset & 4095] == c;
}

static void mappings(void)
{
    char *map = mmap(NULL, 4 * MIB, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 8 * MIB);
    char *copy = mmap(NULL, MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 8 * MIB);

    printf("mapped: %d\n", map != MAP_FAILED && copy != MAP_FAILED);
    map[100] = 'a';
    map[3 * MIB] = 'b';
    copy[200] = 'p';
    say("msync", msync(map, 4 * MIB, MS_SYNC));
    printf("on disk: %d %d, private: %d\n", on_disk(8 * MIB + 100, 'a'), on_disk(11 * MIB, 'b'),
           on_disk(8 * MIB + 200, 'p'));
    map[100] = 'c'; /* after it was clean */
    say("fsync", fsync(fd));
    printf("again: %d\n", on_disk(8 * MIB + 100, 'c'));
    say("pwrite", pwrite(fd, "d", 1, 8 * MIB + 101));
    printf("mapping sees it: %d\n", map[101] == 'd');
    if (fork() == 0) {
        map[102] = 'e';
        _exit(0);
    }
    usleep(300000);
    sync();
    printf("a child's: %d\n", on_disk(8 * MIB + 102, 'e'));
    munmap(map, 4 * MIB);
    munmap(copy, MIB);
}

static void past_the_cache(void)
{
    memset(aligned, 'x', 8192);
    say("direct write", pwrite(direct, aligned, 8192, 20 * MIB));
    char c = 0;
    say("read", pread(fd, &c, 1, 20 * MIB + 5000));
    printf("agrees: %d\n", c == 'x');
    say("write", pwrite(fd, "y", 1, 20 * MIB + 1));
    printf("direct read sees it: %d\n", on_disk(20 * MIB + 1, 'y'));
    say("not aligned", pread(direct, aligned, 100, 0));
    say("not aligned either", pread(direct, aligned + 1, 512, 0));
    say("nor this", pread(direct, aligned, 512, 7));
}

static void requests(void)
{
    uint64_t bytes = 0;
    unsigned long sectors = 0;
    int size = 0, ro = -1, block = 0, on = 1;

    say("BLKGETSIZE64", ioctl(fd, BLKGETSIZE64, &bytes));
    say("BLKGETSIZE", ioctl(fd, BLKGETSIZE, &sectors));
    say("BLKSSZGET", ioctl(fd, BLKSSZGET, &size));
    say("BLKBSZGET", ioctl(fd, BLKBSZGET, &block));
    say("BLKROGET", ioctl(fd, BLKROGET, &ro));
    printf("%lu bytes, %lu sectors of %d, read-only %d\n", (unsigned long)bytes, sectors, size, ro);
    say("BLKFLSBUF", ioctl(fd, BLKFLSBUF, 0));
    say("BLKROSET", ioctl(fd, BLKROSET, &on));
    say("write", pwrite(fd, "z", 1, 0));
    on = 0;
    say("BLKROSET", ioctl(fd, BLKROSET, &on));
    say("TIOCGWINSZ", ioctl(fd, 0x5413, &size));
}

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    fd = open("/dev/vda", O_RDWR);
    direct = open("/dev/vda", O_RDWR | O_DIRECT);
    if (fd < 0 || direct < 0 || posix_memalign((void **)&aligned, 4096, 16384) != 0)
        return 1;
    ends();
    mappings();
    past_the_cache();
    requests();
    return 0;
}
