// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: the kernel log.
 *
 * Model: each record (sequence, time, level, tag, text) goes into a ring of LOG_RING_BYTES, whose
 * oldest records fall out, and to each sink whose level admits it.  Before its first #include a
 * file says  #define LOG_TAG "name"  (a subsystem's name).
 * Locking: the log's own lock, interrupts off, the lowest rank of all: any context may log.
 */
#pragma once

#include <lib/list.h>
#include <lib/types.h>

enum log_level { LOG_EMERG, LOG_ALERT, LOG_CRIT, LOG_ERR, LOG_WARN, LOG_NOTICE, LOG_INFO, LOG_DEBUG };

#define LOG_RING_BYTES (64 * KiB)

#ifndef LOG_TAG
#define LOG_TAG "kernel"
#endif

__printf(3, 4) void log_write(enum log_level level, const char *tag, const char *format, ...);
#define log_emerg(...) log_write(LOG_EMERG, LOG_TAG, __VA_ARGS__)
#define log_err(...) log_write(LOG_ERR, LOG_TAG, __VA_ARGS__)
#define log_warn(...) log_write(LOG_WARN, LOG_TAG, __VA_ARGS__)
#define log_notice(...) log_write(LOG_NOTICE, LOG_TAG, __VA_ARGS__)
#define log_info(...) log_write(LOG_INFO, LOG_TAG, __VA_ARGS__)
#define log_debug(...) log_write(LOG_DEBUG, LOG_TAG, __VA_ARGS__)
/* Once for each place in the code. */
#define log_once(level, ...)                                                                       \
    do {                                                                                           \
        static bool once_;                                                                         \
        if (!__atomic_exchange_n(&once_, true, __ATOMIC_RELAXED))                                  \
            log_write(level, LOG_TAG, __VA_ARGS__);                                                \
    } while (0)

struct log_sink {
    const char *name;
    /* Prints text (already formatted, with its newline).  Any context, must not log, not sleep. */
    void (*write)(struct log_sink *sink, const char *text, size_t n);
    enum log_level level; /* prints records below or equal to it ... */
    bool colour;
    struct list link;
};

/* Adds a sink; with `replay` it first gets the records that are still in the ring. */
void log_sink_add(struct log_sink *sink, bool replay);
void log_sink_remove(struct log_sink *sink);
/* The console level: `loglevel=`, `quiet`, `debug`, syslog(2) 8.  Records with level < console
 * level are printed, as on Linux. Default 5: warnings and worse; `quiet` is the default. */
void log_console_level_set(unsigned level);
unsigned log_console_level(void);
/*
 * Reads records for /dev/kmsg and syslog(2): the first record with sequence >= *seq is formatted as
 * "[    1.234567] tag: text\n" (syslog with "<level>" first) into buf, and *seq becomes its
 * successor.  Return: its length, 0 when there is none.
 */
size_t log_read(uint64_t *seq, char *buf, size_t size, bool with_level);
uint64_t log_first_seq(void);
uint64_t log_next_seq(void); /* of the record that comes next; any context */
/* Where time stamps come from once there is a clock; before that they are 0. */
void log_set_clock(ns_t (*now)(void));
/* That clock, 0 while there is none. */
ns_t log_clock_ns(void);
