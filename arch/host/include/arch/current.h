// SPDX-License-Identifier: CC0-1.0
/* Purpose: the running context.  Exactly one coroutine of the host process runs at any time. */
#pragma once

extern struct hal_context *host_current;

static inline struct hal_context *hal_current(void)
{
    return host_current;
}
