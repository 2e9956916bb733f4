// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: the types that appear in system-call prototypes, from Debian's UAPI headers.
 */
#pragma once

#include <lib/types.h>

#include <linux/posix_types.h>
#include <linux/signal.h>
#include <linux/time_types.h>
#include <linux/types.h>
#include <linux/uio.h>

typedef __kernel_fd_set fd_set;
