// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: fuzz the reader of `#!` lines: the input is what a file begins with.
 * Run: scripts/fuzz.sh script SECONDS.
 */
#include <proc/script.h>

#include <lib/string.h>

void *malloc(size_t n);
void free(void *p);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(bool ok)
{
    if (!ok)
        __builtin_trap();
}

/* A text of its own within the line, without a blank at its beginning, nor at its end unless a NUL cuts it off. */
static void text_check(const char *line, const char *text, bool cut)
{
    size_t n;

    expect(text >= line + 2 && text <= line + SCRIPT_LINE_MAX);
    n = strlen(text);
    expect(n > 0 && text + n <= line + SCRIPT_LINE_MAX);
    expect(text[0] != ' ' && text[0] != '\t');
    expect(cut || (text[n - 1] != ' ' && text[n - 1] != '\t'));
    expect(strchr(text, '\n') == NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *line = malloc(SCRIPT_LINE_MAX + 1); /* as its contract says */
    size_t n = MIN(size, (size_t)SCRIPT_LINE_MAX);
    bool cut = memchr(data, 0, n) != NULL;
    struct script_line s;

    memset(line, 'x', SCRIPT_LINE_MAX + 1); /* what was there before the file's bytes */
    memcpy(line, data, n);
    if (script_parse(line, size, &s) == 0) {
        text_check(line, s.interpreter, cut);
        expect(!strchr(s.interpreter, ' ') && !strchr(s.interpreter, '\t'));
        if (s.argument) {
            text_check(line, s.argument, cut);
            expect(s.argument > s.interpreter + strlen(s.interpreter));
        }
    }
    free(line);
    return 0;
}
