// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: Ctrl-Alt-Del, for keyboards and for a break on the console: restarts the machine, or, after
 * reboot(LINUX_REBOOT_CMD_CAD_OFF), sends SIGINT to process 1.
 */
#pragma once

#include <lib/types.h>

void ctrl_alt_del_set(bool restarts);
/* Somebody pressed it.  Context: thread. */
void ctrl_alt_del(void);
