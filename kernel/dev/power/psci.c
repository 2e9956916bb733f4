// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: power off and restart by the firmware (ARM DEN 0022: PSCI 0.2 and later).
 *
 * Model: calls go where the device tree says, to the hypervisor (HVC) or the secure monitor (SMC).
 * Locking: none; `call` is constant after start.
 */
#define LOG_TAG "psci"
#include <core/log.h>
#include <dev/device_tree.h>
#include <lib/string.h>
#include <svc/power.h>
#include <svc/subsystem.h>

#define PSCI_VERSION 0x84000000u
#define PSCI_SYSTEM_OFF 0x84000008u
#define PSCI_SYSTEM_RESET 0x84000009u

static int64_t (*call)(uint64_t function);

/* SMC Calling Convention (ARM DEN 0028): x0-x17 may change. */
#define PSCI_CALL(name, instruction)                                                               \
    static int64_t name(uint64_t function)                                                         \
    {                                                                                              \
        register uint64_t x0 __asm__("x0") = function;                                             \
        register uint64_t x1 __asm__("x1") = 0;                                                    \
        register uint64_t x2 __asm__("x2") = 0;                                                    \
        register uint64_t x3 __asm__("x3") = 0;                                                    \
                                                                                                   \
        __asm__ volatile(instruction " #0"                                                         \
                         : "+r"(x0), "+r"(x1), "+r"(x2), "+r"(x3)                                  \
                         :                                                                         \
                         : "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11", "x12", "x13", "x14",  \
                           "x15", "x16", "x17", "memory");                                         \
        return (int32_t)x0;                                                                        \
    }
PSCI_CALL(call_hvc, "hvc")
PSCI_CALL(call_smc, "smc")

static void system_off(void)
{
    call(PSCI_SYSTEM_OFF);
}

static void system_reset(void)
{
    call(PSCI_SYSTEM_RESET);
}

static const struct power_service service = { .off = system_off, .reboot = system_reset };

static err_t psci_start(struct subsystem *self)
{
    const struct device_tree_service *tree;
    struct device_node node;
    const char *method;
    int64_t version;
    size_t size;

    if (service_find_device_tree(self, &tree) != 0 ||
        (tree->find("arm,psci-1.0", 0, &node) != 0 && tree->find("arm,psci-0.2", 0, &node) != 0))
        return -ENODEV;
    method = tree->property(&node, "method", &size);
    if (method != NULL && size == 4 && memcmp(method, "hvc", 4) == 0)
        call = call_hvc;
    else if (method != NULL && size == 4 && memcmp(method, "smc", 4) == 0)
        call = call_smc;
    else
        return -EINVAL;
    version = call(PSCI_VERSION);
    log_info("version %u.%u by %s", (unsigned)(version >> 16) & 0x7fff, (unsigned)version & 0xffff,
             method);
    return service_publish_power("psci", &service, 100, PRIV_DRIVER);
}

static const char *const needs[] = { "device_tree", NULL };
static struct subsystem psci_subsystem = {
    .name = "psci", .privilege = PRIV_DRIVER, .needs = needs, .early_init = psci_start
};
REGISTER_SUBSYSTEM(psci_subsystem);
