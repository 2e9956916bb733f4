// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: contexts as coroutines of the host process.
 *
 * Model: a context's stack is memory of the vmap area; host_switch_stack exchanges stacks.  A fresh
 * context starts in host_context_main, which calls its entry with the context that the CPU came
 * from.  The address sanitizer is told of each change.
 * Floating point: the compiled code of the host uses what it likes, user programs are C functions of
 * tests; so there is an area of one cache line that is copied about for form's sake.
 */
#include <hal/upcall.h>
#include <lib/string.h>

#include "host.h"

#define FPU_BYTES 64

struct hal_context *host_current;
static struct hal_context *switched_from; /* between the two halves of a switch */

#if HOST_ASAN
void __sanitizer_start_switch_fiber(void **fake, const void *bottom, size_t size);
void __sanitizer_finish_switch_fiber(void *fake, const void **bottom, size_t *size);
void __asan_unpoison_memory_region(const volatile void *addr, size_t size);
void __sanitizer_print_stack_trace(void);
#else
static void __sanitizer_start_switch_fiber(void **fake, const void *bottom, size_t size)
{
    (void)fake, (void)bottom, (void)size;
}

static void __sanitizer_finish_switch_fiber(void *fake, const void **bottom, size_t *size)
{
    (void)fake, (void)bottom, (void)size;
}

static void __asan_unpoison_memory_region(const volatile void *addr, size_t size)
{
    (void)addr, (void)size;
}

static void __sanitizer_print_stack_trace(void)
{
}
#endif

void host_backtrace(void)
{
    __sanitizer_print_stack_trace();
}

uintptr_t host_stack_prepare(uintptr_t top)
{
    /* Room for the user registers, as on the other architectures; what ran here before may have
     * left red zones behind. */
    uintptr_t *sp = (uintptr_t *)ALIGN_DOWN(top - sizeof(struct hal_regs) - 64, 64);

    __asan_unpoison_memory_region((void *)(top - KERNEL_STACK_SIZE), KERNEL_STACK_SIZE);
#if defined __x86_64__
    *--sp = (uintptr_t)host_stack_entry;
    sp -= 6; /* the registers that host_switch_stack pops */
    memset(sp, 0, 6 * sizeof(*sp));
#else
    sp -= 20;
    memset(sp, 0, 20 * sizeof(*sp));
    sp[1] = (uintptr_t)host_stack_entry;
#endif
    return (uintptr_t)sp;
}

void host_switch_told(uintptr_t *save, uintptr_t load, void **fake, uintptr_t new_top)
{
    __sanitizer_start_switch_fiber(fake, (void *)(new_top - KERNEL_STACK_SIZE), KERNEL_STACK_SIZE);
    host_switch_stack(save, load);
    __sanitizer_finish_switch_fiber(*fake, NULL, NULL);
}

void host_context_main(void)
{
    struct hal_context *self = host_current;

    __sanitizer_finish_switch_fiber(NULL, NULL, NULL);
    self->arch.entry(switched_from, self->arch.arg);
    os_fatal("a context's entry returned");
}

void hal_context_init(struct hal_context *ctx, uintptr_t stack_top,
                      void (*entry)(struct hal_context *prev, void *arg), void *arg)
{
    ctx->stack_top = stack_top;
    ctx->preempt_count = 1;
    ctx->arch.entry = entry;
    ctx->arch.arg = arg;
    ctx->arch.fake_stack = NULL;
    ctx->sp = host_stack_prepare(stack_top);
}

struct hal_context *hal_switch(struct hal_context *prev, struct hal_context *next)
{
    if (hal_irqs_enabled())
        os_fatal("hal_switch with interrupts on");
    if (prev != host_current)
        os_fatal("hal_switch from a context that does not run");
    switched_from = prev;
    host_current = next;
    host_cpu->current = next;
    if (next->fpu != NULL && host_cpu->fpu_owner != next)
        __atomic_fetch_or(&next->pending, PENDING_FPU, __ATOMIC_RELAXED);
    host_switch_told(&prev->sp, next->sp, &prev->arch.fake_stack, next->stack_top);
    return switched_from;
}

/* --- user mode: see <arch/host.h> --- */

static void pending_run(struct hal_regs *r)
{
    hal_irq_disable();
    while (hal_current()->pending != 0)
        upcall_user_return(r);
    hal_irq_enable();
}

void hal_enter_user(void)
{
    struct hal_regs *r = hal_user_regs(hal_current());
    host_program_fn program;

    pending_run(r);
    program = (host_program_fn)r->ip;
    r->user = 1;
    program(r);
    os_fatal("a program returned without exiting");
}

long host_syscall(long nr, uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4,
                  uint64_t a5)
{
    struct hal_regs *r = hal_user_regs(hal_current());
    const uint64_t arg[6] = { a0, a1, a2, a3, a4, a5 };
    uint64_t ip = r->ip;

    memcpy(r->arg, arg, sizeof(arg));
    r->user = 1;
    r->nr = nr;
    do {
        r->restart = 0;
        upcall_syscall(r);
        pending_run(r);
    } while (r->restart);
    r->nr = -1;
    if (r->ip != ip)
        hal_enter_user(); /* execve, or a signal's handler */
    return r->ret;
}

uintptr_t hal_tls_get(void)
{
    return hal_current()->tls;
}

void hal_tls_set(uintptr_t value)
{
    hal_current()->tls = value;
}

size_t hal_fpu_size(void)
{
    return FPU_BYTES;
}

void hal_fpu_init(void *area)
{
    memset(area, 0, FPU_BYTES);
}

void hal_fpu_save_current(void *dst)
{
    memcpy(dst, hal_current()->fpu, FPU_BYTES);
}

void hal_fpu_load_current(const void *src)
{
    memcpy(hal_current()->fpu, src, FPU_BYTES);
}

void hal_fpu_restore(void)
{
    __atomic_fetch_and(&hal_current()->pending, ~(uint32_t)PENDING_FPU, __ATOMIC_RELAXED);
    host_cpu->fpu_owner = hal_current();
}

__attribute__((no_sanitize("address"))) void hal_backtrace(uintptr_t ip, uintptr_t fp, unsigned max,
                                                           void (*step)(uintptr_t ip))
{
    uintptr_t top = hal_current()->stack_top, bottom = top - KERNEL_STACK_SIZE;

    for (; max > 0 && ip != 0; max--) {
        step(ip);
        if (fp < bottom || fp > top - 16 || fp % 8 != 0)
            return;
        ip = ((uintptr_t *)fp)[1];
        bottom = fp + 16; /* frames lie one above the other */
        fp = ((uintptr_t *)fp)[0];
    }
}

/* There is nothing of the kind. */
void hal_user_inherit(struct hal_context *child)
{
    (void)child;
}

void hal_user_reset(void)
{
}
