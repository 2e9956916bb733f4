// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: `#!` lines.
 */
#pragma once

#include <lib/types.h>

#define SCRIPT_LINE_MAX 256

struct script_line { /* points into the line, which got NULs */
    char *interpreter;
    char *argument; /* NULL: none; may hold blanks */
};

/*
 * Reads "#! interpreter [argument]" in place.  `line` holds the first n bytes of the file and has room
 * for SCRIPT_LINE_MAX + 1.  0; -ENOEXEC: no script, no interpreter, or its name is cut off.
 * Source: execve(2).
 */
err_t __must_check script_parse(char *line, size_t n, struct script_line *out);
