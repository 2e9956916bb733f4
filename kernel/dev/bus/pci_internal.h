// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: what the parts of PCI share: hosts, buses, windows.
 *
 * Model: a host bridge is a root of /sys/devices and has the first bus; each bridge that works has one
 * below it.  A bus reaches the rest of the machine through windows, pieces of address space: the
 * host's, or those that its bridge is programmed with.  BARs and the windows of bridges further down
 * claim pieces of a window, in the order of their addresses.
 *
 *     scan    finds functions, sizes their BARs, numbers buses           pci_scan.c
 *     place   claims what firmware has placed, places the rest           pci_place.c
 *     add     hands fresh functions to the device model                  pci.c
 *
 * Locking: pci_mutex for all of it.
 */
#pragma once

#include <dev/bus/pci.h>
#include <dev/services.h>
#include <hal/hardware.h>

#define PCI_DEPTH_MAX 16 /* of bridges behind bridges: they are walked recursively */
#define PCI_FUNCTIONS_MAX 4096
#define PCI_COMPLAINTS_MAX 32 /* of one scan */
#define PCI_WINDOWS_MAX (HW_PCI_WINDOWS_MAX + 2)

/* Configuration space, by PCI 3.0 chapter 6 and PCIe 5.0 chapter 7. */
#define PCI_VENDOR 0x00
#define PCI_COMMAND 0x04
#define PCI_STATUS 0x06
#define PCI_REVISION 0x08
#define PCI_HEADER 0x0e
#define PCI_BAR(n) (0x10 + 4 * (n))
#define PCI_SUBSYSTEM 0x2c
#define PCI_ROM_ADDRESS 0x30
#define PCI_CAPABILITIES 0x34
#define PCI_LINE 0x3c
#define PCI_PIN 0x3d
#define PCI_BRIDGE_BUSES 0x18
#define PCI_BRIDGE_IO 0x1c
#define PCI_BRIDGE_MEMORY 0x20
#define PCI_BRIDGE_PREFETCH 0x24
#define PCI_BRIDGE_PREFETCH_BASE_HIGH 0x28
#define PCI_BRIDGE_PREFETCH_LIMIT_HIGH 0x2c
#define PCI_BRIDGE_IO_HIGH 0x30
#define PCI_BRIDGE_ROM 0x38
#define PCI_CARDBUS_CAPABILITIES 0x14
#define PCI_EXTENDED 0x100

#define COMMAND_IO 0x001u
#define COMMAND_MEMORY 0x002u
#define COMMAND_MASTER 0x004u
#define COMMAND_NO_INTX 0x400u
#define STATUS_CAPABILITIES 0x10u
#define HEADER_MULTIFUNCTION 0x80u
#define BAR_IO 1u
#define BAR_WIDE 4u
#define BAR_PREFETCH 8u
#define ROM_ENABLE 1u

#define CAPABILITY_MSI 0x05
#define CAPABILITY_EXPRESS 0x10
#define CAPABILITY_MSIX 0x11

/* What a window or a claim is for.  PREFETCH: memory of BARs of 64 bits without side effects. */
enum pci_space { PCI_IO, PCI_MEMORY, PCI_PREFETCH, PCI_SPACES };

struct pci_window {
    enum pci_space space;
    uint64_t start, size; /* on the bus */
    uint64_t place_start, place_end; /* where there may be placed something new */
    uint64_t to_cpu; /* what is added to an address on the bus, modulo 2^64 */
    struct list claims;
};

struct pci_bus {
    struct pci_host *host; /* constant, as what follows */
    struct pci_device *bridge; /* NULL: the host's; outlives its bus */
    unsigned depth;
    uint8_t number;
    uint8_t last; /* highest number below it */
    bool has[PCI_SPACES]; /* which windows the bridge can have */
    bool wide; /* its prefetchable one may lie above 4 GiB */
    struct pci_window windows[PCI_WINDOWS_MAX];
    unsigned window_count;
    struct pci_claim upstream[PCI_SPACES]; /* of its windows, in the bus above */
    struct list devices;
};

struct pci_ops {
    /* size and alignment as pci_read(); a bus of the host.  Any context. */
    uint32_t (*read)(const struct pci_host *host, unsigned bus, unsigned devfn, unsigned offset,
                     unsigned size);
    void (*write)(const struct pci_host *host, unsigned bus, unsigned devfn, unsigned offset,
                  unsigned size, uint32_t value);
};
/* Configuration through ports: what pci_ports.c publishes. */
SERVICE_TYPE(pci_ports, struct pci_ops);

struct pci_host {
    struct device device; /* first; "pci0000:00" */
    const struct pci_ops *ops; /* constant, as what follows */
    void *data; /* of ops: ECAM's registers, a test's machine */
    const struct hw_pci_host *hw; /* NULL: known by ports alone */
    uint16_t segment;
    uint8_t bus_first, bus_last;
    uint16_t config_size; /* 256, 4096 */
    unsigned functions, complaints; /* pci_mutex */
    struct pci_bus root;
    /* Whose address space it shares: a second root of the same machine.  It comes before that one in
     * the list of hosts, so that what firmware has placed below it is known when something is placed. */
    struct pci_host *main; /* NULL: it is the one */
    struct pci_host *next; /* pci_mutex */
};

/* A line about something that cannot be used; a handful of them for each scan. */
__printf(2, 3) void pci_complain(struct pci_host *host, const char *format, ...);

/* Only when it changes something: a machine may have much to do for it. */
static inline void pci_change(const struct pci_device *p, unsigned offset, unsigned size, uint32_t value)
{
    if (pci_read(p, offset, size) != value)
        pci_write(p, offset, size, value);
}

/* --- pci_host.c --- */

/* Fills in a zeroed record; buses below `hw` or 0-255.  Its windows are those of `hw`, or all there is. */
void pci_host_init(struct pci_host *host, const struct pci_ops *ops, void *data,
                   const struct hw_pci_host *hw);
/* Hosts of the machine, a peer in front of its main one.  Return: the first, or NULL. */
struct pci_host *pci_hosts_find(const struct subsystem *who);

/* --- pci_scan.c --- */

/* Finds what is on all buses of the host and not known yet: fresh devices. */
void pci_scan(struct pci_host *host);
/* Functions in depth-first order, parents first; fn returns false to stop. */
bool pci_walk(struct pci_bus *bus, bool (*fn)(struct pci_device *p, void *arg), void *arg);
void pci_forget(struct pci_device *p); /* takes it off its bus and gives back its claims */

/* --- pci_place.c --- */

void pci_window_init(struct pci_window *w, enum pci_space space, uint64_t start, uint64_t size,
                     uint64_t to_cpu);
/* Claims [start, start + size) of the first window that has it free.  Return: whether there is one. */
bool pci_claim(struct pci_bus *bus, enum pci_space space, struct pci_claim *c, uint64_t start,
               uint64_t size);
void pci_unclaim(struct pci_claim *c);
/* Keeps what lies in a peer's windows free in those of its main host. */
void pci_reserve(const struct pci_host *peer);
/* Gives fresh devices and bridges their places. */
void pci_place(struct pci_host *host);
static inline enum pci_space pci_bar_space(const struct pci_bar *b)
{
    if (b->flags & BAR_IO)
        return PCI_IO;
    return (b->flags & (BAR_WIDE | BAR_PREFETCH)) == (BAR_WIDE | BAR_PREFETCH) ? PCI_PREFETCH
                                                                               : PCI_MEMORY;
}
/* CPU address of a placed claim. */
uint64_t pci_cpu_address(const struct pci_bus *bus, enum pci_space space, const struct pci_claim *c);

/* --- pci.c, pci_view.c, pci_irq.c --- */

void pci_lock(void);
void pci_unlock(void);
err_t pci_rescan(void);
extern const struct device_attribute pci_attributes[];
extern const unsigned pci_attribute_count;
ssize_t pci_modalias(const struct device *d, char *out, size_t size);
ssize_t pci_uevent(const struct device *d, char *out, size_t size);
/* The interrupt that the function's INTx pin comes as; 0: not known. */
unsigned pci_intx(const struct pci_device *p);
void pci_irq_start(const struct subsystem *who);
