// SPDX-License-Identifier: CC0-1.0
/* Purpose: the names of errors, for people. */
#pragma once

#include <lib/types.h>

/* "EIO" for -EIO; "error" for what Linux does not know. */
const char *errno_name(err_t err);
