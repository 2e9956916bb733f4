// SPDX-License-Identifier: CC0-1.0
#include <proc/power.h>

#include <proc/process.h>
#include <svc/power.h>

static bool cad_restarts = true; /* atomic */

void ctrl_alt_del_set(bool restarts)
{
    atomic_store_relaxed(&cad_restarts, restarts);
}

void ctrl_alt_del(void)
{
    struct process *init;

    if (atomic_load_relaxed(&cad_restarts))
        power_reboot();
    init = process_get(1);
    if (!init)
        return;
    (void)signal_send_process(init, SIGINT, NULL);
    process_put(init);
}
