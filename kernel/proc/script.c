// SPDX-License-Identifier: CC0-1.0
#include <proc/script.h>

#include <lib/string.h>

static bool blank(char c)
{
    return c == ' ' || c == '\t';
}

static char *skip_blanks(char *s)
{
    while (blank(*s))
        s++;
    return s;
}

err_t script_parse(char *line, size_t n, struct script_line *out)
{
    char *end, *s;
    bool cut;

    n = MIN(n, (size_t)SCRIPT_LINE_MAX);
    if (n < 3 || line[0] != '#' || line[1] != '!')
        return -ENOEXEC;
    end = memchr(line, '\n', n);
    cut = !end && n == SCRIPT_LINE_MAX;
    if (!end)
        end = line + n;
    *end = '\0';
    while (end > line + 2 && blank(end[-1]))
        *--end = '\0';
    s = skip_blanks(line + 2);
    if (*s == '\0')
        return -ENOEXEC;
    *out = (struct script_line){ .interpreter = s };
    while (*s && !blank(*s))
        s++;
    if (*s == '\0') /* a name that fills the line to its end may have lost a part */
        return cut ? -ENOEXEC : 0;
    *s = '\0';
    s = skip_blanks(s + 1);
    if (*s)
        out->argument = s;
    return 0;
}
