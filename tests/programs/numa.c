// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: memory policies, told through where pages really lie: on a machine of two memory nodes, the CPU
 * on node 0.
 * Model: prints one line for each thing; the same comes out under Linux.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGES 16
#define PAGE 4096ul

enum { MPOL_DEFAULT, MPOL_PREFERRED, MPOL_BIND, MPOL_INTERLEAVE, MPOL_LOCAL, MPOL_PREFERRED_MANY, MPOL_MAX };
enum { MPOL_F_STATIC_NODES = 1 << 15, MPOL_F_RELATIVE_NODES = 1 << 14 };
enum { MPOL_F_NODE = 1, MPOL_F_ADDR = 2, MPOL_F_MEMS_ALLOWED = 4 };
enum { MPOL_MF_STRICT = 1, MPOL_MF_MOVE = 2, MPOL_MF_MOVE_ALL = 4 };

#ifndef SYS_set_mempolicy_home_node
#define SYS_set_mempolicy_home_node 450
#endif

static long set_policy(int mode, unsigned long nodes)
{
    return syscall(SYS_set_mempolicy, mode, &nodes, 65ul);
}

static long get_policy(int *mode, unsigned long *nodes, void *addr, unsigned long flags)
{
    *nodes = 0;
    return syscall(SYS_get_mempolicy, mode, nodes, 65ul, addr, flags);
}

static long bind_range(void *addr, unsigned long length, int mode, unsigned long nodes, unsigned flags)
{
    return syscall(SYS_mbind, addr, length, mode, &nodes, 65ul, flags);
}

/* What a call returned, or its error as a negative number. */
static const char *result(long r)
{
    static char text[32];

    snprintf(text, sizeof text, "%ld", r < 0 ? -errno : r);
    return text;
}

/* Memory that cannot merge with a neighbour. */
static char *map(size_t pages, int flags)
{
    char *p = mmap(NULL, (pages + 2) * PAGE, PROT_NONE, MAP_ANONYMOUS | flags, -1, 0);

    if (p == MAP_FAILED || mprotect(p + PAGE, pages * PAGE, PROT_READ | PROT_WRITE))
        exit(99);
    return p + PAGE;
}

static void touch(char *p, size_t pages)
{
    for (size_t i = 0; i < pages; i++)
        p[i * PAGE] = (char)(i + 1);
}

static int intact(const char *p, size_t pages)
{
    for (size_t i = 0; i < pages; i++)
        if (p[i * PAGE] != (char)(i + 1))
            return 0;
    return 1;
}

/* How many pages lie on each node, by move_pages, for whatever process. */
static void where(const char *what, char *p, size_t pages)
{
    void *addr[64];
    int status[64];
    unsigned on[2] = { 0, 0 }, none = 0;

    for (size_t i = 0; i < pages; i++)
        addr[i] = p + i * PAGE;
    if (syscall(SYS_move_pages, 0, pages, addr, NULL, status, 0) != 0)
        printf("%s: move_pages: %d\n", what, -errno);
    for (size_t i = 0; i < pages; i++)
        if (status[i] == 0 || status[i] == 1)
            on[status[i]]++;
        else
            none++;
    printf("%s: %u on node 0, %u on node 1, %u nowhere\n", what, on[0], on[1], none);
}

/* The line of numa_maps for the mapping that starts at p, without its address. */
static void maps_line(const char *what, const char *p)
{
    FILE *f = fopen("/proc/self/numa_maps", "r");
    char line[512], start[32];

    snprintf(start, sizeof start, "%lx ", (unsigned long)p);
    while (f && fgets(line, sizeof line, f))
        if (strncmp(line, start, strlen(start)) == 0) {
            char *policy = strtok(line + strlen(start), " "), *word;

            printf("%s: %s", what, policy);
            while ((word = strtok(NULL, " \n")) != NULL)
                if (word[0] == 'N' || strncmp(word, "anon", 4) == 0)
                    printf(" %s", word);
            printf("\n");
        }
    if (f)
        fclose(f);
}

static void policies_of_the_thread(void)
{
    unsigned long nodes;
    char *p;
    int mode;

    printf("bind 1: %s\n", result(set_policy(MPOL_BIND, 2)));
    printf("get: %s", result(get_policy(&mode, &nodes, NULL, 0)));
    printf(" mode %d nodes %lx\n", mode, nodes);
    p = map(PAGES, MAP_PRIVATE);
    touch(p, PAGES);
    where("bound", p, PAGES);
    maps_line("bound", p);
    munmap(p, PAGES * PAGE);

    printf("interleave: %s\n", result(set_policy(MPOL_INTERLEAVE, 3)));
    p = map(PAGES, MAP_PRIVATE);
    touch(p, PAGES);
    where("interleaved", p, PAGES);
    maps_line("interleaved", p);
    munmap(p, PAGES * PAGE);

    printf("prefer 1: %s\n", result(set_policy(MPOL_PREFERRED, 2)));
    p = map(PAGES, MAP_PRIVATE);
    touch(p, PAGES);
    where("preferred", p, PAGES);
    if (fork() == 0) {
        char *q = map(4, MAP_PRIVATE);

        touch(q, 4);
        where("the child's", q, 4);
        touch(p, 4); /* copies of the parent's */
        where("copied by the child", p, PAGES);
        fflush(stdout);
        _exit(0);
    }
    wait(NULL);
    munmap(p, PAGES * PAGE);

    printf("many: %s\n", result(set_policy(MPOL_PREFERRED_MANY, 2)));
    p = map(PAGES, MAP_PRIVATE);
    touch(p, PAGES);
    where("preferred many", p, PAGES);
    munmap(p, PAGES * PAGE);

    printf("relative: %s\n", result(set_policy(MPOL_BIND | MPOL_F_RELATIVE_NODES, 8)));
    printf("get: %s", result(get_policy(&mode, &nodes, NULL, 0)));
    printf(" mode %x nodes %lx\n", (unsigned)mode, nodes);
    p = map(PAGES, MAP_PRIVATE);
    touch(p, PAGES);
    where("relative", p, PAGES);
    maps_line("relative", p);
    munmap(p, PAGES * PAGE);

    printf("default: %s\n", result(set_policy(MPOL_DEFAULT, 0)));
    p = map(PAGES, MAP_PRIVATE);
    touch(p, PAGES);
    where("default", p, PAGES);
    maps_line("default", p);
    munmap(p, PAGES * PAGE);
}

static void policies_of_ranges(void)
{
    char *p = map(PAGES, MAP_PRIVATE);
    unsigned long nodes;
    int mode;

    printf("mbind: %s\n", result(bind_range(p + 4 * PAGE, 8 * PAGE, MPOL_BIND, 2, 0)));
    touch(p, PAGES);
    where("a third bound", p, PAGES);
    maps_line("before", p);
    maps_line("within", p + 4 * PAGE);
    maps_line("behind", p + 12 * PAGE);
    printf("get at: %s", result(get_policy(&mode, &nodes, p + 5 * PAGE, MPOL_F_ADDR)));
    printf(" mode %d nodes %lx\n", mode, nodes);
    printf("node of: %s", result(get_policy(&mode, &nodes, p + 5 * PAGE, MPOL_F_ADDR | MPOL_F_NODE)));
    printf(" %d\n", mode);

    printf("strict: %s\n", result(bind_range(p, PAGES * PAGE, MPOL_BIND, 1, MPOL_MF_STRICT)));
    maps_line("unchanged", p + 4 * PAGE);
    printf("move: %s\n", result(bind_range(p, PAGES * PAGE, MPOL_BIND, 1, MPOL_MF_MOVE | MPOL_MF_STRICT)));
    where("moved", p, PAGES);
    printf("intact: %d\n", intact(p, PAGES));
    printf("interleave: %s\n", result(bind_range(p, PAGES * PAGE, MPOL_INTERLEAVE, 3, MPOL_MF_MOVE)));
    printf("bind 1: %s\n", result(bind_range(p, PAGES * PAGE, MPOL_BIND, 2, MPOL_MF_MOVE)));
    where("moved", p, PAGES);
    printf("intact: %d\n", intact(p, PAGES));
    printf("home: %s\n", result(syscall(SYS_set_mempolicy_home_node, p, PAGES * PAGE, 0ul, 0ul)));
    printf("default: %s\n", result(bind_range(p, PAGES * PAGE, MPOL_DEFAULT, 0, 0)));
    printf("get at: %s", result(get_policy(&mode, &nodes, p + 5 * PAGE, MPOL_F_ADDR)));
    printf(" mode %d nodes %lx\n", mode, nodes);
    munmap(p, PAGES * PAGE);

    p = map(PAGES, MAP_PRIVATE);
    printf("interleave: %s\n", result(bind_range(p, PAGES * PAGE, MPOL_INTERLEAVE, 3, 0)));
    touch(p, PAGES);
    where("interleaved", p, PAGES);
    munmap(p, PAGES * PAGE);
}

static void policies_of_objects(void)
{
    char *p = map(PAGES, MAP_SHARED);

    printf("mbind shared: %s\n", result(bind_range(p, 8 * PAGE, MPOL_BIND, 2, 0)));
    if (fork() == 0) {
        touch(p, PAGES); /* what the parent said holds for the child */
        _exit(0);
    }
    wait(NULL);
    touch(p, PAGES);
    where("shared", p, PAGES);
    printf("move: %s\n", result(bind_range(p, PAGES * PAGE, MPOL_BIND, 2, MPOL_MF_MOVE | MPOL_MF_STRICT)));
    where("shared, moved", p, PAGES);
    printf("intact: %d\n", intact(p, PAGES));
    munmap(p, PAGES * PAGE);
}

static void moving(void)
{
    char *p = map(PAGES, MAP_PRIVATE);
    void *addr[4] = { p, p + PAGE, p + 2 * PAGE, (void *)16 };
    int nodes[4] = { 1, 0, 1, 1 }, status[4] = { 77, 77, 77, 77 }, bad[2] = { 1, 5 };
    unsigned long from = 1, to = 2;

    touch(p, PAGES);
    printf("move_pages: %s", result(syscall(SYS_move_pages, 0, 4ul, addr, nodes, status, MPOL_MF_MOVE)));
    printf(" %d %d %d %d\n", status[0], status[1], status[2], status[3]);
    where("then", p, PAGES);
    printf("no such node: %s\n", result(syscall(SYS_move_pages, 0, 2ul, addr, bad, status, MPOL_MF_MOVE)));
    printf("migrate: %s\n", result(syscall(SYS_migrate_pages, 0, 65ul, &from, &to)));
    where("then", p, PAGES);
    printf("intact: %d\n", intact(p, PAGES));
    printf("back: %s\n", result(syscall(SYS_migrate_pages, 0, 65ul, &to, &from)));
    where("then", p, PAGES);
    munmap(p, PAGES * PAGE);
}

/* Two processes that share frames after fork. */
static void moving_shared_frames(void)
{
    char *p = map(PAGES, MAP_PRIVATE);
    void *addr[2] = { p, p + PAGE };
    int nodes[2] = { 1, 1 }, status[2], go[2], done[2];
    char c;

    touch(p, PAGES);
    if (pipe(go) || pipe(done))
        return;
    if (fork() == 0) {
        (void)!read(go[0], &c, 1);
        printf("the child's are intact: %d\n", intact(p, PAGES));
        fflush(stdout);
        _exit(0);
    }
    printf("move: %s", result(syscall(SYS_move_pages, 0, 2ul, addr, nodes, status, MPOL_MF_MOVE)));
    printf(" %d\n", status[0]);
    printf("move all: %s", result(syscall(SYS_move_pages, 0, 2ul, addr, nodes, status, MPOL_MF_MOVE_ALL)));
    printf(" %d %d\n", status[0], status[1]);
    printf("intact: %d\n", intact(p, PAGES));
    fflush(stdout);
    (void)!write(go[1], "x", 1);
    wait(NULL);
    munmap(p, PAGES * PAGE);
}

static void errors(void)
{
    char *p = map(PAGES, MAP_PRIVATE);
    unsigned long nodes = 2, wide[2] = { 2, 1 };
    int mode;

    printf("no nodes: %s\n", result(set_policy(MPOL_BIND, 0)));
    printf("unknown mode: %s\n", result(set_policy(MPOL_MAX, 2)));
    printf("both flags: %s\n", result(set_policy(MPOL_BIND | MPOL_F_STATIC_NODES | MPOL_F_RELATIVE_NODES, 2)));
    printf("no memory there: %s\n", result(set_policy(MPOL_BIND, 8)));
    printf("default with nodes: %s\n", result(set_policy(MPOL_DEFAULT, 2)));
    printf("local with nodes: %s\n", result(set_policy(MPOL_LOCAL, 2)));
    printf("wide: %s\n", result(syscall(SYS_set_mempolicy, MPOL_PREFERRED, wide, 65ul)));
    printf("bad pointer: %s\n", result(syscall(SYS_set_mempolicy, MPOL_BIND, 16ul, 65ul)));
    printf("absurd: %s\n", result(syscall(SYS_set_mempolicy, MPOL_BIND, &nodes, 1ul << 40)));
    set_policy(MPOL_DEFAULT, 0);
    printf("mbind flags: %s\n", result(bind_range(p, PAGE, MPOL_BIND, 2, 64)));
    printf("mbind unaligned: %s\n", result(bind_range(p + 1, PAGE, MPOL_BIND, 2, 0)));
    printf("mbind nothing: %s\n", result(bind_range(p, 0, MPOL_BIND, 2, 0)));
    munmap(p + 4 * PAGE, PAGE);
    printf("mbind hole: %s\n", result(bind_range(p, PAGES * PAGE, MPOL_BIND, 2, 0)));
    printf("get flags: %s\n", result(get_policy(&mode, &nodes, NULL, 64)));
    printf("get addr: %s\n", result(get_policy(&mode, &nodes, p, 0)));
    printf("get small: %s\n", result(syscall(SYS_get_mempolicy, &mode, &nodes, 0ul, NULL, 0ul)));
    printf("get hole: %s\n", result(get_policy(&mode, &nodes, p + 4 * PAGE, MPOL_F_ADDR)));
    printf("allowed: %s", result(get_policy(&mode, &nodes, NULL, MPOL_F_MEMS_ALLOWED)));
    printf(" %lx\n", nodes);
    printf("no home: %s\n", result(syscall(SYS_set_mempolicy_home_node, p, PAGE, 0ul, 0ul)));
    printf("home flags: %s\n", result(syscall(SYS_set_mempolicy_home_node, p, PAGE, 0ul, 1ul)));
    printf("no process: %s\n", result(syscall(SYS_migrate_pages, 99999, 65ul, &nodes, &nodes)));
    printf("move flags: %s\n", result(syscall(SYS_move_pages, 0, 0ul, NULL, NULL, NULL, 1)));
    munmap(p, PAGES * PAGE);
}

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    policies_of_the_thread();
    policies_of_ranges();
    policies_of_objects();
    moving();
    moving_shared_frames();
    errors();
    return 0;
}
