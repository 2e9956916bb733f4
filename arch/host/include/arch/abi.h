// SPDX-License-Identifier: CC0-1.0
/* Purpose: the host shows programs the ABI of the machine it was compiled for. */
#pragma once

#include <linux/audit.h>
#include <linux/elf-em.h>

#if defined __x86_64__
#define ABI_ELF_MACHINE EM_X86_64
#define ABI_PLATFORM "x86_64"
#define ABI_UNAME_MACHINE "x86_64"
#define ABI_AUDIT_ARCH AUDIT_ARCH_X86_64
/* clone(2) takes tls before child_tid (CONFIG_CLONE_BACKWARDS). */
#define ABI_CLONE_TLS_FIRST false
#else
#define ABI_ELF_MACHINE EM_AARCH64
#define ABI_PLATFORM "aarch64"
#define ABI_UNAME_MACHINE "aarch64"
#define ABI_AUDIT_ARCH AUDIT_ARCH_AARCH64
/* clone(2) takes tls before child_tid (CONFIG_CLONE_BACKWARDS). */
#define ABI_CLONE_TLS_FIRST true
#endif
