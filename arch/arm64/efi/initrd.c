// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: the initramfs of an EFI application.
 *
 * Model: boot loaders install the LoadFile2 protocol on a device path of one vendor's media node, by
 * which the kernel fetches the file (GRUB from 2.12 on, systemd-boot, EDK2 for QEMU's -initrd).
 * Without it the files that `initrd=` names on the volume of the image, one behind the other.  GRUB
 * before that leaves it in memory and says where in a device tree: the kernel looks there itself.
 */
#include "stub.h"

#define PATH_MAX 256
#define FILES_MAX 16
#define INITRD_BYTES_MAX (2ull * GiB)

static const struct efi_guid load_file2_guid = {
    0x4006c0c1, 0xfcb3, 0x403e, { 0x99, 0x6d, 0x4a, 0x6c, 0x87, 0x24, 0xe0, 0x6d }
};
static const struct efi_guid volume_guid = {
    0x964e5b22, 0x6459, 0x11d2, { 0x8e, 0x39, 0x00, 0xa0, 0xc9, 0x69, 0x72, 0x3b }
};

struct media_path {
    struct efi_device_path vendor;
    struct efi_guid guid;
    struct efi_device_path end;
};

/* --- by protocol --- */

static efi_status protocol_load(struct stub *s)
{
    struct media_path media = {
        .vendor = { 4, 3, { sizeof media.vendor + sizeof media.guid, 0 } }, /* media, vendor */
        .guid = { 0x5568e427, 0x68fc, 0x4f3d, { 0xac, 0x74, 0xca, 0x55, 0x52, 0x31, 0xcc, 0x68 } },
        .end = { 0x7f, 0xff, { sizeof media.end, 0 } },
    };
    struct efi_device_path *path = &media.vendor;
    struct efi_load_file *file;
    efi_handle device;
    uint64_t size = 0, at;
    efi_status status = s->boot->locate_device_path(&load_file2_guid, &path, &device);
    void *found;

    if (status == EFI_SUCCESS)
        status = s->boot->handle_protocol(device, &load_file2_guid, &found);
    if (status != EFI_SUCCESS)
        return EFI_NOT_FOUND;
    file = found;
    status = file->load(file, path, 0, &size, NULL);
    if (status == EFI_SUCCESS || size == 0)
        return EFI_SUCCESS; /* an empty one */
    if (status != EFI_BUFFER_TOO_SMALL || size > INITRD_BYTES_MAX)
        return EFI_LOAD_ERROR;
    status = stub_pages(s, size, &at);
    if (status == EFI_SUCCESS)
        status = file->load(file, path, 0, &size, (void *)at);
    if (status != EFI_SUCCESS)
        return status;
    s->hand.initrd = at;
    s->hand.initrd_size = size;
    return EFI_SUCCESS;
}

/* --- by name --- */

struct files {
    struct efi_file *file[FILES_MAX];
    uint64_t size[FILES_MAX], total;
    unsigned count;
};

static efi_status file_add(const struct stub *s, struct files *f, struct efi_file *root,
                           const efi_char *path)
{
    struct efi_file *file;
    uint64_t size;
    efi_status status;

    if (f->count == FILES_MAX)
        return EFI_OUT_OF_RESOURCES;
    status = root->open(root, &file, path, EFI_FILE_READ, 0);
    if (status != EFI_SUCCESS) {
        stub_say(s, u"Devine: initrd= names a file that cannot be opened:");
        stub_say(s, path);
        return status;
    }
    f->file[f->count] = file;
    status = file->set_position(file, EFI_FILE_END);
    if (status == EFI_SUCCESS)
        status = file->get_position(file, &size);
    if (status == EFI_SUCCESS)
        status = file->set_position(file, 0);
    if (status == EFI_SUCCESS && size > INITRD_BYTES_MAX - f->total)
        status = EFI_OUT_OF_RESOURCES;
    f->size[f->count++] = status == EFI_SUCCESS ? size : 0;
    f->total += f->size[f->count - 1];
    return status;
}

static efi_status files_open(const struct stub *s, struct files *f, struct efi_file *root)
{
    efi_char path[PATH_MAX];
    efi_status status = EFI_SUCCESS;
    uint32_t at = 0;

    while (status == EFI_SUCCESS && options_path_next(s, "initrd", &at, path, PATH_MAX))
        status = file_add(s, f, root, path);
    return status;
}

/* Some volumes read less than is asked for. */
static efi_status file_read(struct efi_file *file, uint64_t at, uint64_t left)
{
    while (left > 0) {
        uint64_t n = left;
        efi_status status = file->read(file, &n, (void *)at);

        if (status != EFI_SUCCESS)
            return status;
        if (n == 0 || n > left)
            return EFI_LOAD_ERROR;
        at += n;
        left -= n;
    }
    return EFI_SUCCESS;
}

static efi_status files_read(struct stub *s, struct files *f)
{
    uint64_t start, at;
    efi_status status;

    if (f->total == 0)
        return EFI_SUCCESS;
    status = stub_pages(s, f->total, &start);
    at = start;
    for (unsigned i = 0; status == EFI_SUCCESS && i < f->count; at += f->size[i++])
        status = file_read(f->file[i], at, f->size[i]);
    if (status != EFI_SUCCESS)
        return status;
    s->hand.initrd = start;
    s->hand.initrd_size = f->total;
    return EFI_SUCCESS;
}

static efi_status files_load(struct stub *s)
{
    struct files f;
    struct efi_volume *volume;
    struct efi_file *root;
    efi_status status;
    void *found;

    f.count = 0;
    f.total = 0;
    if (s->boot->handle_protocol(s->loaded->device, &volume_guid, &found) != EFI_SUCCESS)
        return EFI_SUCCESS; /* it came over the wire, or out of a loader's memory */
    volume = found;
    status = volume->open(volume, &root);
    if (status != EFI_SUCCESS)
        return status;
    status = files_open(s, &f, root);
    if (status == EFI_SUCCESS)
        status = files_read(s, &f);
    while (f.count > 0) {
        f.count--;
        (void)f.file[f.count]->close(f.file[f.count]);
    }
    (void)root->close(root);
    return status;
}

efi_status initrd_load(struct stub *s)
{
    efi_status status = protocol_load(s);

    return status == EFI_NOT_FOUND ? files_load(s) : status;
}
