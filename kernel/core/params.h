// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: the command line: `name`, `name=value`, values in double quotes; words after `--` are
 * init's arguments.  Unknown name=value become init's environment, unknown plain words its
 * arguments, as on Linux (a name with a dot is a module parameter and is dropped).
 */
#pragma once

#include <lib/registry.h>
#include <lib/types.h>

struct param {
    const char *name, *help;
    /* value: text behind '=', or NULL.  Return: 0, or an errno that is logged with the name.
     * NULL: the name is known, and its value is asked for with params_find. */
    err_t (*set)(const char *value);
};
REGISTRY_DECLARE(param, const struct param);

/* PARAM(name, "help", fn) at file scope. */
#define PARAM_NAMED(id, text, help_text, fn)                                                       \
    static const struct param param_##id = { .name = text, .help = help_text, .set = fn };         \
    REGISTRY_ADD(param, param_##id)
#define PARAM(id, help_text, fn) PARAM_NAMED(id, #id, help_text, fn)

#define PARAMS_INIT_MAX 64 /* arguments, and environment strings, for init */
struct init_args {
    const char *argv[PARAMS_INIT_MAX]; /* behind argv[0] */
    const char *envp[PARAMS_INIT_MAX];
    unsigned argc, envc;
};

/* Parses `line` (kept: a copy is made in static storage).  Once, before subsystems start. */
void params_parse(const char *line);
/* Cuts the next word off the text at *at, in place and without its quotes; NULL at the end. */
char *params_word_next(char **at);
const char *params_cmdline(void); /* as given, for /proc/cmdline */
const struct init_args *params_init(void);
/* Value of the last `name=value` or "" for a plain `name`; NULL when absent. Any time after parse. */
const char *params_find(const char *name);
