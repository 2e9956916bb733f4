// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: what the host's arch code borrows from the operating system below it.  os.c alone
 * includes the C library's headers; they do not mix with the kernel's.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { OS_READ = 1, OS_WRITE = 2, OS_EXEC = 4 };

/* A sparse file of memory: the machine's RAM. */
void os_ram_create(uint64_t bytes);
/* Maps RAM from `offset` at the fixed address; fatal when the address is taken and not by us. */
void os_ram_map(uintptr_t at, size_t bytes, uint64_t offset, unsigned prot);
/* Shared memory that is no RAM (device registers of tests). */
void os_device_map(uintptr_t at, size_t bytes, unsigned prot);
void os_unmap(uintptr_t at, size_t bytes);
void os_write(int fd, const char *s, size_t n);
const char *os_getenv(const char *name);
uint64_t os_time_seed(void);
bool os_random(void *buf, size_t n);
__attribute__((noreturn)) void os_exit(int status);
__attribute__((noreturn, format(printf, 1, 2))) void os_fatal(const char *format, ...);

/* Where the machine is being saved, fatal errors end the run instead. */
extern void (*os_fatal_hook)(const char *text);
/* Zeroed memory that is no part of the machine. */
void *os_memory(size_t bytes);
/* Calls fn(offset, bytes) for each stretch of RAM that was ever written. */
void os_ram_used(void (*fn)(uint64_t offset, uint64_t bytes));
bool os_ram_is_used(uint64_t offset); /* the page there, likewise */
/* Saved memory: adds pages (aliased: also written through another address), saves, brings back. */
void os_snapshot_add(uintptr_t at, size_t bytes, bool aliased);
void os_snapshot_take(void);
void os_snapshot_restore(void);
size_t os_snapshot_hot(void); /* pages that a restore copies */
