// SPDX-License-Identifier: CC0-1.0
/* Purpose: proves that <arch/asm.h> says what the structures say. */
#include <arch/asm.h>
#include <arch/mm.h>
#include <arch/start.h>
#include <hal/cpu.h>

#define SAME(number, type, field) _Static_assert((number) == offsetof(type, field), #field)

SAME(REGS_X(3), struct hal_regs, x[3]);
SAME(REGS_SP, struct hal_regs, sp);
SAME(REGS_PC, struct hal_regs, pc);
SAME(REGS_PC + 8, struct hal_regs, pstate);
SAME(REGS_ORIG_X0, struct hal_regs, orig_x0);
SAME(REGS_ORIG_X0 + 8, struct hal_regs, nr);
_Static_assert(REGS_SIZE == sizeof(struct hal_regs), "size of the frame");
_Static_assert(REGS_SIZE % 16 == 0, "SP must stay aligned");
SAME(CTX_SP, struct hal_context, sp);
SAME(CTX_STACK_TOP, struct hal_context, stack_top);
SAME(CTX_PENDING, struct hal_context, pending);
_Static_assert(STACK_SIZE_ASM == KERNEL_STACK_SIZE, "stack size");
SAME(START_ROOT, struct cpu_start, root);
SAME(START_TCR, struct cpu_start, tcr);
SAME(START_STACK, struct cpu_start, stack_top);
SAME(START_CONTEXT, struct cpu_start, context);
SAME(8, struct cpu_pen, start);
