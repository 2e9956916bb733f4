// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: reading ELF programs: headers in, a checked plan out, a plan into an address space.
 *
 * Model: elf_decode() looks at bytes alone and believes nothing: it either gives a plan whose numbers
 * are all in bounds, or an error, and has changed nothing.  elf_map() commits a plan.
 * Source: System V gABI chapters 4 and 5; Linux's binfmt_elf for what is forgiven.
 */
#pragma once

#include <lib/types.h>

#include <linux/elf.h>

struct file;
struct space;

#define ELF_PHDR_BYTES_MAX (64 * KiB)
#define ELF_SEGMENTS_MAX 64

struct elf_segment { /* one PT_LOAD; addresses without the load bias */
    vaddr_t start; /* first byte */
    uint64_t file_bytes, bytes; /* file_bytes <= bytes */
    uint64_t offset; /* of `start` in the file; the same place in its page as start */
    unsigned prot; /* VM_READ | VM_WRITE | VM_EXEC */
};

struct elf_plan {
    bool position_independent; /* ET_DYN */
    bool exec_stack;
    vaddr_t entry;
    vaddr_t low, high; /* page-aligned range of all segments */
    vaddr_t phdr; /* of the program headers in memory, 0: not mapped */
    unsigned phnum;
    uint64_t align; /* the largest of the segments, a power of two */
    uint64_t interp_offset, interp_bytes; /* of the name in the file; 0 bytes: none */
    unsigned count;
    struct elf_segment segments[ELF_SEGMENTS_MAX];
};

/* Checks the file header. 0; -ENOEXEC. */
err_t __must_check elf_check_header(const Elf64_Ehdr *h);
/* Makes the plan of a checked header and its `h->e_phnum` program headers. 0; -ENOEXEC, -EINVAL,
 * -ENOMEM (outside the user's addresses). */
err_t __must_check elf_decode(const Elf64_Ehdr *h, const Elf64_Phdr *ph, struct elf_plan *plan);
/* Reads and decodes; `head` holds the first `n` bytes. 0; the above, -EIO. */
err_t __must_check elf_read(struct file *f, const void *head, size_t n, struct elf_plan *plan);
/* Maps all segments at `bias`, over whatever is there. 0, -ENOMEM, -EINVAL, -ENODEV. */
err_t __must_check elf_map(struct space *s, struct file *f, const struct elf_plan *plan,
                           vaddr_t bias);
/* Zeroes the ends of pages that hold both file and bss bytes; the space is active. 0, -EFAULT. */
err_t __must_check elf_clear_bss(const struct elf_plan *plan, vaddr_t bias);
