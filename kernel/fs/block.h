// SPDX-License-Identifier: CC0-1.0
/* Purpose: what others ask of block devices. */
#pragma once

#include <lib/types.h>

/* sync(2): writes all that is marked, and flushes the media.  May sleep.  Return: 0, -EIO. */
err_t block_sync_all(void);
