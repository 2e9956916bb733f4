// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: fuzz the command line: how it is cut into words, and the readers of all values that parameters take on
 * the host.  The input is the line.  What a value leaves behind (fail=, virtio_mmio.device=) stays for the next
 * line, as if both had been one.
 * Run: scripts/fuzz.sh cmdline SECONDS.
 */
#include <core/params.h>

#include <core/panic.h>
#include <hal/boot.h>
#include <lib/string.h>

void *malloc(size_t n);
void free(void *p);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(bool ok)
{
    if (!ok)
        __builtin_trap();
}

void choice_unknown(const char *param, const char *value, const char *(*nth)(unsigned n))
{
    unsigned i = 0;

    expect(param && value && strlen(value) < BOOT_CMDLINE_MAX);
    while (nth(i) != NULL)
        i++;
}

/* Every text is whole, and no longer than the line. */
static size_t texts_check(const char *const *list, unsigned count)
{
    size_t sum = 0;

    expect(count <= PARAMS_INIT_MAX);
    for (unsigned i = 0; i < count; i++)
        sum += strlen(list[i]);
    return sum;
}

static void line_check(const char *line)
{
    const struct init_args *args = params_init();
    size_t n = strlen(params_cmdline());

    expect(n == MIN(strlen(line), (size_t)BOOT_CMDLINE_MAX - 1));
    expect(memcmp(line, params_cmdline(), n) == 0);
    expect(texts_check(args->argv, args->argc) + texts_check(args->envp, args->envc) <= n);
    for (unsigned i = 0; i < args->envc; i++)
        expect(strchr(args->envp[i], '=') != NULL);
    registry_for_each(param, p) {
        const char *value = params_find((*p)->name);

        expect(!value || strlen(value) < n);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *line = malloc(size + 1);

    expect(registry_count(param) > 16);
    memcpy(line, data, size);
    line[size] = '\0';
    params_parse(line);
    line_check(line);
    free(line);
    return 0;
}
