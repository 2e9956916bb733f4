// SPDX-License-Identifier: CC0-1.0
/* Purpose: exit, exit_group. */
#include <abi/syscalls_gen.h>
#include <proc/process.h>

long sys_exit(int code)
{
    task_exit((code & 0xff) << 8);
}

long sys_exit_group(int code)
{
    process_exit_group((code & 0xff) << 8);
}
