// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: memory and registers that drivers share with devices.
 * Model: DMA memory is frames of the direct map; see <dev/bus/device.h> on coherence.
 * Locking: none of its own.
 */
#include <dev/bus/device.h>

#include <lib/checked.h>
#include <lib/string.h>
#include <mm/frame.h>
#include <mm/vmap.h>

static size_t frames_of(size_t bytes)
{
    return (bytes + PAGE_SIZE - 1) / PAGE_SIZE;
}

static bool reaches(const struct device *d, paddr_t pa, size_t bytes)
{
    return pa <= d->dma_limit && bytes - 1 <= d->dma_limit - pa;
}

err_t dma_alloc(const struct device *d, size_t bytes, size_t align, struct dma_buffer *out)
{
    paddr_t pa;

    *out = (struct dma_buffer){ 0 };
    if (bytes == 0 || bytes > SIZE_MAX / 2)
        return -EINVAL;
    if (!d->dma_coherent)
        return -EOPNOTSUPP;
    pa = frame_alloc_contiguous_node(frame_near_node(d->node), frames_of(bytes),
                                     MAX(align, (size_t)PAGE_SIZE), 0);
    if (pa == PADDR_NONE)
        return -ENOMEM;
    if (!reaches(d, pa, bytes)) {
        frame_free_contiguous(pa, frames_of(bytes));
        return -ENOMEM;
    }
    *out = (struct dma_buffer){ phys_to_virt(pa), pa, bytes };
    memset(out->va, 0, frames_of(bytes) * PAGE_SIZE);
    return 0;
}

void dma_free(struct dma_buffer *buffer)
{
    if (buffer->va)
        frame_free_contiguous(buffer->pa, frames_of(buffer->size));
    *buffer = (struct dma_buffer){ 0 };
}

err_t dma_address(const struct device *d, const void *va, size_t bytes, paddr_t *out)
{
    if (!d->dma_coherent)
        return -EOPNOTSUPP;
    *out = virt_to_phys(va);
    return bytes == 0 || reaches(d, *out, bytes) ? 0 : -EFAULT;
}

void *device_map(const struct device_resource *r, uint64_t offset, size_t bytes)
{
    if (!r || r->kind != RESOURCE_MEMORY || offset >= r->size)
        return NULL;
    if (bytes == 0)
        bytes = (size_t)(r->size - offset);
    if (!range_fits(offset, bytes, r->size))
        return NULL;
    return vmap_device(r->start + offset, bytes, MMU_READ | MMU_WRITE | MMU_DEVICE);
}

void device_unmap(void *registers, size_t bytes)
{
    vmap_unmap_device(registers, bytes);
}
