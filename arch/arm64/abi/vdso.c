// SPDX-License-Identifier: CC0-1.0
/* Purpose: the vDSO's image and data page inside the kernel image. */
#include <arch/vdso.h>
#include <hal/abi.h>
#include <hal/vdso.h>

extern const char vdso_image_start[], vdso_image_end[];

static union {
    struct vdso_data data;
    uint8_t page[PAGE_SIZE];
} vdso_page __aligned(PAGE_SIZE) __used_section(".vdso_data");

const void *abi_vdso(size_t *size, size_t *sigreturn)
{
    *size = (size_t)(vdso_image_end - vdso_image_start);
    *sigreturn = VDSO_SIGRETURN_OFFSET;
    return vdso_image_start;
}

void *vdso_data_page(void)
{
    return &vdso_page;
}

void vdso_update(const struct vdso_data *d)
{
    struct vdso_data *p = &vdso_page.data;
    uint32_t seq = p->seq;

    __atomic_store_n(&p->seq, seq + 1, __ATOMIC_RELAXED);
    __atomic_thread_fence(__ATOMIC_RELEASE);
    p->mode = d->mode;
    p->base_cycles = d->base_cycles;
    p->mult = d->mult;
    p->shift = d->shift;
    p->mono_ns = d->mono_ns;
    p->real_offset_ns = d->real_offset_ns;
    p->boot_offset_ns = d->boot_offset_ns;
    p->coarse_ns = d->coarse_ns;
    __atomic_store_n(&p->seq, seq + 2, __ATOMIC_RELEASE);
}
