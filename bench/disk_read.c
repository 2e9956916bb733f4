// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: how fast a disk is read from its beginning to its end, with nothing of it in memory: /init of the
 *   metric disk_read.
 * Model: loads the modules of /modules/order (Linux), then ROUNDS times: throws the page cache away (BLKFLSBUF),
 *   reads all of the disk by 1 MiB.  Prints KiB/s of each round, and the sum of the bytes, which both kernels must
 *   agree on.
 */
#include <fcntl.h>
#include <linux/fs.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define ROUNDS 7
#define STEP (1 << 20)

static char buffer[STEP];

static void modules_load(void)
{
    char name[128], path[256];
    FILE *order = fopen("/modules/order", "r");

    while (order && fscanf(order, "%127s", name) == 1) {
        snprintf(path, sizeof path, "/modules/%s", name);
        int fd = open(path, O_RDONLY);
        if (fd < 0 || syscall(SYS_finit_module, fd, "", 0) != 0)
            perror(path);
        close(fd);
    }
}

static int disk_open(void)
{
    for (int i = 0; i < 200; i++, usleep(50000)) {
        int fd = open("/dev/vda", O_RDONLY);
        if (fd >= 0)
            return fd;
    }
    perror("/dev/vda");
    return -1;
}

static double seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

static void round_run(int fd, int number)
{
    uint64_t bytes = 0, sum = 0;
    double begin;
    ssize_t n;

    if (ioctl(fd, BLKFLSBUF, 0) != 0)
        perror("BLKFLSBUF");
    lseek(fd, 0, SEEK_SET);
    begin = seconds();
    while ((n = read(fd, buffer, sizeof buffer)) > 0) {
        bytes += (uint64_t)n;
        for (ssize_t i = 0; i + 8 <= n; i += 4096)
            sum = sum * 31 + *(uint64_t *)(buffer + i);
    }
    printf("DISK-READ %d %.0f %llx\n", number, bytes / 1024.0 / (seconds() - begin),
           (unsigned long long)sum);
}

int main(void)
{
    mount("devtmpfs", "/dev", "devtmpfs", 0, NULL);
    mount("proc", "/proc", "proc", 0, NULL);
    freopen("/dev/console", "w", stdout);
    freopen("/dev/console", "w", stderr);
    setvbuf(stdout, NULL, _IOLBF, 0);
    modules_load();
    int fd = disk_open();
    for (int i = 0; fd >= 0 && i < ROUNDS; i++)
        round_run(fd, i);
    puts("DISK-READ-DONE");
    reboot(RB_POWER_OFF);
    return 0;
}
