// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: syslog(2): reading and clearing the log, the console's level.
 * Locking: `lock` guards since when it is shown, and the level.
 */
#include <abi/syscalls_gen.h>
#include <core/log.h>
#include <fs/kmsg.h>
#include <hal/usercopy.h>
#include <mm/heap.h>
#include <proc/process.h>
#include <sched/mutex.h>

#include <linux/capability.h>

enum { LOG_CLOSE, LOG_OPEN, LOG_READ, LOG_READ_ALL, LOG_READ_CLEAR, LOG_CLEAR, LOG_CONSOLE_OFF,
       LOG_CONSOLE_ON, LOG_CONSOLE_LEVEL, LOG_SIZE_UNREAD, LOG_SIZE_BUFFER };

#define RECORD_BYTES 1200

static struct mutex lock = MUTEX_INIT(lock);
static uint64_t clear_seq; /* lock */
static unsigned saved_level; /* lock; 0: none */

/* Bytes of all records from seq on. */
static size_t bytes_from(uint64_t seq, char *record)
{
    size_t total = 0, n;

    while ((n = log_read(&seq, record, RECORD_BYTES, true)) != 0)
        total += n;
    return total;
}

/* Consumes; shares its position with /proc/kmsg. */
static long read_wait(char __user *buf, size_t len)
{
    struct uio u;

    uio_init_user(&u, USER_ADDR(buf), len);
    return kmsg_consume(&u, false);
}

/* The last records that fit, since the last clear. */
static long read_last(char __user *buf, size_t len, char *record, bool clear)
{
    uint64_t seq;
    size_t total, done = 0, n;

    mutex_lock(&lock);
    seq = MAX(clear_seq, log_first_seq());
    total = bytes_from(seq, record);
    while (total > len && (n = log_read(&seq, record, RECORD_BYTES, true)) != 0)
        total -= n;
    while ((n = log_read(&seq, record, RECORD_BYTES, true)) != 0 && n <= len - done) {
        if (copy_to_user(buf + done, record, n)) {
            mutex_unlock(&lock);
            return -EFAULT;
        }
        done += n;
    }
    if (clear)
        clear_seq = seq;
    mutex_unlock(&lock);
    return (long)done;
}

static long read_log(int type, char __user *buf, int len)
{
    char *record;
    long ret;

    if (!buf || len < 0)
        return -EINVAL;
    if (len == 0)
        return 0;
    if (type == LOG_READ)
        return read_wait(buf, (size_t)len);
    record = kmalloc(RECORD_BYTES);
    if (!record)
        return -ENOMEM;
    ret = read_last(buf, (size_t)len, record, type == LOG_READ_CLEAR);
    kfree(record);
    return ret;
}

static void clear(void)
{
    char *record = kmalloc(RECORD_BYTES);

    if (!record)
        return;
    mutex_lock(&lock);
    while (log_read(&clear_seq, record, RECORD_BYTES, false) != 0)
        ;
    mutex_unlock(&lock);
    kfree(record);
}

static long console_level(int type, int len)
{
    if (type == LOG_CONSOLE_LEVEL && (len < 1 || len > 8))
        return -EINVAL;
    mutex_lock(&lock);
    if (type == LOG_CONSOLE_LEVEL) {
        saved_level = 0;
        log_console_level_set((unsigned)len);
    } else if (type == LOG_CONSOLE_OFF) {
        if (!saved_level)
            saved_level = log_console_level();
        log_console_level_set(1);
    } else if (saved_level) {
        log_console_level_set(saved_level);
        saved_level = 0;
    }
    mutex_unlock(&lock);
    return 0;
}

long sys_syslog(int type, char __user *buf, int len)
{
    if (type != LOG_READ_ALL && type != LOG_SIZE_BUFFER && !task_capable(CAP_SYSLOG) &&
        !task_capable(CAP_SYS_ADMIN))
        return -EPERM;
    switch (type) {
    case LOG_CLOSE:
    case LOG_OPEN:
        return 0;
    case LOG_READ:
    case LOG_READ_ALL:
    case LOG_READ_CLEAR:
        return read_log(type, buf, len);
    case LOG_CLEAR:
        clear();
        return 0;
    case LOG_CONSOLE_OFF:
    case LOG_CONSOLE_ON:
    case LOG_CONSOLE_LEVEL:
        return console_level(type, len);
    case LOG_SIZE_UNREAD:
        return kmsg_unread();
    case LOG_SIZE_BUFFER:
        return LOG_RING_BYTES;
    default:
        return -EINVAL;
    }
}
