// SPDX-License-Identifier: CC0-1.0
/* Purpose: names of this machine in Linux's ABI (see <hal/abi.h>). */
#pragma once

#define ABI_ELF_MACHINE 62 /* EM_X86_64 */
#define ABI_PLATFORM "x86_64"
#define ABI_UNAME_MACHINE "x86_64"
#define ABI_AUDIT_ARCH 0xc000003eu /* AUDIT_ARCH_X86_64 */
/* clone(2) takes tls before child_tid (CONFIG_CLONE_BACKWARDS). */
#define ABI_CLONE_TLS_FIRST false
