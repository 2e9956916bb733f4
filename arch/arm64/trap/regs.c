// SPDX-License-Identifier: CC0-1.0
/* Purpose: fresh user registers, and registers as text. */
#include <hal/regs.h>
#include <lib/fmt.h>

void regs_init_user(struct hal_regs *r, vaddr_t ip, vaddr_t sp)
{
    *r = (struct hal_regs){ .pc = ip, .sp = sp, .pstate = PSTATE_EL0T, .nr = -1 };
}

void regs_dump(const struct hal_regs *r, void (*line)(const char *text))
{
    char text[96];

    fmt_snprintf(text, sizeof text, "pc : %016llx  lr : %016llx  pstate: %08llx",
                 (unsigned long long)r->pc, (unsigned long long)r->x[30],
                 (unsigned long long)r->pstate);
    line(text);
    fmt_snprintf(text, sizeof text, "sp : %016llx  nr : %lld", (unsigned long long)r->sp,
                 (long long)r->nr);
    line(text);
    for (unsigned i = 0; i < 30; i += 3) {
        fmt_snprintf(text, sizeof text, "x%-2u: %016llx  x%-2u: %016llx  x%-2u: %016llx", i,
                     (unsigned long long)r->x[i], i + 1, (unsigned long long)r->x[i + 1], i + 2,
                     (unsigned long long)r->x[i + 2]);
        line(text);
    }
}
