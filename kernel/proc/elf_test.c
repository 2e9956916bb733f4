// SPDX-License-Identifier: CC0-1.0
/* Purpose: tests of the ELF decoder on sound and broken headers. */
#include <proc/elf.h>

#include <core/ktest.h>
#include <hal/abi.h>
#include <hal/mmu.h>
#include <lib/string.h>
#include <vm/space.h>

struct image {
    Elf64_Ehdr h;
    Elf64_Phdr ph[4];
    struct elf_plan plan;
};

static void image_init(struct image *i)
{
    memset(i, 0, sizeof *i);
    memcpy(i->h.e_ident, ELFMAG, SELFMAG);
    i->h.e_ident[EI_CLASS] = ELFCLASS64;
    i->h.e_ident[EI_DATA] = ELFDATA2LSB;
    i->h.e_type = ET_EXEC;
    i->h.e_machine = ABI_ELF_MACHINE;
    i->h.e_phoff = sizeof i->h;
    i->h.e_phentsize = sizeof i->ph[0];
    i->h.e_phnum = 2;
    i->h.e_entry = 0x401000;
    i->ph[0] = (Elf64_Phdr){ .p_type = PT_LOAD, .p_flags = PF_R | PF_X, .p_vaddr = 0x400000,
                             .p_filesz = 0x1800, .p_memsz = 0x1800, .p_align = 0x1000 };
    i->ph[1] = (Elf64_Phdr){ .p_type = PT_LOAD, .p_flags = PF_R | PF_W, .p_vaddr = 0x402800,
                             .p_offset = 0x1800, .p_filesz = 0x100, .p_memsz = 0x3000,
                             .p_align = 0x1000 };
}

static err_t decode(struct image *i)
{
    err_t err = elf_check_header(&i->h);

    return err ? err : elf_decode(&i->h, i->ph, &i->plan);
}

KTEST(elf, sound_program)
{
    struct image i;

    image_init(&i);
    KTEST_REQUIRE(decode(&i) == 0);
    KTEST_EQ(i.plan.count, 2);
    KTEST_EQ(i.plan.low, 0x400000);
    KTEST_EQ(i.plan.high, 0x406000);
    KTEST_EQ(i.plan.phdr, 0x400040);
    KTEST_EQ(i.plan.segments[0].prot, VM_READ | VM_EXEC);
    KTEST_EQ(i.plan.segments[1].prot, VM_READ | VM_WRITE);
    KTEST_TRUE(!i.plan.exec_stack && !i.plan.position_independent);
}

KTEST(elf, header_of_another_kind)
{
    struct image i;

    image_init(&i);
    i.h.e_ident[0] = 0;
    KTEST_EQ(decode(&i), -ENOEXEC);
    image_init(&i);
    i.h.e_ident[EI_CLASS] = ELFCLASS32;
    KTEST_EQ(decode(&i), -ENOEXEC);
    image_init(&i);
    i.h.e_ident[EI_DATA] = ELFDATA2MSB;
    KTEST_EQ(decode(&i), -ENOEXEC);
    image_init(&i);
    i.h.e_machine = EM_386;
    KTEST_EQ(decode(&i), -ENOEXEC);
    image_init(&i);
    i.h.e_type = ET_CORE;
    KTEST_EQ(decode(&i), -ENOEXEC);
    image_init(&i);
    i.h.e_phentsize = 32;
    KTEST_EQ(decode(&i), -ENOEXEC);
    image_init(&i);
    i.h.e_phnum = 0;
    KTEST_EQ(decode(&i), -ENOEXEC);
    image_init(&i);
    i.h.e_phnum = 0xffff;
    KTEST_EQ(decode(&i), -ENOEXEC);
    image_init(&i);
    i.h.e_phoff = UINT64_MAX;
    KTEST_EQ(decode(&i), -ENOEXEC);
}

KTEST(elf, segments_out_of_bounds)
{
    struct image i;

    image_init(&i);
    i.ph[1].p_filesz = i.ph[1].p_memsz + 1;
    KTEST_EQ(decode(&i), -EINVAL);
    image_init(&i);
    i.ph[1].p_memsz = UINT64_MAX;
    KTEST_EQ(decode(&i), -ENOMEM);
    image_init(&i);
    i.ph[1].p_vaddr = USER_TOP - 0x800;
    KTEST_EQ(decode(&i), -ENOMEM);
    image_init(&i);
    i.ph[1].p_vaddr = UINT64_MAX - 0x7ff;
    KTEST_EQ(decode(&i), -ENOMEM);
    image_init(&i);
    i.ph[1].p_offset = UINT64_MAX - 0x7ff;
    KTEST_EQ(decode(&i), -EINVAL);
    image_init(&i);
    i.ph[1].p_offset += 1; /* not the same place in its page */
    KTEST_EQ(decode(&i), -EINVAL);
    image_init(&i);
    i.ph[1].p_vaddr = 0x401000; /* inside the first */
    i.ph[1].p_offset = 0x1000;
    KTEST_EQ(decode(&i), -EINVAL);
    image_init(&i);
    i.ph[0].p_type = i.ph[1].p_type = PT_NOTE;
    KTEST_EQ(decode(&i), -ENOEXEC);
    image_init(&i);
    i.ph[0].p_vaddr = 0;
    KTEST_EQ(decode(&i), -EPERM);
}

KTEST(elf, interpreter_and_stack)
{
    struct image i;

    image_init(&i);
    i.h.e_type = ET_DYN;
    i.h.e_phnum = 4;
    i.ph[2] = (Elf64_Phdr){ .p_type = PT_INTERP, .p_offset = 0x200, .p_filesz = 28 };
    i.ph[3] = (Elf64_Phdr){ .p_type = PT_GNU_STACK, .p_flags = PF_R | PF_W | PF_X };
    KTEST_REQUIRE(decode(&i) == 0);
    KTEST_TRUE(i.plan.position_independent && i.plan.exec_stack);
    KTEST_EQ(i.plan.interp_offset, 0x200);
    KTEST_EQ(i.plan.interp_bytes, 28);
    i.ph[2].p_filesz = 1;
    KTEST_EQ(decode(&i), -ENOEXEC);
    i.ph[2].p_filesz = 1 << 20;
    KTEST_EQ(decode(&i), -ENOEXEC);
}

/* What elf_map() relies on. */
static bool plan_sound(const struct elf_plan *p)
{
    vaddr_t end = 0;

    if (p->count == 0 || p->count > ELF_SEGMENTS_MAX || !IS_POW2(p->align))
        return false;
    for (unsigned i = 0; i < p->count; i++) {
        const struct elf_segment *s = &p->segments[i];

        if (s->start < end || s->bytes == 0 || s->bytes > USER_TOP - s->start ||
            s->file_bytes > s->bytes || s->offset > INT64_MAX)
            return false;
        if (s->file_bytes && (s->start - s->offset) % PAGE_SIZE != 0)
            return false;
        end = s->start + s->bytes;
    }
    return p->low <= p->segments[0].start && p->high >= end && p->interp_bytes <= PAGE_SIZE;
}

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

KTEST(elf, mutated_headers_never_give_a_bad_plan)
{
    static const uint64_t nasty[] = { 0, 1, 0xfff, 0x1000, 0x7fffffffffffffff, 0x8000000000000000,
                                      UINT64_MAX, UINT64_MAX - 0xfff, USER_TOP, USER_TOP - 1 };
    uint64_t state = 88172645463325252ull;
    unsigned sound = 0;
    struct image i;

    for (unsigned n = 0; n < 4000; n++) {
        uint64_t *words = (uint64_t *)&i;

        image_init(&i);
        i.h.e_phnum = 1 + next_random(&state) % 4;
        for (unsigned m = next_random(&state) % 4; m > 0; m--) {
            uint64_t r = next_random(&state);
            size_t at = r % (offsetof(struct image, plan) / sizeof *words);

            words[at] = r & 0x10000 ? nasty[(r >> 20) % ARRAY_SIZE(nasty)]
                                    : words[at] ^ 1ull << (r >> 20 & 63);
        }
        i.h.e_phnum = MIN(i.h.e_phnum, ARRAY_SIZE(i.ph));
        if (decode(&i) == 0) {
            sound++;
            KTEST_REQUIRE(plan_sound(&i.plan));
        }
    }
    KTEST_TRUE(sound > 100);
}
