// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: which CPUs run, and calling each other.
 *
 * Model: each CPU has one call record, in use while its smp_call() runs with interrupts off, and a set of
 * the CPUs that want something of it.
 *
 *     caller, interrupts off                          target
 *     own record: fn, arg, left = targets
 *     own bit into each target's set; if the set      interrupt, or a poll
 *       was empty: IPI_CALL                             take the set, empty it
 *     until left == 0: serve own set                    for each bit: run its record's fn, left -= 1
 *
 * A CPU that waits with interrupts off, for a spinlock or for its own call to be done, serves its
 * set meanwhile (smp_call_poll): so CPUs may call each other, and a caller may hold a spinlock that
 * others wait for with interrupts off.
 * Therefore the function may run at any point where interrupts are off: it must take no lock, not
 * sleep, and be short.  TLB work is the reason that it exists.
 */
#pragma once

#include <lib/atomic.h>
#include <lib/bitmap.h>
#include <lib/types.h>
#include <hal/cpu.h>
#include <hal/smp.h>

struct cpu_set {
    uint64_t bits[CPU_MAX / 64]; /* bit: struct cpu's id */
};

/* CPUs that take part in scheduling and answer calls; bits are set atomically, never cleared but by
 * a panic or power-off.  The boot CPU from the start. */
extern struct cpu_set cpus_online;

/* CPUs that there are, those too that do not run: at least cpu_count.  Constant after boot. */
extern unsigned cpus_present;

static inline bool cpu_online(unsigned id)
{
    return atomic_load_relaxed(&cpus_online.bits[id / 64]) >> (id % 64) & 1;
}

unsigned cpus_online_count(void);
/* By the CPU itself, last thing before it schedules. */
void cpu_set_online(struct cpu *cpu);

/* Interrupts `cpu` (not the caller's own).  Any context. */
void ipi_send(struct cpu *cpu, enum ipi ipi);
/* From irq_dispatch(), interrupts off: a chip's claim() gave IRQ_IPI + ipi. */
void ipi_receive(enum ipi ipi);

/* From an NMI, which may be IPI_STOP.  Return: whether it was. */
struct hal_regs;
bool ipi_receive_nmi(const struct hal_regs *r);

/*
 * Runs fn(arg) on every online CPU of `set` but the caller's own, and returns when all have.
 * Context: any but an NMI; preemption or interrupts off, or a spinlock held, is fine.
 */
void smp_call(const struct cpu_set *set, void (*fn)(void *arg), void *arg);
void smp_call_others(void (*fn)(void *arg), void *arg); /* on all others */
/* Serves what others asked of this CPU.  Interrupts off. */
void smp_call_poll(void);

/*
 * Stops all other CPUs for ever.  smp_stop_begin() asks them; each that has been reached waits until
 * smp_stop_end(), then they print their backtraces, one after the other, when the kernel panicked.
 * smp_stop_end() waits for them as long as they make progress.  Return: how many did not stop.
 */
void smp_stop_begin(void);
unsigned smp_stop_end(void);
unsigned smp_stop_others(void); /* both */
/* A further CPU panics while another one does: it stops like the others.  r: where; NULL: the caller. */
__noreturn void smp_stop_self(const struct hal_regs *r);

/* Has another CPU log its backtrace: at once where IPI_STOP is an NMI, else when it next takes
 * interrupts. */
void smp_backtrace(struct cpu *cpu);
