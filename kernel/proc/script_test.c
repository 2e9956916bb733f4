// SPDX-License-Identifier: CC0-1.0
/* Purpose: tests of `#!` lines. */
#include <proc/script.h>

#include <core/ktest.h>
#include <lib/string.h>

static err_t parse(const char *text, char *line, struct script_line *out)
{
    size_t n = MIN(strlen(text), (size_t)SCRIPT_LINE_MAX);

    memcpy(line, text, n);
    out->argument = NULL;
    return script_parse(line, n, out);
}

KTEST(script, plain_and_argument)
{
    char line[SCRIPT_LINE_MAX + 1];
    struct script_line s;

    KTEST_REQUIRE(parse("#!/bin/sh\necho", line, &s) == 0);
    KTEST_STR_EQ(s.interpreter, "/bin/sh");
    KTEST_TRUE(!s.argument);
    KTEST_REQUIRE(parse("#! \t/usr/bin/env  python3 -u \t\n", line, &s) == 0);
    KTEST_STR_EQ(s.interpreter, "/usr/bin/env");
    KTEST_STR_EQ(s.argument, "python3 -u");
    KTEST_REQUIRE(parse("#!/bin/sh", line, &s) == 0); /* no newline at the end of the file */
    KTEST_STR_EQ(s.interpreter, "/bin/sh");
}

KTEST(script, refused)
{
    char line[SCRIPT_LINE_MAX + 1], text[400];
    struct script_line s;

    KTEST_EQ(parse("", line, &s), -ENOEXEC);
    KTEST_EQ(parse("#!", line, &s), -ENOEXEC);
    KTEST_EQ(parse("#!\n", line, &s), -ENOEXEC);
    KTEST_EQ(parse("#!   \n/bin/sh", line, &s), -ENOEXEC);
    KTEST_EQ(parse("echo hi\n", line, &s), -ENOEXEC);
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    memcpy(text, "#!/", 3);
    KTEST_EQ(parse(text, line, &s), -ENOEXEC); /* the name may be cut off */
    text[100] = ' ';
    KTEST_EQ(parse(text, line, &s), 0); /* only the argument is */
}
