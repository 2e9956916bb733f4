// SPDX-License-Identifier: CC0-1.0
/* Purpose: the <string.h> that libfdt's headers ask for. */
#pragma once

#include <lib/string.h>
