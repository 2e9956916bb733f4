// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: System V IPC in its corner cases.
 * Prints what does not depend on the machine; sysv.expected is what Debian's Linux prints.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SAY(...) (printf(__VA_ARGS__), putchar('\n'))
#define SHOW(call)                                                                                 \
    do {                                                                                           \
        errno = 0;                                                                                 \
        long show_ret = (long)(call);                                                              \
        SAY("%s: %ld E%d", #call, show_ret, show_ret == -1 ? errno : 0);                           \
    } while (0)
#define KEY 0x5ca1ab1e
#ifndef MSG_COPY
#define MSG_COPY 040000
#endif

union arg {
    int val;
    void *buf;
    unsigned short *array;
};

static void part(const char *name)
{
    SAY("== %s", name);
    fflush(stdout);
}

static void msleep(long ms)
{
    struct timespec t = { ms / 1000, ms % 1000 * 1000000 };

    while (nanosleep(&t, &t) && errno == EINTR)
        ;
}

static pid_t spawn(void (*fn)(void *), void *arg)
{
    pid_t pid;

    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        fn(arg);
        fflush(stdout);
        _exit(0);
    }
    return pid;
}

static void reap(pid_t pid)
{
    int status = 0;

    waitpid(pid, &status, 0);
    SAY("status %x", status);
}

/* ---- shared memory ------------------------------------------------------------------------- */

static unsigned long attached(int id)
{
    struct shmid_ds ds;

    return shmctl(id, IPC_STAT, &ds) ? 999 : ds.shm_nattch;
}

static void child_forked(void *arg)
{
    int id = *(int *)arg;

    SAY("child sees %lu", attached(id));
}

static void child_execs(void *arg)
{
    (void)arg;
    execl("/bin/busybox", "true", NULL);
}

static void child_other_user(void *arg)
{
    int id = *(int *)arg;
    struct shmid_ds ds;

    if (setgid(1000) || setuid(1000))
        SAY("setuid");
    SHOW(shmget(KEY, 0, 0));
    SHOW(shmget(KEY, 0, 0400) >= 0);
    SHOW(shmget(KEY, 0, 0600));
    SHOW(shmat(id, NULL, 0));
    SHOW(shmat(id, NULL, SHM_RDONLY) != (void *)-1);
    SHOW(shmat(id, NULL, SHM_RDONLY | SHM_EXEC));
    SHOW(shmctl(id, IPC_STAT, &ds));
    SHOW(shmctl(id, IPC_SET, &ds));
    SHOW(shmctl(id, IPC_RMID, NULL));
    SHOW(shmctl(id, SHM_LOCK, NULL));
}

static int maps_say(const char *name, char *rights)
{
    FILE *f = fopen("/proc/self/maps", "r");
    char line[512];
    int n = 0;

    while (fgets(line, sizeof line, f))
        if (strstr(line, name)) {
            n++;
            sscanf(line, "%*s %7s", rights);
        }
    fclose(f);
    return n;
}

static void part_shm(void)
{
    struct shmid_ds ds;
    struct shminfo limits;
    struct shm_info info;
    char rights[8] = "";
    char *a, *b, *page;
    long size = sysconf(_SC_PAGESIZE);
    int id;

    part("shm");
    SHOW(shmget(KEY, 100, 0));
    SHOW(shmget(IPC_PRIVATE, 0, 0600));
    SHOW(shmget(IPC_PRIVATE, -1, 0600));
    id = shmget(KEY, 3 * size - 100, IPC_CREAT | 0640);
    SHOW(id >= 0);
    SHOW(shmget(KEY, 100, IPC_CREAT | IPC_EXCL));
    SHOW(shmget(KEY, 3 * size, 0));
    SHOW(shmget(KEY, 3 * size - 100, 0) == id);
    SHOW(shmctl(id, IPC_STAT, &ds));
    SAY("key %x size ok %d mode %o nattch %lu lpid %d cpid %d times %d %d %d", ds.shm_perm.__key,
        (long)ds.shm_segsz == 3 * size - 100, ds.shm_perm.mode, (unsigned long)ds.shm_nattch,
        ds.shm_lpid, ds.shm_cpid == getpid(), ds.shm_atime != 0, ds.shm_dtime != 0,
        ds.shm_ctime != 0);
    a = shmat(id, NULL, 0);
    SHOW(a != (void *)-1);
    b = shmat(id, NULL, SHM_RDONLY);
    SHOW(b != (void *)-1);
    strcpy(a, "hello");
    SAY("%s %lu", b, attached(id));
    SHOW(mprotect(b, size, PROT_READ | PROT_WRITE));
    SHOW(maps_say("/SYSV5ca1ab1e (deleted)", rights));
    SHOW(shmat(id, a, 0));
    SHOW(shmat(id, a + 1, 0));
    SHOW(shmat(id, NULL, SHM_REMAP));
    SHOW(shmat(id, a + 100, SHM_RND));
    SHOW(shmat(id, a + 100, SHM_RND | SHM_REMAP) == a);
    SAY("%s %lu", a, attached(id));
    SHOW(shmat(id + 1, NULL, 0));
    SHOW(shmat(-1, NULL, 0));
    SHOW(shmdt(a + 1));
    SHOW(shmdt(a + size));
    SHOW(shmdt(b));
    SAY("%lu", attached(id));
    SHOW(munmap(a + size, size));
    SAY("split %lu", attached(id));
    reap(spawn(child_forked, &id));
    reap(spawn(child_execs, NULL));
    SAY("after %lu", attached(id));
    shmctl(id, IPC_STAT, &ds);
    SHOW(ds.shm_lpid != getpid());
    SHOW(shmdt(a));
    SAY("%lu", attached(id));
    SHOW(shmdt(a));
    page = mmap(NULL, 4 * size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    SHOW(shmat(id, page, 0));
    SHOW(shmat(id, page, SHM_REMAP | SHM_EXEC) == page);
    maps_say("/SYSV5ca1ab1e", rights);
    SAY("%s %s", page, rights);
    SHOW(munmap(page, size));
    SHOW(shmdt(page));
    SAY("%lu", attached(id));
    munmap(page, 4 * size);

    shmctl(id, IPC_STAT, &ds);
    ds.shm_perm.gid = 1000;
    ds.shm_perm.mode = 07777;
    SHOW(shmctl(id, IPC_SET, &ds));
    SHOW(shmctl(id, IPC_STAT, &ds));
    SAY("mode %o gid %d cgid %d", ds.shm_perm.mode, ds.shm_perm.gid, ds.shm_perm.cgid);
    ds.shm_perm.mode = 0640;
    shmctl(id, IPC_SET, &ds);
    ds.shm_perm.uid = -1;
    SHOW(shmctl(id, IPC_SET, &ds));
    reap(spawn(child_other_user, &id));
    SHOW(shmctl(id, SHM_LOCK, NULL));
    shmctl(id, IPC_STAT, &ds);
    SAY("mode %o", ds.shm_perm.mode);
    SHOW(shmctl(id, SHM_UNLOCK, NULL));
    SHOW(shmctl(id, 77, NULL));
    SHOW(shmctl(-1, IPC_STAT, &ds));
    SHOW(shmctl(id, IPC_STAT, (void *)8));
    SHOW(shmctl(0, IPC_INFO, (void *)&limits) >= 0);
    SAY("%lu %lu %lu %lu", limits.shmmax, limits.shmmin, limits.shmmni, limits.shmall);
    SHOW(shmctl(0, SHM_INFO, (void *)&info) >= 0);
    SAY("%d %lu %lu", info.used_ids, info.shm_tot, info.shm_rss);
    SHOW(shmctl(0, SHM_STAT, &ds) == id);
    SHOW(shmctl(0, SHM_STAT_ANY, &ds) == id);
    SHOW(shmctl(1, SHM_STAT, &ds));

    a = shmat(id, NULL, 0);
    SHOW(shmctl(id, IPC_RMID, NULL));
    SHOW(shmctl(id, IPC_STAT, &ds));
    SAY("key %x mode %o", ds.shm_perm.__key, ds.shm_perm.mode);
    SHOW(shmget(KEY, 0, 0));
    b = shmat(id, NULL, 0);
    SHOW(b != (void *)-1);
    SHOW(strcmp(b, "hello"));
    SHOW(shmdt(b));
    SHOW(shmctl(id, IPC_RMID, NULL));
    SHOW(shmdt(a));
    SHOW(shmctl(id, IPC_STAT, &ds));
    SHOW(shmctl(id, IPC_RMID, NULL));
}

/* ---- semaphores ---------------------------------------------------------------------------- */

static int op1(int id, int num, int op, int flags)
{
    struct sembuf b = { num, op, flags };

    return semop(id, &b, 1);
}

static int value(int id, int num)
{
    return semctl(id, num, GETVAL);
}

static void child_undo(void *arg)
{
    int id = *(int *)arg;

    SHOW(op1(id, 0, -2, SEM_UNDO));
    SHOW(op1(id, 1, 4, SEM_UNDO));
    SHOW(op1(id, 1, 1, 0));
    SAY("in child %d %d", value(id, 0), value(id, 1));
}

static void child_waits(void *arg)
{
    int id = *(int *)arg;
    int ret = op1(id, 2, -1, 0);

    _exit(ret == 0 ? 0 : errno);
}

static void child_zero(void *arg)
{
    int id = *(int *)arg;
    int ret = op1(id, 3, 0, 0);

    _exit(ret == 0 ? 0 : errno);
}

static void wait_count(int id, int num, int cmd, int n)
{
    for (int i = 0; i < 500 && semctl(id, num, cmd) != n; i++)
        msleep(10);
    SAY("%s %d", cmd == GETNCNT ? "ncnt" : "zcnt", semctl(id, num, cmd));
}

static void on_alarm(int sig)
{
    (void)sig;
}

static void child_other_sem(void *arg)
{
    int id = *(int *)arg;
    struct semid_ds ds;
    unsigned short all[4];

    if (setgid(1000) || setuid(1000))
        SAY("setuid");
    SHOW(semget(KEY, 0, 0600));
    SHOW(op1(id, 0, 1, 0));
    SHOW(op1(id, 1, 0, IPC_NOWAIT));
    SHOW(semctl(id, 0, GETVAL));
    SHOW(semctl(id, 0, SETVAL, (union arg){ .val = 1 }));
    SHOW(semctl(id, 0, GETALL, (union arg){ .array = all }));
    SHOW(semctl(id, 0, IPC_STAT, (union arg){ .buf = &ds }));
    SHOW(semctl(id, 0, IPC_RMID));
}

static void part_sem(void)
{
    unsigned short all[4] = { 5, 0, 0, 1 };
    struct timespec soon = { 0, 20000000 }, bad = { 0, -1 };
    struct itimerval tick = { { 0, 50000 }, { 0, 50000 } }, never = { { 0, 0 }, { 0, 0 } };
    struct sigaction sa = { .sa_handler = on_alarm, .sa_flags = SA_RESTART };
    struct sembuf two[2] = { { 0, -5, 0 }, { 1, -1, IPC_NOWAIT } }, many[600];
    struct seminfo info;
    struct semid_ds ds;
    pid_t pids[3];
    int id, status;

    part("sem");
    SHOW(semget(KEY, 1, 0));
    SHOW(semget(KEY, 0, IPC_CREAT | 0600));
    SHOW(semget(KEY, -1, IPC_CREAT | 0600));
    SHOW(semget(KEY, 32001, IPC_CREAT | 0600));
    id = semget(KEY, 4, IPC_CREAT | IPC_EXCL | 0644);
    SHOW(id >= 0);
    SHOW(semget(KEY, 5, 0));
    SHOW(semget(KEY, 4, 0) == id);
    SHOW(semctl(id, 0, SETALL, (union arg){ .array = all }));
    memset(all, 0, sizeof all);
    SHOW(semctl(id, 0, GETALL, (union arg){ .array = all }));
    SAY("%d %d %d %d", all[0], all[1], all[2], all[3]);
    SHOW(semctl(id, 4, GETVAL));
    SHOW(semctl(id, -1, GETVAL));
    SHOW(semctl(id, 0, SETVAL, (union arg){ .val = 32768 }));
    SHOW(semctl(id, 0, SETVAL, (union arg){ .val = -1 }));
    SHOW(semctl(id, 0, GETPID) == getpid());
    SHOW(semop(id, two, 2));
    SAY("%d", value(id, 0));
    SHOW(op1(id, 4, 1, 0));
    SHOW(op1(id, 0, 32767, 0));
    SHOW(op1(id, 0, -6, IPC_NOWAIT));
    SHOW(semop(id, many, 0));
    SHOW(semop(id, many, 501));
    SHOW(semop(-1, two, 1));
    SHOW(semop(id, (void *)8, 1));
    SHOW(semtimedop(id, &(struct sembuf){ 1, -1, 0 }, 1, &soon));
    SHOW(semtimedop(id, &(struct sembuf){ 1, -1, 0 }, 1, &bad));
    sigaction(SIGALRM, &sa, NULL);
    setitimer(ITIMER_REAL, &tick, NULL);
    SHOW(op1(id, 1, -1, 0));
    setitimer(ITIMER_REAL, &never, NULL);

    reap(spawn(child_undo, &id));
    SAY("undone %d %d", value(id, 0), value(id, 1));
    SHOW(op1(id, 1, -1, 0));
    SHOW(op1(id, 0, 2, SEM_UNDO));
    SHOW(semctl(id, 0, SETVAL, (union arg){ .val = 3 }));

    pids[0] = spawn(child_waits, &id);
    wait_count(id, 2, GETNCNT, 1);
    pids[1] = spawn(child_waits, &id);
    wait_count(id, 2, GETNCNT, 2);
    SHOW(op1(id, 2, 1, 0));
    SHOW(waitpid(pids[0], &status, 0) == pids[0]); /* the oldest */
    SAY("status %x", status);
    wait_count(id, 2, GETNCNT, 1);
    pids[0] = spawn(child_zero, &id);
    wait_count(id, 3, GETZCNT, 1);
    SHOW(op1(id, 3, -1, 0));
    SHOW(waitpid(pids[0], &status, 0) == pids[0]);
    SAY("status %x", status);
    SHOW(semctl(id, 0, IPC_STAT, (union arg){ .buf = &ds }));
    SAY("mode %o nsems %lu otime %d ctime %d", ds.sem_perm.mode, (unsigned long)ds.sem_nsems,
        ds.sem_otime != 0, ds.sem_ctime != 0);
    reap(spawn(child_other_sem, &id));
    SHOW(semctl(0, 0, IPC_INFO, (union arg){ .buf = &info }) >= 0);
    SAY("%d %d %d %d %d %d %d %d %d %d", info.semmap, info.semmni, info.semmns, info.semmnu,
        info.semmsl, info.semopm, info.semume, info.semusz, info.semvmx, info.semaem);
    SHOW(semctl(0, 0, SEM_INFO, (union arg){ .buf = &info }) >= 0);
    SAY("%d %d", info.semusz, info.semaem);
    SHOW(semctl(0, 0, SEM_STAT, (union arg){ .buf = &ds }) == id);
    SHOW(semctl(id, 0, IPC_RMID));
    SHOW(waitpid(pids[1], &status, 0) == pids[1]);
    SAY("status %x", status);
    SHOW(semctl(id, 0, GETVAL));
    SHOW(op1(id, 0, 1, 0));
}

/* ---- messages ------------------------------------------------------------------------------ */

struct msg {
    long type;
    char text[9000];
};

static int put(int id, long type, const char *text)
{
    struct msg m = { .type = type };

    strcpy(m.text, text);
    return msgsnd(id, &m, strlen(text) + 1, IPC_NOWAIT);
}

static void get(int id, long type, int flags)
{
    struct msg m = { .type = 0 };
    long n;

    errno = 0;
    n = msgrcv(id, &m, sizeof m.text, type, flags | IPC_NOWAIT);
    SAY("type %ld flags %o: %ld %ld %s E%d", type, flags, n, m.type, m.text, n < 0 ? errno : 0);
}

/* These say what became of them by their status, because their lines would come at any time. */
static void child_receives(void *arg)
{
    int id = *(int *)arg;
    struct msg m = { .type = 0 };
    long n = msgrcv(id, &m, 10, 7, 0);

    _exit(n == 4 && m.type == 7 && !strcmp(m.text, "yes") ? 0 : 1);
}

static void child_too_small(void *arg)
{
    int id = *(int *)arg;
    struct msg m = { .type = 0 };

    _exit(msgrcv(id, &m, 3, 8, 0) < 0 ? errno : 0);
}

static void child_sends(void *arg)
{
    int id = *(int *)arg;
    struct msg m = { .type = 9 };

    _exit(msgsnd(id, &m, 8000, 0) < 0 ? errno : 0);
}

static void child_other_msg(void *arg)
{
    int id = *(int *)arg;
    struct msqid_ds ds;

    if (setgid(1000) || setuid(1000))
        SAY("setuid");
    SHOW(msgget(KEY, 0600));
    SHOW(put(id, 1, "x"));
    get(id, 0, 0);
    SHOW(msgctl(id, IPC_STAT, &ds));
    SHOW(msgctl(id, IPC_RMID, NULL));
}

static void part_msg(void)
{
    struct msg m = { .type = 1 };
    struct msginfo info;
    struct msqid_ds ds;
    pid_t pid, other;
    int id;

    part("msg");
    SHOW(msgget(KEY, 0));
    id = msgget(KEY, IPC_CREAT | 0600);
    SHOW(id >= 0);
    SHOW(msgget(KEY, IPC_CREAT | IPC_EXCL));
    SHOW(put(id, 0, "x"));
    SHOW(put(id, -3, "x"));
    SHOW(msgsnd(id, &m, 8193, 0));
    SHOW(msgsnd(id, &m, -1, 0));
    SHOW(msgsnd(id, (void *)8, 3, 0));
    SHOW(msgsnd(id + 1, &m, 3, 0));
    for (int i = 1; i <= 5; i++)
        put(id, 6 - i, (char[2]){ 'a' + i, 0 });
    SHOW(msgctl(id, IPC_STAT, &ds));
    SAY("%lu messages, %lu of %lu bytes, mode %o", (unsigned long)ds.msg_qnum,
        (unsigned long)ds.__msg_cbytes, (unsigned long)ds.msg_qbytes, ds.msg_perm.mode);
    get(id, 2, MSG_COPY);
    get(id, 9, MSG_COPY);
    SHOW(msgrcv(id, &m, 10, 0, MSG_COPY));
    SHOW(msgrcv(id, &m, 10, 0, MSG_COPY | MSG_EXCEPT | IPC_NOWAIT));
    get(id, 3, 0);
    get(id, 3, 0);
    get(id, 5, MSG_EXCEPT);
    get(id, -2, 0);
    get(id, -1, 0);
    get(id, 0, 0);
    get(id, 0, 0);
    get(id, 0, 0);
    put(id, 4, "too long");
    SHOW(msgrcv(id, &m, 3, 0, IPC_NOWAIT));
    SHOW(msgrcv(id, &m, 3, 0, IPC_NOWAIT | MSG_NOERROR));
    SAY("%.3s", m.text);
    SHOW(msgrcv(id, &m, -1, 0, IPC_NOWAIT));

    pid = spawn(child_receives, &id);
    other = spawn(child_too_small, &id);
    msleep(100);
    SHOW(put(id, 6, "no"));
    SHOW(put(id, 8, "longer"));
    fflush(stdout);
    reap(other);
    SHOW(put(id, 7, "yes"));
    fflush(stdout);
    reap(pid);
    get(id, 8, 0);
    get(id, 6, 0);
    m.type = 2;
    SHOW(msgsnd(id, &m, 8000, 0));
    SHOW(msgsnd(id, &m, 8000, 0));
    SHOW(msgsnd(id, &m, 8000, IPC_NOWAIT));
    pid = spawn(child_sends, &id);
    msleep(100);
    SHOW(msgrcv(id, &m, 9000, 2, 0));
    fflush(stdout);
    reap(pid);
    reap(spawn(child_other_msg, &id));
    SHOW(msgctl(id, IPC_STAT, &ds));
    SAY("%lu messages, %lu bytes", (unsigned long)ds.msg_qnum, (unsigned long)ds.__msg_cbytes);
    ds.msg_qbytes = 40000;
    SHOW(msgctl(id, IPC_SET, &ds));
    SHOW(msgctl(0, IPC_INFO, (void *)&info) >= 0);
    SAY("%d %d %d %d %d %d %d %d", info.msgpool, info.msgmap, info.msgmax, info.msgmnb, info.msgmni,
        info.msgssz, info.msgtql, info.msgseg);
    SHOW(msgctl(0, MSG_INFO, (void *)&info) >= 0);
    SAY("%d %d %d", info.msgpool, info.msgmap, info.msgtql);
    SHOW(msgctl(0, MSG_STAT, &ds) == id);
    pid = spawn(child_too_small, &id);
    msleep(100);
    SHOW(msgctl(id, IPC_RMID, NULL));
    fflush(stdout);
    reap(pid);
    SHOW(put(id, 1, "x"));
    get(id, 0, 0);
}

/* ---- /proc --------------------------------------------------------------------------------- */

static void show_file(const char *path)
{
    char line[512];
    FILE *f = fopen(path, "r");

    while (f && fgets(line, sizeof line, f))
        printf("%s", line);
    if (!f)
        SAY("no %s", path);
    else
        fclose(f);
}

static void set_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY), err = 0;

    if (write(fd, text, strlen(text)) < 0)
        err = errno;
    close(fd);
    SAY("%s < %s: E%d", path, text, err);
}

static void part_proc(void)
{
    static const char *const names[] = { "shmmax", "shmall", "shmmni", "sem", "msgmax", "msgmnb",
                                         "msgmni" };
    char path[64];
    int id;

    part("proc");
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(path, sizeof path, "/proc/sys/kernel/%s", names[i]);
        show_file(path);
    }
    show_file("/proc/sysvipc/shm");
    show_file("/proc/sysvipc/sem");
    show_file("/proc/sysvipc/msg");
    set_file("/proc/sys/kernel/shmmni", "0");
    SHOW(shmget(IPC_PRIVATE, 1, 0));
    set_file("/proc/sys/kernel/shmmni", "4096");
    set_file("/proc/sys/kernel/msgmni", "0");
    SHOW(msgget(IPC_PRIVATE, 0));
    set_file("/proc/sys/kernel/msgmni", "32000");
    set_file("/proc/sys/kernel/sem", "10 1000 5 0");
    SHOW(semget(IPC_PRIVATE, 1, 0));
    SHOW(semget(IPC_PRIVATE, 11, 0));
    set_file("/proc/sys/kernel/sem", "32000 1024000000 500 32000");
    set_file("/proc/sys/kernel/shmmax", "10000");
    SHOW(shmget(IPC_PRIVATE, 10001, 0));
    set_file("/proc/sys/kernel/shmmax", "18446744073692774399");
    set_file("/proc/sys/kernel/msgmax", "10");
    id = msgget(IPC_PRIVATE, 0600);
    SHOW(put(id, 1, "0123456789"));
    SHOW(put(id, 1, "012345678"));
    set_file("/proc/sys/kernel/msgmax", "8192");
    msgctl(id, IPC_RMID, NULL);
}

static long free_kib(void)
{
    char line[128];
    long n = 0;
    FILE *f = fopen("/proc/meminfo", "r");

    while (fgets(line, sizeof line, f))
        sscanf(line, "MemFree: %ld", &n);
    fclose(f);
    return n;
}

static void part_memory(void)
{
    long before, held, after;
    char *a;
    int id;

    part("memory");
    id = shmget(IPC_PRIVATE, 16 << 20, 0600);
    a = shmat(id, NULL, 0);
    before = free_kib();
    memset(a, 1, 16 << 20);
    held = free_kib();
    shmdt(a);
    SHOW(before - held > 15000);
    SHOW(before - free_kib() > 15000); /* detached, still there */
    shmctl(id, IPC_RMID, NULL);
    after = free_kib();
    SHOW(before - after < 3000);
}

int main(void)
{
    part_shm();
    part_sem();
    part_msg();
    part_proc();
    part_memory();
    SAY("== end");
    return 0;
}
