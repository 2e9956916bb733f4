// SPDX-License-Identifier: CC0-1.0
/* Purpose: what uname says; /proc shows the same. */
#pragma once

#define IDENTITY_SYSNAME "Linux"
#define IDENTITY_RELEASE "6.1.0-devine"
#define IDENTITY_VERSION "#1 SMP PREEMPT Devine"
