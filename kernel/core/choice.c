// SPDX-License-Identifier: CC0-1.0
/* Purpose: the line about a choice that does not exist. */
#define LOG_TAG "params"
#include <core/choice.h>

#include <core/log.h>
#include <lib/fmt.h>

void choice_unknown(const char *param, const char *value, const char *(*nth)(unsigned n))
{
    char known[128] = "nothing";
    const char *name;
    size_t used = 0;

    for (unsigned i = 0; (name = nth(i)) != NULL; i++)
        used += (size_t)fmt_scnprintf(known + used, sizeof known - used, "%s%s", i ? ", " : "", name);
    log_warn("%s=%s is unknown; there is: %s", param, value, known);
}
