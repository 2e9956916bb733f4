// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: the vDSO's image and its data page, as the kernel sees them.
 * Locking: vdso_update: the clock code's.
 */
#include <hal/vdso.h>

#include <hal/abi.h>
#include <lib/atomic.h>

extern const char vdso_image[], vdso_image_end[];

/* A page of its own: programs can read all of it. */
static union {
    struct vdso_data data;
    uint8_t page[PAGE_SIZE];
} vdso_page __aligned(PAGE_SIZE);

const void *abi_vdso(size_t *size, size_t *sigreturn)
{
    *size = (size_t)(vdso_image_end - vdso_image);
    *sigreturn = 0; /* programs bring their own restorer */
    return vdso_image;
}

void *vdso_data_page(void)
{
    return &vdso_page;
}

void vdso_update(const struct vdso_data *d)
{
    struct vdso_data *v = &vdso_page.data;
    uint32_t seq = v->seq + 1;

    atomic_store_relaxed(&v->seq, seq);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    v->mode = d->mode;
    v->base_cycles = d->base_cycles;
    v->mult = d->mult;
    v->shift = d->shift;
    v->mono_ns = d->mono_ns;
    v->real_offset_ns = d->real_offset_ns;
    v->boot_offset_ns = d->boot_offset_ns;
    v->coarse_ns = d->coarse_ns;
    atomic_store(&v->seq, seq + 1);
}
