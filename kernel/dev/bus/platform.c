// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: the platform bus; see <dev/bus/platform.h>.
 * Locking: the device model's; `root` is constant from start to stop.
 */
#define LOG_TAG "platform"
#include <dev/bus/platform.h>

#include <core/log.h>
#include <lib/fmt.h>
#include <lib/string.h>
#include <mm/heap.h>

static struct device *root; /* constant after start */

static void platform_release(struct device *d)
{
    kfree(platform_of(d));
}

static ssize_t platform_modalias(const struct device *d, char *out, size_t size)
{
    return fmt_scnprintf(out, size, "of:N%sC%s", strchr(d->name, '.') ? strchr(d->name, '.') + 1 : "",
                         platform_of(d)->compatible);
}

struct bus platform_bus = { .name = "platform", .release = platform_release,
                            .modalias = platform_modalias };

static void resources_read(struct platform_device *p)
{
    for (unsigned i = 0; i < p->node.reg_count; i++)
        device_resource_add(&p->device, &(struct device_resource){
            .kind = RESOURCE_MEMORY, .index = i, .start = p->node.reg[i].start,
            .size = p->node.reg[i].size });
    for (unsigned i = 0; i < p->node.irq_count; i++)
        device_resource_add(&p->device, &(struct device_resource){
            .kind = RESOURCE_IRQ, .index = i, .start = p->node.irq[i], .size = 1,
            .flags = p->node.irq_edge >> i & 1 ? RESOURCE_EDGE : 0 });
}

/* "a003e00.virtio_mmio": the address, then the node's name up to its '@'; without registers the name. */
static void device_name(struct platform_device *p)
{
    const char *name = p->node.name, *at = strchr(name, '@');
    int length = at ? (int)(at - name) : (int)strlen(name);

    if (p->node.reg_count)
        device_init(&p->device, &platform_bus, root, "%llx.%.*s",
                    (unsigned long long)p->node.reg[0].start, length, name);
    else
        device_init(&p->device, &platform_bus, root, "%.*s", length, name);
}

err_t platform_add(const struct device_node *node, const char *compatible, bool coherent)
{
    struct platform_device *p = root ? kzalloc(sizeof *p) : NULL;
    err_t err;

    if (!p)
        return root ? -ENOMEM : -ENODEV;
    p->node = *node;
    p->compatible = compatible;
    device_name(p);
    p->device.dma_coherent = coherent;
    resources_read(p);
    err = device_add(&p->device);
    device_put(&p->device);
    return err == -EEXIST ? 0 : err;
}

err_t platform_scan(const struct subsystem *who, const char *compatible,
                    bool (*wanted)(const struct device_node *node))
{
    const struct device_tree_service *tree;
    struct device_node node;
    err_t err = 0, found;
    size_t size;

    if (service_find_device_tree(who, &tree) != 0 || !root)
        return 0;
    for (unsigned n = 0; err == 0 && (found = tree->find(compatible, n, &node)) != -ENOENT; n++) {
        if (found == 0 && (!wanted || wanted(&node)))
            err = platform_add(&node, compatible,
                               tree->property(&node, "dma-coherent", &size) != NULL);
        else if (found != 0)
            log_warn("node %u of %s makes no sense: it is left out", n, compatible);
    }
    return err;
}

static err_t platform_start(struct subsystem *self)
{
    err_t err = bus_add(&platform_bus);

    (void)self;
    if (err)
        return err;
    root = kzalloc(sizeof *root);
    if (!root)
        return -ENOMEM;
    device_init(root, NULL, NULL, "platform");
    return device_add(root);
}

static err_t platform_stop(struct subsystem *self __maybe_unused)
{
    if (!list_empty(&platform_bus.devices) || !list_empty(&platform_bus.drivers))
        return -EBUSY;
    (void)device_remove(root);
    device_put(root);
    root = NULL;
    bus_remove(&platform_bus);
    return 0;
}

static const char *const needs[] = { "devices", NULL };
static struct subsystem platform_subsystem = { .name = "platform", .privilege = PRIV_DRIVER,
                                               .needs = needs, .late_init = platform_start,
                                               .stop = platform_stop };
REGISTER_SUBSYSTEM(platform_subsystem);
