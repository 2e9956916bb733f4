// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: where the Linux ABI differs by architecture beyond what Debian's UAPI headers
 * (<asm/...>, <linux/...>: numbers, flags, structures) already say.
 *
 * <arch/abi.h> defines:
 *     ABI_ELF_MACHINE     EM_X86_64, EM_AARCH64
 *     ABI_PLATFORM        AT_PLATFORM string: "x86_64", "aarch64"
 *     ABI_UNAME_MACHINE   uname -m
 *     ABI_AUDIT_ARCH      for seccomp and strace
 */
#pragma once

#include <lib/types.h>
#include <arch/abi.h>
#include <hal/regs.h>

#include <linux/signal.h>

/* AT_HWCAP, AT_HWCAP2 of this machine. */
uint64_t abi_hwcap(void);
uint64_t abi_hwcap2(void);

/* The vDSO image: whole pages inside the kernel image; *size in bytes.  `sigreturn` is the offset
 * of the signal trampoline (arm64), or 0. */
const void *abi_vdso(size_t *size, size_t *sigreturn);

struct abi_signal_frame {
    int sig;
    const siginfo_t *info;
    vaddr_t handler, restorer; /* restorer 0: none given */
    unsigned long flags; /* sa_flags */
    uint64_t mask; /* signal mask to be restored by sigreturn */
    stack_t altstack; /* as it was, for uc_stack */
    vaddr_t stack; /* top of the stack to build on, red zone not yet left out */
    vaddr_t stack_floor; /* the alternate stack's bottom when that is built on, else 0 */
    vaddr_t trampoline; /* user address of the vDSO's sigreturn, 0: none */
};

/*
 * Builds Linux's rt_sigframe on the user stack and points `r` at the handler.  May sleep (faults).
 * Return: 0; -EFAULT when the stack cannot be written or, on x86_64, the frame would leave the
 * alternate stack (Linux for arm64 does not look).
 */
err_t __must_check abi_signal_setup(struct hal_regs *r, const struct abi_signal_frame *f);
/* The most that a frame takes of an alternate stack, which programs see as AT_MINSIGSTKSZ. */
size_t abi_signal_frame_size(void);
/*
 * Undoes it: reads the frame at the user stack pointer into `r`, FPU state, *mask and *altstack,
 * and accepts only what user mode may have.  Return: 0; -EFAULT or -EINVAL (SIGSEGV follows).
 * A frame that can be read, but not accepted, still gives registers and *mask, as on Linux: a handler of
 * that SIGSEGV which returns goes on behind the signal, not at the same sigreturn for ever.
 */
err_t __must_check abi_signal_return(struct hal_regs *r, uint64_t *mask, stack_t *altstack);

/* System calls that only this architecture has go through its own rows of syscalls.tbl:
 * x86_64 arch_prctl (ARCH_SET_FS, GET_FS, SET_GS, GET_GS). */
long abi_arch_prctl(int code, uint64_t addr);

/* Hardware random numbers.  True when *out was filled (RDRAND, RNDR). */
bool abi_hw_random(uint64_t *out);
