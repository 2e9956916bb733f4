// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: what uname(2) and /proc/sys/kernel say.
 */
#pragma once

#include <lib/types.h>

#include <linux/utsname.h>

/* A copy of the names. */
void uts_get(struct new_utsname *out);
/* n bytes without NUL; longer ones are refused: 0, -EINVAL. */
err_t uts_set_nodename(const char *name, size_t n);
err_t uts_set_domainname(const char *name, size_t n);
