// SPDX-License-Identifier: CC0-1.0
/* Purpose: fresh user registers, registers as text, and walks along frame pointers. */
#include <hal/regs.h>

#include <cpu/msr.h>
#include <hal/cpu.h>
#include <lib/fmt.h>
#include <lib/string.h>

void regs_init_user(struct hal_regs *r, vaddr_t ip, vaddr_t sp)
{
    memset(r, 0, sizeof(*r));
    r->trap = REGS_TRAP_CHANGED;
    r->orig_ax = (uint64_t)-1;
    r->ip = ip;
    r->sp = sp;
    r->cs = USER_CS;
    r->ss = USER_DS;
    r->flags = RFLAGS_IF | RFLAGS_FIXED;
    /* As SYSCALL would leave them: the first return can take SYSRET, and tells nothing. */
    r->cx = ip;
    r->r11 = r->flags;
}

void regs_dump(const struct hal_regs *r, void (*line)(const char *text))
{
    char text[128];

#define DUMP(...)                                                                                  \
    do {                                                                                           \
        fmt_snprintf(text, sizeof(text), __VA_ARGS__);                                             \
        line(text);                                                                                \
    } while (0)
    DUMP("rip %04lx:%016lx rsp %04lx:%016lx flags %08lx trap %ld", r->cs, r->ip, r->ss, r->sp,
         r->flags, (long)r->trap);
    DUMP("rax %016lx rbx %016lx rcx %016lx rdx %016lx", r->ax, r->bx, r->cx, r->dx);
    DUMP("rsi %016lx rdi %016lx rbp %016lx r8  %016lx", r->si, r->di, r->bp, r->r8);
    DUMP("r9  %016lx r10 %016lx r11 %016lx r12 %016lx", r->r9, r->r10, r->r11, r->r12);
    DUMP("r13 %016lx r14 %016lx r15 %016lx", r->r13, r->r14, r->r15);
    DUMP("cr0 %08lx cr2 %016lx cr3 %016lx cr4 %08lx", cr0_read(), cr2_read(), cr3_read(),
         cr4_read());
#undef DUMP
}

/* The stack of the running thread or of this CPU's IST that `sp` lies in; its end, or 0. */
static uintptr_t stack_end(uintptr_t sp)
{
    const struct cpu *cpu = cpu_current();
    uintptr_t top = hal_current()->stack_top;
    uintptr_t ist = (uintptr_t)cpu->arch.ist;

    if (sp < top && sp >= top - KERNEL_STACK_SIZE)
        return top;
    if (sp >= ist && sp < ist + IST_COUNT * IST_STACK_SIZE)
        return ALIGN_UP(sp + 1, IST_STACK_SIZE);
    return 0;
}

/* System V ABI: *fp is the caller's frame pointer, fp[1] the return address. */
void hal_backtrace(uintptr_t ip, uintptr_t fp, unsigned max, void (*step)(uintptr_t ip))
{
    uintptr_t end = stack_end(fp);

    if (max-- == 0)
        return;
    step(ip);
    while (max-- > 0 && IS_ALIGNED(fp, 8) && fp + 16 <= end) {
        uintptr_t next = ((uintptr_t *)fp)[0];

        step(((uintptr_t *)fp)[1]);
        if (next <= fp)
            return;
        fp = next;
    }
}
