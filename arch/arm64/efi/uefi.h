// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: the part of the UEFI 2.10 interface that the stub calls.
 * Model: tables of functions by the specification's order; a slot that is not called is but a pointer.
 * The calling convention is that of the architecture's C (UEFI 2.3.6).
 */
#pragma once

#include <hal/efi.h>

typedef uint64_t efi_status;
typedef void *efi_handle;
typedef uint16_t efi_char;

#define EFI_SUCCESS 0
#define EFI_ERROR(n) (BIT(63) | (n))
#define EFI_LOAD_ERROR EFI_ERROR(1)
#define EFI_INVALID_PARAMETER EFI_ERROR(2)
#define EFI_BUFFER_TOO_SMALL EFI_ERROR(5)
#define EFI_OUT_OF_RESOURCES EFI_ERROR(9)
#define EFI_NOT_FOUND EFI_ERROR(14)

struct efi_guid {
    uint32_t a;
    uint16_t b, c;
    uint8_t d[8];
};

struct efi_table_header {
    uint64_t signature;
    uint32_t revision, size, crc, reserved;
};

enum { EFI_ALLOCATE_ANY_PAGES };
#define EFI_LOADER_DATA 2 /* type of memory */

struct efi_device_path {
    uint8_t type, subtype, length[2];
};

struct efi_boot_services {
    struct efi_table_header header;
    void *raise_tpl, *restore_tpl;
    efi_status (*allocate_pages)(uint32_t how, uint32_t type, uint64_t pages, uint64_t *address);
    efi_status (*free_pages)(uint64_t address, uint64_t pages);
    efi_status (*get_memory_map)(uint64_t *size, void *map, uint64_t *key, uint64_t *descriptor_size,
                                 uint32_t *version);
    efi_status (*allocate_pool)(uint32_t type, uint64_t size, void **buffer);
    efi_status (*free_pool)(void *buffer);
    void *create_event, *set_timer, *wait_for_event, *signal_event, *close_event, *check_event;
    void *install_protocol, *reinstall_protocol, *uninstall_protocol;
    efi_status (*handle_protocol)(efi_handle handle, const struct efi_guid *protocol, void **out);
    void *reserved, *register_protocol_notify, *locate_handle;
    efi_status (*locate_device_path)(const struct efi_guid *protocol, struct efi_device_path **path,
                                     efi_handle *device);
    void *install_configuration_table, *load_image, *start_image, *exit, *unload_image;
    efi_status (*exit_boot_services)(efi_handle image, uint64_t key);
    void *get_next_monotonic_count, *stall, *set_watchdog_timer;
    void *connect_controller, *disconnect_controller;
    void *open_protocol, *close_protocol, *open_protocol_information;
    void *protocols_per_handle, *locate_handle_buffer;
    efi_status (*locate_protocol)(const struct efi_guid *protocol, void *registration, void **out);
};

struct efi_runtime_services {
    struct efi_table_header header;
    efi_status (*get_time)(struct efi_time *time, void *capabilities);
};

struct efi_text_output {
    void *reset;
    efi_status (*output_string)(struct efi_text_output *self, const efi_char *text);
};

struct efi_configuration {
    struct efi_guid guid;
    void *table;
};

struct efi_system_table {
    struct efi_table_header header;
    const efi_char *vendor;
    uint32_t vendor_revision;
    efi_handle input_handle;
    void *input;
    efi_handle output_handle;
    struct efi_text_output *output;
    efi_handle error_handle;
    struct efi_text_output *error;
    const struct efi_runtime_services *runtime;
    const struct efi_boot_services *boot;
    uint64_t configuration_count;
    const struct efi_configuration *configuration;
};

struct efi_loaded_image {
    uint32_t revision;
    efi_handle parent;
    const struct efi_system_table *system;
    efi_handle device;
    struct efi_device_path *path;
    void *reserved;
    uint32_t options_size;
    const efi_char *options;
    void *base;
    uint64_t size;
    uint32_t code_type, data_type;
    void *unload;
};

struct efi_graphics_info {
    uint32_t version, width, height, format;
    uint32_t red, green, blue, other;
    uint32_t pixels_per_line;
};

struct efi_graphics_mode {
    uint32_t max_mode, mode;
    const struct efi_graphics_info *info;
    uint64_t info_size, addr, size;
};

struct efi_graphics {
    void *query_mode, *set_mode, *blt;
    const struct efi_graphics_mode *mode;
};

struct efi_random {
    void *get_info;
    efi_status (*get)(struct efi_random *self, const struct efi_guid *algorithm, uint64_t size,
                      uint8_t *out);
};

struct efi_load_file {
    efi_status (*load)(struct efi_load_file *self, struct efi_device_path *path, uint8_t boot_policy,
                       uint64_t *size, void *buffer);
};

#define EFI_FILE_READ 1ull
#define EFI_FILE_END UINT64_MAX /* as a position */

struct efi_file {
    uint64_t revision;
    efi_status (*open)(struct efi_file *self, struct efi_file **out, const efi_char *name,
                       uint64_t mode, uint64_t attributes);
    efi_status (*close)(struct efi_file *self);
    void *remove;
    efi_status (*read)(struct efi_file *self, uint64_t *size, void *buffer);
    void *write;
    efi_status (*get_position)(struct efi_file *self, uint64_t *position);
    efi_status (*set_position)(struct efi_file *self, uint64_t position);
};

struct efi_volume {
    uint64_t revision;
    efi_status (*open)(struct efi_volume *self, struct efi_file **root);
};
