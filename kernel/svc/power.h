// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: turning the machine off and restarting it, through services that rate themselves.
 */
#pragma once

#include <svc/service.h>

struct power_service { /* each returns only when it could not */
    void (*off)(void);
    void (*reboot)(void);
};
SERVICE_TYPE(power, struct power_service);

/*
 * Stop all subsystems in reverse order, then ask the power services, best first; hal_halt() last.
 * Context: thread.
 */
__noreturn void power_off(void);
__noreturn void power_reboot(void);
__noreturn void power_halt(void);

/* Ctrl-Alt-Del was pressed: what `fn` does, restarts the machine while none was named.  Context: thread. */
void power_ctrl_alt_del(void);
void power_ctrl_alt_del_set(void (*fn)(void)); /* once, at start */
