// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: the kernel's command line.
 *
 * Model: the line is kept as it was, and copied once more to be cut into words in place.  Each word is
 * offered to all registered parameters of its name (dash and underscore are the same, as on
 * Linux); what nobody knows belongs to init.
 * Locking: written once at boot, read-only afterwards.
 */
#define LOG_TAG "params"
#include <core/log.h>
#include <core/params.h>
#include <hal/boot.h>
#include <lib/fmt.h>
#include <lib/string.h>

#define WORDS_MAX 128

static char cmdline[BOOT_CMDLINE_MAX];
static char words[BOOT_CMDLINE_MAX];
static struct word {
    const char *name, *value;
} word[WORDS_MAX];
static unsigned word_count;
static char env_words[BOOT_CMDLINE_MAX]; /* no word grows, so all fit */
static size_t env_used;
static struct init_args init_args;

static bool name_equal(const char *a, const char *b)
{
    for (;; a++, b++) {
        char ca = *a == '-' ? '_' : *a, cb = *b == '-' ? '_' : *b;

        if (ca != cb)
            return false;
        if (ca == '\0')
            return true;
    }
}

char *params_word_next(char **at)
{
    char *in = *at, *out, *start;
    bool quoted = false;

    while (*in == ' ' || *in == '\t' || *in == '\n')
        in++;
    if (*in == '\0')
        return NULL;
    start = out = in;
    for (; *in != '\0' && (quoted || (*in != ' ' && *in != '\t' && *in != '\n')); in++) {
        if (*in == '"')
            quoted = !quoted;
        else
            *out++ = *in;
    }
    *at = *in != '\0' ? in + 1 : in;
    *out = '\0';
    return start;
}

static void init_add(const char **list, unsigned *count, const char *text)
{
    if (*count < PARAMS_INIT_MAX)
        list[(*count)++] = text;
    else
        log_warn("more than %d words for init: %s is dropped", PARAMS_INIT_MAX, text);
}

/* `words` holds name and value apart: init gets a copy that is whole. */
static void env_add(const char *name, const char *value)
{
    char *text = env_words + env_used;
    int n = fmt_scnprintf(text, sizeof(env_words) - env_used, "%s=%s", name, value);

    env_used += (size_t)n + 1;
    init_add(init_args.envp, &init_args.envc, text);
}

/* Offers a word to the parameters; true when somebody knows it. */
static bool param_offer(const char *name, const char *value)
{
    bool known = false;

    registry_for_each(param, p) {
        err_t err;

        if (!name_equal((*p)->name, name))
            continue;
        known = true;
        err = (*p)->set != NULL ? (*p)->set(value) : 0;
        if (err != 0)
            log_warn("%s=%s: error %d", name, value != NULL ? value : "", -err);
    }
    return known;
}

static void word_take(char *text)
{
    char *eq = strchr(text, '=');
    const char *value = eq != NULL ? eq + 1 : NULL;
    bool known;

    if (eq != NULL)
        *eq = '\0';
    if (word_count < WORDS_MAX)
        word[word_count++] = (struct word){ .name = text, .value = value };
    known = param_offer(text, value);
    if (known || strchr(text, '.') != NULL)
        return;
    if (eq == NULL) {
        init_add(init_args.argv, &init_args.argc, text);
        return;
    }
    env_add(text, value);
}

void params_parse(const char *line)
{
    char *at = words, *text;
    bool rest = false;

    if (str_copy(cmdline, line, sizeof(cmdline)) >= sizeof(cmdline))
        log_warn("the command line is longer than %d bytes: the rest is dropped", BOOT_CMDLINE_MAX);
    str_copy(words, cmdline, sizeof(words));
    word_count = 0;
    env_used = 0;
    init_args = (struct init_args){ 0 };
    while ((text = params_word_next(&at)) != NULL) {
        if (rest)
            init_add(init_args.argv, &init_args.argc, text);
        else if (strcmp(text, "--") == 0)
            rest = true;
        else
            word_take(text);
    }
}

const char *params_cmdline(void)
{
    return cmdline;
}

const struct init_args *params_init(void)
{
    return &init_args;
}

const char *params_find(const char *name)
{
    for (unsigned i = word_count; i > 0; i--)
        if (name_equal(word[i - 1].name, name))
            return word[i - 1].value != NULL ? word[i - 1].value : "";
    return NULL;
}
