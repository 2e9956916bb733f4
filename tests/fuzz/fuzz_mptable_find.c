// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: fuzz the search for the MultiProcessor Specification's pointer, and what it leads to.
 * Model: the machine has up to 1 MiB of memory that is mapped; what lies behind is poisoned.  The input says how much,
 * then pieces: where (a place of the search, an offset), how many bytes, and those.  The first byte of a piece
 * also says whether it is a pointer or a table whose checksum is to be made right, as no fuzzer guesses that.
 * Run: scripts/fuzz.sh mptable_find SECONDS.
 */
#include <boot/mptable.h>

#include <hal/mmu.h>
#include <lib/string.h>

#include "machine.h"

#define LOW_BYTES MiB
#define TAIL_BYTES (64 * KiB) /* poisoned */

void *mmap(void *at, size_t n, int prot, int flags, int fd, long offset);
void __asan_poison_memory_region(void const volatile *at, size_t n);
void __asan_unpoison_memory_region(void const volatile *at, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { AS_IT_IS, POINTER, TABLE };

static const uint8_t *input;
static size_t left;

static unsigned take(unsigned bytes)
{
    unsigned v = 0;

    for (unsigned i = 0; i < bytes && left > 0; i++, left--)
        v |= (unsigned)*input++ << 8 * i;
    return v;
}

static void sum_set(uint8_t *p, size_t n, size_t where)
{
    uint8_t sum = 0;

    if (where >= n)
        return;
    for (size_t i = 0; i < n; i++)
        sum = (uint8_t)(sum + p[i]);
    p[where] = (uint8_t)(p[where] - sum);
}

static void piece_take(uint8_t *memory, size_t mapped)
{
    static const uint32_t places[] = { 0, 0x400, 0x9fc00, 0x7fc00, 0xf0000, 0xfff0, 0x80000, 0xe0000 };
    unsigned what = take(1), n;
    size_t at = places[what % 8] + take(2);

    n = take(1);
    n = (unsigned)MIN((size_t)n, left);
    if (at < mapped) {
        n = (unsigned)MIN((size_t)n, mapped - at);
        memcpy(memory + at, input, n);
        if ((what >> 3) % 3 == POINTER && n >= 16) {
            memcpy(memory + at, "_MP_", 4);
            memory[at + 8] = 1;
            sum_set(memory + at, 16, 10);
        } else if ((what >> 3) % 3 == TABLE && n >= 8) {
            memcpy(memory + at, "PCMP", 4);
            sum_set(memory + at, MIN((size_t)(memory[at + 4] | memory[at + 5] << 8), mapped - at), 7);
        }
    }
    input += n;
    left -= n;
}

static uint8_t *memory_make(size_t mapped)
{
    static uint8_t *memory; /* where physical address 0 is */

    if (!memory) {
        memory = mmap(phys_to_virt(0), LOW_BYTES + TAIL_BYTES, 3, 0x100032, -1, 0); /* private, anonymous, fixed */
        expect(memory == phys_to_virt(0));
    }
    __asan_unpoison_memory_region(memory, LOW_BYTES + TAIL_BYTES);
    memset(memory, 0, LOW_BYTES);
    __asan_poison_memory_region(memory + mapped, LOW_BYTES + TAIL_BYTES - mapped);
    return memory;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct hardware_info info;
    static struct hw_draft draft;
    size_t mapped;
    uint8_t *memory;

    input = data;
    left = size;
    mapped = take(1);
    mapped = mapped == 0 ? LOW_BYTES : mapped * 4 * KiB + take(1) * 8;
    memory = memory_make(mapped);
    while (left > 0)
        piece_take(memory, mapped);
    hw_draft_init(&draft, &info, 0);
    if (mptable_find(&(struct loader_handoff){ .early_end = mapped }, &draft) != 0)
        expect(info.cpu_count == 0 && info.source == HW_FROM_PROBE);
    machine_check(&draft);
    return 0;
}
