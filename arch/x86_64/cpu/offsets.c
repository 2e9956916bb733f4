// SPDX-License-Identifier: CC0-1.0
/* Purpose: holds the numbers that assembly uses against the structures they come from. */
#include <arch/asm.h>
#include <hal/cpu.h>
#include <hal/boot.h>

#define SAME(a, b) _Static_assert((a) == (b), #a)

SAME(CPU_SELF, offsetof(struct cpu, self));
SAME(CPU_CURRENT, offsetof(struct cpu, current));
SAME(CPU_SCRATCH, offsetof(struct cpu, arch_scratch));
SAME(CPU_TSS_RSP0, offsetof(struct cpu, arch.tss.rsp[0]));
SAME(CTX_SP, offsetof(struct hal_context, sp));
SAME(CTX_STACK_TOP, offsetof(struct hal_context, stack_top));
SAME(CTX_PENDING, offsetof(struct hal_context, pending));
SAME(REGS_TRAP, offsetof(struct hal_regs, trap));
SAME(REGS_R11, offsetof(struct hal_regs, r11));
SAME(REGS_CX, offsetof(struct hal_regs, cx));
SAME(REGS_DI, offsetof(struct hal_regs, di));
SAME(REGS_ORIG_AX, offsetof(struct hal_regs, orig_ax));
SAME(REGS_IP, offsetof(struct hal_regs, ip));
SAME(REGS_CS, offsetof(struct hal_regs, cs));
SAME(REGS_FLAGS, offsetof(struct hal_regs, flags));
SAME(REGS_SP, offsetof(struct hal_regs, sp));
SAME(REGS_SS, offsetof(struct hal_regs, ss));
SAME(REGS_SIZE, sizeof(struct hal_regs));
SAME((uint64_t)TRAP_SYSCALL, REGS_TRAP_SYSCALL);
SAME((uint64_t)TRAP_CHANGED, REGS_TRAP_CHANGED);
SAME(ASM_KERNEL_CS, KERNEL_CS);
SAME(ASM_KERNEL_DS, KERNEL_DS);
SAME(ASM_USER_DS, USER_DS);
SAME(ASM_USER_CS, USER_CS);
SAME(ASM_IST_STACK_SIZE, IST_STACK_SIZE);
SAME(LOADER_PVH, 0);
SAME(LOADER_MULTIBOOT2, 1);
SAME(PTE_PROT_READ, MMU_READ);
SAME(PTE_PROT_WRITE, MMU_WRITE);
SAME(PTE_PROT_EXEC, MMU_EXEC);
SAME(PTE_PROT_USER, MMU_USER);
SAME(PTE_PROT_GLOBAL, MMU_GLOBAL);
SAME(PTE_PROT_DEVICE, MMU_DEVICE);
SAME(PTE_PROT_WC, MMU_WRITE_COMBINE);
SAME(PTE_PROT_SPECIAL, MMU_SPECIAL);
