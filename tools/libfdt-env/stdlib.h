// SPDX-License-Identifier: CC0-1.0
/* Purpose: the <stdlib.h> that libfdt's headers ask for: they use size_t of it, nothing more. */
#pragma once

#include <stddef.h>
