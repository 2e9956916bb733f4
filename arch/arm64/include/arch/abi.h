// SPDX-License-Identifier: CC0-1.0
/* Purpose: names of this architecture in the Linux ABI. */
#pragma once

#include <linux/audit.h>
#include <linux/elf-em.h>

#define ABI_ELF_MACHINE EM_AARCH64
#define ABI_PLATFORM "aarch64"
#define ABI_UNAME_MACHINE "aarch64"
#define ABI_AUDIT_ARCH AUDIT_ARCH_AARCH64
/* clone(2) takes tls before child_tid (CONFIG_CLONE_BACKWARDS). */
#define ABI_CLONE_TLS_FIRST true
