// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: fuzz the ELF decoder: the first bytes are a file header, the rest program headers.
 * Run: scripts/fuzz.sh elf SECONDS.
 */
#include <proc/elf.h>

#include <lib/string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct elf_plan plan;
    static Elf64_Phdr ph[ELF_PHDR_BYTES_MAX / sizeof(Elf64_Phdr)];
    Elf64_Ehdr h;

    if (size < sizeof h)
        return 0;
    memcpy(&h, data, sizeof h);
    if (elf_check_header(&h))
        return 0;
    data += sizeof h;
    size -= sizeof h;
    if (size < h.e_phnum * sizeof ph[0])
        return 0;
    memcpy(ph, data, h.e_phnum * sizeof ph[0]);
    if (elf_decode(&h, ph, &plan))
        return 0;
    for (unsigned i = 0; i < plan.count; i++)
        if (plan.segments[i].bytes == 0 || plan.segments[i].file_bytes > plan.segments[i].bytes)
            __builtin_trap();
    return 0;
}
