// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: the vDSO in a space: its data page right below its first page, both from the kernel
 * image, read-only.
 * Locking: s->lock for writing.
 */
#include <hal/abi.h>
#include <hal/vdso.h>
#include <linux/mman.h>
#include <vm/internal.h>

/* A region over frames of the kernel image that starts at `image`. */
static err_t map_image(struct space *s, vaddr_t addr, const void *image, size_t bytes,
                       unsigned rights, const char *name)
{
    struct region want = {
        .start = addr,
        .end = addr + bytes,
        .flags = rights | VM_MAY_READ | (rights & VM_EXEC ? VM_MAY_EXEC : 0) | VM_SPECIAL |
                 VM_DONTDUMP,
        .space = s,
        .name = name,
    };
    unsigned prot;
    err_t err = mmu_translate(&kernel_space, (vaddr_t)image, &want.special, &prot);

    if (err)
        return err;
    return map_commit(s, &want) != NULL ? 0 : -ENOMEM;
}

err_t space_map_vdso(struct space *s)
{
    size_t bytes, sigreturn;
    const void *image = abi_vdso(&bytes, &sigreturn);
    vaddr_t addr;
    err_t err;

    s->vdso = 0;
    if (image == NULL || bytes == 0)
        return 0;
    bytes = ALIGN_UP(bytes, PAGE_SIZE);
    rwlock_write(&s->lock);
    err = map_place(s, 0, bytes + PAGE_SIZE, 0, 0, &addr);
    if (err == 0)
        err = map_image(s, addr, vdso_data_page(), PAGE_SIZE, VM_READ, "[vvar]");
    if (err == 0) {
        err = map_image(s, addr + PAGE_SIZE, image, bytes, VM_READ | VM_EXEC, "[vdso]");
        if (err)
            (void)unmap_locked(s, addr, addr + PAGE_SIZE);
    }
    if (err == 0)
        s->vdso = addr + PAGE_SIZE;
    rwlock_write_done(&s->lock);
    return err;
}
