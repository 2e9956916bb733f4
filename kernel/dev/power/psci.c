// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: what the firmware does on request (ARM DEN 0022: PSCI): power off, restart, start a CPU.
 *
 * Model: calls go where the machine's description says, to the hypervisor (HVC) or the secure monitor
 * (SMC).  From version 0.2 on function numbers are fixed; version 0.1 has CPU_ON alone, by a number
 * that the device tree gives.
 * Locking: none; `call` and `cpu_on` are constant after start.
 */
#define LOG_TAG "psci"
#include <arch/start.h>
#include <core/hardware.h>
#include <core/log.h>
#include <dev/device_tree.h>
#include <dev/services.h>
#include <hal/cpu.h>
#include <svc/power.h>
#include <svc/subsystem.h>

#define PSCI_VERSION 0x84000000u
#define PSCI_SYSTEM_OFF 0x84000008u
#define PSCI_SYSTEM_RESET 0x84000009u
#define PSCI_FEATURES 0x8400000au
#define PSCI_CPU_ON 0xc4000003u

enum {
    PSCI_NOT_SUPPORTED = -1,
    PSCI_INVALID_PARAMETERS = -2,
    PSCI_DENIED = -3,
    PSCI_ALREADY_ON = -4,
    PSCI_ON_PENDING = -5,
    PSCI_INTERNAL_FAILURE = -6,
    PSCI_NOT_PRESENT = -7,
    PSCI_DISABLED = -8,
    PSCI_INVALID_ADDRESS = -9,
};

typedef int64_t (*psci_call_fn)(uint64_t function, uint64_t a, uint64_t b, uint64_t c);
static psci_call_fn call;
static uint32_t cpu_on; /* function number */

/* SMC Calling Convention (ARM DEN 0028): x0-x17 may change. */
#define PSCI_CALL(name, instruction)                                                               \
    static int64_t name(uint64_t function, uint64_t a, uint64_t b, uint64_t c)                     \
    {                                                                                              \
        register uint64_t x0 __asm__("x0") = function;                                             \
        register uint64_t x1 __asm__("x1") = a;                                                    \
        register uint64_t x2 __asm__("x2") = b;                                                    \
        register uint64_t x3 __asm__("x3") = c;                                                    \
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

/* --- power ------------------------------------------------------------------------------------- */

static void system_off(void)
{
    call(PSCI_SYSTEM_OFF, 0, 0, 0);
}

static void system_reset(void)
{
    call(PSCI_SYSTEM_RESET, 0, 0, 0);
}

static const struct power_service power = { .off = system_off, .reboot = system_reset };

/* --- CPUs -------------------------------------------------------------------------------------- */

static const struct answer {
    int64_t code;
    const char *name;
    err_t err;
} answers[] = {
    { PSCI_NOT_SUPPORTED, "not supported", -EIO },
    { PSCI_INVALID_PARAMETERS, "invalid parameters", -EINVAL },
    { PSCI_DENIED, "denied", -EIO },
    { PSCI_ALREADY_ON, "already on", -EALREADY },
    { PSCI_ON_PENDING, "on pending", -EALREADY },
    { PSCI_INTERNAL_FAILURE, "internal failure", -EIO },
    { PSCI_NOT_PRESENT, "not present", -ENODEV },
    { PSCI_DISABLED, "disabled", -ENODEV },
    { PSCI_INVALID_ADDRESS, "invalid address", -EINVAL },
};

static err_t answer_error(uint64_t hw_id, int64_t code)
{
    for (unsigned i = 0; i < ARRAY_SIZE(answers); i++)
        if (answers[i].code == code) {
            log_info("CPU %#llx: CPU_ON says %s", (unsigned long long)hw_id, answers[i].name);
            return answers[i].err;
        }
    log_info("CPU %#llx: CPU_ON says %lld", (unsigned long long)hw_id, (long long)code);
    return -EIO;
}

static err_t start(const struct hw_cpu *hw, paddr_t entry, uint64_t arg)
{
    int64_t code = call(cpu_on, hw->hw_id, entry, arg);

    if (code == 0)
        return 0;
    if (code != PSCI_ALREADY_ON)
        return answer_error(hw->hw_id, code);
    /* The loader may have let it into the kernel, where it waits for us. */
    cpu_pen_call(hw->hw_id, arg);
    return 0;
}

static const struct cpu_starter starter = {
    .name = "psci", .handles = HW_START_PSCI, .start = start
};

/* --- start ------------------------------------------------------------------------------------- */

/* A device tree of 0.1 names nothing later; ACPI knows only what came after it. */
static bool version_is_0_1(struct subsystem *self)
{
    const struct device_tree_service *tree;
    struct device_node node;

    return hardware()->source == HW_FROM_FDT && service_find_device_tree(self, &tree) == 0 &&
           tree->find("arm,psci-1.0", 0, &node) != 0 && tree->find("arm,psci-0.2", 0, &node) != 0;
}

static err_t starter_publish(void)
{
    return service_publish_cpu_starter("psci", &starter, 100, PRIV_DRIVER);
}

/* 0.2 and later.  Return: 0; -EIO when the firmware knows nothing of it. */
static err_t versioned_start(const char *method)
{
    int64_t version = call(PSCI_VERSION, 0, 0, 0);
    unsigned major = (unsigned)(version >> 16) & 0x7fff, minor = (unsigned)version & 0xffff;
    err_t err;

    if (version < 0 || (major == 0 && minor < 2)) {
        log_err("the firmware says version %lld by %s", (long long)version, method);
        return -EIO;
    }
    log_info("version %u.%u by %s", major, minor, method);
    err = service_publish_power("psci", &power, 100, PRIV_DRIVER);
    if (err != 0)
        return err;
    if (major >= 1 && call(PSCI_FEATURES, PSCI_CPU_ON, 0, 0) < 0) {
        log_warn("the firmware starts no CPUs");
        return 0;
    }
    cpu_on = PSCI_CPU_ON;
    return starter_publish();
}

static err_t psci_start(struct subsystem *self)
{
    const struct hw_power *hw = &hardware()->power;
    const char *method = hw->psci_hvc ? "hvc" : "smc";

    if (!hw->psci)
        return -ENODEV;
    if (hw->psci_hvc && booted_at_el2) {
        log_err("calls should go to a hypervisor, but there is none: left alone");
        return -EINVAL;
    }
    call = hw->psci_hvc ? call_hvc : call_smc;
    if (!version_is_0_1(self))
        return versioned_start(method);
    log_info("version 0.1 by %s: no power off", method);
    cpu_on = hw->psci_cpu_on;
    return cpu_on != 0 ? starter_publish() : 0;
}

static err_t psci_stop(struct subsystem *self)
{
    (void)self;
    service_withdraw_power("psci");
    service_withdraw_cpu_starter("psci");
    return 0;
}

static const char *const needs[] = { "?device_tree", NULL };
static struct subsystem psci_subsystem = {
    .name = "psci", .privilege = PRIV_DRIVER, .needs = needs, .early_init = psci_start,
    .stop = psci_stop
};
REGISTER_SUBSYSTEM(psci_subsystem);
