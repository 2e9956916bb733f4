// SPDX-License-Identifier: CC0-1.0
/* Purpose: the only file of the kernel that talks to the C library. */
#define _GNU_SOURCE
#include "os.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

static int ram_fd = -1;
static uint64_t ram_bytes;
void (*os_fatal_hook)(const char *text);

void os_fatal(const char *format, ...)
{
    char line[512];
    va_list ap;

    va_start(ap, format);
    vsnprintf(line, sizeof(line), format, ap);
    va_end(ap);
    if (os_fatal_hook != NULL)
        os_fatal_hook(line);
    fprintf(stderr, "devine-host: %s\n", line);
    _exit(2);
}

void os_ram_create(uint64_t bytes)
{
    ram_fd = memfd_create("devine-ram", MFD_CLOEXEC);
    ram_bytes = bytes;
    if (ram_fd < 0 || ftruncate(ram_fd, (off_t)bytes) != 0)
        os_fatal("no memory file of %llu bytes: %s", (unsigned long long)bytes, strerror(errno));
}

void os_ram_used(void (*fn)(uint64_t offset, uint64_t bytes))
{
    off_t data = 0, hole;

    while ((data = lseek(ram_fd, data, SEEK_DATA)) >= 0) {
        hole = lseek(ram_fd, data, SEEK_HOLE);
        fn((uint64_t)data, (uint64_t)(hole - data));
        data = hole;
    }
}

bool os_ram_is_used(uint64_t offset)
{
    return lseek(ram_fd, (off_t)offset, SEEK_DATA) == (off_t)offset;
}

static int prot_flags(unsigned prot)
{
    return (prot & OS_READ ? PROT_READ : 0) | (prot & OS_WRITE ? PROT_WRITE : 0) |
           (prot & OS_EXEC ? PROT_EXEC : 0);
}

static void map_fixed(uintptr_t at, size_t bytes, int prot, int flags, int fd, off_t offset)
{
    void *p = mmap((void *)at, bytes, prot, flags | MAP_FIXED | MAP_NORESERVE, fd, offset);

    if (p != (void *)at)
        os_fatal("cannot map %zu bytes at %#zx: %s", bytes, (size_t)at, strerror(errno));
}

void os_ram_map(uintptr_t at, size_t bytes, uint64_t offset, unsigned prot)
{
    if (offset + bytes > ram_bytes)
        os_fatal("mapping of %#llx: beyond the end of RAM", (unsigned long long)offset);
    map_fixed(at, bytes, prot_flags(prot), MAP_SHARED, ram_fd, (off_t)offset);
}

void os_device_map(uintptr_t at, size_t bytes, unsigned prot)
{
    map_fixed(at, bytes, prot_flags(prot), MAP_SHARED | MAP_ANONYMOUS, -1, 0);
}

void os_unmap(uintptr_t at, size_t bytes)
{
    munmap((void *)at, bytes);
}

void os_write(int fd, const char *s, size_t n)
{
    while (n > 0) {
        ssize_t done = write(fd, s, n);

        if (done < 0 && errno != EINTR)
            return;
        if (done > 0) {
            s += done;
            n -= (size_t)done;
        }
    }
}

const char *os_getenv(const char *name)
{
    return getenv(name);
}

uint64_t os_time_seed(void)
{
    struct timespec t;

    clock_gettime(CLOCK_REALTIME, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

bool os_random(void *buf, size_t n)
{
    return getrandom(buf, n, 0) == (ssize_t)n;
}

void os_exit(int status)
{
    exit(status);
}

/* Read by the address sanitizer at its start: stacks are our own, nothing is malloc'ed, and a null
 * pointer shall be reported rather than caught by anybody. */
__attribute__((visibility("default"), used)) const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "detect_leaks=0:detect_stack_use_after_return=0:abort_on_error=0";
}

__attribute__((visibility("default"), used)) const char *__ubsan_default_options(void);
const char *__ubsan_default_options(void)
{
    return "print_stacktrace=1";
}
