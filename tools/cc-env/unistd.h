// SPDX-License-Identifier: CC0-1.0
/* Purpose: <linux/shm.h> includes the C library's unistd.h for getpagesize(), which nothing here uses. */
#pragma once
