// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: registers and the machine's share of the Linux ABI on the host.
 * Model: a signal frame is what sigreturn needs and no more: programs of tests are C functions, so
 * nobody looks inside.
 */
#include <hal/abi.h>
#include <hal/usercopy.h>
#include <hal/vdso.h>
#include <lib/fmt.h>
#include <lib/string.h>

#include "host.h"

void regs_init_user(struct hal_regs *r, vaddr_t ip, vaddr_t sp)
{
    *r = (struct hal_regs){ .ip = ip, .sp = sp, .nr = -1, .user = 1 };
}

void regs_dump(const struct hal_regs *r, void (*line)(const char *text))
{
    char text[160];

    fmt_snprintf(text, sizeof(text), "ip %#llx sp %#llx fp %#llx nr %lld ret %lld %s",
                 (unsigned long long)r->ip, (unsigned long long)r->sp, (unsigned long long)r->fp,
                 (long long)r->nr, (long long)r->ret, r->user ? "user" : "kernel");
    line(text);
}

uint64_t abi_hwcap(void)
{
    return 0;
}

uint64_t abi_hwcap2(void)
{
    return 0;
}

const void *abi_vdso(size_t *size, size_t *sigreturn)
{
    *size = 0;
    *sigreturn = 0;
    return NULL;
}

struct signal_frame {
    struct hal_regs regs;
    uint64_t mask;
    stack_t altstack;
};

size_t abi_signal_frame_size(void)
{
    return ALIGN_UP(sizeof(struct signal_frame), 16) + 16;
}

err_t abi_signal_setup(struct hal_regs *r, const struct abi_signal_frame *f)
{
    struct signal_frame frame = { .regs = *r, .mask = f->mask, .altstack = f->altstack };
    vaddr_t at = ALIGN_DOWN(f->stack - sizeof(frame), 16);

    if (copy_to_user(USER_PTR(void, at), &frame, sizeof(frame)) != 0)
        return -EFAULT;
    r->sp = at;
    r->ip = f->handler;
    r->arg[0] = (uint64_t)f->sig;
    return 0;
}

err_t abi_signal_return(struct hal_regs *r, uint64_t *mask, stack_t *altstack)
{
    struct signal_frame frame;

    if (copy_from_user(&frame, USER_PTR(void, r->sp), sizeof(frame)) != 0)
        return -EFAULT;
    *r = frame.regs;
    r->user = 1;
    *mask = frame.mask;
    *altstack = frame.altstack;
    return 0;
}

long abi_arch_prctl(int code, uint64_t addr)
{
    (void)code, (void)addr;
    return -EINVAL;
}

bool abi_hw_random(uint64_t *out)
{
    return os_random(out, sizeof(*out));
}

static struct vdso_data vdso_page __aligned(PAGE_SIZE);

void *vdso_data_page(void)
{
    return &vdso_page;
}

void vdso_update(const struct vdso_data *d)
{
    uint32_t seq = vdso_page.seq;

    vdso_page = *d;
    vdso_page.seq = seq + 2;
}
