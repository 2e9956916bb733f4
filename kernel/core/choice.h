// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: implementations that are chosen by name on the command line: what is said of a name that
 * nobody has.
 */
#pragma once

#include <lib/types.h>

/*
 * Logs one line: `param`=`value` is unknown, and what there is.
 * @param nth  name of the n-th that can be chosen; NULL: there are fewer
 * Context: any that may log.
 */
void choice_unknown(const char *param, const char *value, const char *(*nth)(unsigned n));
